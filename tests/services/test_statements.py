"""Which statements PostgreSQL plans once, and what becomes of them when a table is changed."""

import pytest
from sqlalchemy import Select, bindparam, create_engine, event, insert, select, text
from sqlalchemy.exc import NotSupportedError

from tests.factories import DOMESTIC, LEGACY_11, LEGACY_13, NOW
from tests.keyring import failed_change
from vmsapp.extensions import atomic
from vmsapp.models import KeyChange, Meter, Sale, Tariff
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.security.away import is_away
from vmsapp.services.meters import meter_card
from vmsapp.services.registration.meter_page import facts_of
from vmsapp.services.rows import run
from vmsapp.services.setup import setup_at
from vmsapp.statements import made_once

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("backend", ["postgres"], indirect=True),
]


@made_once
def by_id() -> Select[int, str]:
    return select(Tariff.id, Tariff.name).where(Tariff.id == bindparam("id"))


def unmarked():
    return select(Tariff.id, Tariff.name).where(Tariff.name == bindparam("name"))


@pytest.fixture
def widen(shop):
    """Lets columns take longer texts, as an upgrade may; on a connection that nobody uses then."""
    engine = create_engine(shop.engine.url)
    changed = []

    def change(table: str, name: str, width: int) -> None:
        with engine.begin() as other:
            other.execute(text(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE varchar({width})"))

    def longer(*columns: str) -> None:
        for column in columns:
            table, name = column.split(".")
            changed.append((table, name, Sale.metadata.tables[table].c[name].type.length))
            change(table, name, 999)

    yield longer
    for one in changed:  # tests share a database
        change(*one)
    engine.dispose()


@pytest.fixture
def session(shop, widen):  # ends first: a table is not changed while it is read
    with shop.session() as opened, seen_by(shop.actor()):
        yield opened


def prepared(session, begin: str) -> int:
    """How many statements that begin so are planned on the session's connection."""
    told = session.connection().exec_driver_sql("SELECT statement FROM pg_prepared_statements")
    return sum(statement.startswith(begin) for (statement,) in told)


def test_a_statement_made_once_is_planned_once_and_outlives_what_is_taken_back(session):
    begin = "SELECT tariff.id, tariff.name"
    assert prepared(session, begin) == 0
    assert run(session, by_id(), {"id": 1}).one().id == 1
    session.rollback()
    assert prepared(session, begin) == 1
    assert run(session, by_id(), {"id": 2}).one().id == 2
    session.rollback()
    assert prepared(session, begin) == 1


def test_what_a_page_reads_is_planned_each_time_and_what_writes_when_it_comes_often(session):
    begin = "SELECT tariff.id, tariff.name"
    for _ in range(8):
        run(session, unmarked(), {"name": "Domestic"}).one()
    assert prepared(session, begin) == 0
    session.rollback()
    with atomic(session):
        for _ in range(8):
            run(session, unmarked(), {"name": "Domestic"}).one()
        assert prepared(session, begin) == 1


def test_what_reads_does_not_notice_that_an_upgrade_widens_a_column(session, widen):
    run(session, by_id(), {"id": 1}).one()
    session.rollback()
    widen("tariff.name")
    assert run(session, unmarked(), {"name": "Domestic"}).one()
    assert prepared(session, "SELECT tariff.id, tariff.name") == 1
    assert run(session, by_id(), {"id": 1}).one().id == 1
    assert prepared(session, "SELECT tariff.id, tariff.name") == 0, "it was refused, and run anew"


def test_what_sees_one_moment_to_its_end_is_broken_off_and_does_not_move_on(session, widen):
    run(session, by_id(), {"id": 1}).one()
    session.rollback()
    widen("tariff.name")
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    with pytest.raises(NotSupportedError):
        run(session, by_id(), {"id": 1}).one()
    session.rollback()
    assert run(session, by_id(), {"id": 1}).one().id == 1


def test_what_writes_is_broken_off_once_and_is_told_to_try_again(session, widen):
    run(session, by_id(), {"id": 1}).one()
    session.rollback()
    widen("tariff.name")
    with pytest.raises(NotSupportedError) as broken, atomic(session):
        run(session, by_id(), {"id": 1}).one()
    assert is_away(broken.value)
    with atomic(session):
        assert run(session, by_id(), {"id": 1}).one().id == 1


def test_a_sale_goes_on_where_an_upgrade_widens_columns_it_reads(shop, widen):
    shop.sell(LEGACY_11)
    widen("meter.drn", "setup.time_zone", "sale.body_hash", "service_point.address")
    sale = shop.sell(DOMESTIC)
    assert (sale.state, shop.count(Sale)) == ("issued", 2)


def sent(engine, deed) -> list[tuple[str, object]]:
    """What a deed reads of key changes: statements with what they are given."""
    seen = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT") and "JOIN key_change" in statement:
            seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        deed()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen


def nodes(plan: dict):
    """All parts of a plan."""
    yield plan
    for one in plan.get("Plans", ()):
        yield from nodes(one)


def look_at(shop, name: str) -> None:
    meter = shop.meter(name)
    with shop.session() as session, seen_by(SYSTEM):
        setup = setup_at(session, NOW)
        meter_card(session, setup, meter.id, NOW)
        facts_of(session, setup, session.get_one(Meter, meter.id), NOW)


def test_changes_written_after_a_plan_was_made_are_not_asked_one_by_one(shop):
    """A campaign writes thousands within seconds, and connections keep the plans they have."""
    change = failed_change(shop, LEGACY_13)
    asked = sent(shop.engine, lambda: (shop.sell(LEGACY_11), look_at(shop, LEGACY_11)))
    assert len(asked) >= 4
    table, others = KeyChange.__table__, 40
    with shop.engine.connect() as connection:
        row = connection.execute(select(table).where(table.c.id == change)).mappings().one()
        connection.execute(insert(table), [
            dict(row) | {"id": change + n, "form_key": f"form-{n}", "request_id": f"K-{n}"}
            for n in range(1, others)
        ])  # fmt: skip
        for way in ("indexscan", "indexonlyscan", "bitmapscan", "hashjoin", "mergejoin"):
            connection.execute(text(f"SET LOCAL enable_{way} = off"))  # as for an empty table
        for statement, parameters in asked:
            told = connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
            ).scalar_one()
            looked = [
                node for node in nodes(told[0]["Plan"]) if node.get("Relation Name") == "key_change"
            ]
            assert looked, statement
            assert [node["Actual Loops"] for node in looked if node["Actual Loops"] > 1] == []
        connection.rollback()
