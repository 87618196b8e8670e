"""Limits of a day and of a month: counted where the meter hangs, given back where they counted."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests import factories
from tests.factories import HARBOUR, LEGACY_11, MARKET, MONEY, SUPERVISOR, TODAY
from tests.faults import answer_lost, down, request_lost, works
from tests.shop import in_threads
from vmsapp.models import Counter, Sale, SaleState, Setup
from vmsapp.money import Money
from vmsapp.tariffs.errors import (
    AboveDaysMoney,
    AboveDaysUnits,
    AboveLargestPurchase,
    AboveMonthsMoney,
    AboveMonthsUnits,
    BelowSmallestPurchase,
)
from vmsapp.tariffs.plan import Limits, Most, Span

MIDNIGHT = datetime(2026, 3, 17, 21, 0, tzinfo=UTC)
"""The 18th begins in the utility's zone, three hours ahead of UTC."""
TOMORROW = TODAY + timedelta(days=1)
NEXT_MONTH = datetime(2026, 3, 31, 21, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def limited(shop, *most: Most, **limits):
    """Sell to the flat meter, at 0.10 a unit, under limits of its plan."""

    def add(session):
        factories.add_plan(
            session, shop.meter(LEGACY_11).tariff_id, factories.step("0", None, "0.10"),
            name="Limited", effective_on=date(2025, 6, 1), limits=Limits(most=most, **limits),
        )  # fmt: skip

    shop.change(add)


UNITS_OF_A_DAY = Most(Span.DAY, units=Decimal(100))
UNITS_OF_A_MONTH = Most(Span.MONTH, units=Decimal(100))
MONEY_OF_A_DAY = Most(Span.DAY, minor=1000)
MONEY_OF_A_MONTH = Most(Span.MONTH, minor=1000)
LIMITS = [
    (UNITS_OF_A_DAY, AboveDaysUnits, MIDNIGHT, Decimal(40)),
    (UNITS_OF_A_MONTH, AboveMonthsUnits, NEXT_MONTH, Decimal(40)),
    (MONEY_OF_A_DAY, AboveDaysMoney, MIDNIGHT, Money(400, MONEY.code)),
    (MONEY_OF_A_MONTH, AboveMonthsMoney, NEXT_MONTH, Money(400, MONEY.code)),
]


def refused(shop, error, largest, **wish):
    """Refuse it on the screen and when it is sold, with what is left."""
    with pytest.raises(error) as caught:
        shop.quote(LEGACY_11, **wish)
    assert caught.value.largest == largest
    before = shop.count(Sale)
    with pytest.raises(error):
        shop.sell(shown={}, **wish)
    assert shop.count(Sale) == before


def counted(shop) -> dict[date, tuple[Decimal, int]]:
    """Units and money on the counters of the meter's place, by day."""
    rows = shop.rows(Counter, Counter.service_point_id == shop.point_of(LEGACY_11))
    return {row.period_start: (row.units, row.charged_minor) for row in rows}


@pytest.mark.parametrize(("limit", "error", "ends", "left"), LIMITS)
def test_a_limit_counts_until_its_time_is_over_in_the_utilitys_zone(shop, limit, error, ends, left):
    limited(shop, limit)
    shop.sell(units="60")  # 6.00
    refused(shop, error, left, units="40.1")
    shop.at(ends - HOUR)
    refused(shop, error, left, units="40.1")
    shop.sell(units="40")
    refused(shop, error, left - left, units="0.1")
    shop.at(ends)
    assert shop.sell(units="100").state == SaleState.ISSUED


@pytest.mark.parametrize(("limit", "error", "ends", "left"), LIMITS)
def test_money_that_buys_more_than_units_allow_comes_back_and_more_money_than_allowed_is_refused(
    shop, limit, error, ends, left
):
    limited(shop, limit)
    shop.sell(tender=600)
    if limit.minor is not None:
        refused(shop, error, left, tender=401)
    sale = shop.sell(tender=400 if limit.minor else 900)
    assert (sale.units, sale.charged_minor) == (Decimal(40), 400)


def test_what_is_sold_elsewhere_to_the_same_place_counts(shop):
    limited(shop, UNITS_OF_A_DAY)
    shop.sell(units="60", by=SUPERVISOR, point=MARKET)
    refused(shop, AboveDaysUnits, Decimal(40), units="40.1")
    assert counted(shop) == {TODAY: (Decimal(60), 600)}


def test_of_two_who_sell_at_the_same_time_the_later_sees_what_the_first_counted(shop):
    limited(shop, MONEY_OF_A_MONTH)
    forms = [shop.form(units="60", point=point) for point in (HARBOUR, MARKET)]
    both = in_threads(*(lambda form=form: shop.submit(form, by=SUPERVISOR) for form in forms))
    sold = [one for one in both if isinstance(one, Sale)]
    assert [sale.state for sale in sold] == [SaleState.ISSUED]
    assert [type(one) for one in both if one not in sold] == [AboveMonthsMoney]
    assert counted(shop) == {TODAY: (Decimal(60), 600)}


@pytest.mark.parametrize(("limit", "error", "ends", "left"), LIMITS)
def test_a_sale_that_failed_gives_its_share_back(shop, module, limit, error, ends, left):
    limited(shop, limit)
    module.once("issue_credit", down)
    assert shop.sell(units="60").state == SaleState.FAILED
    assert counted(shop) == {TODAY: (Decimal(0), 0)}
    assert shop.sell(units="100").state == SaleState.ISSUED


@pytest.mark.parametrize(("fault", "ends"), [(request_lost, "failed"), (answer_lost, "reversed")])
def test_what_is_given_back_after_midnight_goes_to_the_day_it_counted_on(shop, module, fault, ends):
    limited(shop, UNITS_OF_A_DAY, UNITS_OF_A_MONTH)
    shop.at(MIDNIGHT - timedelta(minutes=5))
    module.once("issue_credit", fault)
    doubtful = shop.sell(units="60")
    shop.at(MIDNIGHT + timedelta(minutes=10))
    for method in ("fetch_result", "cancel"):
        module.always(method, down)
    shop.reconcile()
    shop.seal(doubtful)
    shop.sell(units="30")
    assert counted(shop) == {TODAY: (Decimal(60), 600), TOMORROW: (Decimal(30), 300)}
    refused(shop, AboveMonthsUnits, Decimal(10), units="10.1")
    for method in ("fetch_result", "cancel"):
        module.always(method, works)
    shop.clock.forward(minutes=30)
    shop.reconcile()
    assert shop.again(doubtful).state == ends
    assert counted(shop) == {TODAY: (Decimal(0), 0), TOMORROW: (Decimal(30), 300)}
    refused(shop, AboveDaysUnits, Decimal(70), units="70.1")
    assert shop.sell(units="70").state == SaleState.ISSUED


def test_a_clock_set_back_over_midnight_counts_on_the_newest_day(shop):
    limited(shop, UNITS_OF_A_DAY)
    shop.at(MIDNIGHT + timedelta(seconds=30)).sell(units="60")
    shop.at(MIDNIGHT - timedelta(seconds=30))
    refused(shop, AboveDaysUnits, Decimal(40), units="40.1")
    sale = shop.sell(units="40")
    assert (sale.business_date, sale.counter_period) == (TOMORROW, TOMORROW)
    assert counted(shop) == {TOMORROW: (Decimal(100), 1000)}


@pytest.mark.parametrize(("setup", "plan", "largest"), [("50", "80", 50), ("80", "50", 50)])
def test_of_the_limits_of_setup_and_plan_the_tighter_holds(shop, setup, plan, largest):
    limited(shop, Most(Span.SALE, units=Decimal(plan)), smallest_units=Decimal(2))
    values = {"largest_units": Decimal(setup), "smallest_units": Decimal(1)}
    shop.change(lambda session: session.execute(update(Setup).values(**values)))
    refused(shop, AboveLargestPurchase, Decimal(largest), units="50.1")
    with pytest.raises(BelowSmallestPurchase) as caught:
        shop.quote(LEGACY_11, units="1.9")
    assert caught.value.smallest == Decimal(2)
