"""What is due: found by the clock, claimed by one worker, written down for each reader.

A due time is claimed by moving the schedule on to its next one; in the same transaction each
reader's sending is written, unique for that time. After a time without workers what was missed
is sent once, and late. Then jobs are asked for: for what is new, and for what is tried again.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import (
    Job,
    JobState,
    ReportRecipient,
    ReportSchedule,
    ReportSending,
    SavedReport,
    ScheduleState,
    SendingState,
)
from vmsapp.scope import Actor
from vmsapp.security import SAVED_REPORTS, NotActing, actor_for
from vmsapp.services import audit, job_runs
from vmsapp.services.delivery.terms import KEPT_FOR, STALE_AFTER
from vmsapp.services.problems import error_of, problem_of
from vmsapp.services.reports.due_times import next_due
from vmsapp.services.reports.scheduling import check_kept, own, rhythm_of
from vmsapp.services.reports.sendings import (
    AuthorMayNot,
    NobodyKnows,
    Parcel,
    SavedReportDeleted,
    SendingCancelled,
    SentAlready,
    SentTooLate,
    move,
    parcels,
)
from vmsapp.services.rows import insert_missing, rows_changed
from vmsapp.services.setup import NotSetUp, setup_at

SEND: Final = "report.send"
SWEPT_AT_ONCE: Final = 200

ENDED_BADLY: Final = (JobState.CANCELLED, JobState.FAILED)
"""Jobs after which what they were to send is not tried again."""
OPEN_JOBS: Final = (JobState.WAITING, JobState.RUNNING)
OPEN_SENDINGS: Final = (SendingState.WAITING, SendingState.SENDING)


def sweep(session: Session) -> list[int]:
    """Claim what is due, end what was left, and tell which jobs the workers are to be told of.

    Args:
        session: In the product's own scope, with no transaction open.
    """
    now = now_utc()
    try:
        zone = setup_at(session, now).time_zone
    except NotSetUp:
        return []
    for schedule in _found(session, ReportSchedule.next_at <= now):
        claim(session, schedule, schedule.next_at, now, zone)
    for schedule in _found(session, ReportSchedule.zone != zone):
        _put_right(session, schedule, now, zone)
    _end_what_was_left(session, now)
    return ask_jobs(session, now)


def claim(
    session: Session, schedule: ReportSchedule, due: datetime | None, now: datetime, zone: str
) -> bool:
    """Write down what a due time sends, unless another worker did; its next one comes after now.

    A schedule is stopped whose author may have none any more, or whose report was deleted.
    """
    assert schedule.actor_id is not None, "a schedule has an author"
    obstacle = _obstacle(session, schedule)
    values: dict[str, Any] = {
        "last_at": due,
        "zone": zone,
        "next_at": next_due(rhythm_of(schedule), zone, now),
    }
    if obstacle is not None:
        values = {"state": ScheduleState.STOPPED, "next_at": None,
                  "problem": problem_of(obstacle)}  # fmt: skip
    with atomic(session, durable=True):
        mine = (ReportSchedule.id == schedule.id, ReportSchedule.next_at == due)
        if rows_changed(session, update(ReportSchedule).where(*mine).values(values)) != 1:
            return False
        if obstacle is None and due is not None:
            write_down(session, schedule.id, schedule.actor_id, due, now)
    return True


def send_now(session: Session, actor: Actor, schedule_id: int) -> list[int]:
    """Have an own schedule's report sent at once, beside its due times; gives jobs to tell of.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NotItsAuthor: Another made it.
        SavedReportDeleted: There is nothing to send any more.
        SentAlready: Somebody still waits for what was sent before.
    """
    now = now_utc()
    with atomic(session):
        row = own(session, actor, schedule_id)
        check_kept(row.saved)
        waiting = select(ReportSending.id).where(
            ReportSending.schedule_id == row.id, ReportSending.state.in_(OPEN_SENDINGS)
        )
        if session.scalars(waiting.limit(1)).first() is not None:
            raise SentAlready
        assert row.actor_id is not None, "a schedule has an author"
        write_down(session, row.id, row.actor_id, now, now)
        audit.record(session, actor, "report_schedule.sent_now", "report_schedule", row.id)
    return ask_jobs(session, now, ReportSending.schedule_id == schedule_id)


def write_down(
    session: Session, schedule_id: int, author_id: int, for_at: datetime, now: datetime
) -> None:
    """Write a sending for each reader, in the caller's transaction; for one time no second one."""
    readers = session.scalars(
        select(ReportRecipient.user_id).where(ReportRecipient.schedule_id == schedule_id)
        .order_by(ReportRecipient.id)
    ).all()  # fmt: skip
    for user_id in readers:
        insert_missing(
            session, ReportSending, actor_id=author_id, schedule_id=schedule_id, user_id=user_id,
            for_at=for_at, made_at=now, state=SendingState.WAITING, state_at=now, due_at=now,
            attempts=0,
        )  # fmt: skip


def ask_jobs(session: Session, now: datetime, *where: ColumnElement[bool]) -> list[int]:
    """Ask for a job for each schedule with something to send that no open job is at."""
    rows = session.execute(
        select(ReportSending.id, ReportSending.schedule_id, ReportSending.actor_id,
               ReportSending.job_id, Job.state, Job.problem)
        .outerjoin(Job, Job.id == ReportSending.job_id)
        .where(ReportSending.state == SendingState.WAITING, ReportSending.due_at <= now, *where)
        .where(or_(ReportSending.job_id.is_(None), Job.state.not_in(OPEN_JOBS)))
        .order_by(ReportSending.schedule_id, ReportSending.id).limit(SWEPT_AT_ONCE)
    ).all()  # fmt: skip
    end_reading(session)
    asked = []
    for schedule_id, group in groupby(rows, lambda row: int(row.schedule_id)):
        waiting = list(group)
        for row in waiting:
            if row.state in ENDED_BADLY:
                kept = row.state == JobState.FAILED and row.problem
                _fail(session, [row.id], error_of(kept) if kept else SendingCancelled())
        left = [(row.id, row.job_id) for row in waiting if row.state not in ENDED_BADLY]
        author = _author(session, waiting[0].actor_id) if left else None
        if author is None:
            _fail(session, [number for number, _job in left], AuthorMayNot())
            continue
        job_id = _ask(session, author, schedule_id, left)
        asked += [] if job_id is None else [job_id]
    return asked


class _TakenMeanwhile(Exception):
    """Another worker asked for the job."""


def _ask(
    session: Session, author: Actor, schedule_id: int, left: Sequence[tuple[int, int | None]]
) -> int | None:
    try:
        with atomic(session, durable=True):
            schedule = session.get_one(
                ReportSchedule, schedule_id,
                options=(joinedload(ReportSchedule.saved), joinedload(ReportSchedule.actor)),
                populate_existing=True,  # it may have been read before, without these
            )  # fmt: skip
            language = schedule.actor.language if schedule.actor else None
            job = job_runs.ask(
                session, author, SEND, {"title": schedule.saved.name, "schedule_id": schedule_id},
                locale=language or "en", total=len(left),
            )  # fmt: skip
            for number, before in left:
                mine = (
                    ReportSending.id == number,
                    ReportSending.job_id.is_not_distinct_from(before),
                )
                taken = update(ReportSending).where(*mine).values(job_id=job.id)
                if rows_changed(session, taken) != 1:
                    raise _TakenMeanwhile  # noqa: TRY301 - it takes the transaction back
            return job.id
    except _TakenMeanwhile:
        return None


def _fail(session: Session, numbers: Sequence[int], error: VmsError) -> None:
    waiting = SendingState.WAITING
    for parcel in parcels(session, ReportSending.id.in_(numbers)) if numbers else ():
        end_reading(session)
        move(session, parcel, parcel.attempts, waiting, SendingState.FAILED, error)


def _end_what_was_left(session: Session, now: datetime) -> None:
    """What a dead worker left is unsure from then on; what waited too long is given up."""
    sending, waiting = SendingState.SENDING, SendingState.WAITING
    lost = parcels(
        session, ReportSending.state == sending, ReportSending.state_at < now - STALE_AFTER
    )
    old = parcels(session, ReportSending.state == waiting, ReportSending.made_at < now - KEPT_FOR)
    end_reading(session)
    for one in lost:
        move(session, one, one.attempts, sending, SendingState.UNSURE, NobodyKnows())
    for one in old:
        move(session, one, one.attempts, waiting, SendingState.GIVEN_UP, SentTooLate())


def _found(session: Session, *where: ColumnElement[bool]) -> list[ReportSchedule]:
    rows = session.scalars(
        select(ReportSchedule)
        .where(ReportSchedule.next_at.is_not(None), *where)
        .order_by(ReportSchedule.next_at, ReportSchedule.id).limit(SWEPT_AT_ONCE)
        .execution_options(populate_existing=True)
    ).all()  # fmt: skip
    session.expunge_all()
    end_reading(session)
    return list(rows)


def _put_right(session: Session, schedule: ReportSchedule, now: datetime, zone: str) -> None:
    """Work the due time out anew: the utility's clocks show another zone now."""
    mine = (ReportSchedule.id == schedule.id, ReportSchedule.next_at == schedule.next_at)
    with atomic(session, durable=True):
        due = next_due(rhythm_of(schedule), zone, now)
        rows_changed(session, update(ReportSchedule).where(*mine).values(zone=zone, next_at=due))


def _obstacle(session: Session, schedule: ReportSchedule) -> VmsError | None:
    """Why a schedule that is due sends nothing any more."""
    assert schedule.actor_id is not None, "a schedule has an author"
    saved = SavedReport.id == schedule.saved_id, SavedReport.deleted_at.is_(None)
    kept = session.scalars(select(SavedReport.id).where(*saved)).first()
    end_reading(session)
    if kept is None:
        return SavedReportDeleted()
    return None if _author(session, schedule.actor_id) else AuthorMayNot()


def _author(session: Session, user_id: int) -> Actor | None:
    """The author, if they may still have reports sent."""
    try:
        author = actor_for(session, user_id)
    except NotActing:
        return None
    finally:
        end_reading(session)
    return author if author.may("can_schedule", SAVED_REPORTS) else None


__all__ = ["SEND", "Parcel", "ask_jobs", "claim", "send_now", "sweep", "write_down"]
