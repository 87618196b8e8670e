"""What was sent to the service, and which keys it is said to hold: a file of the driver's own.

The service keeps no record we could ask for later, only a short list of its last answers. So
every message is written here before its first byte leaves, and what became of it after: a
request is refused for good only when nothing of all that was ever sent for it can have made a
token (SALE.md 7). Keys are what an administrator entered from the service's own pages, or what
an answer told; an answer's check value confirms them.

No digits lie here; those are in the record of results.
"""

import hashlib
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.errors import HsmUnavailable, RequestReused
from vmsapp.hsm.requests import KeyRef
from vmsapp.hsm.wire import codec

BUSY_SECONDS: Final = 10
IN_FLIGHT: Final = timedelta(seconds=60)
"""A message is not sent again while another thread or process may wait for its answer."""

State = Literal["open", "unknown", "harmless", "answered"]
"""``harmless``: refused, or surely not carried out. ``open`` becomes ``unknown`` with time."""

_IDENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,-]{0,39}")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS message (
    message_id TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'unknown', 'harmless', 'answered')),
    operation  TEXT NOT NULL,
    args       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    UNIQUE (name, attempt)
);
CREATE INDEX IF NOT EXISTS message_at ON message (at);
CREATE TABLE IF NOT EXISTS batch (
    batch_id  TEXT PRIMARY KEY,
    args_hash TEXT NOT NULL,
    rows      INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS key (
    ref       TEXT PRIMARY KEY,
    told      TEXT NOT NULL,
    confirmed INTEGER
);
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One message that asked for tokens.

    Attributes:
        message_id: What the service knows it by.
        state: What became of it.
        operation: What was asked for.
        args: The request, canonical JSON.
    """

    message_id: str
    state: State
    operation: str
    args: str


def message_id(name: str, attempt: int) -> str:
    """Name the ``attempt``-th message of a request, from 1: the same each time.

    >>> message_id("sale-12-1", 1), message_id("sale-12-1", 2)
    ('sale-12-1', 'sale-12-1,2')
    """
    text = name if attempt == 1 else f"{name},{attempt}"
    return text if _IDENT.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:40]


class Messages:
    """The file, opened when first asked, once in each process.

    Args:
        path: The file.
        make: Make it where there is none. Where a module has been at work, a missing file
            is a loss: nobody would know what was sent.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self._path = path
        self._make = make
        self._by_process: dict[int, _Opened] = {}

    def of(self, name: str) -> list[Message]:
        """List what was ever sent for a request, in order."""
        with self._transaction() as file:
            return _of(file, name)

    def begin(self, name: str, operation: str, args: str, now: datetime) -> str:
        """Write that a message will be sent now, and give its id.

        Args:
            name: Of the request.
            operation: What it asks for.
            args: The request, canonical JSON.
            now: Aware.

        Raises:
            RequestReused: It was sent with other values before.
            HsmUnavailable: ``busy``: another thread or process waits for an answer to this.
        """
        with self._transaction() as file:
            flying = file.execute(
                "SELECT 1 FROM message WHERE name = ? AND state = 'open' AND at > ?",
                (name, int((now - IN_FLIGHT).timestamp())),
            ).fetchone()
            if flying:
                raise HsmUnavailable("busy", sent=True)
            file.execute(
                "UPDATE message SET state = 'unknown' WHERE name = ? AND state = 'open'", (name,)
            )
            earlier = _of(file, name)
            if any((each.operation, each.args) != (operation, args) for each in earlier):
                raise RequestReused(request_id=name)
            attempt = len(earlier) + 1
            file.execute(
                "INSERT INTO message VALUES (?, ?, ?, 'open', ?, ?, ?)",
                (message_id(name, attempt), name, attempt, operation, args, int(now.timestamp())),
            )
        return message_id(name, attempt)

    def end(self, sent: str, state: State) -> None:
        """Write what became of a message."""
        with self._transaction() as file:
            file.execute("UPDATE message SET state = ? WHERE message_id = ?", (state, sent))

    def begin_batch(self, batch_id: str, args_hash: str, rows: int) -> None:
        """Write what a batch asks for, once.

        Raises:
            RequestReused: It came with other values before.
        """
        with self._transaction() as file:
            file.execute(
                "INSERT OR IGNORE INTO batch VALUES (?, ?, ?)", (batch_id, args_hash, rows)
            )
            known = file.execute(
                "SELECT args_hash FROM batch WHERE batch_id = ?", (batch_id,)
            ).fetchone()
            if known[0] != args_hash:
                raise RequestReused(request_id=batch_id)

    def batch_rows(self, batch_id: str) -> int:
        """Tell how many rows a batch has; 0 for none that is known."""
        with self._transaction() as file:
            row = file.execute("SELECT rows FROM batch WHERE batch_id = ?", (batch_id,)).fetchone()
        return int(row[0]) if row else 0

    def since(self, moment: datetime) -> int:
        """Count the messages sent after ``moment``."""
        with self._transaction() as file:
            row = file.execute(
                "SELECT count(*) FROM message WHERE at > ?", (int(moment.timestamp()),)
            ).fetchone()
        return int(row[0])

    def keys_entered(self) -> list[KeyInfo]:
        """List the keys the service is said to hold, in the order they were entered."""
        with self._transaction() as file:
            rows = file.execute("SELECT told FROM key ORDER BY rowid").fetchall()
        return [codec.read(KeyInfo, codec.parse(told.encode())) for (told,) in rows]

    def add_key(self, key: KeyInfo) -> bool:
        """Write a key's public side down; whether it was new. One that is known stays as it is."""
        told = codec.write(codec.plain(key)).decode()
        with self._transaction() as file:
            added = file.execute(
                "INSERT OR IGNORE INTO key (ref, told) VALUES (?, ?)", (str(key.ref), told)
            )
            return added.rowcount > 0

    def remove_key(self, ref: KeyRef) -> bool:
        """Forget a key; whether it was known."""
        with self._transaction() as file:
            return file.execute("DELETE FROM key WHERE ref = ?", (str(ref),)).rowcount > 0

    def confirm(self, ref: KeyRef, now: datetime) -> None:
        """Write that an answer bore a key's check value."""
        with self._transaction() as file:
            file.execute(
                "UPDATE key SET confirmed = ? WHERE ref = ?", (int(now.timestamp()), str(ref))
            )

    def confirmed(self, ref: KeyRef) -> datetime | None:
        """Tell when an answer last bore a key's check value; None for never."""
        with self._transaction() as file:
            row = file.execute("SELECT confirmed FROM key WHERE ref = ?", (str(ref),)).fetchone()
        return datetime.fromtimestamp(row[0], UTC) if row and row[0] else None

    def close(self) -> None:
        """Close this process's connection; the next question opens it again."""
        opened = self._by_process.pop(os.getpid(), None)
        if opened is not None and opened.file is not None:
            opened.file.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # setdefault is atomic, so threads that come first together share one.
        opened = self._by_process.setdefault(os.getpid(), _Opened())
        if not opened.lock.acquire(timeout=BUSY_SECONDS):
            raise HsmUnavailable("storage", sent=False)
        try:
            if opened.file is None:
                opened.file = _open(self._path, make=self._make)
            opened.file.execute("BEGIN IMMEDIATE")
            try:
                yield opened.file
            except BaseException:
                opened.file.rollback()
                raise
            opened.file.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise HsmUnavailable("storage", sent=False) from error
        finally:
            opened.lock.release()


class _Opened:
    """One process's connection and the lock its threads share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.file: sqlite3.Connection | None = None


def _open(path: Path, *, make: bool) -> sqlite3.Connection:
    os.close(os.open(path, os.O_WRONLY | (os.O_CREAT if make else 0), 0o600))
    file = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.executescript(_SCHEMA)
    except BaseException:
        file.close()
        raise
    return file


def _of(file: sqlite3.Connection, name: str) -> list[Message]:
    rows = file.execute(
        "SELECT message_id, state, operation, args FROM message WHERE name = ? ORDER BY attempt",
        (name,),
    )
    return [Message(*row) for row in rows]
