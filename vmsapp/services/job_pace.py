"""How fast a job is, by the moments that were stored."""

from dataclasses import dataclass

from vmsapp.models import Job, JobState


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a job is.

    Attributes:
        per_second: Rows; nothing while too few were done to tell.
        seconds_left: Until it is through, where the total is known.
    """

    per_second: float | None
    seconds_left: int | None


def pace_of(job: Job) -> Pace:
    """Work out a job's speed from the moments that were stored."""
    if job.started_at is None or job.progress_at is None:
        return Pace(None, None)
    spent = (job.progress_at - job.started_at).total_seconds()
    done = job.done - job.done_before
    if spent <= 0 or done <= 0:
        return Pace(None, None)
    speed = done / spent
    if job.total is None or job.state != JobState.RUNNING:
        return Pace(speed, None)
    return Pace(speed, max(0, round((job.total - job.done) / speed)))
