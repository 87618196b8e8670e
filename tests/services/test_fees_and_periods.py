"""Fees and counters over time: plans that change, fees given back, meters that are swapped."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests import factories
from tests.factories import DOMESTIC, LEGACY_11, NOW, STOCK, THIS_MONTH, TODAY, fee, step
from tests.faults import answer_lost, down
from vmsapp.models import Counter, Meter, MeterInstallation, MeterState, SaleState, ServicePoint
from vmsapp.tariffs.plan import Accumulation

TWO_STEPS = (step("0", "100", "0.10"), step("100", None, "0.20"))


def plan(shop, effective_on, *steps, meter=DOMESTIC, **fields):
    """Add a plan to a meter's tariff."""
    shop.change(
        lambda s: factories.add_plan(
            s, shop.meter(meter).tariff_id, *(steps or TWO_STEPS), name=f"From {effective_on}",
            effective_on=effective_on, **fields,
        )
    )  # fmt: skip


def place(shop, meter=DOMESTIC, **values):
    """Change the place a meter hangs at."""
    here = update(ServicePoint).where(ServicePoint.id == shop.point_of(meter))
    shop.change(lambda s: s.execute(here.values(**values)))


def noon(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 9, tzinfo=UTC)


def days(*months: int) -> list[date]:
    return [date(2026, month, 1) for month in months]


def test_each_missed_period_is_charged_by_the_plan_in_force_on_its_last_day(shop):
    plan(shop, date(2026, 4, 15), fixed_fee=fee(500))
    sale = shop.at(noon(5, 10)).sell(DOMESTIC, units="10")
    # March 2.00; April and May 5.00 each; 10 units at 0.10
    assert sale.charged_minor == 200 + 500 + 500 + 100
    assert shop.fees(DOMESTIC) == days(3, 4, 5)


def test_a_plan_without_fee_owes_none_for_the_months_that_end_under_it(shop):
    plan(shop, date(2026, 4, 15))
    sale = shop.at(noon(5, 10)).sell(DOMESTIC, units="10")
    assert (sale.charged_minor, shop.fees(DOMESTIC)) == (200 + 100, days(3))


def test_a_place_that_got_its_tariff_under_a_clock_ahead_is_sold_to_by_the_plan_of_today(shop):
    plan(shop, TODAY + timedelta(days=15), step("0", None, "0.15"), meter=LEGACY_11)
    place(shop, LEGACY_11, plan_attached_on=TODAY + timedelta(days=20))
    assert shop.sell(LEGACY_11, units="10").charged_minor == 100  # 10 at 0.10, the plan of today
    sale = shop.at(NOW + timedelta(days=16)).sell(LEGACY_11, units="10")
    assert sale.charged_minor == 150


def test_a_fee_is_due_from_the_month_in_which_a_place_got_its_tariff_though_it_is_to_come(shop):
    plan(shop, date(2026, 4, 15), fixed_fee=fee(500))
    place(shop, plan_attached_on=date(2026, 4, 20))
    assert shop.sell(DOMESTIC, units="10").charged_minor == 100
    assert shop.fees(DOMESTIC) == []
    assert shop.at(noon(5, 10)).sell(DOMESTIC, units="10").charged_minor == 500 + 500 + 100


def test_the_share_of_arrears_leaves_the_rest_due(shop):
    plan(shop, date(2025, 6, 1), fixed_fee=fee(200, arrears_share=Decimal(50)))
    place(shop, plan_attached_on=date(2025, 12, 1))
    # December to February missed: of 10.00 at most half goes there, two whole months
    first = shop.sell(DOMESTIC, tender=1000)
    assert (first.units, first.charged_minor) == (Decimal(40), 1000)
    assert shop.fees(DOMESTIC) == [date(2025, 12, 1), *days(1, 3)]
    # 40 bought: 60 more at 0.10, the rest of 10.00 less February's fee at 0.20
    second = shop.sell(DOMESTIC, tender=1000)
    assert second.units == Decimal(70)
    assert shop.fees(DOMESTIC) == [date(2025, 12, 1), *days(1, 2, 3)]


@pytest.mark.parametrize(("until", "due"), [
    (None, days(1, 2, 3)),
    (date(2025, 12, 31), days(1, 2, 3)),
    (date(2026, 1, 1), days(2, 3)),
    (date(2026, 2, 28), days(3)),
    (date(2026, 3, 15), []),
])  # fmt: skip
def test_fees_paid_in_a_former_system_are_not_charged_again(shop, until, due):
    place(shop, plan_attached_on=date(2026, 1, 1), fees_paid_until=until)
    sale = shop.sell(DOMESTIC, units="10")
    assert (sale.charged_minor, shop.fees(DOMESTIC)) == (100 + 200 * len(due), due)


@pytest.mark.parametrize("ends", ["failed", "reversed"])
def test_the_fees_of_a_sale_that_does_not_stand_are_due_again(shop, module, ends):
    place(shop, plan_attached_on=date(2026, 2, 1))
    module.once("issue_credit", down if ends == "failed" else answer_lost)
    sale = shop.sell(DOMESTIC, units="10")
    if ends == "reversed":
        shop.clock.forward(minutes=1)
        module.once("fetch_result", down)
        shop.reconcile()
        shop.seal(sale)
        assert shop.quote(DOMESTIC, units="10")["charged_minor"] == 100, "paid while it is open"
        shop.reconcile()
    assert shop.again(sale).state == ends
    assert shop.fees(DOMESTIC) == []
    assert shop.sell(DOMESTIC, units="10").charged_minor == 200 + 200 + 100
    assert shop.fees(DOMESTIC) == days(2, 3)


def test_units_go_on_counting_when_the_plan_changes_within_the_month(shop):
    shop.sell(DOMESTIC, units="60")
    plan(shop, TODAY + timedelta(days=1))
    shop.at(NOW + timedelta(days=1))
    sale = shop.sell(DOMESTIC, units="60")
    assert (sale.bought_before, sale.bought_after) == (Decimal(60), Decimal(120))
    assert sale.charged_minor == 40 * 10 + 20 * 20
    assert shop.counters(DOMESTIC) == {
        TODAY: Decimal(60), TODAY + timedelta(days=1): Decimal(60)
    }  # fmt: skip


BOUGHT = {
    date(2025, 12, 31): "10", date(2026, 1, 10): "30", date(2026, 3, 3): "40",
    date(2026, 3, 16): "50", TODAY: "60",
}  # fmt: skip
"""On the 17th, a Tuesday; the week began on the 16th."""


@pytest.mark.parametrize(("accumulation", "bought"), [
    ("sale", 0), ("day", 60), ("week", 110), ("month", 150), ("first_of_month", 150),
    ("year", 180), ("ever", 190),
])  # fmt: skip
def test_whatever_a_new_plan_counts_is_the_sum_of_its_days(shop, accumulation, bought):
    point = shop.point_of(DOMESTIC)
    shop.change(
        lambda s: s.add_all(
            Counter(service_point_id=point, period_start=day, units=Decimal(units))
            for day, units in BOUGHT.items()
        )
    )
    plan(shop, TODAY, accumulation=Accumulation(accumulation))
    sale = shop.sell(DOMESTIC, units="10")
    assert sale.bought_before == bought
    assert sale.charged_minor == (100 if bought < 100 else 200)


def test_a_new_meter_at_the_place_goes_on_with_its_units_and_its_fees(shop):
    shop.sell(DOMESTIC, units="60")
    old, new = shop.utility.meters[DOMESTIC], shop.utility.meters[STOCK]
    point, tariff_id = shop.point_of(DOMESTIC), shop.meter(DOMESTIC).tariff_id

    def swap(session):
        both = update(MeterInstallation).where(MeterInstallation.meter_id.in_([old, new]))
        session.execute(both.values(removed_at=NOW))
        hung = MeterInstallation(service_point_id=point, meter_id=new, installed_at=NOW)
        factories.add(session, hung)
        taken = update(Meter).where(Meter.id == new)
        session.execute(taken.values(state=MeterState.ACTIVE, tariff_id=tariff_id))

    shop.change(swap)
    sale = shop.sell(STOCK, units="60")
    assert (sale.state, sale.meter_id, sale.service_point_id) == (SaleState.ISSUED, new, point)
    # worked table: 60 bought, fee paid, 60 more
    assert (sale.bought_before, sale.charged_minor) == (Decimal(60), 820)
    assert (shop.counters(DOMESTIC), shop.fees(DOMESTIC)) == ({TODAY: Decimal(120)}, [THIS_MONTH])


def test_every_place_counts_for_itself(shop):
    shop.sell(DOMESTIC, units="60")
    assert shop.sell(LEGACY_11, units="60").bought_before == 0
