"""What the undoing of an import puts back, and what stays with its reason."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import NullPool, create_engine, insert, update

from tests.factories import (
    DOMESTIC,
    FEE_MINOR,
    LEGACY_13,
    NOW,
    STS6_11,
    SUPERVISOR,
    THIS_MONTH,
)
from vmsapp.extensions import atomic
from vmsapp.models import Campaign, Consumer, Debt, Meter, ServicePoint, Tariff
from vmsapp.models.base import Model
from vmsapp.models.campaign import CampaignMeter
from vmsapp.services.imports.consumers import CONSUMERS
from vmsapp.services.imports.kinds import Undoable, Wanted
from vmsapp.services.imports.meter_columns import draft_of
from vmsapp.services.imports.meters import METERS, mark
from vmsapp.services.registration import consumers
from vmsapp.services.registration.binding import Link, bind, unbind
from vmsapp.services.registration.drafts import ConsumerDraft
from vmsapp.services.registration.meter_errors import MeterHasHistory
from vmsapp.services.registration.removing import remove

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


def undo(shop, *rows, kind=METERS):
    """Undo rows of an import; the codes of why some stay."""

    def do(session, actor):
        with atomic(session):
            return kind.undo(session, actor, rows, 1)

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


# what something hangs on stays, and the others do not suffer for it


def referring(to):
    """Every column of every table that refers to a table, as the database has them."""
    return [
        pytest.param(table, key.parent.name, id=f"{table.name}.{key.parent.name}")
        for table in Model.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == to
    ]


def hang(shop, table, **values):
    """Write a row that refers to something, whatever else it says.

    Keys and checks are off: of all that such a row needs, only that it refers counts here.
    """
    if table.name == "meter_installation":
        values["removed_at"] = NOW  # of two that hang there now the database would know
    plain = {int: 1, str: "x", bool: False, Decimal: Decimal(1), date: date(2026, 3, 1),
             datetime: NOW, object: {}}  # fmt: skip
    row = {
        column.name: plain[getattr(column.type, "impl_instance", column.type).python_type]
        for column in table.columns
        if not column.nullable and column.name != "id"
    }
    engine = create_engine(shop.engine.url, poolclass=NullPool)
    with engine.connect() as connection:
        for check in ("foreign_keys = OFF", "ignore_check_constraints = ON"):
            connection.connection.driver_connection.execute(f"PRAGMA {check}")
        connection.execute(insert(table).values(row | values))
        connection.commit()


def meter_rows(shop, *names):
    """Rows of an import that had added these meters."""
    found = [shop.meter(name) for name in names]
    return [Undoable(n, "added", one.id, None, mark(one)) for n, one in enumerate(found, 1)]


def consumer_rows(shop):
    """Rows of an import that added two consumers, the second behind the first."""
    north = shop.utility.regions["north"].id
    drafts = [ConsumerDraft(name=name, region_id=north) for name in ("Ann", "Bob")]
    ids = shop.do(consumers.add, drafts, by=SUPERVISOR, batch_id=1)
    return [Undoable(n, "added", key, None, 1) for n, key in enumerate(ids, 1)]


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("table", "column"), referring("meter"))
def test_a_meter_that_anything_refers_to_stays_and_the_others_go(shop, table, column):
    kept, gone = meter_rows(shop, LEGACY_13, STS6_11)
    hang(shop, table, **{column: kept.subject_id})
    assert undo(shop, kept, gone) == {1: "in_use_since"}
    ids = [kept.subject_id, gone.subject_id]
    assert [row.id for row in shop.rows(Meter, Meter.id.in_(ids))] == [kept.subject_id]
    with pytest.raises(MeterHasHistory):
        shop.do(remove, kept.subject_id, by=SUPERVISOR)


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("table", "column"), referring("consumer"))
def test_a_consumer_that_anything_refers_to_stays_and_the_others_go(shop, table, column):
    kept, gone = consumer_rows(shop)
    hang(shop, table, **{column: kept.subject_id})
    assert undo(shop, kept, gone, kind=CONSUMERS) == {1: "in_use_since"}
    ids = [kept.subject_id, gone.subject_id]
    assert [row.id for row in shop.rows(Consumer, Consumer.id.in_(ids))] == [kept.subject_id]
    with pytest.raises(consumers.ConsumerHasHistory):
        shop.do(consumers.delete, [kept.subject_id], by=SUPERVISOR)


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("table", "column"), referring("service_point"))
def test_a_place_that_anything_refers_to_stays_and_its_meter_goes(shop, table, column):
    (row,) = meter_rows(shop, LEGACY_13)
    place = shop.point_of(LEGACY_13)
    hang(shop, table, **{column: place})
    assert undo(shop, row) == {}
    assert shop.count(ServicePoint, ServicePoint.id == place) == 1


def test_a_meter_on_a_list_of_a_campaign_stays_and_the_others_go(shop):
    kept, gone = meter_rows(shop, LEGACY_13, STS6_11)

    def list_it(session):
        campaign = Campaign(name="x", reason="x", due_on=date(2026, 12, 31), made_at=NOW,
                            listed=True)  # fmt: skip
        session.add(campaign)
        session.flush()
        session.add(
            CampaignMeter(campaign_id=campaign.id, place=1, number="1", meter_id=kept.subject_id)
        )

    shop.change(list_it)
    assert undo(shop, kept, gone) == {1: "in_use_since"}


def test_a_consumer_with_a_debt_stays_and_the_others_go(shop):
    kept, gone = consumer_rows(shop)
    debt = Debt(consumer_id=kept.subject_id, name="Connection", amount_minor=100, reason="x",
                recovered_minor=0, share_percent=10, entered_at=NOW, key="k")  # fmt: skip
    shop.change(lambda session: session.add(debt))
    assert undo(shop, kept, gone, kind=CONSUMERS) == {1: "in_use_since"}
    assert shop.count(Consumer, Consumer.id == gone.subject_id) == 0
