"""A clock that is behind or ahead: refused with a sentence, until somebody accepts it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.factories import DOMESTIC, LEGACY_11, NOW, STS6_11, THIS_MONTH, TODAY
from tests.faults import down
from tests.services.pair import make_pair
from vmsapp.models import AuditEvent, ClockAcceptance, Counter, Meter, Sale, ServicePoint
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import clock as clocks
from vmsapp.services.registration.dues import dues_at
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.errors import (
    ClockBehind,
    ModuleClockDiffers,
    TidAhead,
    UnknownMeter,
)
from vmsapp.services.vending.reversal import REVERSE, Reversal

YEAR = timedelta(days=365)


def accept(shop, meter=None, reason="wrong battery", by="auditor"):
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        if meter is None:
            clocks.accept_newest_sale(session, actor, reason)
        else:
            clocks.accept_meter(session, actor, shop.meter(meter).drn, reason)


def test_a_clock_two_hours_back_refuses_every_sale_until_it_is_accepted(shop):
    shop.sell()
    shop.clock.forward(hours=-2)
    for meter in (LEGACY_11, STS6_11):
        with pytest.raises(ClockBehind) as caught:
            shop.sell(meter)
        assert caught.value.params == {"now": NOW - timedelta(hours=2), "newest": NOW}
    accept(shop)
    assert shop.sell(STS6_11).state == "issued"
    assert shop.sell(LEGACY_11).state == "issued"  # its identifier runs two hours ahead: allowed


def test_accepting_is_kept_with_its_reason_and_its_person(shop):
    sale = shop.sell()
    accept(shop, reason="  moved house  ")
    (row,) = shop.rows(ClockAcceptance)
    assert (row.reason, row.newest_sale_id, row.accepted_at) == ("moved house", sale.id, NOW)
    assert row.accepted_by_id == shop.utility.users["auditor"].id
    assert shop.count(AuditEvent, AuditEvent.action == "clock.accepted") == 1


@pytest.mark.parametrize(("seconds", "sells"), [(120, True), (121, False)])
def test_a_clock_may_lie_two_minutes_behind_the_newest_sale(shop, seconds, sells):
    shop.sell()
    shop.clock.forward(seconds=-seconds)
    form = shop.form(STS6_11)
    if sells:
        assert shop.submit(form).state == "issued"
    else:
        with pytest.raises(ClockBehind):
            shop.submit(form)


def test_a_failed_sale_counts_for_the_clock_as_well(shop, module):
    module.once("issue_credit", down)
    assert shop.sell().state == "failed"
    shop.clock.forward(hours=-2)
    with pytest.raises(ClockBehind):
        shop.sell()


def test_what_was_accepted_counts_no_more_but_a_new_sale_does(shop):
    shop.sell()
    shop.clock.forward(hours=-2)
    accept(shop)
    shop.sell(STS6_11)
    shop.clock.forward(hours=-2)
    with pytest.raises(ClockBehind):
        shop.sell(STS6_11)


def test_a_clock_a_year_ahead_and_then_right_stops_all_sales_then_that_meter_only(shop):
    shop.at(NOW + YEAR).sell()
    shop.at(NOW)
    with pytest.raises(ClockBehind):
        shop.sell(STS6_11)
    accept(shop)
    assert shop.sell(STS6_11).state == "issued"
    with pytest.raises(TidAhead) as caught:
        shop.sell()
    assert caught.value.params["drn"] == shop.meter(LEGACY_11).drn


def test_a_meter_whose_identifiers_are_accepted_goes_on_from_them(shop, keystore):
    ahead = shop.at(NOW + YEAR).sell()
    shop.at(NOW)
    accept(shop)
    accept(shop, LEGACY_11)
    first, second = shop.sell(), shop.sell(units="10")
    assert [first.tid, second.tid] == [ahead.tid + 1, ahead.tid + 2]
    assert shop.decode(second, keystore).tid == ahead.tid + 2
    assert shop.rows(ClockAcceptance)[-1].last_tid == ahead.tid


def test_accepting_one_jump_of_the_clock_does_not_accept_the_next(shop):
    shop.at(NOW + YEAR).sell()
    shop.at(NOW)
    accept(shop)
    accept(shop, LEGACY_11)
    shop.sell()
    shop.at(NOW + 2 * YEAR).sell(units="10")
    shop.at(NOW)
    accept(shop)
    with pytest.raises(TidAhead):
        shop.sell(units="20")


@pytest.mark.parametrize(("days", "sells"), [(2, True), (3, False)])
def test_an_identifier_may_run_two_days_ahead_of_the_clock(shop, days, sells):
    shop.at(NOW + timedelta(days=days)).sell()
    shop.at(NOW + timedelta(minutes=1))
    accept(shop)
    if sells:
        assert shop.sell().state == "issued"
    else:
        with pytest.raises(TidAhead):
            shop.sell()


def test_when_the_clock_is_behind_the_newest_period_of_a_point_the_newest_counts(shop):
    shop.at(NOW + timedelta(days=31)).sell(DOMESTIC, units="60")  # in April, as the clock had it
    shop.at(NOW)
    accept(shop)
    accept(shop, DOMESTIC)
    sale = shop.sell(DOMESTIC, units="60")
    assert (sale.counter_period, sale.business_date) == (date(2026, 4, 17), date(2026, 4, 17))
    assert sale.charged_minor == 820  # worked table: 60 bought, fee paid, 60 more
    assert sale.sold_at == NOW


@pytest.mark.parametrize("ends", ["failed", "reversed"])
def test_a_period_whose_purchases_were_all_given_back_is_no_newest_one(shop, module, ends):
    shop.at(NOW + timedelta(days=200))
    if ends == "failed":
        module.once("issue_credit", down)
    gone = shop.sell(DOMESTIC, units="60")
    if ends == "reversed":
        pair = make_pair(shop)
        pair.approve(pair.ask(REVERSE, params=Reversal(gone.id, gone.charged_minor, "test")))
    assert shop.again(gone).state == ends
    shop.at(NOW)
    accept(shop)
    accept(shop, DOMESTIC)
    with shop.session() as session, seen_by(SYSTEM):
        point = session.get_one(ServicePoint, shop.point_of(DOMESTIC))
        priced = [(point, shop.meter(DOMESTIC).tariff_id)]
        (due,) = dues_at(session, setup_at(session, NOW), priced, NOW).values()
    assert due.missed_minor == 0
    sale = shop.sell(DOMESTIC, units="60")
    assert (sale.counter_period, sale.business_date) == (TODAY, TODAY)
    assert sale.charged_minor == 800  # worked table: nothing bought, the fee of March, 60 units
    assert shop.fees(DOMESTIC) == [THIS_MONTH]


def test_a_token_that_was_given_is_no_purchase_of_the_newest_period(shop):
    shop.change(
        lambda s: s.add(
            Counter(
                service_point_id=shop.point_of(DOMESTIC), period_start=date(2026, 4, 17),
                units=Decimal(0), charged_minor=0,
            )
        )
    )  # fmt: skip
    assert shop.sell(DOMESTIC, units="60").business_date == TODAY


def test_nothing_is_sold_while_the_modules_clock_is_elsewhere(shop, module):
    real = module.inner._clock
    module.inner._clock = lambda: real() + timedelta(minutes=3)
    with pytest.raises(ModuleClockDiffers):
        shop.sell()
    assert (shop.count(Sale), module.asked) == (0, [])
    module.inner._clock = real
    assert shop.sell().state == "issued"


def test_a_module_whose_clock_moved_after_the_look_leaves_the_sale_to_the_worker(shop, module):
    real = module.inner._clock

    def moved(call):
        module.inner._clock = lambda: real() + timedelta(minutes=3)
        return call()

    module.once("issue_credit", moved)
    sale = shop.sell()
    assert (sale.state, shop.tokens(sale)) == ("pending", [])
    module.inner._clock = real
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_wrong_clock_is_not_accepted_without_a_reason(shop, reason):
    shop.sell()
    with pytest.raises(clocks.ReasonMissing):
        accept(shop, reason=reason)
    assert shop.count(ClockAcceptance) == 0


def test_there_is_nothing_to_accept_before_the_first_sale(shop):
    with pytest.raises(clocks.NothingToAccept):
        accept(shop)
    with pytest.raises(clocks.NothingToAccept):
        accept(shop, LEGACY_11)


def test_a_meter_out_of_sight_cannot_be_accepted(shop):
    shop.sell()
    with pytest.raises(UnknownMeter):
        accept(shop, LEGACY_11, by="operator2")


def test_the_clock_is_one_for_all_points_whoever_looks(shop):
    shop.sell()
    shop.clock.forward(hours=-2)
    with pytest.raises(ClockBehind):
        shop.sell("of the other region", point="Market Square", by="operator2")
    assert (shop.count(Sale), shop.count(Meter, Meter.drn == "")) == (1, 0)


def test_the_identifier_counts_utc_minutes_since_the_keys_base_date(shop):
    days = 12 * 365 + 3 + 31 + 28 + 16  # 2014 to 2025 with three leap days, and up to 16 March
    assert shop.sell().tid == days * 1440 + 9 * 60 + 30
