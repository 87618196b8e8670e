"""Whether a consumer has a meter stands with the consumer, and is what places and links say."""

from functools import partial

import pytest
from sqlalchemy import delete, update

from tests.factories import LEGACY_11, NO_CONSUMER, NOT_INSTALLED, SOUTHERN, SUPERVISOR
from tests.shop import in_threads
from vmsapp.models import Consumer, MeterInstallation, MeterState, ServicePoint
from vmsapp.services.registration.binding import Link, Swap, bind, swap, unbind
from vmsapp.services.registration.taking_back import take_off


@pytest.fixture
def deed(shop):
    """Do something with meters as somebody."""
    return partial(shop.do, by=SUPERVISOR)


@pytest.fixture
def newcomer(shop):
    """A consumer of the north without a meter."""
    row = Consumer(number="N1", name="Newcomer", region_id=shop.utility.regions["north"].id)
    shop.change(lambda s: s.add(row))
    return row.id


def told(shop) -> dict[int, tuple[bool, bool]]:
    """What each consumer's row says, which must be what places and links say."""
    places = {row.id: row for row in shop.rows(ServicePoint)}
    hung = [places[row.service_point_id] for row in shop.rows(MeterInstallation)
            if row.removed_at is None]  # fmt: skip
    said = {}
    for row in shop.rows(Consumer):
        at = [place.region_id for place in hung if place.consumer_id == row.id]
        said[row.id] = (row.bound, row.away)
        assert said[row.id] == (bool(at), bool(at) and row.region_id not in at), row.number
    return said


def owner(shop, meter: str) -> int:
    """Whose a meter is."""
    hung = MeterInstallation.meter_id == shop.utility.meters[meter]
    (link,) = shop.rows(MeterInstallation, hung, MeterInstallation.removed_at.is_(None))
    (place,) = shop.rows(ServicePoint, ServicePoint.id == link.service_point_id)
    return place.consumer_id


def test_it_follows_each_deed_that_moves_a_meter(shop, deed, newcomer, backend):
    spare, hung = (shop.utility.meters[name] for name in (NOT_INSTALLED, LEGACY_11))
    theirs = owner(shop, LEGACY_11)
    assert told(shop)[newcomer] == (False, False)
    assert told(shop)[theirs] == (True, False)
    deed(bind, [Link(spare, newcomer)])
    assert told(shop)[newcomer] == (True, False)
    deed(unbind, spare)
    assert told(shop)[newcomer] == (False, False)
    deed(swap, Swap(hung, spare, afterwards=MeterState.STOCK))
    assert told(shop)[theirs] == (True, False)
    deed(bind, [Link(hung, newcomer)])
    assert shop.change(lambda s: take_off(s, shop.actor(SUPERVISOR), [hung], 1)) == set()
    assert told(shop)[newcomer] == (False, False)


def test_it_follows_places_and_consumers_that_go_to_another_region(shop, newcomer, backend):
    theirs = owner(shop, SOUTHERN)
    north, south = (shop.utility.regions[name].id for name in ("north", "south"))

    def write(model, key, **values):
        shop.change(lambda s: s.execute(update(model).where(key).values(values)))

    write(ServicePoint, ServicePoint.consumer_id == theirs, region_id=north)
    assert told(shop)[theirs] == (True, True)
    write(Consumer, Consumer.id == theirs, region_id=north)
    assert told(shop)[theirs] == (True, False)
    write(ServicePoint, ServicePoint.consumer_id == theirs, region_id=south, consumer_id=newcomer)
    assert told(shop)[theirs] == (False, False)
    assert told(shop)[newcomer] == (True, True)
    write(ServicePoint, ServicePoint.consumer_id == newcomer, consumer_id=None)
    assert told(shop)[newcomer] == (False, False)


def test_one_of_two_meters_is_a_meter(shop, deed, newcomer, backend):
    spare, nobodys = (shop.utility.meters[name] for name in (NOT_INSTALLED, NO_CONSUMER))
    deed(bind, [Link(spare, newcomer)])
    deed(unbind, nobodys)
    deed(bind, [Link(nobodys, newcomer)])
    deed(unbind, spare)
    assert told(shop)[newcomer] == (True, False)
    shop.change(lambda s: s.execute(
        delete(MeterInstallation).where(MeterInstallation.meter_id == nobodys)
    ))  # fmt: skip
    assert told(shop)[newcomer] == (False, False)


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"])
def test_two_bound_to_one_consumer_at_once_wait_for_each_other(shop, deed, newcomer, backend):
    spare, nobodys = (shop.utility.meters[name] for name in (NOT_INSTALLED, NO_CONSUMER))
    deed(unbind, nobodys)
    in_threads(*(partial(deed, bind, [Link(one, newcomer)]) for one in (spare, nobodys)))
    assert told(shop)[newcomer] == (True, False)
