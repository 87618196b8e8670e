"""How statements reach PostgreSQL: which it plans once, and what its driver is kept from doing.

To plan a statement takes PostgreSQL longer than to run one that finds its rows by a key; of a
sale's processor time in the database two thirds were plans. A plan that is made once for all
values is the right one where rows are found by keys, and may be a wrong one where a list or a
report asks for a day or for two years. So it is said which: ``made_once``, and what runs in a
transaction that writes.

Source: PostgreSQL, "PREPARE", *Notes*; psycopg 3, "Prepared statements".
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

from flask import has_request_context, request
from sqlalchemy import Dialect, Engine, Executable, event

WRITES: Final = "vms_writes"
"""Option of a connection: its transaction is one that writes, or is not."""
STALE: Final = "0A000"
"""SQLSTATE of what ``is_stale`` tells, among others; asked again, a statement is prepared anew."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PREPARED: Final = "vms_prepared"
"""Option of a statement: it is prepared when it is first run on a connection."""

P = ParamSpec("P")
S = TypeVar("S", bound=Executable)


def made_once(make: Callable[P, S]) -> Callable[P, S]:
    """Have a statement made once in a process, and prepared once on a connection.

    To make one takes Python longer than to run it. It must find its rows by keys: it is planned
    for all values alike.

    Args:
        make: Gives the statement, with bound values; its arguments, which are hashed, say which.
    """

    @cache
    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> S:
        statement: S = make(*args, **kwargs).execution_options(**{_PREPARED: True})
        return statement

    return cast("Callable[P, S]", made)


@event.listens_for(Engine, "do_connect")
def _connect(
    dialect: Dialect,
    _record: object,
    args: Sequence[Any],
    options: dict[str, Any],
) -> Any:  # noqa: ANN401 - the driver's; None lets the library connect
    return _connections().connect(*args, **options) if _is_ours(dialect) else None


@event.listens_for(Engine, "do_execute")
def _execute(cursor: Any, statement: str, values: Any, context: Any) -> bool:  # noqa: ANN401 - any driver's
    """Run a statement, prepared as it says itself; others where they write, when they come often.

    Returns:
        Whether it was run; otherwise the library does it.
    """
    if context is None or not _is_ours(context.dialect) or not isinstance(cursor, _cursors()):
        return False  # a cursor on the server's side is planned for itself
    options = context.execution_options
    often = None if options.get(WRITES) else False
    try:
        cursor.execute(statement, values, prepare=True if options.get(_PREPARED) else often)
    except context.dialect.loaded_dbapi.NotSupportedError as error:
        if not is_stale(error) or writes(options) or _of_one_moment(cursor.connection):
            raise
        cursor.connection.rollback()  # which forgets all plans; nothing was written
        cursor.execute(statement, values)
    return True


def is_stale(error: BaseException | None) -> bool:
    """Tell whether a statement was prepared before an upgrade changed what it gives.

    The code alone stands for whatever the database does not do.
    """
    return getattr(getattr(error, "diag", None), "source_function", "") == "RevalidateCachedQuery"


def writes(options: Mapping[str, Any]) -> bool:
    """Tell whether a transaction writes, by its connection's options or else by the request.

    So do those that ``atomic`` opens, and those of a request that changes something.
    """
    told: bool | None = options.get(WRITES)
    return has_request_context() and request.method not in _READING if told is None else told


@event.listens_for(Engine, "connect")
def _prepare_postgresql(connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's
    """Have PostgreSQL compile no statement: it guesses a list's work so high that it would.

    To compile takes it longer than a page of a list may take.
    """
    if not hasattr(connection, "pgconn"):
        return
    connection.autocommit = True  # kept by the session, whatever becomes of its transactions
    connection.execute("SET jit = off")
    connection.autocommit = False
    connection.cursor_factory = _cursors()


def _of_one_moment(connection: Any) -> bool:  # noqa: ANN401 - the driver's
    """Tell whether a transaction must see one moment to its end, as a proof or an export does."""
    from psycopg import IsolationLevel  # noqa: PLC0415 - one machine alone needs no driver

    level = connection.isolation_level
    return level is not None and level > IsolationLevel.READ_COMMITTED


def _is_ours(dialect: Dialect) -> bool:
    return dialect.driver == "psycopg"


@cache
def _connections() -> type[Any]:
    """Make connections that know their prepared statements after a transaction is taken back.

    The driver forgets them all then, for a table made in it is gone; and each page that only read
    ends with that. Here nothing makes tables but upgrades, on connections of their own. After a
    transaction that failed they are forgotten as ever. Where the server is gone, so is the
    transaction, and there is nothing to take back: a page that is made already is shown.
    """
    from psycopg import Connection  # noqa: PLC0415 - one machine alone needs no driver
    from psycopg.pq import ExecStatus, TransactionStatus  # noqa: PLC0415 - likewise

    class Steady(Connection[Any]):
        def rollback(self) -> None:
            if self.pgconn.transaction_status == TransactionStatus.INTRANS:
                with self.lock:
                    done = self.pgconn.exec_(b"ROLLBACK").status == ExecStatus.COMMAND_OK
                if done or self.closed:
                    return
            super().rollback()

    return Steady


@cache
def _cursors() -> type[Any]:
    """Make cursors that describe the columns of an answer when they are asked which they are.

    The library asks after each statement whether there are any, and which only after the first
    of its kind; to describe a row of fifty takes longer than to fetch it.
    """
    from psycopg import Column, Cursor  # noqa: PLC0415 - one machine alone needs no driver

    class Columns(Sequence[Column]):
        def __init__(self, cursor: "Late", count: int) -> None:
            self._cursor, self._all = cursor, range(count)

        def __len__(self) -> int:
            return len(self._all)

        def __getitem__(self, which: Any) -> Any:  # noqa: ANN401 - one, or a list of some
            found = self._all[which]
            if isinstance(found, int):
                return Column(self._cursor, found)
            return [Column(self._cursor, n) for n in found]

    class Late(Cursor[Any]):
        @property
        def description(self) -> Any:  # noqa: ANN401 - as the driver's
            count = self.pgresult.nfields if self.pgresult else 0
            return Columns(self, count) if count else super().description

    return Late
