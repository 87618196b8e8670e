"""Answers of SQLite that nobody read to their end, while their transaction ends.

Such an answer keeps its connection reading what was true before. Whoever writes on it next is told
"database is locked" at once, whatever the time to wait. It is luck whether the answer is thrown
away in time; here it is kept, so that a test does not hang on that.
"""

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, event

_given: dict[int, list[tuple[Any, str]]] = {}
_open: list[str] = []


@event.listens_for(Engine, "after_cursor_execute")
def _keep(
    connection: Connection, cursor: Any, statement: str, _values: object, _context: object,
    _many: bool,
) -> None:  # fmt: skip
    if isinstance(cursor, sqlite3.Cursor) and _answers(statement):
        _given.setdefault(id(cursor.connection), []).append((cursor, statement))


def _answers(statement: str) -> bool:
    return statement.lstrip().startswith(("SELECT", "WITH")) or " RETURNING " in statement


def _look(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    for cursor, statement in _given.pop(id(connection.connection.dbapi_connection), ()):
        try:
            cursor.fetchone()
        except sqlite3.ProgrammingError:
            continue  # it is closed
        cursor.close()
        _open.append(statement)


event.listen(Engine, "commit", _look)
event.listen(Engine, "rollback", _look)


def left_open() -> list[str]:
    """Statements since the last call whose answers were still open when a transaction ended."""
    found = _open.copy()
    _open.clear()
    return found
