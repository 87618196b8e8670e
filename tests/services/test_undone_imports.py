"""What the undoing of an import puts back, and what stays with its reason."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import update

from tests.factories import DOMESTIC, FEE_MINOR, NOW, SUPERVISOR, THIS_MONTH
from vmsapp.extensions import atomic
from vmsapp.models import Consumer, ServicePoint, Tariff
from vmsapp.services.imports.kinds import Undoable, Wanted
from vmsapp.services.imports.meter_columns import draft_of
from vmsapp.services.imports.meters import METERS
from vmsapp.services.registration.binding import Link, bind, unbind

JUNE = NOW + timedelta(days=92)
"""17 June: the fees of March, April and May are missed, and June's is due."""


def apply(shop, wanted):
    """Import rows; what became of each."""

    def do(session, actor):
        with atomic(session):
            return METERS.apply(session, actor, wanted, 1)

    done, faults = shop.do(do, by=SUPERVISOR)
    assert faults == []
    return done


@pytest.fixture
def imported(shop):
    """An import that gives the domestic meter the flat tariff; its row as it is kept."""
    shop.at(JUNE)
    meter = shop.meter(DOMESTIC)
    (flat,) = shop.rows(Tariff, Tariff.name == "Flat")
    wanted = [Wanted(replace(draft_of(meter), tariff_id=flat.id), meter.id)]

    (done,) = apply(shop, wanted)
    assert attached_on(shop) == date(2026, 6, 17)
    return Undoable(2, done.state, meter.id, json.loads(json.dumps(done.before)), done.version)


def undo(shop, *rows):
    """Undo rows of an import; the codes of why some stay."""

    def do(session, actor):
        with atomic(session):
            return METERS.undo(session, actor, rows, 1)

    return {row: error.code for row, error in shop.do(do, by=SUPERVISOR).items()}


def attached_on(shop):
    (point,) = shop.rows(ServicePoint, ServicePoint.id == shop.point_of(DOMESTIC))
    return point.plan_attached_on


def missed(shop):
    return shop.quote(DOMESTIC, units="10")["fee_arrears_minor"]


def test_undoing_a_tariff_puts_back_since_when_its_fees_count(shop, imported):
    shop.clock.forward(days=1)
    assert undo(shop, imported) == {}
    assert attached_on(shop) == THIS_MONTH
    assert missed(shop) == 3 * FEE_MINOR


def test_an_import_of_before_the_day_was_kept_is_undone_as_it_was_then(shop, imported):
    del imported.before["attached_on"]
    assert undo(shop, imported) == {}
    assert attached_on(shop) == date(2026, 6, 17)


def test_of_who_moved_in_since_the_former_day_is_not_put_back(shop, imported):
    row = Consumer(number="N1", name="New", region_id=shop.utility.regions["north"].id)
    shop.change(lambda session: session.add(row))
    place = shop.point_of(DOMESTIC)
    shop.do(unbind, imported.subject_id, by=SUPERVISOR)
    shop.do(bind, [Link(imported.subject_id, row.id, place)], by=SUPERVISOR)
    assert undo(shop, imported) == {}
    assert (attached_on(shop), missed(shop)) == (date(2026, 6, 17), 0)


def test_a_day_that_was_set_since_is_not_undone(shop, imported):
    first = date(2026, 5, 1)
    shop.change(
        lambda session: session.execute(update(ServicePoint).values(plan_attached_on=first))
    )
    assert undo(shop, imported) == {}
    assert attached_on(shop) == first


def test_what_changes_no_tariff_keeps_no_day(shop):
    meter = shop.meter(DOMESTIC)
    wanted = [Wanted(replace(draft_of(meter), ti="33"), meter.id)]
    (done,) = apply(shop, wanted)
    assert "attached_on" not in done.before
