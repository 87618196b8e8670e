"""Bad input at the sale's form: its status, its sentence, what was typed stays, no sale."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.factories import (
    BLOCKED,
    DOMESTIC,
    ENDED_BASE_DATE,
    EXPIRED_KEY,
    FUTURE_TARIFF,
    HARBOUR,
    LEGACY_11,
    NO_CONSUMER,
    NO_KEY,
    NO_TARIFF,
    NOT_INSTALLED,
    RETIRED,
    STOCK,
    WATER,
)
from tests.web.office import NOWHERE, contents, fields, said
from vmsapp.models import Installation, Sale, Setup, VendingPointAccount

NUMBER = "is not a number"
KEY = "1-0123456789abcdef0123456789abcdef"

BAD_NUMBERS = [  # mode, typed, status, part of the sentence
    ("quantity", "", 422, NUMBER),
    ("quantity", "   ", 422, NUMBER),
    ("quantity", "fifty", 422, NUMBER),
    ("quantity", "NaN", 422, NUMBER),
    ("quantity", "-Infinity", 422, NUMBER),
    ("quantity", "1e5", 422, NUMBER),
    ("quantity", "0x10", 422, NUMBER),
    ("quantity", "+5", 422, NUMBER),
    ("quantity", "1 00", 422, NUMBER),
    ("quantity", "1_000", 422, NUMBER),
    ("quantity", "1,000", 422, NUMBER),  # a thousand, or one? the page is English
    ("quantity", "1,5", 422, NUMBER),
    ("quantity", ".5", 422, NUMBER),
    ("quantity", "5.", 422, NUMBER),
    ("quantity", "½", 422, NUMBER),
    ("quantity", "9" * 25, 422, NUMBER),
    ("quantity", "0", 422, "more than 0"),
    ("quantity", "0.0", 422, "more than 0"),
    ("quantity", "-5", 422, "more than 0"),
    ("quantity", "0.05", 422, "steps of 0.1"),
    ("quantity", "50.05", 422, "steps of 0.1"),
    ("quantity", "1820162.5", 422, "at most 1,820,162.4"),
    ("quantity", "9" * 11, 422, "at most 1,820,162.4"),
    ("quantity", "9" * 24, 422, "at most 1,820,162.4"),
    ("amount", "9" * 24, 422, "at most 1,820,162.4"),
    ("amount", "9" * 11, 422, "is a meter number, not an amount"),  # its check digit is wrong
    ("amount", "9" * 13, 422, "is a meter number, not an amount"),
    ("amount", "9" * 18, 422, "at most 1,820,162.4"),
    ("amount", "", 422, NUMBER),
    ("amount", "1,000", 422, NUMBER),
    ("amount", "0", 422, "more than 0"),
    ("amount", "-5", 422, "more than 0"),
    ("amount", "5.005", 422, NUMBER),
    ("amount", "0.001", 422, NUMBER),
]
"""The largest credit is that of the transfer amount's 16 bits: 18 201 624 tenths."""


@pytest.mark.parametrize(("mode", "typed", "status", "sentence"), BAD_NUMBERS)
def test_a_number_that_is_none_is_named_and_kept_as_it_was_typed(
    operator, utility, engine, mode, typed, status, sentence
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode=mode, value="50") | {"value": typed}
    before = contents(engine)
    refused = operator.sell(meter_id, form)
    assert refused.status_code == status
    assert sentence in said(refused.text)
    kept = fields(refused.text, "/sell")
    assert (kept["mode"], kept["key"]) == (mode, form["key"])
    assert kept["value"] == typed
    assert 'aria-invalid="true"' in refused.text
    assert contents(engine) == before


@pytest.mark.parametrize("typed", ["1.99", "2.00", "2.009", "0.01"])
def test_an_amount_that_does_not_cover_what_is_due_names_what_would(
    operator, utility, engine, typed
):
    meter_id = utility.meters[DOMESTIC]  # a fee of 2.00 is due, and a tenth of a unit costs 0.01
    form = operator.purchase(meter_id, mode="amount", value="50") | {"value": typed}
    before = contents(engine)
    refused = operator.sell(meter_id, form)
    assert refused.status_code == 422
    if typed != "2.009":
        assert "at least 2.01 USD" in said(refused.text)
    assert contents(engine) == before


def test_what_the_money_does_not_reach_for_is_told_before_the_sale(operator, utility):
    """A token of IEC 62055-41 carries 18201624 tenths at most; at 0.01 each the rest goes back."""
    address = f"/counter/meter/{utility.meters[LEGACY_11]}/quote?mode=amount"
    asked = ("value=1000000", "value=1000000&received=1000000", "value=5")
    told = [operator.get(f"{address}&{more}").text for more in asked]
    assert ["Sold as far as the money goes" in one for one in told] == [True, False, False]
    assert "Sold as far as the money goes; 817,983.76 USD goes back." in told[0]
    assert all("To pay" in one for one in told)


def test_money_beyond_the_largest_token_is_given_back_as_change(operator, utility, shop):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="amount", value="1000000")
    assert operator.sell(meter_id, form).status_code == 302
    (sale,) = shop.rows(Sale)
    assert (sale.charged_minor, sale.change_minor) == (18_201_624, 81_798_376)


@pytest.mark.parametrize(("language", "typed", "units"), [
    ("en", "20.5", 205), ("zh", "20.5", 205), ("fr", "20,5", 205), ("fr", "20.5", 205),
    ("ar", "٢٠٫٥", 205), ("ar", "20.5", 205), ("en", "٢٠", 200), ("en", "２０", 200),
    ("en", " 20 ", 200), ("en", "020", 200),
])  # fmt: skip
def test_a_number_is_read_as_people_of_the_pages_language_write_it(
    browse, utility, shop, language, typed, units
):
    operator = browse("operator", language)
    assert operator.buy(utility, value=typed).status_code == 302
    assert [sale.amount_field for sale in shop.rows(Sale)] == [units]


@pytest.mark.parametrize(("language", "typed"), [("en", "20,5"), ("zh", "20,5"), ("fr", "1.000,5"),
                                                 ("fr", "1,000.5"), ("ar", "1,5")])  # fmt: skip
def test_a_sign_that_might_mean_two_numbers_is_refused(browse, utility, shop, language, typed):
    browser, meter_id = browse("operator", language), utility.meters[LEGACY_11]
    form = browser.purchase(meter_id, mode="quantity", value="50") | {"value": typed}
    refused = browser.sell(meter_id, form)
    assert refused.status_code == 422
    assert typed in said(refused.text)
    assert shop.count(Sale) == 0


BY_METER = [
    (NO_CONSUMER, 409, "not bound to a consumer"),
    (NOT_INSTALLED, 409, "not bound to a consumer"),
    (NO_TARIFF, 409, "no tariff"),
    (FUTURE_TARIFF, 409, "no plan in force on Mar 17, 2026"),
    (NO_KEY, 409, "no vending key for supply group 990005"),
    (EXPIRED_KEY, 409, "supply group 990003 has expired on May"),
    (ENDED_BASE_DATE, 409, "counts time from 1993"),
    (BLOCKED, 409, "blocked"),
    (STOCK, 409, "not in use"),
    (RETIRED, 409, "not in use"),
    (WATER, 409, "measures Water, but its tariff Flat is for Electricity"),
]


@pytest.mark.parametrize(("meter", "status", "sentence"), BY_METER)
def test_a_meter_that_cannot_be_sold_to_says_why(
    operator, utility, shop, engine, meter, status, sentence
):
    meter_id = utility.meters[meter]
    opened = operator.get(f"/counter/meter/{meter_id}?key={KEY}&mode=quantity&value=50")
    assert opened.status_code == 200
    form = {"key": KEY, "mode": "quantity", "value": "50"} | fields(opened.text, "/sell")
    before = contents(engine)
    refused = operator.post(f"/counter/meter/{meter_id}/sell", form)
    assert refused.status_code == status
    assert sentence in said(refused.text)
    assert contents(engine) == before


@pytest.mark.parametrize("meter", [BLOCKED, STOCK, RETIRED, NO_CONSUMER, NOT_INSTALLED, NO_TARIFF])
def test_the_card_of_a_meter_that_cannot_be_sold_to_has_no_form(operator, utility, meter):
    page = operator.get(f"/counter/meter/{utility.meters[meter]}?key={KEY}").text
    assert said(page)
    assert fields(page, "/sell") == {}


def test_a_blocked_meters_card_gives_the_reason(operator, utility):
    page = operator.get(f"/counter/meter/{utility.meters[BLOCKED]}?key={KEY}").text
    assert "Blocked: seal broken" in page


def test_a_meter_nobody_knows_is_not_found(operator, engine):
    before = contents(engine)
    form = {"key": KEY, "mode": "quantity", "value": "50", "quote": "{}"}
    answer = operator.post(f"/counter/meter/{NOWHERE}/sell", form)
    assert answer.status_code == 404
    assert "no such meter" in answer.text
    assert contents(engine) == before
    assert "matches" in operator.get("/counter/?q=12345678903").text


def test_a_form_from_before_a_restore_is_refused(operator, utility, shop):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    shop.change(lambda session: setattr(session.get_one(Installation, 1), "epoch", 2))
    refused = operator.sell(meter_id, form)
    assert refused.status_code == 409
    assert "restored" in said(refused.text)
    assert shop.count(Sale) == 0


@pytest.mark.parametrize("key", ["", "x", "-", "1", "0-abc", "²-abc", "9" * 500])
def test_a_key_of_another_make_sells_nothing_or_once(operator, utility, shop, key):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50") | {"key": key}
    answers = {operator.sell(meter_id, form).status_code for _ in range(2)}
    assert answers == ({302} if key == "1" else {409})
    assert shop.count(Sale) == (key == "1")


def test_a_vending_point_with_too_little_left_says_so(operator, utility, shop):
    row = VendingPointAccount(
        vending_point_id=utility.points[HARBOUR], limited=True, balance_minor=300,
        pending_minor=0, credit_limit_minor=0,
    )  # fmt: skip
    shop.change(lambda session: session.add(row))
    refused = operator.buy(utility)
    assert refused.status_code == 409
    assert "does not cover" in said(refused.text)
    assert shop.count(Sale) == 0


def test_a_clock_set_back_sells_nothing_until_an_administrator_accepts_it(
    operator, browse, utility, shop
):
    operator.buy(utility)
    shop.clock.now -= timedelta(hours=2)
    refused = operator.buy(utility, value="60")
    assert refused.status_code == 409
    assert "clock shows" in said(refused.text)
    admin = browse("admin")
    assert "lies behind" in said(admin.get("/clock/").text)
    no_reason = admin.post("/clock/accept", {"what": "sales", "reason": " "})
    assert (no_reason.status_code, said(no_reason.text, "note note-bad")) == (
        422,
        "Say why the clock was wrong.",
    )
    accepted = admin.post("/clock/accept", {"what": "sales", "reason": "battery"})
    assert (accepted.status_code, accepted.location) == (302, "/clock/")
    assert operator.buy(utility, value="60").status_code == 302


def test_a_meter_whose_identifiers_run_ahead_waits_for_an_administrator(
    operator, browse, utility, shop
):
    shop.clock.now += timedelta(days=365)
    browse("operator").buy(utility)
    shop.clock.now -= timedelta(days=365)
    browse("admin").post("/clock/accept", {"what": "sales", "reason": "year typed wrong"})
    refused = operator.buy(utility, value="60")
    assert refused.status_code == 409
    assert "was ahead" in said(refused.text)
    drn = shop.meter(LEGACY_11).drn
    unknown = browse("admin").post("/clock/accept", {"what": "meter", "meter": "1", "reason": "x"})
    assert unknown.status_code == 404
    spaced = f" {drn[:4]} {drn[4:]} "
    typed = {"what": "meter", "meter": spaced, "reason": "year typed wrong"}
    assert browse("admin").post("/clock/accept", typed).status_code == 302
    assert operator.buy(utility, value="60").status_code == 302


def test_a_clock_that_was_never_wrong_needs_no_acceptance(browse, engine):
    before = contents(engine)
    admin = browse("admin")
    answer = admin.post("/clock/accept", {"what": "sales", "reason": "x"})
    assert answer.status_code == 422
    assert "nothing to accept" in said(answer.text)
    assert contents(engine) == before


@pytest.mark.parametrize(("limits", "status", "sentence"), [
    ({"smallest_minor": 501}, 422, "at least 5.01 USD"),
    ({"largest_minor": 499}, 422, "at most 4.99 USD"),
    ({"smallest_units": 60}, 422, "at least 60.0 units"),
    ({"largest_units": 40}, 422, "at most 40.0 units"),
    ({"tokens_a_day": 1}, 409, "the limit is 1 a day"),
])  # fmt: skip
def test_what_the_utilitys_limits_forbid_is_refused_with_the_limit(
    operator, utility, shop, limits, status, sentence
):
    form = operator.purchase(utility.meters[LEGACY_11], mode="quantity", value="50")
    shop.sell(units="20")
    shop.change(lambda session: session.execute(update(Setup).values(**limits)))
    refused = operator.sell(utility.meters[LEGACY_11], form)
    assert refused.status_code == status
    assert sentence in said(refused.text)
    assert shop.count(Sale) == 1
