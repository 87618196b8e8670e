"""Jobs that people ask for: asked, claimed by one worker, watched, cancelled, tried again.

A worker may die at any moment and a message may be lost: the row alone says what is to be
done. Every run has its number; what it writes it writes only while the number is its own, so
that a worker taken for dead by mistake cannot write beside the one that took over.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotAllowed, NotFound, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import Job, JobState
from vmsapp.scope import Actor, Sight, current_sight, unscoped
from vmsapp.services import audit
from vmsapp.services.problems import Broken, problem_of
from vmsapp.services.rows import rows_changed

STALE_AFTER: Final = timedelta(seconds=45)
"""A running job whose heart has not beaten for so long was left by a dead worker."""
BEAT_SECONDS: Final = 10.0
UNCLAIMED_AFTER: Final = timedelta(seconds=30)
"""A job that still waits so long after its message was sent is sent another."""
MOST_ATTEMPTS: Final = 5
"""Runs after which a job that kills its workers is given up."""
AT_ONCE: Final = 2
"""Jobs that run at the same time, so that sales are always settled beside them."""

_BOOKS: Final = "a job's own books are kept whoever asked for it"

log = logging.getLogger(__name__)


class WorkerLost(VmsError):
    """Every worker that tried was gone before the end."""

    code = "worker_lost"
    message = N_(
        "The worker stopped again and again while it was at this. Most likely it ran out of "
        "memory. Divide the file, or tell an administrator."
    )


class MadeForOtherSight(NotAllowed):
    """Its rows may lie outside what its owner sees now."""

    code = "file_made_for_other_sight"
    message = N_(
        "This file was made when you saw other regions or vending points than now, so it is not"
        " handed over. Have it made again: it will hold what you see now."
    )


class JobNotOpen(Conflict):
    """It has ended."""

    code = "job_not_open"
    message = N_("This job has ended, so there is nothing to cancel.")


class JobNotOver(Conflict):
    """It has not failed, nor was it cancelled."""

    code = "job_not_over"
    message = N_("Only a job that failed or was cancelled can be tried again.")


class NotYourJob(NotAllowed):
    """Another asked for it."""

    code = "not_your_job"
    message = N_("Somebody else asked for this. Only an administrator may interfere.")


class Cancelled(Exception):
    """Somebody asked to stop."""


class LostJob(Exception):
    """Another worker took over, for this one was taken for dead."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job as the worker that runs it holds it.

    Attributes:
        attempt: The number of this run.
        done: What runs before it did.
        give_way: Asked between two chunks: waits while people at the counter wait too long.
    """

    job_id: int
    attempt: int
    kind: str
    actor_id: int
    locale: str
    params: Mapping[str, Any]
    done: int
    cancelling: threading.Event
    give_way: Callable[[], object] = field(default=lambda: None, compare=False)

    def advance(self, session: Session, done: int, total: int | None = None) -> None:
        """Write how far it is, in the caller's transaction.

        What was counted beforehand may have grown since: the total is never less than what is done.

        Raises:
            LostJob: The job is another's now; the transaction must not be kept.
        """
        now = now_utc()
        values: dict[str, Any] = {"done": done, "heartbeat_at": now, "progress_at": now}
        values["total"] = (
            case((Job.total < done, done), else_=Job.total) if total is None else max(total, done)
        )
        with unscoped(_BOOKS):
            if rows_changed(session, update(Job).where(*self.own()).values(values)) != 1:
                raise LostJob

    def advance_alone(self, session: Session, done: int, total: int | None = None) -> None:
        """Write how far it is, in a transaction beside the one that reads."""
        with _beside(session.get_bind()) as other:
            self.advance(other, done, total)

    def stop_if_asked(self, session: Session) -> None:
        """Stop where somebody asked for it; else give way to people, with no transaction open.

        Raises:
            Cancelled: Somebody did.
        """
        with unscoped(_BOOKS), Session(session.get_bind()) as other:
            if other.scalar(select(Job.cancel_asked).where(Job.id == self.job_id)):
                self.cancelling.set()
                raise Cancelled
        self.give_way()

    def own(self) -> tuple[ColumnElement[bool], ...]:
        """State which row is this run's, while it is."""
        return (Job.id == self.job_id, Job.state == JobState.RUNNING, Job.attempts == self.attempt)


def ask(
    session: Session,
    actor: Actor,
    kind: str,
    params: Mapping[str, Any],
    *,
    locale: str,
    file_name: str = "",
    total: int | None = None,
) -> Job:
    """Write a job down, in the caller's transaction; the door sends its message afterwards.

    Args:
        session: In the actor's scope.
        actor: Who asks; the worker takes on the same scope.
        kind: What is to be done.
        params: What it needs besides: ids and words, never a secret.
        locale: The asker's language.
        file_name: What the asker calls the file.
        total: Rows there are to do, where that is known.
    """
    now = now_utc()
    job = Job(
        kind=kind, params=dict(params), locale=locale, file_name=file_name, total=total,
        actor_id=actor.user_id, made_at=now, queued_at=now, state=JobState.WAITING,
        result={}, done=0, attempts=0, cancel_asked=False, recurring=False, done_before=0,
    )  # fmt: skip
    session.add(job)
    session.flush()
    return job


@contextmanager
def running(
    session: Session, job_id: int, give_way: Callable[[], object] = lambda: None
) -> Iterator[Work | None]:
    """Run a job; ``None`` when another worker runs it, or it has ended.

    What the block raises is written to the row; our own mistakes are raised again.
    """
    work = claim(session, job_id)
    if work is None:
        yield None
        return
    work = replace(work, give_way=give_way)
    heart = _Heart(session, work)
    heart.start()
    try:
        yield work
    except Cancelled:
        heart.stop()
        finish(session, work, JobState.CANCELLED)
    except LostJob:
        log.warning("job %s went on elsewhere", job_id)
    except VmsError as error:
        heart.stop()
        finish(session, work, JobState.FAILED, error)
    except Exception:
        heart.stop()
        finish(session, work, JobState.FAILED, Broken())
        raise
    else:
        heart.stop()
        finish(session, work, JobState.DONE)
    finally:
        heart.stop()


def claim(session: Session, job_id: int) -> Work | None:
    """Make a job one's own, unless it is another's, has ended, or enough are running."""
    now = now_utc()
    with unscoped(_BOOKS), atomic(session, durable=True):
        busy = session.scalar(
            select(func.count()).select_from(Job)
            .where(~Job.recurring, Job.state == JobState.RUNNING, ~_stale(now), Job.id != job_id)
        )  # fmt: skip
        if (busy or 0) >= AT_ONCE:
            return None
        claimed = rows_changed(
            session,
            update(Job)
            .where(Job.id == job_id, ~Job.recurring)
            .where(or_(Job.state == JobState.WAITING, abandoned(now)))
            .values(
                state=JobState.RUNNING, started_at=now, heartbeat_at=now, progress_at=now,
                attempts=Job.attempts + 1, done_before=Job.done,
            ),
        )  # fmt: skip
        if claimed != 1:
            return None
        job = session.scalars(
            select(Job).where(Job.id == job_id).execution_options(populate_existing=True)
        ).one()
        assert job.actor_id is not None
        return Work(
            job.id, job.attempts, job.kind, job.actor_id, job.locale, dict(job.params), job.done,
            threading.Event(),
        )  # fmt: skip


def finish(session: Session, work: Work, state: str, error: VmsError | None = None) -> None:
    """Write how a run ended, if it is still this worker's."""
    session.rollback()
    now = now_utc()
    values: dict[str, Any] = {"state": state, "heartbeat_at": now, "finished_at": now}
    if error is not None:
        values |= {"error": error.code, "problem": problem_of(error)}
    with unscoped(_BOOKS), atomic(session, durable=True):
        rows_changed(session, update(Job).where(*work.own()).values(values))


def note_file(session: Session, work: Work, stored: str, result: Mapping[str, Any]) -> None:
    """Write which file a run made and whose sight it shows, in the caller's transaction."""
    note_result(session, work, {**result, "sight": current_sight().kept()}, stored)


def note_result(
    session: Session, work: Work, result: Mapping[str, Any], stored: str | None = None
) -> None:
    """Write what a run found, in the caller's transaction."""
    with unscoped(_BOOKS):
        values = {"stored": stored, "result": dict(result)}
        if rows_changed(session, update(Job).where(*work.own()).values(values)) != 1:
            raise LostJob


def check_sight(job: Job, sight: Sight) -> None:
    """Make sure that a file a job made holds nothing that its owner may not see any more.

    Of files made before this was kept nobody knows; who sees everything may have them.

    Args:
        job: It made a file.
        sight: Its owner's, now.

    Raises:
        MadeForOtherSight: It may.
    """
    if not sight.everything and job.result.get("sight") != sight.kept():
        raise MadeForOtherSight


def cancel(session: Session, actor: Actor, job_id: int, *, of_others: bool = False) -> Job:
    """Ask a job to stop; one that waits stops at once.

    Args:
        session: In the actor's scope.
        actor: Who asks.
        job_id: Which.
        of_others: The actor may interfere with what others asked for.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NotYourJob: Another asked for it.
        JobNotOpen: It has ended.
    """
    with atomic(session):
        job = _own(session, actor, job_id, of_others=of_others)
        if not job.open:
            raise JobNotOpen
        job.cancel_asked = True
        dead = job.heartbeat_at is None or job.heartbeat_at < now_utc() - STALE_AFTER
        if job.state == JobState.WAITING or dead:
            job.state, job.finished_at = JobState.CANCELLED, now_utc()
        audit.record(session, actor, "job.cancelled", "job", job.id, kind=job.kind)
        return job


def retry(session: Session, actor: Actor, job_id: int, *, of_others: bool = False) -> Job:
    """Let a job that failed or was cancelled run once more, from where it was.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NotYourJob: Another asked for it.
        JobNotOver: It has not ended that way.
    """
    with atomic(session):
        job = _own(session, actor, job_id, of_others=of_others)
        if job.state not in {JobState.FAILED, JobState.CANCELLED}:
            raise JobNotOver
        again(job)
        audit.record(session, actor, "job.retried", "job", job.id, kind=job.kind)
        return job


def again(job: Job) -> None:
    """Have a job wait for a worker once more; the door sends its message."""
    job.state, job.cancel_asked = JobState.WAITING, False
    job.error = job.problem = job.finished_at = None
    job.queued_at = now_utc()
    job.params = {**job.params, "given_up_at": job.attempts + MOST_ATTEMPTS}


def next_waiting(session: Session) -> int | None:
    """The job that has waited longest, to be run now that there is room."""
    with unscoped(_BOOKS), Session(session.get_bind()) as other:
        waiting = select(Job.id).where(~Job.recurring, Job.state == JobState.WAITING)
        return other.scalar(waiting.order_by(Job.id).limit(1))


def _own(session: Session, actor: Actor, job_id: int, *, of_others: bool) -> Job:
    job = session.scalars(
        select(Job).where(Job.id == job_id, ~Job.recurring)
        .with_for_update().execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if job is None:
        raise NotFound
    if job.actor_id != actor.user_id and not of_others:
        raise NotYourJob
    return job


def _stale(now: datetime) -> ColumnElement[bool]:
    """State which jobs' hearts stopped; one beating in the future beat by a wrong clock."""
    return or_(Job.heartbeat_at < now - STALE_AFTER, Job.heartbeat_at > now + STALE_AFTER)


def abandoned(now: datetime) -> ColumnElement[bool]:
    """State which jobs a dead worker left."""
    return and_(Job.state == JobState.RUNNING, ~Job.recurring, _stale(now))


@contextmanager
def _beside(bind: Engine | Connection) -> Iterator[Session]:
    with Session(bind) as other, atomic(other, durable=True):
        yield other


class _Heart(threading.Thread):
    """Beats while a job runs, whatever the job waits for."""

    def __init__(self, session: Session, work: Work) -> None:
        super().__init__(name=f"job {work.job_id}", daemon=True)
        # asked for here: a thread of its own has no application to ask
        self._bind, self._work, self._over = session.get_bind(), work, threading.Event()

    def run(self) -> None:
        """Beat until it is over or the job is another's."""
        while not self._over.wait(BEAT_SECONDS):
            try:
                with unscoped(_BOOKS), _beside(self._bind) as other:
                    beat = update(Job).where(*self._work.own()).values(heartbeat_at=now_utc())
                    if rows_changed(other, beat) != 1:
                        return
            except SQLAlchemyError:  # the database may be away for a moment
                log.warning("job %s: the heart missed a beat", self._work.job_id)

    def stop(self) -> None:
        """End it."""
        self._over.set()
        if self.is_alive():
            self.join()
