"""What both databases must do alike: exact numbers, UTC, no lost update; and how SQLite is set."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from tests.factories import DOMESTIC, LEGACY_11, NOW
from tests.shop import in_threads
from vmsapp.extensions import NestedDurable, atomic, end_reading
from vmsapp.models import Consumer, Counter, Meter, ServicePoint, Setup, TidHead
from vmsapp.scope import unscoped
from vmsapp.services.rows import add_up, insert_missing, lock, lock_or_insert

PRAGMAS = [
    ("journal_mode", "wal"),
    ("synchronous", 2),  # FULL
    ("foreign_keys", 1),
    ("busy_timeout", 30_000),
]


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("name", "value"), PRAGMAS)
def test_every_sqlite_connection_is_set_up_for_money(engine, name, value):
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert connection.execute(text(f"PRAGMA {name}")).scalar() == value


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"])
def test_no_postgresql_connection_compiles_statements(engine):
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            connection.rollback()  # which takes nothing back
            assert connection.execute(text("SHOW jit")).scalar() == "off"


def test_a_row_that_refers_to_nothing_is_refused(shop):
    with pytest.raises(IntegrityError):
        shop.change(lambda s: s.add(Consumer(number="x", name="x", region_id=10**6)))


def test_no_update_is_lost_among_threads(shop):
    pan = "600727000000000009"
    shop.change(lambda s: s.add(TidHead(meter_pan=pan, base_date="14", last_tid=0)))

    def count_to_ten():
        for _ in range(10):
            with shop.session() as session, unscoped("a test of locks"), atomic(session):
                row = lock(session, TidHead, TidHead.meter_pan == pan)
                row.last_tid += 1

    assert in_threads(*[count_to_ten] * 4) == [None] * 4
    assert shop.rows(TidHead, TidHead.meter_pan == pan)[0].last_tid == 40


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_reader_does_not_wait_for_a_writer(shop):
    with shop.session() as writer, unscoped("a test of locks"), atomic(writer):
        writer.get_one(Meter, shop.utility.meters[LEGACY_11]).blocked_reason = "new"
        writer.flush()
        assert shop.meter(LEGACY_11).blocked_reason == ""
    assert shop.meter(LEGACY_11).blocked_reason == "new"


@pytest.mark.parametrize("units", ["0.001", "123456789012345.678", "999999999999999.999"])
def test_units_are_read_as_they_were_written(shop, units):
    row = Counter(
        service_point_id=shop.point_of(LEGACY_11), period_start=date(2026, 1, 1),
        units=Decimal(units),
    )  # fmt: skip
    shop.change(lambda s: s.add(row))
    assert shop.counters(LEGACY_11)[date(2026, 1, 1)] == Decimal(units)


def test_sums_are_exact(shop):
    point = shop.point_of(LEGACY_11)

    def add(session):
        for month in range(1, 11):
            session.add(
                Counter(
                    service_point_id=point, period_start=date(2025, month, 1),
                    units=Decimal("0.1"),
                )
            )  # fmt: skip

    shop.change(add)
    total = shop.change(lambda s: s.scalar(select(func.sum(Counter.units))))
    assert Decimal(total) == Decimal(1)


@pytest.mark.parametrize("units", [Decimal("0.1234"), 0.1])
def test_a_figure_that_would_be_rounded_is_refused_instead(shop, units):
    setup = shop.rows(Setup)[0]
    with pytest.raises(StatementError, match=r"decimals|exact"):
        shop.change(lambda s: setattr(s.merge(setup), "largest_units", units))


def test_a_moment_comes_back_aware_and_in_utc(shop):
    nairobi = timezone(timedelta(hours=3))
    local = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=nairobi)
    row = shop.change(lambda s: _later(s, local))
    back = shop.rows(Setup, Setup.id == row)[0].effective_at
    assert (back, back.tzinfo) == (local, UTC)
    assert back.hour == 9


def test_moments_compare_across_zones_in_the_database(shop):
    local = datetime(2026, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=3)))
    shop.change(lambda s: _later(s, local))
    assert shop.count(Setup, Setup.effective_at >= datetime(2026, 5, 1, 9, 0, tzinfo=UTC)) == 1
    assert shop.count(Setup, Setup.effective_at > datetime(2026, 5, 1, 9, 0, tzinfo=UTC)) == 0


def test_a_time_without_a_zone_is_refused(shop):
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(StatementError, match="zone"):
        shop.change(lambda s: _later(s, naive))


def _later(session, moment):
    first = session.scalars(select(Setup)).first()
    row = Setup(
        effective_at=moment, utility_name="x", time_zone=first.time_zone, currency="USD", exponent=2
    )
    session.add(row)
    session.flush()
    return row.id


def test_a_durable_transaction_does_not_join_another(shop):
    with shop.session() as session, atomic(session):
        with pytest.raises(NestedDurable), atomic(session, durable=True):
            pass
        with atomic(session):  # a plain one does
            assert session.in_transaction()


def test_an_atomic_block_that_raises_leaves_nothing(shop):
    with pytest.raises(RuntimeError):
        shop.change(_write_and_raise)
    assert shop.meter(DOMESTIC).blocked_reason == ""


def _write_and_raise(session):
    session.scalars(select(Meter)).first().blocked_reason = "x"
    session.flush()
    raise RuntimeError


def test_a_change_outside_atomic_is_our_mistake(shop):
    with shop.session() as session, unscoped("a test"):
        session.scalars(select(Meter)).first().blocked_reason = "x"
        with pytest.raises(AssertionError, match="outside atomic"):
            end_reading(session)


def test_inserting_what_is_there_already_changes_nothing(shop):
    values = {"meter_pan": "6" * 18, "base_date": "14"}
    shop.change(lambda s: insert_missing(s, TidHead, **values, floor=5))
    shop.change(lambda s: insert_missing(s, TidHead, **values, floor=9))
    assert [row.floor for row in shop.rows(TidHead)] == [5]


def test_a_row_is_locked_as_it_is_and_inserted_only_where_it_is_missing(shop):
    key = {"meter_pan": "6" * 18, "base_date": "14"}
    assert shop.change(lambda s: lock_or_insert(s, TidHead, key, floor=5).floor) == 5
    assert shop.change(lambda s: lock_or_insert(s, TidHead, key, floor=9).floor) == 5
    assert [row.floor for row in shop.rows(TidHead)] == [5]


def test_what_many_add_to_a_row_that_is_not_there_yet_is_counted_whole(shop):
    point_id = shop.rows(ServicePoint)[0].id
    key = {"service_point_id": point_id, "period_start": date(2026, 1, 5)}

    def add():
        units, minor = Decimal("1.001"), 10**12
        shop.change(lambda s: add_up(s, Counter, key, units=units, charged_minor=minor))

    assert in_threads(*[add] * 8) == [None] * 8
    (counter,) = shop.rows(Counter)
    assert (counter.units, counter.charged_minor) == (Decimal("8.008"), 8 * 10**12)
