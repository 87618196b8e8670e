"""What is run and written past the session: the scope holds there, too, and nothing is lost."""

from types import SimpleNamespace

import pytest
from sqlalchemy import bindparam, create_engine, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tests.factories import (
    AUDITOR,
    HARBOUR,
    LEGACY_11,
    MARKET,
    NOW,
    OPERATOR,
    SOUTH_OPERATOR,
    SUPERVISOR,
)
from vmsapp import extensions
from vmsapp.extensions import atomic
from vmsapp.models import LedgerTransfer, Sale
from vmsapp.scope import NOTHING, OutOfScope, seen_by
from vmsapp.services.rows import insert_at_once, run

READ = select(Sale.id).where(Sale.meter_pan != bindparam("pan"))
CHANGE = update(Sale).where(Sale.meter_pan != bindparam("pan")).values(failure="seen")


def on_postgres(test):
    """Have a test run there alone."""
    return pytest.mark.postgres(
        pytest.mark.parametrize("backend", ["postgres"], indirect=True)(test)
    )


def transfer(vending_point_id: int) -> LedgerTransfer:
    return LedgerTransfer(
        vending_point_id=vending_point_id, kind="float", made_at=NOW, business_date=NOW.date()
    )


def write(shop, row: LedgerTransfer) -> None:
    with shop.session() as session, seen_by(shop.actor()), atomic(session):
        insert_at_once(session, row)
        assert row not in session


def test_a_row_written_at_once_has_its_id_and_what_the_model_says(shop):
    row = transfer(shop.utility.points[HARBOUR])
    write(shop, row)
    (stored,) = shop.rows(LedgerTransfer)
    assert (stored.id, stored.state, stored.reason) == (row.id, "pending", "")


def test_a_row_of_another_vending_point_is_not_written_at_once(shop):
    row = transfer(shop.utility.points[MARKET])
    with pytest.raises(OutOfScope):
        write(shop, row)
    assert shop.rows(LedgerTransfer) == []


def test_a_statement_reads_and_changes_what_its_asker_sees(shop):
    sale = shop.sell(LEGACY_11)
    seen = {"nobody": SimpleNamespace(sight=NOTHING)}
    seen |= {who: shop.actor(who) for who in (OPERATOR, SOUTH_OPERATOR, SUPERVISOR, AUDITOR)}
    found = {}
    for who, actor in seen.items():  # one compiled statement serves them all
        with shop.session() as session, seen_by(actor), atomic(session):
            read = run(session, READ, {"pan": ""}).scalars().all()
            found[who] = (read, run(session, CHANGE, {"pan": ""}).rowcount)
    assert found == {
        "nobody": ([], 0), SOUTH_OPERATOR: ([], 0),
        OPERATOR: ([sale.id], 1), SUPERVISOR: ([sale.id], 1), AUDITOR: ([sale.id], 1),
    }  # fmt: skip


@pytest.fixture
def end(engine):
    """Ends the server's side of a connection, which is gone then."""
    another = create_engine(engine.url)

    def end(pid: int) -> None:
        with another.connect() as connection:
            ended = text("SELECT pg_terminate_backend(:pid, 5000)")
            assert connection.execute(ended, {"pid": pid}).scalar()

    yield end
    another.dispose()


@on_postgres
def test_what_was_read_stands_though_the_server_goes_before_the_end(engine, end):
    asked = text("SELECT pg_backend_pid()")
    with Session(engine) as session:
        first = session.scalar(asked)
        end(first)
    with Session(engine) as session:  # it was just used, and is not trusted all the same
        assert session.scalar(asked) != first


@on_postgres
def test_a_connection_whose_server_went_while_it_rested_is_replaced(engine, end, monkeypatch):
    def backend() -> int:
        with engine.connect() as connection:
            return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()

    first = backend()
    assert backend() == first  # it is used again
    end(first)
    with pytest.raises(OperationalError):  # just used, it is trusted
        backend()
    second = backend()
    end(second)
    monkeypatch.setattr(extensions, "TRUSTED_SECONDS", 0.0)
    assert backend() not in (first, second)


@on_postgres
def test_columns_are_described_as_the_driver_describes_them(engine):
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("SELECT 1 AS one, 'x'::varchar(5) AS two, now() AS three")
        plain = type(cursor).__mro__[1].description.fget(cursor)
        assert [tuple(one) for one in cursor.description] == [tuple(one) for one in plain]
        assert [one.name for one in cursor.description[-2:]] == ["two", "three"]
        assert len(cursor.description) == 3
        with pytest.raises(IndexError):
            cursor.description[3]
        cursor.execute("SET jit = off")
        assert cursor.description is None
        cursor.execute("SELECT 1 WHERE false")
        assert len(cursor.description) == 1
