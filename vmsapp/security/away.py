"""A database that is away, told apart from our own mistakes: for pages and programs alike.

Source: PostgreSQL, appendix A "PostgreSQL Error Codes"; SQLite, "Result and Error Codes".
"""

import sqlite3
from typing import Final, TypeGuard

from sqlalchemy.exc import DBAPIError, NotSupportedError, OperationalError

from vmsapp.errors import N_, Unavailable, Uncertain
from vmsapp.statements import is_stale

TRY_AGAIN_S: Final = 5
"""What is told to wait where asking again may help."""

_STATES: Final = ("08", "57P01", "57P02", "57P03", "57P05", "53300")
"""How the codes of PostgreSQL begin: no connection; shut down, crashed, starting, idle for too
long; too many connections."""

_CODES: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR})
"""Of SQLite: another writes for longer than anybody waits; no file; no disk."""

_PRIMARY: Final = 0xFF
"""The bits of an extended code of SQLite that say which code it extends."""


class DatabaseAway(Unavailable):
    """The database cannot be asked, and nothing was done by this request."""

    code = "database_away"
    message = N_(
        "The database cannot be reached. Nothing was done by this request: send the same again in"
        " a moment, a sale with the same key."
    )


def is_away(error: BaseException | None) -> TypeGuard[DBAPIError]:
    """Tell whether an error says that the database cannot be reached, or is being upgraded.

    What a database that is there says of a statement is a mistake of ours. An error without a
    code was made on this side of the connection: refused, cut off, or no answer in time.
    """
    if isinstance(error, NotSupportedError):
        return is_stale(error.orig)
    if not isinstance(error, OperationalError):
        return False
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY in _CODES
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(_STATES)


def doubt_behind(error: BaseException | None) -> Uncertain | None:
    """Find what was about to be told when the database went away, if that was a doubt.

    A page that says so asks the database for the rest of it.
    """
    while error is not None and not isinstance(error, Uncertain):
        error = error.__context__
    return error
