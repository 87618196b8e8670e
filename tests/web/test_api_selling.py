"""A sale through the API: one key, one token, and in the books as any other."""

from collections import Counter as Counted
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests.factories import (
    DOMESTIC,
    FEE_MINOR,
    HARBOUR,
    LEGACY_11,
    OPERATOR,
    STS6_11,
)
from tests.faults import answer_lost, down, request_lost
from tests.shop import in_threads
from tests.till import Till
from tests.web.channels import KEY, ROOT, Channel, account, bearer_for, wanted
from tests.web.office import ADMIN, BOTH
from vmsapp.models import (
    AuditEvent,
    BearerScope,
    LedgerEntry,
    Meter,
    Sale,
    Token,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.proof.running import prove

OTHER_KEY = "1-fedcba9876543210"


@pytest.fixture
def kiosk(shop, office):
    return account(shop)


@pytest.fixture
def channel(shop, office, kiosk):
    return Channel(office, bearer_for(shop, kiosk).text)


@pytest.fixture
def number(shop):
    return shop.meter(LEGACY_11).drn


def credit(answer) -> str:
    """The digits of the credit token, which is entered last."""
    told = answer.json["tokens"][-1]
    assert told["kind"] == "credit"
    return told["digits"]


def send(channel, body, key=KEY):
    return channel.post("/sales", body, headers={"Idempotency-Key": key})


@BOTH
def test_a_sale_gives_a_token_that_the_meter_takes(channel, shop, kiosk, keystore, number):
    answer = channel.sell(number)
    assert answer.status_code == 201, answer.text
    [sale] = shop.rows(Sale)
    assert answer.headers["Location"] == f"{ROOT}/sales/{sale.id}"
    assert credit(answer) == shop.digits(sale)
    assert shop.decode(sale, keystore).amount == Decimal("50.0")
    assert (sale.operator_id, sale.vending_point_id) == (kiosk, shop.utility.points[HARBOUR])
    told = answer.json
    assert told["id"] == sale.id
    assert (told["state"], told["kind"], told["idempotency_key"]) == ("issued", "sale", KEY)
    assert told["charged"] == {"minor": 500, "currency": "USD", "exponent": 2}  # 50 kWh at 0.10
    assert told["units"] == {"value": "50.0", "unit": "kWh"}
    assert told["credit"] is None
    assert told["sold_at"] == "2026-03-17T09:30:00.000000Z"
    assert told["business_date"] == "2026-03-17"
    assert told["receipt_number"] == f"{sale.vending_point_id}-1-000001"
    assert sum(line["amount"]["minor"] for line in told["lines"]) == 500


def test_money_buys_what_it_buys_at_the_counter(channel, shop, number):
    quoted = channel.post("/quotes", wanted(number, tender=1234)).json
    figures = shop.quote(LEGACY_11, tender=1234)
    assert quoted["figures"] == figures
    assert quoted["units"]["value"] == figures["units"] == "123.4"  # 12.34 at 0.10
    assert channel.sell(number, tender=1234).status_code == 201
    assert shop.rows(Sale)[0].units == Decimal("123.4")


def test_it_stands_in_the_books_as_one_of_the_counter_does(channel, shop, browse, number):
    """The same purchase, once through the API and once at the counter, at two equal meters."""
    through = channel.sell(number)
    at_counter = shop.sell(LEGACY_11)
    mine, theirs = shop.rows(Sale)
    assert theirs.id == at_counter.id
    own = {"id", "idempotency_key", "body_hash", "operator_id", "tid", "rnd", "request_id",
           "receipt_number", "bought_before", "bought_after", "calculation", "shown_at",
           "issued_at", "sold_at"}  # fmt: skip
    columns = [column.key for column in Sale.__table__.columns if column.key not in own]
    assert {key: getattr(mine, key) for key in columns} == {
        key: getattr(theirs, key) for key in columns
    }
    posted = Counted()
    for entry in shop.rows(LedgerEntry):
        posted[entry.account_id] += entry.amount_minor
    assert sum(posted.values()) == 0
    both = Counted(abs(amount) for amount in posted.values())
    assert both == {2 * 500: 2}  # cash and energy, each twice 5.00
    with shop.session() as session, seen_by(SYSTEM):
        proof = prove(session, SYSTEM)
    assert proof.findings == []
    admin = browse(ADMIN)
    receipt = admin.get(f"/counter/sale/{mine.id}").text
    assert " ".join(credit(through)[at : at + 4] for at in range(0, 20, 4)) in receipt
    listed = admin.get("/sales/list/").text
    assert "kiosk" in listed
    report = admin.get("/reports/sales/?by=operator&period=today").text
    assert "kiosk" in report


def test_the_counter_itself_makes_the_token_and_the_trail_says_who(channel, shop, kiosk, number):
    channel.sell(number)
    sold = [event for event in shop.rows(AuditEvent) if event.action.startswith("sale.")]
    assert [event.action for event in sold] == ["sale.reserved", "sale.issued"]
    assert {event.actor_id for event in sold} == {kiosk}


# one key, one sale


@BOTH
def test_sent_again_it_gives_the_same_digits(channel, shop, module, number):
    body = channel.body(number)
    first, second = send(channel, body), send(channel, body)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert (shop.count(Sale), shop.count(Token), module.count("issue_credit")) == (1, 1, 1)


def test_a_retry_after_no_answer_came_gives_the_token_that_was_made(channel, shop, module, number):
    module.once("issue_credit", answer_lost)
    body = channel.body(number)
    lost = send(channel, body)
    assert lost.status_code == 202
    shop.clock.forward(seconds=31)
    assert shop.reconcile() == {"issued": 1}
    again = send(channel, body)
    assert again.status_code == 201
    assert (shop.count(Sale), shop.count(Token)) == (1, 1)
    assert credit(again) == shop.digits(shop.rows(Sale)[0])


@pytest.mark.parametrize("change", [
    {"purchase": {"by": "units", "units": {"value": "51.0", "unit": "kWh"}}},
    {"figures": {"units": "50.0"}},
])  # fmt: skip
def test_the_same_key_with_another_body_is_refused(channel, shop, number, change):
    body = channel.body(number)
    sale_id = send(channel, body).json["id"]
    answer = send(channel, body | change)
    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_conflict")
    assert answer.json["sale_id"] == sale_id
    assert answer.json["retry"] == "no"
    assert shop.count(Sale) == 1


def test_units_written_otherwise_are_the_same_body(channel, shop, number):
    body = channel.body(number)
    first = send(channel, body)
    body["purchase"]["units"]["value"] = "50"
    assert send(channel, body).json == first.json


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_the_same_request_twice_at_once_makes_one_token(channel, shop, module, number):
    body = channel.body(number)
    answers = in_threads(*(lambda: send(channel, body) for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {201, 202}
    settled = [send(channel, body) for _ in range(2)]
    assert {answer.status_code for answer in settled} == {201}
    told = {credit(answer) for answer in (*answers, *settled) if answer.status_code == 201}
    assert told == {shop.digits(shop.rows(Sale)[0])}
    assert (shop.count(Sale), shop.count(Token), module.count("issue_credit")) == (1, 1, 1)


def test_a_key_of_before_a_restore_is_refused(channel, shop, number):
    answer = channel.sell(number, key="2-kiosk7sale000001")  # the installation is at 1
    assert (answer.status_code, answer.json["code"]) == (409, "form_outdated")
    assert shop.count(Sale) == 0


def test_a_sale_is_found_by_its_key(channel, number):
    sold = channel.sell(number)
    found = channel.get(f"/sales/by-key/{KEY}")
    assert found.status_code == 200
    assert found.json == sold.json
    assert channel.get(f"/sales/by-key/{OTHER_KEY}").status_code == 404


def test_a_retry_for_a_meter_that_moved_away_names_the_sale(channel, shop, number):
    body = channel.body(number)
    sale_id = send(channel, body).json["id"]
    south = shop.utility.regions["south"].id
    moved = update(Meter).where(Meter.drn == number).values(region_id=south)
    shop.change(lambda session: session.execute(moved))
    answer = send(channel, body)
    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_conflict")
    assert answer.json["sale_id"] == sale_id
    assert channel.get(f"/sales/{sale_id}").status_code == 200


# pending, in doubt, failed, taken back


def test_an_open_outcome_says_where_to_ask(channel, shop, module, number):
    module.once("issue_credit", request_lost)
    answer = channel.sell(number)
    assert answer.status_code == 202
    [sale] = shop.rows(Sale)
    told = answer.json
    assert (told["state"], told["sale_id"]) == ("pending", sale.id)
    assert told["fetch"] == answer.headers["Location"] == f"{ROOT}/sales/by-key/{KEY}"
    assert int(answer.headers["Retry-After"]) > 0
    assert "do not sell again" in told["detail"]
    fetched = channel.get(told["fetch"]).json
    assert (fetched["state"], fetched["tokens"], fetched["in_doubt"]) == ("pending", None, False)


def test_doubt_is_told_and_settled(channel, shop, module, number):
    module.always("issue_credit", request_lost)
    channel.sell(number)
    shop.clock.forward(seconds=31)
    shop.reconcile()
    told = channel.get(f"/sales/by-key/{KEY}").json
    assert (told["state"], told["in_doubt"]) == ("pending", True)
    module.faults.clear() if hasattr(module, "faults") else module.always("issue_credit", None)


def test_a_second_sale_waits_for_the_first_and_is_refused(channel, module, number, monkeypatch):
    monkeypatch.setattr("vmsapp.services.vending.UNDERWAY_WAIT_S", 0.0)
    module.once("issue_credit", request_lost)
    first = channel.sell(number)
    second = channel.sell(number, key=OTHER_KEY, units="7.0")
    assert (second.status_code, second.json["code"]) == (409, "sale_underway")
    assert second.json["sale_id"] == first.json["sale_id"]


def test_a_sale_that_failed_is_told_as_such_every_time(channel, shop, module, number):
    module.once("issue_credit", down)
    body = channel.body(number)
    for _ in range(2):
        answer = send(channel, body)
        assert (answer.status_code, answer.json["code"]) == (409, "sale_failed")
        assert answer.json["failure"] == "unavailable_down"
    [sale] = shop.rows(Sale)
    assert answer.json["sale_id"] == sale.id
    told = channel.get(f"/sales/{sale.id}").json
    assert (told["state"], told["failure"], told["tokens"]) == ("failed", "unavailable_down", None)
    assert send(channel, body, OTHER_KEY).status_code == 201  # under a new key it sells


def test_a_module_that_is_away_refuses_before_anything_is_written(channel, shop, module, number):
    body = channel.body(number)
    module.once("status", down)
    answer = send(channel, body)
    assert answer.status_code == 503
    assert answer.json["retry"] == "yes"
    assert int(answer.headers["Retry-After"]) > 0
    assert shop.count(Sale) == 0


def test_digits_of_a_sale_taken_back_are_told_no_more(channel, shop, number):
    sold = channel.sell(number).json
    taken = update(Sale).where(Sale.id == sold["id"]).values(state="reversed")
    shop.change(lambda session: session.execute(taken))
    told = channel.get(f"/sales/{sold['id']}").json
    assert (told["state"], told["tokens"]) == ("reversed", None)
    records = channel.get("/tokens").json["records"]
    assert [(one["state"], one["digits"]) for one in records] == [("reversed", None)]


# the price


def test_another_price_than_the_one_shown_is_refused_with_the_new_one(channel, shop):
    number = shop.meter(DOMESTIC).drn
    body = channel.body(number)
    assert send(channel, channel.body(number), OTHER_KEY).status_code == 201  # pays the fee
    answer = send(channel, body | {"repeat": True})
    assert (answer.status_code, answer.json["code"]) == (409, "quote_changed")
    now = answer.json["quote"]
    assert now["figures"] == shop.quote(DOMESTIC)
    fees = [line["amount"]["minor"] for line in now["lines"] if line["kind"] == "fee"]
    assert fees == []  # it was FEE_MINOR until it was paid
    assert FEE_MINOR > 0
    assert shop.count(Sale) == 1
    again = send(channel, body | {"figures": now["figures"], "repeat": True})
    assert again.status_code == 201


def test_the_same_once_more_wants_to_be_said_so(channel, shop, number):
    first = channel.sell(number).json
    second = channel.sell(number, key=OTHER_KEY)
    assert (second.status_code, second.json["code"]) == (409, "looks_repeated")
    assert second.json["sale_id"] == first["id"]
    body = channel.body(number) | {"repeat": True}
    assert send(channel, body, OTHER_KEY).status_code == 201
    assert shop.count(Sale) == 2


@pytest.mark.parametrize(("purchase", "code"), [
    ({"by": "amount", "amount": {"minor": 0, "currency": "USD", "exponent": 2}}, "invalid_tender"),
    ({"by": "amount", "amount": {"minor": -5, "currency": "USD", "exponent": 2}}, "invalid_tender"),
    ({"by": "units", "units": {"value": "999999999", "unit": "kWh"}}, "above_token_limit"),
])  # fmt: skip
def test_what_cannot_be_sold_is_said_as_at_the_counter(channel, number, purchase, code):
    answer = channel.post("/quotes", wanted(number) | {"purchase": purchase})
    assert (answer.status_code, answer.json["code"]) == (422, code)


# where it is sold


def test_a_channel_has_no_drawer_and_needs_no_shift(channel, shop, number):
    till = Till(shop)
    till.setup(shifts_used=True)
    answer = channel.sell(number)
    assert answer.status_code == 201, answer.text
    assert shop.rows(Sale)[0].shift_id is None
    with pytest.raises(Exception, match="shift"):  # at the counter one is needed as before
        shop.sell(LEGACY_11)


def test_a_float_ends_for_a_channel_too(channel, shop, number):
    point = shop.utility.points[HARBOUR]
    shop.sell(STS6_11)  # opens the account
    spent = update(VendingPointAccount).where(VendingPointAccount.vending_point_id == point)
    shop.change(lambda session: session.execute(spent.values(limited=True, balance_minor=499)))
    answer = channel.sell(number)  # 5.00
    assert (answer.status_code, answer.json["code"]) == (409, "insufficient_funds")
    assert "4.99" in answer.json["detail"]


def test_nothing_is_sold_at_a_point_that_was_closed(channel, shop, number):
    body = channel.body(number)
    closed = update(VendingPoint).values(closed_at=shop.clock.now)
    shop.change(lambda session: session.execute(closed))
    answer = send(channel, body)
    assert (answer.status_code, answer.json["code"]) == (409, "vending_point_closed")


# digits


def test_digits_are_told_only_to_a_bearer_for_them(office, shop, kiosk, number):
    seller = Channel(office, bearer_for(
        shop, kiosk, BearerScope.SALES_WRITE, BearerScope.QUOTES_READ, BearerScope.SALES_READ
    ).text)  # fmt: skip
    sold = seller.sell(number)
    assert sold.status_code == 201
    [sale] = shop.rows(Sale)
    digits = shop.digits(sale)
    fetched = seller.get(f"/sales/{sale.id}")
    for answer in (sold, fetched, seller.get(f"/sales/by-key/{KEY}")):
        assert answer.json["tokens"] is None
        assert digits not in answer.text
    assert shop.again(sale).shown_at is None
    reader = Channel(
        office, bearer_for(shop, kiosk, BearerScope.TOKENS_READ, BearerScope.SALES_READ).text
    )
    assert credit(reader.get(f"/sales/{sale.id}")) == digits


def test_looking_without_the_digits_does_not_say_they_were_shown(office, shop, kiosk):
    sale = shop.sell(by=OPERATOR)
    unseen = update(Sale).where(Sale.id == sale.id).values(shown_at=None)
    shop.change(lambda session: session.execute(unseen))
    blind = Channel(office, bearer_for(shop, kiosk, BearerScope.SALES_READ).text)
    blind.get(f"/sales/{sale.id}")
    whole = Channel(office, bearer_for(shop, kiosk).text)
    whole.ask("HEAD", f"/sales/{sale.id}")
    assert whole.get("/tokens").json["records"][0]["digits"] is None  # a list hands none out
    assert shop.again(sale).shown_at is None
    assert credit(whole.get(f"/sales/{sale.id}")) == shop.digits(sale)
    assert shop.again(sale).shown_at == shop.clock.now


def test_records_are_turned_page_by_page(channel, shop, number):
    sales = [shop.sell(STS6_11, units=str(10 + at)) for at in range(3)]
    last = shop.sell(LEGACY_11)
    seen, after = [], 0
    while after is not None:
        page = channel.get(f"/tokens?limit=2&after={after}").json
        seen += page["records"]
        after = page["next"]
    assert [one["sale_id"] for one in seen] == [sale.id for sale in (*sales, last)]
    assert [one["digits"] for one in seen] == [shop.digits(sale) for sale in (*sales, last)]
    mine = channel.get(f"/tokens?meter_number={number}").json["records"]
    assert [one["sale_id"] for one in mine] == [last.id]
    for query, count in (("since=2026-03-17&until=2026-03-17", 4), ("since=2026-03-18", 0),
                         ("until=2026-03-16", 0)):  # fmt: skip
        assert len(channel.get(f"/tokens?{query}").json["records"]) == count


@pytest.mark.ring
def test_tokens_of_a_key_change_go_first(channel, shop, keys, number):
    made = keys.start(LEGACY_11, key="form", ti="44")
    sold = channel.sell(number)
    assert sold.status_code == 201, sold.text
    kinds = [one["kind"] for one in sold.json["tokens"]]
    assert kinds == ["key_change"] * (len(kinds) - 1) + ["credit"]
    told = [one["digits"] for one in sold.json["tokens"][:-1]]
    with shop.session() as session, seen_by(SYSTEM):
        from vmsapp.services.reports.records import sets_of  # noqa: PLC0415

        assert told == sets_of(session, [made.id])[made.id]


def test_no_digits_stand_in_a_log_or_the_trail(channel, shop, number, caplog):
    caplog.set_level("DEBUG")
    digits = credit(channel.sell(number))
    channel.get("/tokens")
    assert digits not in caplog.text
    trail = [str(event.details) for event in shop.rows(AuditEvent)]
    assert [text for text in trail if digits in text] == []


def test_marks_of_a_trial_go_with_the_digits(channel, number):
    assert channel.sell(number).json["marks"] == ["DEMO"]  # the tests' keys are demo keys
