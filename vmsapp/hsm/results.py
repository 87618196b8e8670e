"""The module's own record: what became of every request id, for ever.

One SQLite file beside the keystore, apart from the database of the sales, so that a
restore of either shows (``record_file``). A row is written once, before the answer is given,
and never changed or deleted; digits lie in it sealed (``engine``). What was issued has a line
in the journal, written with it (``journal``).

What a module has used is asked and written in one IMMEDIATE transaction: two processes
that want the same TID come one after the other, and the second sees the first.

Source: SALE.md 6 "The module's own net", 16 "Restore, promotion, standby".
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from vmsapp.hsm import record_file
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable


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
        operation: What was asked for, as in ``requests``.
        key: Name of the vending key; None for a token of no meter, and for a batch.
        tenths: Tenths of a unit that a credit in units gives.
        tags: 16 bytes for each token that was issued, one after another; None before the
            journal began.
        refused_row: Row of a batch that was refused.
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
    operation: str = "credit"
    key: str | None = None
    tenths: int | None = None
    tags: bytes | None = None
    refused_row: int | None = None


class BatchRow(NamedTuple):
    """One meter of a batch that was issued; the fields are as in ``Record``.

    A tuple as the database takes it, for a campaign has a million of them.
    """

    request_id: str
    row: int
    meter_pan: str
    base_date: str
    key: str
    tags: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the journal.

    Attributes:
        number: From 1 without gaps.
        at: When, to the second.
        request_id: What was issued.
        tokens: How many tokens that were.
        digest: SHA-256 over the request and its rows.
        chain: SHA-256 over the line before and this one.
        mac: HMAC of ``chain`` under a key of the module's.
    """

    number: int
    at: datetime
    request_id: str
    tokens: int
    digest: bytes
    chain: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A head of the audit trail that was signed; the fields are as in ``SignedHead``."""

    number: int
    place: int
    digest: bytes
    at: datetime
    restart: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a record is; the fields are as in ``ModuleStatus``."""

    epoch: int
    sequence: int
    last_request: str | None


Row = Record | BatchRow | Line | Head
AnyRow = TypeVar("AnyRow", Record, BatchRow, Line, Head)
Numbered = TypeVar("Numbered", Line, Head)

_TABLES: Final[dict[type[Row], str]] = {
    Record: "request",
    BatchRow: "batch_row",
    Line: "journal",
    Head: "head",
}
_NAMES: Final[dict[type[Row], tuple[str, ...]]] = {
    BatchRow: BatchRow._fields,
    **{kind: tuple(field.name for field in fields(kind)) for kind in (Record, Line, Head)},
}
_READ: Final[dict[type[Row], Callable[[Row], tuple[Any, ...]]]] = {
    kind: attrgetter(*_NAMES[kind]) for kind in _TABLES
}
"""What reads the columns of a row, of batches thousands at a time."""


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

    def given_since(self, key: str, moment: datetime) -> tuple[int, int]:
        """Tell how many credit tokens a key made after ``moment``, and their tenths of a unit.

        Of the minute it lies in the tokens are counted, of those after it the sums are added up.
        """
        second = int(moment.timestamp())
        minute = second // 60
        tokens, tenths = self._connection.execute(
            "SELECT coalesce(sum(tokens), 0), coalesce(sum(tenths), 0) FROM given_minute"
            " WHERE key = ? AND minute > ?",
            (key, minute),
        ).fetchone()
        more_tokens, more_tenths = self._connection.execute(
            "SELECT count(*), coalesce(sum(tenths), 0) FROM request"
            " WHERE outcome = 'issued' AND operation = 'credit' AND key = ? AND at > ? AND at < ?",
            (key, second, (minute + 1) * 60),
        ).fetchone()
        return tokens + more_tokens, tenths + more_tenths

    def add(self, record: Record, rows: Iterable[BatchRow] = ()) -> None:
        """Write a request's outcome, and the rows of a batch; its id must be new."""
        _write(self._connection, record)
        self._connection.executemany(_insert(BatchRow), map(_values, rows))
        self._connection.execute("UPDATE state SET sequence = sequence + 1")

    def last_line(self) -> Line | None:
        """Give the line of the journal written last."""
        return _last(self._connection, Line)

    def add_line(self, line: Line) -> None:
        """Write a line of the journal; its number must be new."""
        _write(self._connection, line)

    def begin_epoch(self, epoch: int) -> int:
        """Raise the epoch, never lower it; tell which it is now."""
        self._connection.execute("UPDATE state SET epoch = max(epoch, ?)", (epoch,))
        return int(self._connection.execute("SELECT epoch FROM state").fetchone()[0])

    def last_head(self) -> Head | None:
        """Give the head signed last."""
        return _last(self._connection, Head)

    def add_head(self, head: Head) -> None:
        """Write a head that will be signed; its number must be new."""
        _write(self._connection, head)


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
            return _last(connection, Head)

    def last_line(self) -> Line | None:
        """Give the line of the journal written last."""
        with self._connection() as connection:
            return _last(connection, Line)

    def lines(self, after: int, limit: int) -> list[Line]:
        """Give lines of the journal in order, from the one after ``after``."""
        with self._connection() as connection:
            found = connection.execute(
                f"SELECT {_columns(Line)} FROM journal WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608 - our names
                (after, limit),
            ).fetchall()
        return [_read(Line, row) for row in found]

    def rows(self, request_id: str) -> list[BatchRow]:
        """Give the rows of a batch, in order."""
        with self._connection() as connection:
            found = connection.execute(
                f"SELECT {_columns(BatchRow)} FROM batch_row WHERE request_id = ? ORDER BY row",  # noqa: S608 - our names
                (request_id,),
            ).fetchall()
        return [_read(BatchRow, row) for row in found]

    def issued_without_line(self) -> int:
        """Count what was issued and stands in no line: before the journal began, or struck out."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT count(*) FROM request WHERE outcome = 'issued'"
                " AND request_id NOT IN (SELECT request_id FROM journal)"
            ).fetchone()
        return int(row[0])

    def epoch(self) -> int:
        """Tell the epoch, from 1, which a restore raises."""
        return self._state("epoch")

    def sequence(self) -> int:
        """Tell how many records were written."""
        return self._state("sequence")

    def standing(self) -> Standing:
        """Tell how far the record is, in one look."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT epoch, sequence,"
                " (SELECT request_id FROM journal ORDER BY number DESC LIMIT 1) FROM state"
            ).fetchone()
        return Standing(*row)

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
        if not opened.lock.acquire(timeout=record_file.BUSY_SECONDS):
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
            record_file.make_file(path)
        inode = path.stat().st_ino
        if inode != self._inode:  # never opened, or another file stands there now
            self._forget()
        if self._connection is None:
            self._connection, self._inode = record_file.connect(path), inode
        return self._connection

    def close(self) -> None:
        with self.lock:
            self._forget()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _find(connection: sqlite3.Connection, request_id: str) -> Record | None:
    row = connection.execute(
        f"SELECT {_columns(Record)} FROM request WHERE request_id = ?",  # noqa: S608 - our names
        (request_id,),
    ).fetchone()
    return None if row is None else _read(Record, row)


def _last(connection: sqlite3.Connection, kind: type[Numbered]) -> Numbered | None:
    row = connection.execute(
        f"SELECT {_columns(kind)} FROM {_TABLES[kind]} ORDER BY number DESC LIMIT 1"  # noqa: S608 - our names
    ).fetchone()
    return None if row is None else _read(kind, row)


def _columns(kind: type[Row]) -> str:
    return ", ".join(_NAMES[kind])


def _write(connection: sqlite3.Connection, row: Row) -> None:
    values = [int(v.timestamp()) if isinstance(v, datetime) else v for v in _values(row)]
    connection.execute(_insert(type(row)), values)


def _values(row: Row) -> tuple[Any, ...]:
    return _READ[type(row)](row)


def _insert(kind: type[Row]) -> str:
    holes = ", ".join("?" * len(_NAMES[kind]))
    return f"INSERT INTO {_TABLES[kind]} ({_columns(kind)}) VALUES ({holes})"  # noqa: S608 - ours


def _read(kind: type[AnyRow], row: tuple[Any, ...]) -> AnyRow:
    values: dict[str, Any] = dict(zip(_NAMES[kind], row, strict=True))
    if "at" in values:
        values["at"] = datetime.fromtimestamp(values["at"], UTC)
    if kind is Head:
        values["restart"] = bool(values["restart"])
    return kind(**values)
