"""The objects that outlive a request: database, migrations, CSRF guard; and ``atomic``.

SQLite waits for a write lock only when a transaction asks for it at its beginning, so
every transaction that may write begins with ``BEGIN IMMEDIATE`` there: those opened by
``atomic`` and those of web requests that change something. Reads begin plainly and
never queue behind a writer.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flask import has_request_context, request
from flask_appbuilder.models.sqla.base import SQLA
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from vmsapp.clock import local_hour

BUSY_SECONDS = 30
"""How long a writer on SQLite waits for the one before it."""

_WRITES = "vms_writes"
_DEPTH = "vms_atomic_depth"
_READING = {"GET", "HEAD", "OPTIONS"}

db = SQLA(
    session_options={"expire_on_commit": False, "autoflush": True},
    engine_options={
        "pool_pre_ping": True,
        "hide_parameters": True,  # an error's text must not hold a token's digits
    },
)
migrate = Migrate()
csrf = CSRFProtect()


class NestedDurable(AssertionError):
    """A durable transaction was asked for inside another: its commit would not be one."""


@contextmanager
def atomic(session: Session, *, durable: bool = False) -> Iterator[Session]:
    """Run the block in one write transaction: all of it, or nothing.

    Inside another ``atomic`` the block joins it. A transaction that only read, begun by
    the framework while it looked up the user, is ended first.

    Args:
        session: The session whose transaction it is.
        durable: The commit at the end must be a real one, so joining is refused.

    Raises:
        NestedDurable: ``durable`` inside another ``atomic``.
    """
    if session.info.get(_DEPTH):
        if durable:
            raise NestedDurable
        yield session
        return
    end_reading(session)
    session.info[_DEPTH] = 1
    try:
        session.connection(execution_options={_WRITES: True})
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info.pop(_DEPTH, None)


def end_reading(session: Session) -> None:
    """End a transaction that only read, so that no snapshot is held over a slow call.

    Rows read stay as they were read; what must be fresh is read again.
    """
    if session.info.get(_DEPTH):
        return
    changed = [*session.new, *session.dirty, *session.deleted]
    assert not changed, "changes outside atomic()"
    session.commit()


def begin_reading(session: Session) -> None:
    """Begin a transaction that only reads, in a request that will write at its end.

    For what takes long: as a writer, which such a request is from its beginning, it would
    keep all others waiting on SQLite.
    """
    end_reading(session)
    session.connection(execution_options={_WRITES: False})


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None  # the driver begins nothing; _begin does
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("local_hour", 2, _hour_of, deterministic=True)


def _hour_of(moment: str | None, zone: str) -> int | None:
    """Tell the hour in a time zone, which SQLite knows nothing of; it keeps moments in UTC."""
    if moment is None:
        return None
    return local_hour(datetime.fromisoformat(moment).replace(tzinfo=UTC), zone)


@event.listens_for(Engine, "connect")
def _prepare_postgresql(connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's
    """Have PostgreSQL compile no statement: it guesses a list's work so high that it would.

    To compile takes it longer than a page of a list may take.
    """
    if not type(connection).__module__.startswith("psycopg"):
        return
    connection.autocommit = True  # kept by the session, whatever becomes of its transactions
    connection.execute("SET jit = off")
    connection.autocommit = False


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    writes = connection.get_execution_options().get(_WRITES)
    if writes is None:
        writes = has_request_context() and request.method not in _READING
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
