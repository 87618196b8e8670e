"""Whether a meter is bound stands with the meter, too, and is what its installations say."""

from functools import partial

import pytest

from tests.factories import LEGACY_11, NO_CONSUMER, NOT_INSTALLED, SUPERVISOR
from vmsapp.models import Consumer, Meter, MeterInstallation, MeterState
from vmsapp.services.registration import meter_errors as wrong
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


def bound(shop) -> set[int]:
    """The meters said to be bound, which are those with an installation that has not ended."""
    said = {row.id for row in shop.rows(Meter) if row.bound}
    hanging = {row.meter_id for row in shop.rows(MeterInstallation) if row.removed_at is None}
    assert said == hanging
    return said


def test_it_follows_each_deed_that_moves_a_meter(shop, deed, newcomer, backend):
    spare, hung = (shop.utility.meters[name] for name in (NOT_INSTALLED, LEGACY_11))
    before = bound(shop)
    assert hung in before
    assert spare not in before
    deed(bind, [Link(spare, newcomer)])
    assert bound(shop) == before | {spare}
    deed(unbind, spare)
    assert bound(shop) == before
    deed(swap, Swap(hung, spare, afterwards=MeterState.RETIRED))
    assert bound(shop) == before - {hung} | {spare}


def test_a_deed_that_is_refused_leaves_it(shop, deed, newcomer):
    spare, hung = (shop.utility.meters[name] for name in (NOT_INSTALLED, LEGACY_11))
    before = bound(shop)
    with pytest.raises(wrong.MeterBound):
        deed(bind, [Link(spare, newcomer), Link(hung, newcomer)])
    assert bound(shop) == before


def test_it_goes_with_what_an_import_bound_and_gave_back(shop, deed, newcomer):
    spare = shop.utility.meters[NOT_INSTALLED]
    before = bound(shop)
    deed(bind, [Link(spare, newcomer)])
    assert shop.change(lambda s: take_off(s, shop.actor(SUPERVISOR), [spare], 1)) == set()
    assert bound(shop) == before


def test_a_meter_of_nobody_hangs_all_the_same(shop):
    assert shop.utility.meters[NO_CONSUMER] in bound(shop)
