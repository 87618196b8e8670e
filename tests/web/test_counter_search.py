"""The box at the counter finds by every number, the card warns, and money is counted right."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.factories import (
    DOMESTIC,
    EXPIRED_KEY,
    LEGACY_11,
    LEGACY_13,
    MARKET,
    NO_CONSUMER,
    NOT_INSTALLED,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.web.office import ENGINEER, main_part, said, statements
from vmsapp.models import (
    AuditEvent,
    Consumer,
    Meter,
    MeterInstallation,
    Sale,
    ServicePoint,
    Setup,
    VendingKey,
)

CARD = "ID24007919"


def opened(utility, meter) -> str:
    return f"/counter/meter/{utility.meters[meter]}"


def arabic(digits: str) -> str:
    return digits.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))


@pytest.fixture
def with_card(shop, utility):
    """Give the consumer of a meter an identity card."""
    meter = shop.meter(DOMESTIC)

    def give(session):
        at = (
            session.query(ServicePoint.consumer_id)
            .join(MeterInstallation, MeterInstallation.service_point_id == ServicePoint.id)
            .filter(MeterInstallation.meter_id == meter.id)
            .scalar()
        )
        session.execute(update(Consumer).where(Consumer.id == at).values(id_number=CARD))

    shop.change(give)
    return opened(utility, DOMESTIC)


@pytest.mark.parametrize("meter", [LEGACY_11, LEGACY_13])
def test_a_meter_pan_of_eighteen_digits_opens_its_meter(operator, shop, utility, meter):
    pan = shop.meter(meter).meter_pan
    spaced = f" {pan[:6]} {pan[6:12]}-{pan[12:]} "
    for typed in (pan, spaced, arabic(pan)):
        found = operator.get("/counter/", query_string={"q": typed})
        assert found.location == opened(utility, meter), typed


@pytest.mark.parametrize("kind", ["drn", "meter_pan"])
def test_a_wrong_check_digit_is_said_in_the_box_with_what_was_typed(operator, shop, kind):
    number = getattr(shop.meter(LEGACY_11), kind)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    page = operator.get("/counter/", query_string={"q": wrong})
    assert f"{wrong} is no meter number: its check digit is wrong." in said(page.text)
    assert f'value="{wrong}"' in page.text


def test_a_number_as_long_as_a_meters_with_right_digits_is_just_not_here(operator, shop):
    page = operator.get("/counter/", query_string={"q": "60072799999"})  # 11 digits, Luhn holds not
    other = operator.get("/counter/", query_string={"q": shop.meter(SOUTHERN).drn})
    assert "check digit is wrong" in main_part(page.text)
    assert "No meter or consumer here matches" in main_part(other.text)


def test_who_may_see_cards_finds_by_their_number_or_its_beginning_and_it_is_on_record(
    browse, shop, with_card
):
    supervisor = browse(SUPERVISOR)
    for typed in (CARD, CARD[:6], CARD[:8]):
        answer = supervisor.post("/counter/find", {"q": typed})
        assert answer.location == with_card, typed
    noted = shop.rows(AuditEvent, AuditEvent.action == "consumer.id_number_searched")
    assert len(noted) == 3
    assert CARD not in str([event.details for event in noted])


def test_nobody_else_does_and_no_address_finds_one(browse, shop, with_card):
    for who, ask in (
        (OPERATOR, lambda user: user.post("/counter/find", {"q": CARD})),
        (OPERATOR, lambda user: user.get("/counter/", query_string={"q": CARD})),
        (SUPERVISOR, lambda user: user.get("/counter/", query_string={"q": CARD})),
    ):
        page = ask(browse(who))
        assert page.status_code == 200
        assert "No meter or consumer here matches" in main_part(page.text)
    assert shop.rows(AuditEvent, AuditEvent.action == "consumer.id_number_searched") == []


def test_the_box_sends_what_might_be_a_cards_number_and_others_stay_in_the_address(browse):
    boxes = {
        who: re.search(r'<form[^>]*role="search"[^>]*aria-label="Find a meter or consumer"',
                       browse(who).get("/counter/").text)[0]
        for who in (OPERATOR, SUPERVISOR)
    }  # fmt: skip
    assert 'method="post" action="/counter/find"' in boxes[SUPERVISOR]
    assert 'method="get"' in boxes[OPERATOR]


def test_several_hits_are_listed_with_their_number_told(operator):
    page = main_part(operator.get("/counter/", query_string={"q": "Consumer"}).text)
    listed = page.count("Sell<span")
    assert listed > 1
    assert re.search(r"Sell<span[^>]*> \d+, Consumer \d", page)  # whose it is
    assert f"{listed} meters match. Choose one with the arrow keys" in page


@pytest.mark.parametrize("typed", ["Consumer", "C0005", "0700", "ID24007", "77777777777"])
def test_a_search_takes_few_statements(browse, engine, typed, with_card):
    supervisor = browse(SUPERVISOR)
    supervisor.get("/counter/")
    with statements(engine) as told:
        supervisor.get("/counter/", query_string={"q": typed})
    assert len(told) <= 8, told


def test_the_card_warns_of_a_key_that_ended_and_of_one_that_ends_soon(operator, shop, utility):
    page = operator.get(opened(utility, EXPIRED_KEY), follow_redirects=True).text
    assert "The vending key of this meter ended on" in page
    usual = operator.get(opened(utility, LEGACY_11), follow_redirects=True).text
    assert "The vending key" not in main_part(usual)
    until = shop.clock.now + timedelta(days=29)
    shop.change(lambda session: _keys_end(session, until))
    soon = operator.get(opened(utility, LEGACY_11), follow_redirects=True).text
    assert "The vending key of this meter ends on" in main_part(soon)


def _keys_end(session, until):
    session.execute(update(VendingKey).values(issue_until=until))


def test_the_card_tells_what_fees_are_due(operator, utility):
    page = main_part(operator.get(opened(utility, DOMESTIC), follow_redirects=True).text)
    assert re.search(r"Fees due</dt><dd>[\d.]+ USD", page)


def test_a_meter_without_a_consumer_shows_the_way_to_bind_one(browse, utility):
    for meter, way in ((NOT_INSTALLED, "/meters/{}/bind"), (NO_CONSUMER, "/meters/show/{}")):
        page = browse(SUPERVISOR).get(opened(utility, meter), follow_redirects=True).text
        assert "This meter is not bound to a consumer yet." in said(page)
        assert f'href="{way.format(utility.meters[meter])}"' in page


def test_who_sells_nothing_is_led_to_the_meters_page(browse, shop, utility):
    page = browse(ENGINEER).get(f"/counter/?q={shop.meter(LEGACY_11).drn}").text
    assert f'href="/meters/show/{utility.meters[LEGACY_11]}"' in main_part(page)
    assert "/counter/meter/" not in main_part(page)


@pytest.mark.parametrize("mode", ["quantity", "amount"])
@pytest.mark.parametrize("field", ["value", "received"])
def test_a_scanned_number_is_never_an_amount_and_leads_to_its_meter(
    operator, shop, utility, mode, field
):
    for number in (shop.meter(LEGACY_13).drn, shop.meter(LEGACY_13).meter_pan):
        typed = {"mode": mode, "value": "5"} | {field: number}
        answer = operator.get(f"{opened(utility, LEGACY_11)}/quote", query_string=typed)
        assert answer.status_code == 422
        assert f"{number} is a meter number, not an amount." in said(answer.text)
        assert f'href="/counter/?q={number}"' in answer.text
        assert f'data-beside="{field}"' in answer.text


def test_what_was_received_gives_its_change_and_stays_with_the_sale(operator, shop, utility):
    meter_id = utility.meters[LEGACY_11]
    quoted = operator.get(
        f"/counter/meter/{meter_id}/quote?mode=quantity&value=50&received=20"
    ).text
    assert re.search(r"Received</th><td>20.00 USD", quoted)
    assert re.search(r"Change</th><td>15.00 USD", quoted)
    form = operator.purchase(meter_id, mode="quantity", value="50", received="20")
    answer = operator.sell(meter_id, form)
    assert answer.status_code == 302
    (sale,) = shop.rows(Sale)
    assert (sale.charged_minor, sale.received_minor, sale.change_minor) == (500, 2000, 1500)
    page = operator.get(answer.location).text
    assert re.search(r"Change</dt><dd><bdi>15.00 USD</bdi>", page)


def test_too_little_received_says_what_is_missing_beside_its_field_and_keeps_the_price(
    operator, utility
):
    meter_id = utility.meters[LEGACY_11]
    answer = operator.get(f"/counter/meter/{meter_id}/quote?mode=quantity&value=50&received=4")
    assert answer.status_code == 422
    assert "4.00 USD was received, but 5.00 USD is to pay: 1.00 USD is missing." in said(
        answer.text
    )
    assert re.search(r"To pay</th><td>5.00 USD", answer.text)
    assert 'data-beside="received"' in answer.text
    form = operator.purchase(meter_id, mode="quantity", value="50")
    refused = operator.sell(meter_id, form | {"received": "4"})
    assert refused.status_code == 422
    assert "1.00 USD is missing." in said(refused.text)
    assert re.search(r"To pay</th><td>5.00 USD", refused.text)
    assert re.search(r'id="received"[^>]* autofocus', refused.text)
    assert not re.search(r'id="value"[^>]* autofocus', refused.text)


def test_a_meter_that_rates_itself_is_sold_to_by_amount_alone_and_its_slip_says_money(
    operator, shop, utility
):
    meter_id = utility.meters[LEGACY_11]
    in_money = update(Meter).where(Meter.id == meter_id).values(credit_mode="currency")
    shop.change(lambda session: session.execute(in_money))
    page = operator.get(opened(utility, LEGACY_11), follow_redirects=True).text
    assert '<input type="hidden" name="mode" value="amount">' in page
    assert 'value="quantity"' not in main_part(page)
    by_quantity = operator.get(f"/counter/meter/{meter_id}/quote?mode=quantity&value=50")
    assert "is credited with money, not with units. Sell to it by amount." in said(by_quantity.text)
    form = operator.purchase(meter_id, mode="amount", value="12.5")
    shown = operator.get(operator.sell(meter_id, form).location).text
    assert re.search(r'slip-units">12.50 USD<', shown)
    assert "kWh" not in main_part(shown)
    (sale,) = shop.rows(Sale)
    why = operator.get(f"/counter/sale/{sale.id}/why").text
    assert "Of 12.50 USD, 12.50 USD goes on the token." in why
    listed = operator.get("/sales/list/").text
    assert "12.50 USD" in listed


def test_quick_amounts_of_the_setup_stand_at_the_counter_as_they_are_typed(browse, shop, utility):
    amounts = update(Setup).values(quick_amounts="5 20.5 0.001")
    shop.change(lambda session: session.execute(amounts))
    for language, written in (("en", "20.5"), ("fr", "20,5")):
        page = (
            browse(OPERATOR, language).get(opened(utility, LEGACY_11), follow_redirects=True).text
        )
        assert re.findall(r'data-quick="([^"]+)"', page) == ["5", written]


def test_a_quick_amount_and_its_currency_are_of_one_order_in_arabic(browse, shop, utility):
    """By UAX 9 an amount and a code turn round among Arabic words unless one piece holds both."""
    amounts = update(Setup).values(quick_amounts="100")
    shop.change(lambda session: session.execute(amounts))
    page = browse(OPERATOR, "ar").get(opened(utility, LEGACY_11), follow_redirects=True).text
    assert '<bdi dir="ltr">100 USD</bdi>' in page


def test_the_number_of_a_receipt_as_it_is_printed_opens_its_sale(browse, shop):
    shop.sell()
    sale = shop.sell(LEGACY_13)
    printed = f"{sale.vending_point_id}-{sale.receipt_series}-000002"
    opened_sale = f"/counter/sale/{sale.id}"
    for typed in (printed, f" {printed.replace('-', ' - ')} ", arabic(printed)):
        found = browse(OPERATOR).get("/counter/", query_string={"q": typed})
        assert found.location == opened_sale, typed
    assert browse(SUPERVISOR).post("/counter/find", {"q": printed}).location == opened_sale
    assert shop.rows(AuditEvent, AuditEvent.action == "consumer.id_number_searched") == []


def test_a_receipt_of_another_vending_point_and_one_that_never_was_are_not_found(browse, shop):
    sale = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    theirs = f"{sale.vending_point_id}-{sale.receipt_series}-000001"
    for typed in (theirs, "999999999-1-000001", "1-1-999999999", "1-1-9999999999"):
        page = browse(OPERATOR).get("/counter/", query_string={"q": typed})
        assert page.status_code == 200, typed
        assert "No meter or consumer here matches" in main_part(page.text)


def test_who_opens_no_receipts_finds_none_by_number(browse, shop):
    sale = shop.sell()
    page = browse(ENGINEER).get("/counter/", query_string={"q": sale.receipt})
    assert page.status_code == 200
    assert "/counter/sale/" not in main_part(page.text)


def test_digits_of_a_receipt_open_no_meter_whose_number_holds_them(operator, shop, utility):
    drn = shop.meter(LEGACY_13).drn
    part = f"{drn[1:2]}-{drn[2:4]}-{drn[4:11]}"
    page = operator.get("/counter/", query_string={"q": part})
    assert page.status_code == 200
    whole = f"{drn[:2]}-{drn[2:5]}-{drn[5:]}"
    found = operator.get("/counter/", query_string={"q": whole})
    assert found.location == opened(utility, LEGACY_13)
