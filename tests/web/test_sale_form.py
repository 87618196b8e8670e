"""The sale's form, from the empty page to the receipt, and pressed more than once."""

import re
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests import factories
from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    LEGACY_13,
    OPERATOR,
    STS6_11,
    STS6_13,
    SUPERVISOR,
    TODAY,
    WATER,
    step,
)
from tests.shop import in_threads
from tests.web.office import BOTH, contents, fields, main_part, said
from vmsapp.models import Meter, OfficeUser, Sale, SpentTid, Token


@BOTH
@pytest.mark.parametrize(("typed", "units", "charged"), [
    ({"mode": "quantity", "value": "50"}, "50", 500),
    ({"mode": "amount", "value": "12.34"}, "123.4", 1234),
])  # fmt: skip
def test_what_was_typed_is_sold_and_its_receipt_shown(
    operator, utility, shop, keystore, backend, typed, units, charged
):
    sold = operator.buy(utility, **typed)
    (sale,) = shop.rows(Sale)
    assert (sold.status_code, sold.location) == (302, f"/counter/sale/{sale.id}")
    assert (sale.state, sale.units, sale.charged_minor) == ("issued", Decimal(units), charged)
    receipt = operator.get(sold.location)
    assert receipt.status_code == 200
    shown = "".join(re.findall(r"<span>(\d{4})</span>", receipt.text))
    assert shown == shop.digits(sale)
    assert shop.decode(sale, keystore).amount_field == int(Decimal(units) * 10)


@pytest.mark.parametrize("meter", [LEGACY_11, LEGACY_13, STS6_11, STS6_13])
def test_a_meter_of_each_kind_is_found_by_its_number_and_sold_to(operator, utility, shop, meter):
    drn = shop.meter(meter).drn
    spaced = " ".join(re.findall("..?", drn))
    found = operator.get("/counter/", query_string={"q": spaced})
    assert found.location == f"/counter/meter/{utility.meters[meter]}"
    assert operator.buy(utility, meter).status_code == 302
    assert [sale.meter_pan for sale in shop.rows(Sale)] == [shop.meter(meter).meter_pan]


def test_the_receipt_shows_the_calculation_that_was_shown_before(operator, utility):
    meter_id = utility.meters[DOMESTIC]
    opened = operator.get(f"/counter/meter/{meter_id}", follow_redirects=True).text
    key = fields(opened, "/sell")["key"]
    typed = {"mode": "amount", "value": "12.01", "key": key}
    quoted = operator.get(f"/counter/meter/{meter_id}", query_string=typed).text
    receipt = operator.get(operator.sell(meter_id, fields(quoted, "/sell")).location).text
    # worked table: fee 2.00, 100 units at 0.10, 0.01 change of 12.01
    for page in (quoted, receipt):
        cells = re.findall(r"<th[^>]*>([^<]+)</th><td>([^<]+)</td>", page)
        figures = dict(cells)
        assert figures["Fixed fee, March 2026"] == "2.00"
        assert figures["100.0 kWh at 0.10"] == "10.00"
        assert figures["Received"] == "12.01 USD"
        assert figures["Change"] == "0.01 USD"


@pytest.mark.parametrize(("kind", "unit"), [("water", "m³"), ("gas", "m³"), ("time", "min")])
def test_other_kinds_of_meters_are_sold_in_their_own_unit(operator, utility, shop, kind, unit):
    meter_id = utility.meters[WATER]

    def priced(session):
        tariff = factories.add_tariff(session, kind, step("0", None, "0.10"), meter_type=kind)
        mine = update(Meter).where(Meter.id == meter_id)
        session.execute(mine.values(tariff_id=tariff.id, meter_type=kind))

    shop.change(priced)
    opened = operator.get(f"/counter/meter/{meter_id}", follow_redirects=True).text
    typed = {"mode": "quantity", "value": "50", "key": fields(opened, "/sell")["key"]}
    quoted = operator.get(f"/counter/meter/{meter_id}", query_string=typed)
    receipt = operator.get(operator.sell(meter_id, fields(quoted.text, "/sell")).location)
    for page in (quoted, receipt):
        shown = main_part(page.text)
        assert f"50.0 {unit} at 0.10" in shown
        assert "kWh" not in shown


def test_the_price_is_given_as_a_part_of_the_page_while_the_amount_is_typed(
    operator, utility, engine
):
    path = f"/counter/meter/{utility.meters[LEGACY_11]}/quote"
    before = contents(engine)
    part = operator.get(path, query_string={"mode": "quantity", "value": "50"})
    assert part.status_code == 200
    assert "<html" not in part.text
    assert "5.00 USD" in part.text
    refused = operator.get(path, query_string={"mode": "quantity", "value": "0"})
    assert refused.status_code == 422
    assert "cannot be bought" in said(refused.text)
    assert contents(engine) == before


def test_a_form_without_a_key_is_led_to_an_address_that_has_one(operator, utility):
    path = f"/counter/meter/{utility.meters[LEGACY_11]}"
    first, second = (operator.get(path) for _ in range(2))
    assert first.status_code == second.status_code == 302
    assert re.fullmatch(rf"{path}\?key=1-[0-9a-f]{{32}}", first.location)
    assert first.location != second.location
    kept = [fields(operator.get(first.location).text, "/sell")["key"] for _ in range(2)]
    assert kept == [first.location.partition("=")[2]] * 2  # reload and back keep it


def test_the_only_vending_point_in_reach_is_named_before_it_sells(operator, utility, shop, browse):
    purchase = f"/counter/meter/{utility.meters[LEGACY_11]}"
    for path in ("/counter/", purchase):
        assert "Sells at: Harbour Street" in operator.get(path, follow_redirects=True).text
    several = browse(SUPERVISOR).get(purchase, follow_redirects=True).text
    assert "Sells at" not in several
    assert 'name="vending_point" required' in several

    def send_away(session):
        session.get_one(OfficeUser, utility.users[OPERATOR].id).vending_point_id = None

    shop.change(send_away)
    roaming = browse(OPERATOR)
    for path in ("/counter/", purchase):
        assert "Sells at: Harbour Street" in roaming.get(path, follow_redirects=True).text


def test_the_same_form_sent_twice_sells_once_and_shows_the_same_sale(operator, utility, shop):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    answers = [operator.sell(meter_id, form) for _ in range(3)]
    (sale,) = shop.rows(Sale)
    assert {answer.location for answer in answers} == {f"/counter/sale/{sale.id}"}
    assert shop.count(Token) == shop.count(SpentTid) == 1


def test_the_same_key_for_another_amount_is_refused_with_a_link_to_its_sale(
    operator, utility, shop, engine
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    sold = operator.sell(meter_id, form)
    other = operator.purchase(meter_id, mode="quantity", value="60") | {"key": form["key"]}
    before = contents(engine)
    refused = operator.sell(meter_id, other)
    assert refused.status_code == 409
    assert "already used" in said(refused.text)
    assert f'href="{sold.location}"' in refused.text
    assert contents(engine) == before


@BOTH
def test_the_same_form_from_two_windows_at_once_sells_once(browse, utility, shop, backend):
    meter_id = utility.meters[LEGACY_11]
    windows = [browse("operator"), browse("operator")]
    form = windows[0].purchase(meter_id, mode="quantity", value="50")
    answers = in_threads(
        *(
            lambda window=window: window.sell(meter_id, form | {"csrf_token": window.token})
            for window in windows
        )
    )
    (sale,) = shop.rows(Sale)
    assert [answer.location for answer in answers] == [f"/counter/sale/{sale.id}"] * 2
    assert shop.count(Token) == 1


@BOTH
def test_two_forms_for_the_same_purchase_at_once_sell_once_and_ask(browse, utility, shop, backend):
    meter_id = utility.meters[LEGACY_11]
    windows = [browse("operator"), browse("operator")]
    forms = [window.purchase(meter_id, mode="quantity", value="50") for window in windows]
    answers = in_threads(
        *(
            lambda window=window, form=form: window.sell(meter_id, form)
            for window, form in zip(windows, forms, strict=True)
        )
    )
    (sale,) = shop.rows(Sale)
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    (asked,) = [answer for answer in answers if answer.status_code == 409]
    assert f'href="/counter/sale/{sale.id}"' in asked.text


def test_a_sale_just_like_the_last_asks_and_is_made_after_a_yes(operator, utility, shop):
    first = operator.buy(utility)
    asked = operator.buy(utility)
    assert asked.status_code == 409
    assert "sold the same" in said(asked.text, "note note-warn")
    assert f'href="{first.location}"' in asked.text
    assert (
        '<input class="form-check-input" type="checkbox" name="repeat" value="yes" required>'
        in asked.text
    )
    assert shop.count(Sale) == 1
    form = fields(asked.text, "/sell")
    assert "repeat" not in form  # nobody said yes yet
    meter_id = utility.meters[LEGACY_11]
    assert operator.sell(meter_id, form).status_code == 409
    again = operator.sell(meter_id, form | {"repeat": "yes"})
    assert again.status_code == 302
    assert again.location != first.location
    assert shop.count(Token) == 2


def test_a_price_that_changed_is_shown_anew_and_the_next_press_sells_at_it(
    operator, utility, shop, engine
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")

    def dearer(session):
        tariff_id = session.get_one(Meter, meter_id).tariff_id
        factories.add_plan(
            session, tariff_id, step("0", None, "0.12"), name="Dearer", effective_on=TODAY
        )

    shop.change(dearer)
    before = contents(engine)
    changed = operator.sell(meter_id, form)
    assert changed.status_code == 409
    assert "price has changed" in said(changed.text, "note note-warn")
    assert "6.00 USD" in changed.text
    assert contents(engine) == before
    updated = fields(changed.text, "/sell")
    assert updated["quote"] != form["quote"]
    assert (updated["key"], updated["value"]) == (form["key"], "50")
    assert operator.sell(meter_id, updated).status_code == 302
    assert [sale.charged_minor for sale in shop.rows(Sale)] == [600]


@pytest.mark.parametrize("quote", ["", "{}", "[]", "null", "7", "{", '"x"', "[" * 100_000])
def test_a_form_whose_figures_cannot_be_read_shows_the_price_and_sells_nothing(
    operator, utility, shop, quote
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    answer = operator.sell(meter_id, form | {"quote": quote})
    assert answer.status_code == 409
    told = "price has changed" if quote else "Check the price"
    assert told in said(answer.text, "note note-warn")
    assert shop.count(Sale) == 0
    assert operator.sell(meter_id, fields(answer.text, "/sell")).status_code == 302


def test_the_meter_card_tells_whose_meter_it_is_and_how_it_stands(operator, utility):
    operator.buy(utility, DOMESTIC, value="60")
    page = main_part(
        operator.get(f"/counter/meter/{utility.meters[DOMESTIC]}", follow_redirects=True).text
    )
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>(?:<bdi[^>]*>)?([^<]+)</", page))
    assert facts["Consumer number"] == "C0005"
    assert facts["Tariff"] == "Domestic"
    assert facts["Bought this month"] == "60.0 kWh"
    assert facts["State"] == "Active"
    assert "Consumer 5" in page
