"""Jobs nobody is at any more: found by the clock, whatever became of message and worker."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Job, JobState
from vmsapp.scope import unscoped
from vmsapp.services.job_runs import MOST_ATTEMPTS, UNCLAIMED_AFTER, WorkerLost, abandoned
from vmsapp.services.problems import problem_of


@dataclass(frozen=True, slots=True)
class Swept:
    """Ids of jobs to send a message for, and of those that were ended."""

    wanted: Sequence[int]
    ended: Sequence[int]


def sweep(session: Session) -> Swept:
    """Find jobs to send a message for once more: lost ones, and those of dead workers.

    One that has killed too many workers fails.
    """
    now = now_utc()
    with unscoped("jobs are swept up whoever asked for them"), atomic(session, durable=True):
        found = list(session.scalars(
            select(Job)
            .where(~Job.recurring)
            .where(or_(
                and_(Job.state == JobState.WAITING, Job.queued_at < now - UNCLAIMED_AFTER),
                abandoned(now),
            ))
            .order_by(Job.id).limit(100).with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ))  # fmt: skip
        wanted, ended = [], []
        for job in found:
            begun = job.state == JobState.RUNNING
            if begun and job.cancel_asked:
                job.state, job.finished_at = JobState.CANCELLED, now
                ended.append(job.id)
            elif begun and job.attempts >= job.params.get("given_up_at", MOST_ATTEMPTS):
                error = WorkerLost()
                job.state, job.finished_at = JobState.FAILED, now
                job.error, job.problem = error.code, problem_of(error)
                ended.append(job.id)
            else:
                job.queued_at = now
                wanted.append(job.id)
        return Swept(wanted, ended)
