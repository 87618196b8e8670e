"""What may be asked over the wire: one declaration an operation.

Server and client read the same table. Both name its hash when they greet each other, so two
releases that would misunderstand each other find out before anything is asked.

Source: SECURITY-MODULES.md 5.6 "Wire protocol VSM/1".
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Final, Self

from vmsapp.hsm.answers import (
    Cancelled,
    EarlierRequest,
    ImportReport,
    IssuedToken,
    IssuedTokens,
    JournalEntry,
    KeyFilePreview,
    KeyInfo,
    ModuleStatus,
    NotExecuted,
    Ping,
    SignedHead,
    Verified,
)
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.columns import ChangeColumns, ChangeRun, SetColumns, SetRun
from vmsapp.hsm.requests import (
    BATCH_ROWS_MAX,
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChange,
    KeyChangeBatch,
    KeyChangeRequest,
    KeyRef,
    VerifyRequest,
)
from vmsapp.hsm.wire import frames
from vmsapp.hsm.wire.codec import described
from vmsapp.sts.secret import SecretBytes

PROTOCOL: Final = "VSM/1"
DEFAULT_PORT: Final = 8770

CONNECT_SECONDS: Final = 3.0
PING_SECONDS: Final = 2.0
ISSUE_SECONDS: Final = 10.0
IMPORT_SECONDS: Final = 30.0
CAMPAIGN_SECONDS: Final = 120.0

JOURNAL_LINES: Final = 200
"""Lines of the journal in one answer, at most."""
TAGS_AT_ONCE: Final = 1_000
"""Tokens tagged in one request, at most."""


class Role(StrEnum):
    """What a client may do: one or several."""

    ISSUER = "issuer"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Turn(IntEnum):
    """Who comes first where a module is slow: the lower number."""

    SALE = 0
    COUNTER = 1
    CAMPAIGN = 2


@dataclass(frozen=True, slots=True)
class Nothing:
    """No arguments."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file to look at."""

    blob: bytes


@dataclass(frozen=True, slots=True)
class Import:
    """Arguments of ``import_keys``."""

    blob: bytes = field(repr=False)
    passphrase: SecretBytes
    actor: str
    replace: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """Arguments of ``remove_key``."""

    ref: KeyRef
    actor: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier request, by its id."""

    request_id: str


@dataclass(frozen=True, slots=True)
class EarlierRow:
    """An earlier request, or one row of a batch."""

    request_id: str
    row: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """A ``KeyChangeBatch``: what many rows share travels once; the rows of ``runs`` come first."""

    request_id: str
    runs: tuple[ChangeRun, ...]
    rows: tuple[KeyChange, ...]
    table_set: str
    asked_at: datetime

    @classmethod
    def of(cls, batch: KeyChangeBatch) -> Self:
        """Make it ready to be sent."""
        runs: tuple[ChangeRun, ...] = ()
        rows: tuple[KeyChange, ...] = ()
        if isinstance(batch.rows, ChangeColumns):
            runs = tuple(batch.rows.runs)
        else:
            rows = tuple(batch.rows)
        return cls(batch.request_id, runs, rows, batch.table_set, batch.asked_at)

    def batch(self) -> KeyChangeBatch:
        """Read it as what a module is asked."""
        columns = ChangeColumns(self.runs)
        rows = (*columns, *self.rows) if self.rows else columns
        return KeyChangeBatch(self.request_id, rows, self.table_set, self.asked_at)


@dataclass(frozen=True, slots=True)
class Epoch:
    """Arguments of ``begin_epoch``."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Lines:
    """Arguments of ``journal``."""

    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class Digits:
    """Tokens, which are money: not shown."""

    digits: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Digits({len(self.digits)})"


@dataclass(frozen=True, slots=True)
class Head:
    """Arguments of ``sign_head``."""

    place: int
    digest: bytes
    restart: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that may be asked.

    Attributes:
        name: On the wire.
        takes: Type of its arguments.
        gives: Type of its answer.
        roles: One of them is needed.
        call: Asks a module.
        changes: A lost answer leaves open what was done.
        retried: The client may ask again on another connection: the same request twice is
            the same as once.
        turn: Its place in the queue; None for what no module has to work on.
        seconds: How long a client waits for the answer.
        limit: Bytes of the request, at most.
        answer_limit: Bytes of the answer, at most.
    """

    name: str
    takes: type[Any]
    gives: Any
    roles: frozenset[Role]
    call: Callable[[SecurityModule, Any], Any]
    changes: bool = False
    retried: bool = True
    turn: Turn | None = Turn.COUNTER
    seconds: float = ISSUE_SECONDS
    limit: int = frames.SMALL
    answer_limit: int = frames.SMALL


_ISSUER: Final = frozenset({Role.ISSUER})
_AUDITOR: Final = frozenset({Role.AUDITOR})
_ADMIN: Final = frozenset({Role.ADMIN})
_ANYBODY: Final = frozenset(Role)


def _import(module: SecurityModule, asked: Import) -> ImportReport:
    with asked.passphrase:
        return module.import_keys(
            asked.blob,
            asked.passphrase,
            actor=asked.actor,
            replace=asked.replace,
            dry_run=asked.dry_run,
        )


def _changes(module: SecurityModule, asked: Changes) -> tuple[SetRun, ...]:
    return tuple(SetColumns.of(module.issue_key_changes(asked.batch())).runs)


def _journal(module: SecurityModule, asked: Lines) -> list[JournalEntry]:
    """Give whole lines, one after the other: each may be a campaign of 16,000 rows."""
    entries: list[JournalEntry] = []
    after = asked.after
    for _ in range(min(asked.limit, JOURNAL_LINES)):
        line = module.journal(after, 1)
        entries += line
        if not line or len(entries) > BATCH_ROWS_MAX:
            break
        after = line[-1].number
    return entries


def _sign(module: SecurityModule, asked: Head) -> SignedHead:
    return module.sign_head(asked.place, asked.digest, restart=asked.restart)


_DECLARED: Final = (
    Operation("ping", Nothing, Ping, _ANYBODY, lambda m, _: m.ping(),
              turn=None, seconds=PING_SECONDS),
    Operation("status", Nothing, ModuleStatus, _ANYBODY, lambda m, _: m.status()),
    Operation("listKeys", Nothing, list[KeyInfo], _ANYBODY, lambda m, _: m.list_keys(),
              answer_limit=frames.CAMPAIGN),
    Operation("inspectKeys", KeyFile, KeyFilePreview, _ADMIN,
              lambda m, a: m.inspect_keys(a.blob),
              limit=frames.KEY_FILE, answer_limit=frames.KEY_FILE),
    Operation("importKeys", Import, ImportReport, _ADMIN, _import,
              changes=True, retried=False, seconds=IMPORT_SECONDS,
              limit=frames.KEY_FILE, answer_limit=frames.KEY_FILE),
    Operation("removeKey", Removal, None, _ADMIN,
              lambda m, a: m.remove_key(a.ref, actor=a.actor), changes=True, retried=False),
    Operation("issueCredit", CreditRequest, IssuedToken, _ISSUER,
              lambda m, a: m.issue_credit(a), changes=True, turn=Turn.SALE),
    Operation("issueEngineering", EngineeringRequest, IssuedToken, _ISSUER,
              lambda m, a: m.issue_engineering(a), changes=True),
    Operation("issueDisplay", DisplayRequest, IssuedToken, _ISSUER,
              lambda m, a: m.issue_display(a), changes=True),
    Operation("issueKeyChange", KeyChangeRequest, IssuedTokens, _ISSUER,
              lambda m, a: m.issue_key_change(a), changes=True),
    Operation("issueKeyChanges", Changes, tuple[SetRun, ...], _ISSUER,
              _changes, changes=True, turn=Turn.CAMPAIGN,
              seconds=CAMPAIGN_SECONDS,
              limit=frames.CAMPAIGN, answer_limit=frames.CAMPAIGN_ANSWER),
    Operation("verify", VerifyRequest, Verified, _ISSUER, lambda m, a: m.verify(a)),
    Operation("fetchResult", Earlier, IssuedTokens | NotExecuted, _ISSUER,
              lambda m, a: m.fetch_result(a.request_id), turn=Turn.SALE,
              answer_limit=frames.CAMPAIGN_ANSWER),
    Operation("cancel", Earlier, IssuedTokens | Cancelled, _ISSUER,
              lambda m, a: m.cancel(a.request_id), changes=True, turn=Turn.SALE,
              answer_limit=frames.CAMPAIGN_ANSWER),
    Operation("journal", Lines, list[JournalEntry], _AUDITOR, _journal,
              answer_limit=frames.CAMPAIGN_ANSWER),
    Operation("tags", Digits, list[bytes], _AUDITOR,
              lambda m, a: m.tags(a.digits)),
    Operation("signHead", Head, SignedHead, _AUDITOR, _sign, changes=True),
    Operation("lastHead", Nothing, SignedHead | None, _AUDITOR, lambda m, _: m.last_head()),
    Operation("requestOf", EarlierRow, EarlierRequest | None, _AUDITOR,
              lambda m, a: m.request_of(a.request_id, a.row)),
    Operation("beginEpoch", Epoch, int, _ISSUER, lambda m, a: m.begin_epoch(a.epoch),
              changes=True),
)  # fmt: skip

OPERATIONS: Final = {operation.name: operation for operation in _DECLARED}

SHAPE: Final = hashlib.sha256(
    "\n".join(
        f"{operation.name} {described(operation.takes)} {described(operation.gives)}"
        for operation in _DECLARED
    ).encode()
).hexdigest()[:16]
"""What all of it looks like; another release may have another."""
