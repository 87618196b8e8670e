"""The day's figures: what counts when, beside the same weekday, each reader's own."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    TODAY,
    WATER,
    ZONE,
    add_tariff,
    step,
)
from tests.faults import request_lost
from tests.services.pair import make_pair
from vmsapp.models import Job, Meter, MeterType, RevenueFinding, SecurityModule, Shift
from vmsapp.scope import seen_by
from vmsapp.services import dashboard
from vmsapp.services.vending import reversal
from vmsapp.services.vending.reversal import REVERSE

WEEK = timedelta(days=7)


@pytest.fixture
def look(shop):
    """Read the figures as somebody."""

    def look(who=AUDITOR):
        with shop.session() as session, seen_by(shop.actor(who)):
            return dashboard.trade(session, ZONE)

    return look


def test_a_day_without_sales_has_no_figures_and_nothing_to_compare(look):
    found = look()
    assert (found.today.on, found.before.on) == (TODAY, TODAY - WEEK)
    assert (found.today.sales, found.today.gross_minor) == (0, 0)
    assert found.today.hours == [0] * 24
    assert found.today.units == {}
    assert (found.change, found.points) == (None, [])


def test_sales_are_summed_by_hour_of_the_utilitys_zone_and_by_what_was_sold(shop, look):
    shop.sell(DOMESTIC, units="250")  # fee 2.00, 100 at 0.10, 150 at 0.20 with 5 %: 43.50
    shop.sell(LEGACY_11, units="10")  # at 0.10
    shop.clock.forward(hours=2)
    shop.sell(LEGACY_11, units="20.5")
    found = look().today
    assert (found.sales, found.gross_minor) == (3, 4350 + 100 + 205)
    assert (found.hours[12], found.hours[14]) == (4450, 205)  # 9:30 UTC is 12:30 in Nairobi
    assert sum(found.hours) == found.gross_minor
    assert found.units == {MeterType.ELECTRICITY: Decimal("280.5")}


def test_units_of_different_kinds_are_not_added_together(shop, look):
    def priced(session):
        tariff = add_tariff(session, "Water", step("0", None, "1"), meter_type=MeterType.WATER)
        session.get_one(Meter, shop.utility.meters[WATER]).tariff_id = tariff.id

    shop.change(priced)
    shop.sell(LEGACY_11, units="10")
    shop.sell(WATER, units="3")
    assert look().today.units == {MeterType.ELECTRICITY: 10, MeterType.WATER: 3}


def test_today_is_compared_with_the_same_weekday_until_the_same_time(shop, look):
    shop.sell(LEGACY_11, units="100")  # 10.00 at 12:30
    shop.clock.forward(hours=3)
    shop.sell(LEGACY_11, units="50")  # 5.00 at 15:30, later than it is a week on
    shop.clock.forward(days=7, hours=-2)  # Tuesday again, 13:30
    shop.sell(LEGACY_11, units="150")
    found = look()
    assert (found.today.on, found.before.on) == (TODAY + WEEK, TODAY)
    assert (found.before.gross_minor, found.so_far_minor, found.so_far) == (1500, 1000, 1)
    assert found.change == Decimal("0.5")


def test_yesterday_is_no_part_of_it(shop, look):
    shop.sell(LEGACY_11, units="100")
    shop.clock.forward(days=1)
    assert (look().today.sales, look().before.sales) == (0, 0)


def test_a_sale_late_in_the_utc_day_is_of_the_next_business_day(shop, look):
    shop.clock.forward(hours=13)  # 22:30 UTC: half past one on Wednesday in Nairobi
    shop.sell(LEGACY_11, units="100")
    found = look().today
    assert (found.on, found.sales, found.hours[1]) == (TODAY + timedelta(days=1), 1, 1000)


def test_a_reversal_counts_on_its_own_day(shop, look):
    pair, sale = make_pair(shop), shop.sell(DOMESTIC, units="250")
    shop.clock.forward(hours=20)  # Wednesday by then
    wanted = reversal.Reversal(sale.id, sale.charged_minor, "wrong_meter", "")
    pair.approve(pair.ask(REVERSE, "k1", params=wanted))
    with shop.session() as session, seen_by(shop.actor(AUDITOR)):
        found = dashboard.counts(session, TODAY + timedelta(days=1))
        before = dashboard.counts(session, TODAY)
    assert (found.reversed, found.reversed_minor) == (1, 4350)
    assert (before.reversed, before.reversed_minor) == (0, 0)
    assert (look().today.sales, look().today.gross_minor) == (0, 0)
    shop.clock.forward(days=6)  # Tuesday: the sale still counts on the day it was made
    assert (look().before.sales, look().before.gross_minor) == (1, 4350)


def test_everybody_sees_what_is_theirs(shop, look):
    shop.sell(LEGACY_11, units="100")
    shop.sell(SOUTHERN, units="30", point=MARKET, by=SOUTH_OPERATOR)
    assert look(OPERATOR).today.gross_minor == 1000
    assert look(SOUTH_OPERATOR).today.gross_minor == 300
    found = look()
    assert found.today.gross_minor == 1300
    assert found.points == [(HARBOUR, 1, 1000), (MARKET, 1, 300)]


def test_pending_and_failed_sales_are_told_and_are_no_takings(shop, module, look):
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11, units="100")
    with shop.session() as session, seen_by(shop.actor(AUDITOR)):
        found = dashboard.counts(session, TODAY)
    assert (found.pending, found.failed) == (1, 0)
    assert look().today.sales == 0


def test_open_shifts_and_jobs_are_counted_as_far_as_one_sees_them(shop):
    def add(session):
        user_id = shop.actor(OPERATOR).user_id
        session.add(Shift(
            vending_point_id=shop.utility.points[HARBOUR], operator_id=user_id, key="s1",
            currency="USD", exponent=2, opened_at=shop.clock.now, opening_minor=0,
        ))  # fmt: skip
        old = shop.clock.now - timedelta(days=2)
        for state, finished in (("running", None), ("waiting", None), ("failed", shop.clock.now),
                                ("failed", old), ("done", shop.clock.now)):  # fmt: skip
            session.add(Job(
                kind="export", state=state, made_at=old, finished_at=finished, actor_id=user_id,
            ))  # fmt: skip

    shop.change(add)
    for who, seen in ((AUDITOR, (1, 2, 1)), (OPERATOR, (1, 2, 1)), (SOUTH_OPERATOR, (0, 0, 0))):
        with shop.session() as session, seen_by(shop.actor(who)):
            found = dashboard.counts(session, TODAY)
        assert (found.shifts, found.jobs, found.jobs_failed) == seen, who


def test_meters_that_stopped_are_counted_until_somebody_decided(shop):
    meters = shop.utility.meters

    def add(session):
        now = shop.clock.now
        for rule, meter, state in (
            ("stopped", LEGACY_11, "open"), ("stopped", SOUTHERN, "open"),
            ("dropped", LEGACY_11, "open"), ("stopped", STS6_11, "ceased"),
        ):  # fmt: skip
            session.add(RevenueFinding(
                rule=rule, subject=f"meter {meters[meter]}", meter_id=meters[meter], facts={},
                found_at=now, state=state, live=state != "ceased",
            ))  # fmt: skip

    shop.change(add)
    for who, seen in ((AUDITOR, (2, 3)), (OPERATOR, (1, 2)), (SOUTH_OPERATOR, (1, 1))):
        with shop.session() as session, seen_by(shop.actor(who)):
            found = dashboard.counts(session, TODAY)
        assert (found.stopped, found.findings) == seen, who


def test_modules_in_use_are_told(shop):
    with shop.session() as session, seen_by(shop.actor(AUDITOR)):
        told = [row.name for row in dashboard.modules(session)]
    assert told == [row.name for row in shop.rows(SecurityModule)]
    assert told
