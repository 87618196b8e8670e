"""What a price reads: the plan in force, and what the service point bought and paid."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests import factories
from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    MONEY,
    NOT_INSTALLED,
    NOW,
    OPERATOR,
    THIS_MONTH,
    TODAY,
)
from tests.web.office import statements
from vmsapp.models import (
    Counter,
    FeePayment,
    Meter,
    MeterInstallation,
    ServicePoint,
    Setup,
    TariffPlan,
)
from vmsapp.scope import seen_by
from vmsapp.services import meters, vending
from vmsapp.services.setup import setup_at
from vmsapp.services.tariffs import as_plan, plans_between, rules_text
from vmsapp.services.vending.history import History, history_of
from vmsapp.tariffs.plan import Accumulation, Penalty, Plan


@pytest.fixture
def dear(shop):
    """A plan with three steps and two penalties, in force from today."""

    def add(session):
        factories.add_plan(
            session, shop.meter(LEGACY_11).tariff_id,
            factories.step("0", "50", "0.10"), factories.step("50", "100", "0.20"),
            factories.step("100", None, "0.30"), name="Dear", effective_on=TODAY,
            penalties=(
                Penalty(Decimal(60), Decimal(100), 100), Penalty(Decimal(100), None, 300),
            ),
        )  # fmt: skip

    shop.change(add)


def history(shop, meter: str) -> History:
    with shop.session() as session, seen_by(shop.actor()):
        point = session.get_one(ServicePoint, shop.point_of(meter))
        return history_of(session, setup_at(session, NOW), point, NOW)


def month(found: History) -> Decimal:
    return found.bought(Accumulation.MONTH)


def write(shop, *rows):
    shop.change(lambda session: session.add_all(rows))


@pytest.mark.parametrize(
    ("units", "charged_minor"),
    [("50", 500), ("60", 700), ("70", 1000), ("100", 1600), ("150", 3300)],
)
def test_each_step_and_each_penalty_counts_once(shop, dear, units, charged_minor):
    assert shop.quote(LEGACY_11, units=units)["charged_minor"] == charged_minor


def test_a_plan_is_read_whole_in_one_statement(shop, dear):
    tariff_id = shop.meter(LEGACY_11).tariff_id
    with shop.session() as session, statements(shop.engine) as seen:
        (row,) = plans_between(session, tariff_id, TODAY, TODAY)
        plan = as_plan(row, MONEY)
    assert [step.price for step in plan.steps] == [Decimal(p) for p in ("0.1", "0.2", "0.3")]
    assert [fine.fine_minor for fine in plan.penalties] == [100, 300]
    assert len([text for text in seen if text.startswith("SELECT")]) == 1


def test_a_plan_that_is_changed_before_it_is_used_counts_at_once(shop):
    row = shop.rows(TariffPlan, TariffPlan.name == "Flat")[0]
    assert shop.quote(LEGACY_11, units="50")["charged_minor"] == 500
    for price, charged_minor in (("0.12", 600), ("0.10", 500)):
        rules = rules_text(Plan("Flat", (factories.step("0", None, price),), None), MONEY)
        changed = update(TariffPlan).where(TariffPlan.id == row.id).values(rules=rules)
        shop.change(lambda session, changed=changed: session.execute(changed))
        assert shop.quote(LEGACY_11, units="50")["charged_minor"] == charged_minor


def test_settings_that_change_count_at_once_though_the_plan_is_kept_ready(shop):
    assert shop.quote(LEGACY_11, tender=999)["charged_minor"] == 999
    coins = update(Setup).values(coin_minor=100)
    shop.change(lambda session: session.execute(coins))
    assert shop.quote(LEGACY_11, units="50.3")["charged_minor"] == 500  # 5.03, down to whole ones
    shop.change(lambda session: session.execute(update(Setup).values(settlement="up")))
    assert shop.quote(LEGACY_11, units="50.3")["charged_minor"] == 600


def test_a_price_is_found_in_three_statements_beside_those_of_the_settings(shop):
    with shop.session() as session, seen_by(shop.actor()):
        meter = session.get_one(Meter, shop.utility.meters[DOMESTIC])
        point = session.get_one(ServicePoint, shop.point_of(DOMESTIC))
        setup = setup_at(session, NOW)
        with statements(shop.engine) as seen:
            purchase = shop.purchase(DOMESTIC, units="150")
            vending.quote(session, meter, point, purchase, NOW, setup=setup)
    assert len(seen) == 3  # history, plans, debts


@pytest.mark.parametrize(
    ("day", "today", "bought"),
    [
        (date(2026, 2, 28), TODAY, "0"),
        (THIS_MONTH, TODAY, "60.5"),
        (TODAY, TODAY, "60.5"),
        (date(2026, 4, 1), date(2026, 4, 1), "60.5"),  # the clock was set back
    ],
)
def test_units_count_in_their_own_month_and_the_newest_day_counts(shop, day, today, bought):
    point = shop.point_of(LEGACY_11)
    units = Decimal("60.5")
    write(shop, Counter(service_point_id=point, period_start=day, units=units))
    found = history(shop, LEGACY_11)
    assert found.today == today
    assert month(found) == Decimal(bought)


def test_only_the_place_asked_for_counts(shop):
    shop.sell(DOMESTIC, units="60")
    assert (month(history(shop, DOMESTIC)), len(history(shop, DOMESTIC).paid)) == (Decimal(60), 1)
    assert (month(history(shop, LEGACY_11)), history(shop, LEGACY_11).paid) == (0, frozenset())


@pytest.mark.parametrize(("kind", "charged_minor"), [("month", 100), ("year", 300), ("day", 300)])
def test_a_fee_paid_for_another_kind_of_period_does_not_pay_this_one(shop, kind, charged_minor):
    sale = shop.sell(LEGACY_11)
    paid = FeePayment(
        service_point_id=shop.point_of(DOMESTIC), fee_period=kind, period_start=THIS_MONTH,
        sale_id=sale.id,
    )  # fmt: skip
    write(shop, paid)
    assert shop.quote(DOMESTIC, units="10")["charged_minor"] == charged_minor


def card(shop, meter: str) -> tuple[meters.Card, int]:
    """A meter's card, and the statements it took."""
    with shop.session() as session, seen_by(shop.actor(OPERATOR)):
        setup = setup_at(session, NOW)
        with statements(shop.engine) as seen:
            found = meters.meter_card(session, setup, shop.utility.meters[meter], NOW)
    return found, len(seen)


def test_a_card_takes_four_statements_however_much_was_sold(shop):
    for units in ("10", "20", "30", "40"):
        shop.sell(DOMESTIC, units=units)
    found, took = card(shop, DOMESTIC)
    assert [sale.units for sale in found.last_sales] == [Decimal(40), Decimal(30), Decimal(20)]
    assert (found.units_this_month, took) == (Decimal(100), 4)
    assert (found.consumer.name, found.meter.tariff.name) == ("Consumer 5", "Domestic")
    assert (found.meter.region.name, found.can_sell) == ("North", True)


def test_a_meter_that_hangs_nowhere_has_a_card_without_history(shop):
    found, _ = card(shop, NOT_INSTALLED)
    assert (found.point, found.consumer, found.history) == (None, None, None)
    assert (found.units_this_month, found.can_sell) == (Decimal(0), False)


def test_a_meter_hung_at_another_place_shows_that_places_consumer_and_units(shop):
    shop.sell(DOMESTIC, units="60")
    place, moved = shop.point_of(DOMESTIC), shop.utility.meters[LEGACY_11]

    def swap(session):
        both = [moved, shop.utility.meters[DOMESTIC]]
        took_down = update(MeterInstallation).where(MeterInstallation.meter_id.in_(both))
        session.execute(took_down.values(removed_at=NOW))
        hung = MeterInstallation(service_point_id=place, meter_id=moved, installed_at=NOW)
        factories.add(session, hung)

    shop.change(swap)
    found, _ = card(shop, LEGACY_11)
    assert (found.consumer.name, found.units_this_month) == ("Consumer 5", Decimal(60))
    assert card(shop, DOMESTIC)[0].consumer is None
