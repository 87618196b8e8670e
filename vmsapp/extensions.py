"""The objects that outlive a request: database, migrations, CSRF guard; and ``atomic``.

SQLite waits for a write lock only when a transaction asks for it at its beginning, so
every transaction that may write begins with ``BEGIN IMMEDIATE`` there: those opened by
``atomic`` and those of web requests that change something. Reads begin plainly and
never queue behind a writer.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flask_appbuilder.models.sqla.base import SQLA
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Connection, Engine, Pool, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from vmsapp.clock import local_hour
from vmsapp.statements import WRITES, writes

BUSY_SECONDS = 30
"""How long a writer on SQLite waits for the one before it."""

TRUSTED_SECONDS = 1.0
"""How long after its last use a connection is taken without asking whether it still stands."""

_USED = "vms_used"
_ATOMIC = "vms_atomic"
_AFTER = "vms_after"

db = SQLA(
    session_options={"expire_on_commit": False, "autoflush": True},
    engine_options={
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
    if session.info.get(_ATOMIC):
        if durable:
            raise NestedDurable
        yield session
        return
    end_reading(session)
    try:
        session.info[_ATOMIC] = session.connection(execution_options={WRITES: True})
        yield session
        session.commit()
    except BaseException:
        session.info.pop(_AFTER, None)
        session.rollback()
        raise
    finally:
        session.info.pop(_ATOMIC, None)
    for call in session.info.pop(_AFTER, ()):
        call()


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Have something done once the transaction stands, for what is no part of it.

    Args:
        session: Inside ``atomic``.
        call: Not called where the transaction is taken back; does not raise.
    """
    assert session.info.get(_ATOMIC), "there is nothing to wait for outside atomic()"
    session.info.setdefault(_AFTER, []).append(call)


def connection_of(session: Session) -> Connection:
    """The connection of a session's transaction; a new one begins where there is none."""
    inside: Connection | None = session.info.get(_ATOMIC)
    return session.connection() if inside is None else inside


def end_reading(session: Session) -> None:
    """End a transaction that only read, so that no snapshot is held over a slow call.

    Rows read stay as they were read; what must be fresh is read again.
    """
    if session.info.get(_ATOMIC):
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
    session.connection(execution_options={WRITES: False})


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


@event.listens_for(Pool, "checkin")
def _note_use(connection: object, record: ConnectionPoolEntry) -> None:
    lost = getattr(connection, "closed", False)  # it is asked before it is used again
    record.info[_USED] = 0.0 if lost else time.monotonic()


@event.listens_for(Pool, "checkout")
def _ask_after_rest(
    connection: Any,  # noqa: ANN401 - any driver's
    record: ConnectionPoolEntry,
    _proxy: object,
) -> None:
    """Ask a connection whether its server is still there, if it rested for a while.

    A sale takes one three times over; to ask each time takes as long as a statement of its own.

    Raises:
        InvalidatePoolError: It is not; others that rested are not asked any more.
    """
    rested = time.monotonic() - record.info.get(_USED, 0.0)
    if rested < TRUSTED_SECONDS or not hasattr(connection, "pgconn"):
        return
    from psycopg import Error  # noqa: PLC0415 - one machine alone needs no driver

    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except Error as error:
        raise InvalidatePoolError from error


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    begin = "BEGIN IMMEDIATE" if writes(connection.get_execution_options()) else "BEGIN"
    connection.exec_driver_sql(begin)
