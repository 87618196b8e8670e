"""The module's own record: what became of every request id, for ever.

One SQLite file beside the keystore, apart from the database of the sales, so that a
restore of either shows. A row is written once, before the answer is given, and never
changed or deleted; digits lie in it sealed (``drivers.soft``).

What a module has used is asked and written in one IMMEDIATE transaction: two processes
that want the same TID come one after the other, and the second sees the first.

Source: SALE.md 6 "The module's own net", 16 "Restore, promotion, standby".
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.keystore_file import sync_folder

BUSY_SECONDS: Final = 10
"""How long to wait for another process's transaction."""
SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;
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
"""

_HEADS: Final = """
CREATE TABLE IF NOT EXISTS head (
    number  INTEGER PRIMARY KEY,
    place   INTEGER NOT NULL,
    digest  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    restart INTEGER NOT NULL
)
"""
"""Added later, to files made before it too; a release that knows nothing of it reads the rest."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one request.

    Attributes:
        request_id: The caller's id.
        outcome: ``issued``, ``refused`` or ``cancelled``.
        at: When it was written, to the second.
        args_hash: SHA-256 of ``args``, hex; None for a cancelled request, whose
            arguments the module may never have seen.
        args: What was asked, canonical JSON.
        meter_pan: 18 digits.
        base_date: Two-digit code of the base date.
        tid: Token identifier asked for; spent if ``outcome`` is ``issued``.
        sealed: The token, sealed, if it was issued.
        reason: Code of the refusal, ``cancelled`` for a cancelled request.
        highest_tid: The highest TID used when a TID was refused.
    """

    request_id: str
    outcome: str
    at: datetime
    args_hash: str | None = None
    args: str | None = None
    meter_pan: str | None = None
    base_date: str | None = None
    tid: int | None = None
    sealed: bytes | None = None
    reason: str | None = None
    highest_tid: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A head of the audit trail that was signed; the fields are as in ``SignedHead``."""

    number: int
    place: int
    digest: bytes
    at: datetime
    restart: bool


_COLUMNS: Final = ", ".join(Record.__slots__)
_HOLES: Final = ", ".join("?" * len(Record.__slots__))
_INSERT: Final = f"INSERT INTO request ({_COLUMNS}) VALUES ({_HOLES})"  # noqa: S608 - our names
_SELECT: Final = f"SELECT {_COLUMNS} FROM request WHERE request_id = ?"  # noqa: S608 - our names


@dataclass(frozen=True, slots=True)
class UsedTids:
    """What a module has used for one MeterPAN and base date.

    Attributes:
        spent: The TID asked about is among them.
        highest: The highest; None if there is none.
        oldest_kept: The lowest of the highest ``window``; None while there are fewer.
    """

    spent: bool
    highest: int | None
    oldest_kept: int | None


class Transaction:
    """Questions and one answer, all inside one IMMEDIATE transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, request_id: str) -> Record | None:
        """Look a request id up."""
        return _find(self._connection, request_id)

    def used_tids(self, meter_pan: str, base_date: str, tid: int, *, window: int) -> UsedTids:
        """Tell how ``tid`` stands to the ``window`` highest used ones."""
        newest = self._connection.execute(
            "SELECT tid FROM request WHERE outcome = 'issued' AND meter_pan = ? AND base_date = ?"
            " ORDER BY tid DESC LIMIT ?",
            (meter_pan, base_date, window),
        ).fetchall()
        spent = self._connection.execute(
            "SELECT 1 FROM request WHERE outcome = 'issued' AND meter_pan = ? AND base_date = ?"
            " AND tid = ?",
            (meter_pan, base_date, tid),
        ).fetchone()
        return UsedTids(
            spent=spent is not None,
            highest=newest[0][0] if newest else None,
            oldest_kept=newest[-1][0] if len(newest) == window else None,
        )

    def issued_since(self, meter_pan: str, moment: datetime) -> int:
        """Count the meter's tokens made after ``moment``."""
        row = self._connection.execute(
            "SELECT count(*) FROM request WHERE outcome = 'issued' AND meter_pan = ? AND at > ?",
            (meter_pan, int(moment.timestamp())),
        ).fetchone()
        return int(row[0])

    def add(self, record: Record) -> None:
        """Write a request's outcome; its id must be new."""
        values = [getattr(record, name) for name in Record.__slots__]
        values[Record.__slots__.index("at")] = int(record.at.timestamp())
        self._connection.execute(_INSERT, values)
        self._connection.execute("UPDATE state SET sequence = sequence + 1")

    def last_head(self) -> Head | None:
        """Give the head signed last."""
        return _last_head(self._connection)

    def add_head(self, head: Head) -> None:
        """Write a head that will be signed; its number must be new."""
        self._connection.execute(
            "INSERT INTO head (number, place, digest, at, restart) VALUES (?, ?, ?, ?, ?)",
            (head.number, head.place, head.digest, int(head.at.timestamp()), head.restart),
        )


class Results:
    """The file, opened when first asked, once in each process.

    A process has one connection, which its threads take in turn: writers would wait for
    each other anyway. A connection is never carried over a fork.

    Args:
        path: The file.
        make: Make it where there is none. Where a module has been at work, a missing
            file is a loss: made anew, it would let spent token identifiers be used again.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self._path = path
        self._make = make
        self._by_process: dict[int, _Opened] = {}

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write, alone among all processes; durable when the block has ended.

        Raises:
            HsmUnavailable: The file cannot be used; nothing was written.
            HsmTimeout: The commit failed; whether it was written must be asked.
        """
        with self._connection() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield Transaction(connection)
            except BaseException:
                connection.rollback()
                raise
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    connection.rollback()
                raise HsmTimeout from error

    def find(self, request_id: str) -> Record | None:
        """Look a request id up; another process that writes is not waited for."""
        with self._connection() as connection:
            return _find(connection, request_id)

    def last_head(self) -> Head | None:
        """Give the head of the audit trail signed last."""
        with self._connection() as connection:
            return _last_head(connection)

    def epoch(self) -> int:
        """Tell the epoch, from 1, which a restore raises."""
        return self._state("epoch")

    def sequence(self) -> int:
        """Tell how many records were written."""
        return self._state("sequence")

    def close(self) -> None:
        """Close this process's connection; the next question opens it again."""
        opened = self._by_process.pop(os.getpid(), None)
        if opened is not None:
            opened.close()

    def _state(self, column: str) -> int:
        with self._connection() as connection:
            row = connection.execute("SELECT epoch, sequence FROM state").fetchone()
        return int(row[("epoch", "sequence").index(column)])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # setdefault is atomic, so threads that come first together share one.
        opened = self._by_process.setdefault(os.getpid(), _Opened())
        if not opened.lock.acquire(timeout=BUSY_SECONDS):
            raise HsmUnavailable("storage", sent=True)
        try:
            yield opened.connect(self._path, make=self._make)
        except (sqlite3.Error, OSError) as error:
            raise HsmUnavailable("storage", sent=True) from error
        finally:
            opened.lock.release()


class _Opened:
    """One process's connection and the lock its threads share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def connect(self, path: Path, *, make: bool) -> sqlite3.Connection:
        if make and not path.exists():
            _make_file(path)
        inode = path.stat().st_ino
        if inode != self._inode:  # never opened, or another file stands there now
            self._forget()
        if self._connection is None:
            self._connection, self._inode = _connect(path), inode
        return self._connection

    def close(self) -> None:
        with self.lock:
            self._forget()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        _check_version(connection)
        connection.execute(_HEADS)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        msg = f"schema version {version} is not {SCHEMA_VERSION}"
        raise sqlite3.DatabaseError(msg)


def _make_file(path: Path) -> None:
    """Make the empty file aside and link it into place: the first of several wins."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.executescript(_SCHEMA)
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        sync_folder(path.parent)
    finally:
        draft.unlink()


def _find(connection: sqlite3.Connection, request_id: str) -> Record | None:
    row = connection.execute(_SELECT, (request_id,)).fetchone()
    if row is None:
        return None
    values = dict(zip(Record.__slots__, row, strict=True))
    values["at"] = datetime.fromtimestamp(values["at"], UTC)
    return Record(**values)


def _last_head(connection: sqlite3.Connection) -> Head | None:
    row = connection.execute(
        "SELECT number, place, digest, at, restart FROM head ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    number, place, digest, at, restart = row
    return Head(number, place, digest, datetime.fromtimestamp(at, UTC), bool(restart))
