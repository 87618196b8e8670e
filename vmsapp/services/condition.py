"""How the installation is, in a few figures that are cheap to ask for.

Each is one statement that reads an index, or a table of few rows; ``bounded`` ends one that
takes too long all the same, so that who watches never keeps those waiting who sell.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.models import (
    OPEN_DELIVERIES,
    Delivery,
    Job,
    JobState,
    JournalFinding,
    LedgerProof,
    LedgerTransfer,
    Sale,
    SaleState,
    SecurityModule,
    SmAlgorithm,
    Unsummed,
    VendingKey,
)
from vmsapp.services.audit.state import chain_state
from vmsapp.services.security_modules.health import endings_of, ends_at

MOST: Final = 100_000
"""Counted up to here; what is more is as bad."""
STEPS: Final = 10_000
"""Of SQLite's machine between two looks at the clock."""


@contextmanager
def bounded(session: Session, seconds: float) -> Iterator[None]:
    """Read for so long at most, in a transaction that is taken back at the end.

    Args:
        session: Outside any transaction.
        seconds: For each statement on PostgreSQL, on SQLite for all together.

    Raises:
        OperationalError: It took longer; any other database error is raised as it is.
    """
    connection = session.connection()
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        until = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > until, STEPS)
    else:
        bound = text("SELECT set_config('statement_timeout', :ms, true)")
        session.execute(bound, {"ms": f"{seconds * 1000:.0f}"})
    try:
        yield
    finally:
        if isinstance(driver, sqlite3.Connection):
            driver.set_progress_handler(None, 0)
        session.rollback()


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and since when the first of them does."""

    count: int
    since: datetime | None

    def seconds(self) -> float:
        """How long the first has waited; 0 where none does."""
        return age(self.since) if self.since else 0.0


@dataclass(frozen=True, slots=True)
class Module:
    """A module as it was when it was last asked; see ``models.ModuleHealth``.

    Attributes:
        serves: Whether meters' tokens are asked of it.
        answers: Whether it answered then.
    """

    id: int
    name: str
    serves: bool
    answers: bool
    locked: bool
    seen_seconds: float | None
    latency_seconds: float | None
    drift_seconds: int | None
    tokens_left: int | None


@dataclass(frozen=True, slots=True)
class Key:
    """A vending key's name, the whole days until it ends, and how many meters need it.

    Attributes:
        meters: Counted for keys that end within 90 days; None for others.
    """

    module_id: int
    sgc: str
    krn: int
    kt: int
    dkga: str
    days: int
    meters: int | None


@dataclass(frozen=True, slots=True)
class Books:
    """What the nightly checks found.

    Attributes:
        ledger_faults: Of the last proof of the ledger.
        audit_fault: Whether the last check found the audit trail broken.
        unsealed: Events of the trail that have no place yet.
        findings: What does not agree between modules and sales, and nobody has settled.
    """

    ledger_faults: int
    audit_fault: bool
    unsealed: Waiting
    findings: Mapping[str, int]


def age(moment: datetime) -> float:
    """Seconds since a moment; 0 for one that is still to come."""
    return max(0.0, (now_utc() - moment).total_seconds())


def pending_sales(session: Session) -> Waiting:
    """Tell which sales have neither a token nor an end."""
    pending = select(func.count(), func.min(Sale.sold_at)).where(Sale.state == SaleState.PENDING)
    return Waiting(*session.execute(pending).one())


def unsummed(session: Session) -> Waiting:
    """Tell which transfers are in no sum yet: how far the roll-ups lag."""
    some = select(Unsummed.transfer_id).limit(MOST).subquery()
    count = session.scalar(select(func.count()).select_from(some)) or 0
    first = select(func.min(Unsummed.transfer_id)).scalar_subquery()
    posted = func.coalesce(LedgerTransfer.settled_at, LedgerTransfer.made_at)
    since = session.scalar(select(posted).where(LedgerTransfer.id == first))
    return Waiting(count, since)


def open_jobs(session: Session) -> Mapping[str, Waiting]:
    """Tell what people asked for and the worker has not done, by state."""
    states = (JobState.WAITING, JobState.RUNNING)
    rows = session.execute(
        select(Job.state, func.count(), func.min(Job.made_at))
        .where(Job.state.in_(states), ~Job.recurring)
        .group_by(Job.state)
    )
    found = {state: Waiting(count, since) for state, count, since in rows}
    return {state.value: found.get(state.value, Waiting(0, None)) for state in states}


def open_deliveries(session: Session) -> int:
    """Count receipts on their way."""
    waiting = select(func.count()).select_from(Delivery).where(Delivery.state.in_(OPEN_DELIVERIES))
    return session.scalar(waiting) or 0


def last_runs(session: Session) -> Mapping[str, float]:
    """Tell how many seconds ago each recurring job last came to its end, by its kind."""
    rows = session.execute(
        select(Job.kind, Job.finished_at).where(Job.recurring, Job.finished_at.is_not(None))
    )
    return {kind: age(finished_at) for kind, finished_at in rows if finished_at is not None}


def modules(session: Session) -> Sequence[Module]:
    """Tell how the modules are that are not retired, as the worker last heard."""
    serving = set(session.scalars(select(SmAlgorithm.module_id)))
    rows = session.scalars(
        select(SecurityModule)
        .where(SecurityModule.retired_at.is_(None))
        .options(joinedload(SecurityModule.health))
        .order_by(SecurityModule.id)
    )
    return [_module(row, row.id in serving) for row in rows]


def _module(row: SecurityModule, serves: bool) -> Module:  # noqa: FBT001 - said once
    health = row.health
    latency = health.latency_ms if health else None
    return Module(
        id=row.id,
        name=row.name,
        serves=serves,
        answers=health is not None and health.seen_at is not None and health.failed_at is None,
        locked=health is not None and health.locked,
        seen_seconds=age(health.seen_at) if health and health.seen_at else None,
        latency_seconds=None if latency is None else latency / 1000,
        drift_seconds=health.drift_seconds if health else None,
        tokens_left=health.tokens_left if health else None,
    )


def keys(session: Session) -> Sequence[Key]:
    """Tell when the keys of all modules that are not retired end."""
    rows = session.scalars(
        select(VendingKey).join(VendingKey.module).where(SecurityModule.retired_at.is_(None))
    ).all()
    used = {ending.key.id: ending.meters for ending in endings_of(session, rows)}
    now = now_utc()
    return [
        Key(
            row.module_id, row.sgc, row.krn, row.kt, row.dkga,
            (ends_at(row) - now).days, used.get(row.id),
        )
        for row in rows
    ]  # fmt: skip


def books(session: Session) -> Books:
    """Tell what the nightly checks found."""
    chain = chain_state(session)
    faults = select(LedgerProof.faults).order_by(LedgerProof.id.desc()).limit(1)
    open_findings = (
        select(JournalFinding.kind, func.count().label("found"))
        .where(JournalFinding.settled_at.is_(None))
        .group_by(JournalFinding.kind)
    )
    return Books(
        ledger_faults=session.scalar(faults) or 0,
        audit_fault=chain.fault is not None,
        unsealed=Waiting(chain.waiting, chain.waiting_since),
        findings={row.kind: row.found for row in session.execute(open_findings)},
    )
