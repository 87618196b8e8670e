"""The file of a module's own record: its schema, how it is made, opened and brought up to date.

Source: SALE.md 6 "The module's own net".
"""

import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from vmsapp.hsm.keystore_file import sync_folder

BUSY_SECONDS: Final = 10
"""How long to wait for another process's transaction."""
SCHEMA_VERSION: Final = 2

_FIRST: Final = """
CREATE TABLE request (
    request_id  TEXT PRIMARY KEY,
    outcome     TEXT NOT NULL CHECK (outcome IN ('issued', 'refused', 'cancelled')),
    args_hash   TEXT,
    args        TEXT,
    meter_pan   TEXT,
    base_date   TEXT,
    tid         INTEGER,
    sealed      BLOB,
    reason      TEXT,
    highest_tid INTEGER,
    at          INTEGER NOT NULL,
    CHECK ((outcome = 'issued') = (sealed IS NOT NULL)),
    CHECK ((outcome = 'issued') = (reason IS NULL)),
    CHECK ((outcome = 'cancelled') = (args_hash IS NULL))
);
CREATE UNIQUE INDEX spent_tid ON request (meter_pan, base_date, tid) WHERE outcome = 'issued';
CREATE INDEX rate ON request (meter_pan, at) WHERE outcome = 'issued';
CREATE TABLE state (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    epoch    INTEGER NOT NULL,
    sequence INTEGER NOT NULL
);
INSERT INTO state VALUES (1, 1, 0);
CREATE TABLE IF NOT EXISTS head (
    number  INTEGER PRIMARY KEY,
    place   INTEGER NOT NULL,
    digest  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    restart INTEGER NOT NULL
);
"""

_SECOND: Final = """
ALTER TABLE request ADD COLUMN operation TEXT NOT NULL DEFAULT 'credit';
ALTER TABLE request ADD COLUMN key TEXT;
ALTER TABLE request ADD COLUMN tenths INTEGER;
ALTER TABLE request ADD COLUMN tags BLOB;
ALTER TABLE request ADD COLUMN refused_row INTEGER;
CREATE INDEX given ON request (key, at) WHERE outcome = 'issued' AND operation = 'credit';
CREATE TABLE batch_row (
    request_id TEXT NOT NULL,
    row        INTEGER NOT NULL,
    meter_pan  TEXT NOT NULL,
    base_date  TEXT NOT NULL,
    key        TEXT NOT NULL,
    tags       BLOB NOT NULL,
    PRIMARY KEY (request_id, row)
) WITHOUT ROWID;
CREATE INDEX batch_meter ON batch_row (meter_pan);
CREATE TABLE journal (
    number     INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    request_id TEXT NOT NULL UNIQUE,
    tokens     INTEGER NOT NULL,
    digest     BLOB NOT NULL,
    chain      BLOB NOT NULL,
    mac        BLOB NOT NULL
);
"""
"""Tokens of every kind, and the journal; what was issued before has no line in it."""

_SUMS: Final = """
CREATE TABLE given_minute (
    key    TEXT NOT NULL,
    minute INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    tenths INTEGER NOT NULL,
    PRIMARY KEY (key, minute)
) WITHOUT ROWID;
INSERT INTO given_minute
    SELECT key, at / 60, count(*), coalesce(sum(tenths), 0) FROM request
    WHERE outcome = 'issued' AND operation = 'credit' AND key IS NOT NULL GROUP BY 1, 2;
CREATE TRIGGER request_given AFTER INSERT ON request
WHEN NEW.outcome = 'issued' AND NEW.operation = 'credit' AND NEW.key IS NOT NULL
BEGIN
    INSERT INTO given_minute VALUES (NEW.key, NEW.at / 60, 1, coalesce(NEW.tenths, 0))
        ON CONFLICT DO UPDATE SET tokens = tokens + 1, tenths = tenths + excluded.tenths;
END;
"""
"""What a key gave in a minute: to count a day's tokens one by one for each new one takes longer
with every sale. A trigger keeps it, so a process of the release before, which has the file open,
keeps it too; and the version stays, for that release reads the file as ever."""

_FOR_EVER: Final = "".join(
    f"CREATE TRIGGER {table}_{deed} BEFORE {deed} ON {table}"
    f" BEGIN SELECT RAISE(ABORT, 'rows of {table} are for ever'); END;\n"
    for table in ("request", "batch_row", "journal", "head")
    for deed in ("UPDATE", "DELETE")
)
"""A slip of our own must not reach what was written; whoever owns the file can."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, bringing one that an earlier release made up to date.

    Raises:
        sqlite3.Error: It cannot be used, or a newer release made it.
    """
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        _bring_up_to_date(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def make_file(path: Path) -> None:
    """Make the empty file aside and link it into place: the first of several wins."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"{_FIRST}{_SECOND}{_SUMS}{_FOR_EVER}{_stamp()}")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        sync_folder(path.parent)
    finally:
        draft.unlink()


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    if _is_first(connection):
        _add(connection, f"{_head_table()}{_SECOND}{_FOR_EVER}{_stamp()}", _is_first)
    version = _version(connection)
    if version != SCHEMA_VERSION:
        msg = f"schema version {version} is not {SCHEMA_VERSION}"
        raise sqlite3.DatabaseError(msg)
    if _has_no_sums(connection):
        _add(connection, _SUMS, _has_no_sums)


def _add(
    connection: sqlite3.Connection, script: str, missing: Callable[[sqlite3.Connection], bool]
) -> None:
    """Run statements in one transaction, unless another process was first."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if missing(connection):
            _run(connection, script)
    except BaseException:
        connection.rollback()
        raise
    connection.execute("COMMIT")


def _is_first(connection: sqlite3.Connection) -> bool:
    return _version(connection) == 1


def _has_no_sums(connection: sqlite3.Connection) -> bool:
    return not connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE name = 'given_minute'"
    ).fetchone()


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Run statements inside the open transaction, which ``executescript`` would end."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _head_table() -> str:
    """The first release made files without it."""
    return _FIRST[_FIRST.index("CREATE TABLE IF NOT EXISTS head") :]


def _stamp() -> str:
    return f"PRAGMA user_version = {SCHEMA_VERSION};\n"


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
