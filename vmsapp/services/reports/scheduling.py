"""Schedules of saved reports: made, changed, paused, resumed, ended, and to whom they go.

They are their author's. Who sees everything may pause and end those of others, and undo an end:
the schedule is paused then, and its author alone resumes it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, InvalidInput, NotAllowed, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import (
    Every,
    OfficeUser,
    ReportRecipient,
    ReportSchedule,
    SavedReport,
    ScheduleState,
)
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.reports.due_times import Rhythm, next_due
from vmsapp.services.reports.saving import UNDONE_WITHIN, saved_report
from vmsapp.services.reports.sendings import SavedReportDeleted
from vmsapp.services.setup import setup_at

MOST_RECIPIENTS: Final = 50
"""Of one schedule: each is a mail with a file of its own."""
MOST_SCHEDULES: Final = 50
"""Of one author."""


class NotItsAuthor(NotAllowed):
    """Another made it."""

    code = "schedule_not_its_author"
    message = N_("Somebody else made this schedule. You may pause or end it, but not change it.")


class TooManySchedules(Refused):
    """One person has enough."""

    code = "schedule_too_many"
    message = N_("You can have %(count)s schedules. End one that is not needed any more.")


class TooManyRecipients(Refused):
    """More than a schedule sends to."""

    code = "schedule_too_many_recipients"
    message = N_("A schedule sends to at most %(count)s people.")


class NobodyChosen(InvalidInput):
    """No such person, as far as the author sees."""

    code = "schedule_nobody_chosen"
    message = N_("Choose who is to get the report.")
    field = "person"


class GetsItAlready(InvalidInput):
    """The same person twice."""

    code = "schedule_gets_it_already"
    message = N_("%(name)s gets it already.")
    field = "person"


class ScheduleMoved(Conflict):
    """It is in another state by now."""

    code = "schedule_moved"
    message = N_("This schedule was paused or resumed meanwhile. Look at it again.")


@dataclass(frozen=True, slots=True)
class Wish:
    """When a report is to be sent, and as what kind of file."""

    rhythm: Rhythm
    kind: str


def make(session: Session, actor: Actor, saved_id: int, wish: Wish) -> ReportSchedule:
    """Have an own saved report sent; its author gets it, until others are added.

    Raises:
        NotFound: The actor has no such saved report.
        TooManySchedules: There are enough.
    """
    with atomic(session):
        saved = saved_report(session, actor, saved_id)
        own = select(ReportSchedule.id).where(
            ReportSchedule.actor_id == actor.user_id, ReportSchedule.deleted_at.is_(None)
        )
        if len(session.scalars(own).all()) >= MOST_SCHEDULES:
            raise TooManySchedules(count=MOST_SCHEDULES)
        now = now_utc()
        row = ReportSchedule(
            actor_id=actor.user_id, saved_id=saved.id, made_at=now, state=ScheduleState.ACTIVE
        )
        _set(session, row, wish, now)
        session.add(row)
        session.flush()
        session.add(ReportRecipient(actor_id=actor.user_id, schedule_id=row.id,
                                    user_id=actor.user_id))  # fmt: skip
        _note(session, actor, "made", row, name=saved.name, **_said(wish))
        return row


def change(session: Session, actor: Actor, schedule_id: int, wish: Wish) -> ReportSchedule:
    """Have it sent at another time, or as another kind of file.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NotItsAuthor: Another made it.
    """
    with atomic(session):
        row = own(session, actor, schedule_id)
        _set(session, row, wish, now_utc())
        _note(session, actor, "changed", row, **_said(wish))
        return row


def pause(session: Session, actor: Actor, schedule_id: int) -> ReportSchedule:
    """Send nothing until it is resumed.

    Raises:
        NotFound: There is none, as far as the actor sees.
        ScheduleMoved: It does not go on.
    """
    with atomic(session):
        row = locked(session, schedule_id)
        if row.state != ScheduleState.ACTIVE:
            raise ScheduleMoved
        row.state, row.next_at = ScheduleState.PAUSED, None
        _note(session, actor, "paused", row)
        return row


def resume(session: Session, actor: Actor, schedule_id: int) -> ReportSchedule:
    """Let it go on, from the next due time; what was due meanwhile is not sent.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NotItsAuthor: Another made it.
        ScheduleMoved: It goes on already.
        SavedReportDeleted: There is nothing to send any more.
    """
    with atomic(session):
        row = own(session, actor, schedule_id)
        check_kept(row.saved)
        if row.state == ScheduleState.ACTIVE:
            raise ScheduleMoved
        now = now_utc()
        zone = setup_at(session, now).time_zone  # first: what is asked writes what was changed
        row.state, row.problem, row.zone = ScheduleState.ACTIVE, None, zone
        row.next_at = next_due(rhythm_of(row), zone, now)
        _note(session, actor, "resumed", row)
        return row


def end(session: Session, actor: Actor, schedule_id: int) -> datetime:
    """End it for good; gives the moment for the undo.

    Raises:
        NotFound: There is none, as far as the actor sees.
    """
    with atomic(session):
        row, now = locked(session, schedule_id), now_utc()
        row.state, row.next_at, row.deleted_at = ScheduleState.PAUSED, None, now
        _note(session, actor, "ended", row)
        return now


def bring_back(session: Session, actor: Actor, schedule_id: int, ended: datetime) -> ReportSchedule:
    """Undo its end; it is paused then.

    Raises:
        NotFound: None was ended then, or too long ago.
        SavedReportDeleted: There is nothing to send any more.
    """
    with atomic(session):
        row = session.scalars(
            select(ReportSchedule).where(
                ReportSchedule.id == schedule_id, ReportSchedule.deleted_at == ended,
                ReportSchedule.deleted_at > now_utc() - UNDONE_WITHIN,
            )
            .options(joinedload(ReportSchedule.saved))
            .execution_options(populate_existing=True)
        ).first()  # fmt: skip
        if row is None:
            raise NotFound
        check_kept(row.saved)
        row.deleted_at = None
        _note(session, actor, "restored", row)
        return row


def add_recipient(
    session: Session, actor: Actor, schedule_id: int, person: OfficeUser | None
) -> ReportRecipient:
    """Have somebody get it, too: a person whom the author sees.

    Raises:
        NotFound, NotItsAuthor: See ``change``.
        NobodyChosen, GetsItAlready, TooManyRecipients: This person cannot be added.
    """
    with atomic(session):
        row = own(session, actor, schedule_id)
        if person is None:
            raise NobodyChosen
        getting = session.scalars(
            select(ReportRecipient.user_id).where(ReportRecipient.schedule_id == row.id)
        ).all()
        if person.id in getting:
            raise GetsItAlready(name=person.username)
        if len(getting) >= MOST_RECIPIENTS:
            raise TooManyRecipients(count=MOST_RECIPIENTS)
        added = ReportRecipient(actor_id=row.actor_id, schedule_id=row.id, user_id=person.id)
        session.add(added)
        session.flush()
        _note(session, actor, "recipient_added", row, recipient=person.username)
        return added


def remove_recipient(session: Session, actor: Actor, schedule_id: int, recipient_id: int) -> None:
    """Have somebody not get it any more.

    Raises:
        NotFound, NotItsAuthor: See ``change``; or this person does not get it.
    """
    with atomic(session):
        row = own(session, actor, schedule_id)
        found = session.scalars(
            select(ReportRecipient).where(
                ReportRecipient.schedule_id == row.id, ReportRecipient.id == recipient_id
            )
        ).first()
        if found is None:
            raise NotFound
        session.delete(found)
        _note(session, actor, "recipient_removed", row, recipient_id=found.user_id)


def check_kept(saved: SavedReport) -> None:
    """See to it that there is something to send: a schedule may outlive its report.

    Raises:
        SavedReportDeleted: Its author deleted it.
    """
    if saved.deleted_at is not None:
        raise SavedReportDeleted


def rhythm_of(row: ReportSchedule) -> Rhythm:
    """How often it is sent."""
    return Rhythm(Every(row.every), row.hour, row.weekday, row.month_day)


def locked(session: Session, schedule_id: int) -> ReportSchedule:
    """Fetch a schedule to change it.

    Raises:
        NotFound: There is none, as far as the actor sees.
    """
    row = session.scalars(
        select(ReportSchedule)
        .where(ReportSchedule.id == schedule_id, ReportSchedule.deleted_at.is_(None))
        .options(joinedload(ReportSchedule.saved))
        .with_for_update(of=ReportSchedule).execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if row is None:
        raise NotFound
    return row


def own(session: Session, actor: Actor, schedule_id: int) -> ReportSchedule:
    """Fetch one of the actor's own to change it, or to send it.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NotItsAuthor: Another made it.
    """
    row = locked(session, schedule_id)
    if row.actor_id != actor.user_id:
        raise NotItsAuthor
    return row


def _set(session: Session, row: ReportSchedule, wish: Wish, now: datetime) -> None:
    rhythm, zone = wish.rhythm, setup_at(session, now).time_zone
    row.every, row.hour, row.kind = rhythm.every, rhythm.hour, wish.kind
    row.weekday, row.month_day = rhythm.weekday, rhythm.month_day
    row.zone = zone
    if row.state == ScheduleState.ACTIVE:
        row.next_at = next_due(rhythm, zone, now)


def _said(wish: Wish) -> dict[str, object]:
    rhythm = wish.rhythm
    return {"every": rhythm.every.value, "weekday": rhythm.weekday, "month_day": rhythm.month_day,
            "hour": rhythm.hour, "kind": wish.kind}  # fmt: skip


def _note(
    session: Session,
    actor: Actor,
    deed: str,
    row: ReportSchedule,
    **details: Any,  # noqa: ANN401 - whatever JSON can hold
) -> None:
    audit.record(session, actor, f"report_schedule.{deed}", "report_schedule", row.id, **details)
