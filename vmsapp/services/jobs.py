"""Claiming jobs. The row is the truth: whoever moves its state by compare-and-set runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Job
from vmsapp.services.rows import insert_missing, rows_changed

STALE_AFTER: Final = timedelta(minutes=1)
"""A running job whose heart has not beaten for so long was left by a dead worker."""


@dataclass(slots=True)
class Run:
    """One run of a recurring job; ``result`` is written to its row at the end."""

    job_id: int
    result: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recurring(session: Session, kind: str) -> Iterator[Run | None]:
    """Run the one job of a kind; ``None`` when another worker runs it now.

    What goes wrong in the block is written to the row and raised again.
    """
    job_id = _claim(session, kind)
    if job_id is None:
        yield None
        return
    run = Run(job_id)
    try:
        yield run
    except Exception as error:
        _finish(session, run, "failed", type(error).__name__)
        raise
    _finish(session, run, "done", None)


def _claim(session: Session, kind: str) -> int | None:
    now = now_utc()
    with atomic(session, durable=True):
        insert_missing(
            session, Job, kind=kind, recurring=True, state="waiting", locale="en",
            params={}, result={}, made_at=now,
        )  # fmt: skip
        job_id = session.scalars(select(Job.id).where(Job.kind == kind, Job.recurring)).one()
        claimed = rows_changed(
            session,
            update(Job)
            .where(Job.id == job_id)
            .where(
                or_(
                    Job.state != "running",
                    Job.heartbeat_at < now - STALE_AFTER,
                    Job.heartbeat_at > now,  # the clock was ahead
                )
            )
            .values(state="running", started_at=now, heartbeat_at=now, error=None),
        )
    return job_id if claimed == 1 else None


def _finish(session: Session, run: Run, state: str, error: str | None) -> None:
    now = now_utc()
    with atomic(session, durable=True):
        rows_changed(
            session,
            update(Job)
            .where(Job.id == run.job_id)
            .values(state=state, heartbeat_at=now, finished_at=now, result=run.result, error=error),
        )
