"""The rules about meters: who is found, exactly from where on, and who is not."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text, update

from tests.engineer import Engineer
from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    LEGACY_13,
    MARKET,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    TODAY,
)
from tests.services.gifts import Gifts
from tests.services.pair import make_pair
from tests.services.revenue import (
    ON_SQLITE,
    ask_rules,
    bought,
    findings,
    meters_found,
    set_rule,
    sold_on,
)
from vmsapp.models import Meter, Sale, SaleKind, Setup
from vmsapp.services.engineering.functions import Function
from vmsapp.services.revenue_protection import meters as meter_rules
from vmsapp.services.revenue_protection.looking import month_begin
from vmsapp.services.revenue_protection.meters import Months

# 60 days before 17 March 2026; the six months are August to January
QUIET = date(2026, 1, 16)
AUTUMN = (date(2025, 10, 5), date(2025, 11, 5), date(2025, 12, 5))


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    """Parts of two meters, so that every run goes through several."""
    monkeypatch.setattr(meter_rules, "AT_ONCE", 2)


def test_months_are_counted_back_over_the_year():
    assert month_begin(date(2026, 1, 31), 13) == date(2024, 12, 1)
    assert Months.back(TODAY, 2, skipped=1) == (date(2026, 1, 1), date(2026, 3, 1), 2)
    assert list(Months.back(date(2026, 1, 9), 2).each()) == [
        (date(2025, 12, 1), date(2026, 1, 1)), (date(2026, 1, 1), date(2026, 2, 1)),
    ]  # fmt: skip


def test_a_meter_stopped_that_bought_regularly_and_nothing_for_sixty_days(shop, backend):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    bought(shop, LEGACY_13, *AUTUMN, QUIET + timedelta(days=1))  # 59 days ago
    bought(shop, STS6_11, *AUTUMN[1:], QUIET)  # three months alone
    bought(shop, DOMESTIC, date(2025, 7, 31), *AUTUMN[1:], QUIET)  # July is not of the six
    south = {"point": MARKET, "by": SOUTH_OPERATOR}
    bought(shop, SOUTHERN, date(2025, 8, 1), *AUTUMN[1:], QUIET, **south)
    assert ask_rules(shop)["stopped"] == 2
    assert meters_found(shop, "stopped") == {LEGACY_11, SOUTHERN}
    (mine,) = (row for row in findings(shop, "stopped")
               if row.meter_id == shop.utility.meters[LEGACY_11])  # fmt: skip
    assert mine.facts == {"months": 4, "of": 6, "last_on": "2026-01-16"}
    assert (mine.state, mine.live, mine.vending_point_id) == ("open", True, None)


@ON_SQLITE
def test_twice_in_a_month_is_one_month(shop):
    bought(shop, LEGACY_11, *AUTUMN[1:], date(2025, 12, 20), QUIET)
    assert ask_rules(shop) == {}


@pytest.mark.parametrize(
    "values",
    [
        {"state": "reversed"},
        {"kind": SaleKind.FREE, "charged_minor": 0, "received_minor": 0},
    ],
)
@ON_SQLITE
def test_what_was_taken_back_or_given_is_no_purchase(shop, values):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    sold_on(shop, TODAY, **values)  # else it had bought today
    ask_rules(shop)
    assert meters_found(shop, "stopped") == {LEGACY_11}


@ON_SQLITE
def test_what_an_earlier_consumer_bought_there_is_not_the_present_ones(shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    other = shop.rows(Sale)[0].consumer_id + 1
    shop.change(lambda s: s.execute(update(Sale).values(consumer_id=other)))
    assert ask_rules(shop) == {}


@pytest.mark.parametrize("state", ["blocked", "retired", "stock"])
@ON_SQLITE
def test_a_meter_that_may_not_be_sold_to_did_not_stop_by_itself(shop, state):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    mine = Meter.id == shop.utility.meters[LEGACY_11]
    ask_rules(shop)
    shop.change(lambda s: s.execute(update(Meter).where(mine).values(state=state)))
    ask_rules(shop)
    assert [(row.state, row.live) for row in findings(shop, "stopped")] == [("ceased", False)]


@ON_SQLITE
def test_thresholds_are_those_that_were_set(shop):
    bought(shop, LEGACY_11, *AUTUMN[1:], QUIET)
    set_rule(shop, "stopped", least=3)
    ask_rules(shop)
    assert meters_found(shop, "stopped") == {LEGACY_11}


HALF_YEAR = tuple(date(2025, month, 9) for month in range(7, 13))  # July to December
RECENT = (date(2026, 1, 9), date(2026, 2, 27))


def test_a_meter_dropped_that_buys_less_than_half_of_its_own_mean(shop, backend):
    for meter, units in ((LEGACY_11, "49.9"), (LEGACY_13, "50"), (DOMESTIC, "49.9")):
        bought(shop, meter, *HALF_YEAR, units="100")
        bought(shop, meter, *RECENT, units=units)
    bought(shop, DOMESTIC, date(2025, 1, 3), date(2025, 2, 3), units="60")  # less in winter
    bought(shop, STS6_11, *HALF_YEAR[3:], units="100")  # three of the six months
    bought(shop, STS6_11, *RECENT, units="1")
    assert ask_rules(shop) == {"dropped": 1}
    (found,) = findings(shop, "dropped")
    assert found.meter_id == shop.utility.meters[LEGACY_11]
    assert found.facts == {
        "now": "99.8", "expected": "200.0", "months": 2, "seasonal": False, "in_money": False,
    }  # fmt: skip


@ON_SQLITE
def test_with_a_year_of_history_the_same_months_are_compared(shop):
    bought(shop, LEGACY_11, *HALF_YEAR, units="40")
    bought(shop, LEGACY_11, date(2025, 1, 3), date(2025, 2, 3), units="200")
    bought(shop, LEGACY_11, *RECENT, units="99")
    ask_rules(shop)
    (found,) = findings(shop, "dropped")
    assert (found.facts["seasonal"], found.facts["expected"]) == (True, "400.0")


@ON_SQLITE
def test_this_month_does_not_count_and_half_of_last_years_months_are_no_season(shop):
    bought(shop, LEGACY_11, *HALF_YEAR, units="100")
    bought(shop, LEGACY_11, date(2025, 2, 3), units="900")
    bought(shop, LEGACY_11, date(2026, 3, 1), units="500")  # alone: January and February bare
    ask_rules(shop)
    (found,) = findings(shop, "dropped")
    assert (found.facts["now"], found.facts["seasonal"]) == ("0", False)


@ON_SQLITE
def test_one_that_bought_nothing_since_has_stopped_and_not_dropped(shop):
    bought(shop, LEGACY_11, *HALF_YEAR, units="100")
    ask_rules(shop)
    assert (meters_found(shop, "dropped"), meters_found(shop, "stopped")) == (set(), {LEGACY_11})


@ON_SQLITE
def test_a_meter_that_rates_itself_is_measured_in_money(shop):
    bought(shop, LEGACY_11, *HALF_YEAR, charged_minor=1000, received_minor=1000, credit_minor=1000)
    bought(shop, LEGACY_11, *RECENT, charged_minor=499, received_minor=499, credit_minor=499)
    mine = Meter.id == shop.utility.meters[LEGACY_11]
    shop.change(lambda s: s.execute(update(Meter).where(mine).values(credit_mode="currency")))
    ask_rules(shop)
    (found,) = findings(shop, "dropped")
    assert (found.facts["now"], found.facts["expected"]) == ("998", "2000")
    assert found.facts["in_money"] is True


def test_the_figures_are_those_of_plain_sums(shop, backend):
    bought(shop, LEGACY_11, *HALF_YEAR, units="33.3")
    bought(shop, LEGACY_11, *RECENT, units="7.1")
    ask_rules(shop)
    (found,) = findings(shop, "dropped")
    plain = text(
        "SELECT sum(units) FROM sale WHERE state = 'issued' AND business_date"
        " BETWEEN '2026-01-01' AND '2026-02-28'"
    )
    before = text(
        "SELECT sum(units) FROM sale WHERE business_date BETWEEN '2025-07-01' AND '2025-12-31'"
    )
    with shop.session() as session:
        now, then = session.scalar(plain), session.scalar(before)
    assert Decimal(found.facts["now"]) == Decimal(int(now)) / 1000
    assert Decimal(found.facts["expected"]) == Decimal(int(then)) / 3000


def test_a_meter_that_was_given_three_tokens_in_ninety_days(shop, backend):
    gifts = Gifts(shop, make_pair(shop))
    for _ in range(3):
        gifts.give(LEGACY_11)
        shop.clock.forward(seconds=61)
    for _ in range(2):
        gifts.give(LEGACY_13)
        shop.clock.forward(seconds=61)
    assert ask_rules(shop)["given_meter"] == 1
    (found,) = findings(shop, "given_meter")
    assert found.meter_id == shop.utility.meters[LEGACY_11]
    assert found.facts == {"tokens": 3, "worth": 600}  # 20 units at 0.10 each
    shop.clock.forward(days=89)
    ask_rules(shop)
    assert meters_found(shop, "given_meter") == {LEGACY_11}
    shop.clock.forward(days=1)  # today and 89 days before are ninety
    ask_rules(shop)
    assert meters_found(shop, "given_meter") == set()


def test_four_smallest_purchases_in_a_week(shop, backend):
    shop.change(lambda s: s.execute(update(Setup).values(smallest_minor=100)))
    week_ago = TODAY - timedelta(days=6)
    bought(shop, LEGACY_11, week_ago, TODAY, TODAY, TODAY)  # 10 units cost 1.00
    bought(shop, LEGACY_13, week_ago - timedelta(days=1), TODAY, TODAY, TODAY)
    bought(shop, STS6_11, TODAY, TODAY, TODAY, TODAY, charged_minor=101, received_minor=101)
    ask_rules(shop)
    assert meters_found(shop, "smallest") == {LEGACY_11}
    assert findings(shop, "smallest")[0].facts == {"sales": 4}
    shop.change(lambda s: s.execute(update(Setup).values(smallest_minor=None)))
    ask_rules(shop)
    assert meters_found(shop, "smallest") == set()


@ON_SQLITE
def test_a_tamper_status_that_was_cleared_twice(shop):
    engineer = Engineer(shop)
    for number, meter in enumerate((LEGACY_11, LEGACY_11, LEGACY_13)):
        engineer.make(meter, Function.CLEAR_TAMPER, form=f"1-form-{number}")
        shop.clock.forward(seconds=61)
    ask_rules(shop)
    assert meters_found(shop, "tamper") == {LEGACY_11}
    assert findings(shop, "tamper")[0].facts == {"tokens": 2}
