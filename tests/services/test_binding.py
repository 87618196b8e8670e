"""Binding, unbinding and swapping meters: links with dates, places that keep their counters."""

from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import update

from tests.factories import (
    DOMESTIC,
    FEE_MINOR,
    LEGACY_11,
    NO_CONSUMER,
    NOT_INSTALLED,
    NOW,
    OPERATOR,
    RETIRED,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
    THIS_MONTH,
    TODAY,
    WATER,
)
from tests.faults import request_lost
from tests.shop import in_threads
from vmsapp.models import (
    AuditEvent,
    Consumer,
    Meter,
    MeterInstallation,
    MeterState,
    Sale,
    ServicePoint,
    Tariff,
)
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.binding import Link, Swap, bind, swap, unbind
from vmsapp.services.registration.removing import remove
from vmsapp.services.registration.tariff_assigning import assign
from vmsapp.services.vending.errors import NoSuchMeter


@pytest.fixture
def deed(shop):
    """Do something with meters as somebody."""
    return partial(shop.do, by=SUPERVISOR)


@pytest.fixture
def newcomer(shop):
    """A consumer of the north without a meter."""
    north = shop.utility.regions["north"].id
    row = Consumer(number="N1", name="Newcomer", region_id=north, address="7 Hill Road")
    shop.change(lambda s: s.add(row))
    return row.id


def links(shop, name):
    """What hung where, of a meter, the oldest first."""
    mine = MeterInstallation.meter_id == shop.utility.meters[name]
    return sorted(shop.rows(MeterInstallation, mine), key=lambda row: row.id)


def point(shop, number):
    return shop.rows(ServicePoint, ServicePoint.id == number)[0]


def owner(shop, name):
    return point(shop, shop.point_of(name)).consumer_id


def number_of(shop, name):
    return shop.utility.meters[name]


def test_binding_makes_a_place_at_the_consumers(shop, deed, newcomer):
    (place,) = deed(bind, [Link(number_of(shop, NOT_INSTALLED), newcomer, credit=Decimal("3.5"))])
    made = point(shop, place)
    assert (made.consumer_id, made.address, made.plan_attached_on) == (
        newcomer, "7 Hill Road", TODAY,
    )  # fmt: skip
    assert made.region_id == shop.utility.regions["north"].id
    (link,) = links(shop, NOT_INSTALLED)
    assert (link.consumer_id, link.installed_at, link.removed_at, link.installed_credit) == (
        newcomer, NOW, None, Decimal("3.5"),
    )  # fmt: skip


def test_a_meter_in_stock_becomes_active_and_goes_to_the_region_of_the_place(shop, deed, newcomer):
    number = number_of(shop, NOT_INSTALLED)
    country = shop.utility.regions["country"].id

    def to_stock(session):
        meter = session.get(Meter, number)
        meter.state, meter.region_id = "stock", country

    shop.change(to_stock)
    deed(bind, [Link(number, newcomer)])
    meter = shop.meter(NOT_INSTALLED)
    assert (meter.state, meter.region_id) == ("active", shop.utility.regions["north"].id)


def test_a_bound_meter_is_sold_to(shop, deed, newcomer):
    deed(bind, [Link(number_of(shop, NOT_INSTALLED), newcomer)])
    assert shop.sell(NOT_INSTALLED).consumer_id == newcomer


def test_several_are_bound_at_once_or_none(shop, deed, newcomer):
    unbound, bound = number_of(shop, NOT_INSTALLED), number_of(shop, LEGACY_11)
    with pytest.raises(wrong.MeterBound):
        deed(bind, [Link(unbound, newcomer), Link(bound, newcomer)])
    assert links(shop, NOT_INSTALLED) == []
    deed(unbind, bound)
    deed(bind, [Link(unbound, newcomer), Link(bound, newcomer)])
    places = {links(shop, name)[-1].service_point_id for name in (NOT_INSTALLED, LEGACY_11)}
    assert len(places) == 2
    assert {point(shop, place).consumer_id for place in places} == {newcomer}


@pytest.mark.parametrize(("name", "refusal"), [
    (LEGACY_11, wrong.MeterBound), (NO_CONSUMER, wrong.MeterBound), (RETIRED, wrong.MeterBound),
])  # fmt: skip
def test_a_meter_has_one_consumer(shop, deed, newcomer, name, refusal):
    with pytest.raises(refusal):
        deed(bind, [Link(number_of(shop, name), newcomer)])


def test_a_retired_meter_is_taken_back_first(shop, deed, newcomer):
    deed(unbind, number_of(shop, LEGACY_11), afterwards=MeterState.RETIRED)
    assert shop.meter(LEGACY_11).state == "retired"
    with pytest.raises(wrong.MeterRetired):
        deed(bind, [Link(number_of(shop, LEGACY_11), newcomer)])


def test_nothing_is_bound_to_who_left(shop, deed, newcomer):
    shop.change(lambda s: setattr(s.get(Consumer, newcomer), "retired_at", NOW))
    with pytest.raises(wrong.ConsumerRetired):
        deed(bind, [Link(number_of(shop, NOT_INSTALLED), newcomer)])


def test_what_is_out_of_sight_is_not_there(shop, deed, newcomer):
    number = number_of(shop, NOT_INSTALLED)
    south = owner(shop, SOUTHERN)
    with pytest.raises(NoSuchMeter):
        deed(bind, [Link(number, south)], by=SOUTH_OPERATOR)
    with pytest.raises(wrong.NoSuchConsumer):
        deed(bind, [Link(number, south)], by=OPERATOR)
    deed(unbind, number_of(shop, SOUTHERN))
    place = links(shop, SOUTHERN)[-1].service_point_id
    with pytest.raises(wrong.NoSuchPlace):
        deed(bind, [Link(number, newcomer, place)], by=OPERATOR)
    for what in (unbind, remove):
        with pytest.raises(NoSuchMeter):
            deed(what, number_of(shop, SOUTHERN), by=OPERATOR)
    with pytest.raises(NoSuchMeter):
        deed(swap, Swap(number_of(shop, LEGACY_11), number_of(shop, SOUTHERN)), by=OPERATOR)
    assert links(shop, NOT_INSTALLED) == []


def test_unbinding_keeps_the_link_with_its_dates_and_the_credit(shop, deed):
    shop.clock.forward(days=1)
    deed(unbind, number_of(shop, LEGACY_11), credit=Decimal(12))
    (link,) = links(shop, LEGACY_11)
    assert (link.installed_at, link.removed_at, link.removed_credit) == (
        NOW, shop.clock.now, Decimal(12),
    )  # fmt: skip
    assert shop.meter(LEGACY_11).state == "stock"
    assert point(shop, link.service_point_id).consumer_id is not None
    event = max(shop.rows(AuditEvent), key=lambda one: one.id)
    assert (event.action, event.details["credit"]) == ("meter.unbound", "12")
    with pytest.raises(wrong.MeterUnbound):
        deed(unbind, number_of(shop, LEGACY_11))


@pytest.mark.parametrize("credit", [Decimal(-1), Decimal("0.05"), Decimal("NaN")])
def test_credit_that_cannot_be_read_on_a_meter_is_refused(shop, deed, credit):
    with pytest.raises(wrong.CreditOutOfRange):
        deed(unbind, number_of(shop, LEGACY_11), credit=credit)


def test_the_same_consumer_takes_up_counters_and_fees_where_they_were(shop, deed):
    shop.sell(DOMESTIC, units="70")
    consumer, place = owner(shop, DOMESTIC), shop.point_of(DOMESTIC)
    deed(unbind, number_of(shop, DOMESTIC))
    deed(bind, [Link(number_of(shop, DOMESTIC), consumer, place)])
    assert point(shop, place).plan_attached_on == THIS_MONTH
    sale = shop.sell(DOMESTIC, units="50")
    # steps 0-100 at 0.10 and from 100 at 0.20 with 5 %: 30 x 0.10 + 20 x 0.20 x 1.05 = 7.20
    assert (sale.bought_before, sale.charged_minor) == (Decimal(70), 720)


def test_with_a_new_consumer_the_units_stay_and_the_arrears_go(shop, deed, newcomer):
    shop.sell(DOMESTIC, units="70")
    shop.clock.forward(days=61)  # 17 May: the fees of April and May are not paid
    place = shop.point_of(DOMESTIC)
    deed(unbind, number_of(shop, DOMESTIC))
    deed(bind, [Link(number_of(shop, DOMESTIC), newcomer, place)])
    moved_in = point(shop, place)
    assert (moved_in.consumer_id, moved_in.plan_attached_on) == (newcomer, date(2026, 5, 17))
    before, after = links(shop, DOMESTIC)
    assert (before.arrears_minor, after.arrears_minor) == (FEE_MINOR, None)
    assert before.consumer_id not in {None, newcomer}  # of a link that named nobody, who left
    sale = shop.sell(DOMESTIC, units="10")
    assert (sale.consumer_id, sale.charged_minor) == (newcomer, 100 + FEE_MINOR)
    assert shop.counters(DOMESTIC)[TODAY] == Decimal(70)


def test_a_tariff_given_after_the_leaver_went_forgives_no_arrears(shop, deed, newcomer):
    """SALE.md 11: arrears stay with the leaving consumer, by the tariff the place had."""
    shop.at(NOW + timedelta(days=92))  # 17 June: the fees of March, April and May are not paid
    place, number = shop.point_of(DOMESTIC), number_of(shop, DOMESTIC)
    (flat,) = shop.rows(Tariff, Tariff.name == "Flat")
    deed(unbind, number)
    deed(assign, [number], flat.id)
    deed(bind, [Link(number, newcomer, place)])
    before, after = links(shop, DOMESTIC)
    assert (before.arrears_minor, after.arrears_minor) == (3 * FEE_MINOR, None)
    assert shop.quote(DOMESTIC, units="10")["fee_arrears_minor"] == 0


def test_the_arrears_of_who_comes_back_are_due_at_the_place_again(shop, deed):
    shop.at(NOW + timedelta(days=92))
    consumer, place = owner(shop, DOMESTIC), shop.point_of(DOMESTIC)
    deed(unbind, number_of(shop, DOMESTIC))
    deed(bind, [Link(number_of(shop, DOMESTIC), consumer, place)])
    assert [link.arrears_minor for link in links(shop, DOMESTIC)] == [None, None]
    assert shop.quote(DOMESTIC, units="10")["fee_arrears_minor"] == 3 * FEE_MINOR


def test_of_who_left_before_this_was_noted_the_arrears_are_worked_out_later(
    shop, deed, newcomer
):  # fmt: skip
    shop.at(NOW + timedelta(days=92))
    place = shop.point_of(DOMESTIC)
    deed(unbind, number_of(shop, DOMESTIC))
    shop.change(
        lambda session: session.execute(update(MeterInstallation).values(arrears_minor=None))
    )
    shop.clock.forward(days=40)
    deed(bind, [Link(number_of(shop, DOMESTIC), newcomer, place)])
    assert links(shop, DOMESTIC)[0].arrears_minor == 3 * FEE_MINOR


def test_the_months_units_stay_with_the_place(shop, deed, newcomer):
    shop.sell(DOMESTIC, units="90")
    place = shop.point_of(DOMESTIC)
    deed(unbind, number_of(shop, DOMESTIC))
    deed(bind, [Link(number_of(shop, DOMESTIC), newcomer, place)])
    sale = shop.sell(DOMESTIC, units="20")
    # 10 x 0.10 + 10 x 0.20 x 1.05 = 3.10; the fee of this month was paid by who left
    assert (sale.bought_before, sale.charged_minor) == (Decimal(90), 310)


def test_a_place_is_taken_once_and_by_a_meter_of_its_kind(shop, deed, newcomer):
    taken = shop.point_of(DOMESTIC)
    with pytest.raises(wrong.PlaceTaken):
        deed(bind, [Link(number_of(shop, NOT_INSTALLED), newcomer, taken)])
    water = shop.point_of(WATER)
    deed(unbind, number_of(shop, WATER))
    with pytest.raises(wrong.OtherKindOfPlace):
        deed(bind, [Link(number_of(shop, NOT_INSTALLED), newcomer, water)])


# the swap


def test_swap_carries_counters_and_fees_over_and_records_what_was_left(shop, deed):
    shop.sell(DOMESTIC, units="90")
    shop.clock.forward(days=31)  # 17 April
    old, new = number_of(shop, DOMESTIC), number_of(shop, NOT_INSTALLED)
    place, consumer = shop.point_of(DOMESTIC), owner(shop, DOMESTIC)
    shop.sell(DOMESTIC, units="90")
    shop.clock.forward(days=1)
    deed(swap, Swap(old, new, old_credit=Decimal("4.2"), new_credit=Decimal(0)))
    assert shop.point_of(NOT_INSTALLED) == place
    (ended,), (begun,) = links(shop, DOMESTIC), links(shop, NOT_INSTALLED)
    assert (ended.removed_at, ended.removed_credit) == (shop.clock.now, Decimal("4.2"))
    assert (begun.installed_at, begun.installed_credit, begun.consumer_id) == (
        shop.clock.now, Decimal(0), consumer,
    )  # fmt: skip
    assert point(shop, place).plan_attached_on == THIS_MONTH
    domestic = shop.rows(Tariff, Tariff.name == "Domestic")[0]
    assert shop.meter(NOT_INSTALLED).tariff_id == domestic.id
    sale = shop.sell(NOT_INSTALLED, units="20")
    # as above: 10 x 0.10 + 10 x 0.20 x 1.05; the fee of April was paid at the old meter
    assert (sale.bought_before, sale.charged_minor) == (Decimal(90), 310)
    assert shop.meter(DOMESTIC).state == "stock"


def test_a_fee_missed_at_the_old_meter_is_due_at_the_new_one(shop, deed):
    shop.clock.forward(days=31)
    deed(swap, Swap(number_of(shop, DOMESTIC), number_of(shop, NOT_INSTALLED)))
    assert shop.sell(NOT_INSTALLED, units="10").charged_minor == 100 + 2 * FEE_MINOR


@pytest.mark.parametrize(("old", "new", "refusal"), [
    (NOT_INSTALLED, LEGACY_11, wrong.MeterUnbound), (DOMESTIC, LEGACY_11, wrong.MeterBound),
    (WATER, NOT_INSTALLED, wrong.OtherKindOfPlace), (DOMESTIC, DOMESTIC, wrong.MeterBound),
])  # fmt: skip
def test_what_cannot_be_swapped_is_refused(shop, deed, old, new, refusal):
    with pytest.raises(refusal):
        deed(swap, Swap(number_of(shop, old), number_of(shop, new)))


def test_the_old_meter_may_be_retired_with_the_swap(shop, deed):
    deed(
        swap,
        Swap(
            number_of(shop, DOMESTIC), number_of(shop, NOT_INSTALLED),
            afterwards=MeterState.RETIRED,
        ),
    )  # fmt: skip
    assert shop.meter(DOMESTIC).state == "retired"


def test_nothing_is_bound_or_swapped_while_a_sale_is_being_settled(shop, module, deed):
    module.once("issue_credit", request_lost)
    shop.sell(DOMESTIC)
    number = number_of(shop, DOMESTIC)
    with pytest.raises(wrong.MetersBusy):
        deed(unbind, number)
    with pytest.raises(wrong.MetersBusy):
        deed(swap, Swap(number, number_of(shop, NOT_INSTALLED)))
    shop.reconcile()
    assert links(shop, DOMESTIC)[-1].removed_at is None


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_two_who_bind_one_meter_at_once_bind_it_once(shop, deed, newcomer):
    number = number_of(shop, NOT_INSTALLED)
    outcomes = in_threads(*[lambda: deed(bind, [Link(number, newcomer)])] * 2)
    assert sorted(type(one).__name__ for one in outcomes) == ["MeterBound", "list"]
    assert len(links(shop, NOT_INSTALLED)) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_a_sale_and_a_swap_at_once_leave_one_order_of_things(shop, deed):
    old, new = number_of(shop, DOMESTIC), number_of(shop, NOT_INSTALLED)
    form = shop.form(DOMESTIC)
    sold, _swapped = in_threads(lambda: shop.submit(form), lambda: deed(swap, Swap(old, new)))
    sales = shop.rows(Sale)
    assert len(sales) == (1 if isinstance(sold, Sale) else 0)
    assert all(sale.meter_id == old for sale in sales)
