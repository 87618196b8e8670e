"""Reports kept under a name: saved, renamed, deleted, and had back. They are their asker's own."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import ReportSchedule, SavedReport, ScheduleState
from vmsapp.models.report import LONGEST_QUERY
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.rows import rows_changed

MOST_SAVED: Final = 100
"""Reports that one person keeps."""
NAME_MAX: Final = 120
UNDONE_WITHIN: Final = timedelta(hours=24)


class ReportNameMissing(InvalidInput):
    """Nothing was typed."""

    code = "report_name_missing"
    message = N_("Give the saved report a name.")
    field = "name"


class ReportNameTaken(InvalidInput):
    """Another of the asker's has it."""

    code = "report_name_taken"
    message = N_("You have a saved report “%(name)s” already. Choose another name.")
    field = "name"


class TooManySaved(Refused):
    """Nobody finds anything among so many."""

    code = "report_too_many_saved"
    message = N_("You can keep %(count)s reports. Delete one that you do not need any more.")


class QuestionTooLong(Refused):
    """More filters than are kept."""

    code = "report_question_too_long"
    message = N_("This question is too long to be kept. Use fewer filters.")


def saved_of(actor: Actor, report: str | None = None) -> Select[SavedReport]:
    """State which saved reports are somebody's own, by name; who sees all sees the own here, too.

    Args:
        actor: Whose.
        report: Of this report alone.
    """
    own = select(SavedReport).where(
        SavedReport.actor_id == actor.user_id, SavedReport.deleted_at.is_(None)
    )
    if report is not None:
        own = own.where(SavedReport.report == report)
    return own.order_by(SavedReport.name)


def save(session: Session, actor: Actor, report: str, name: str, query: str) -> SavedReport:
    """Keep a question under a name; the same name for the same report keeps the new question.

    Raises:
        ReportNameMissing, ReportNameTaken: The name cannot be used.
        TooManySaved, QuestionTooLong: There is no room for it.
    """
    if len(query) > LONGEST_QUERY:
        raise QuestionTooLong
    name = _checked(name)
    with atomic(session):
        kept = list(session.scalars(saved_of(actor)))
        found = next((one for one in kept if one.name == name), None)
        if found is not None and found.report != report:
            raise ReportNameTaken(name=name)
        if found is None and len(kept) >= MOST_SAVED:
            raise TooManySaved(count=MOST_SAVED)
        deed = "saved" if found is None else "changed"
        row = found or SavedReport(
            actor_id=actor.user_id, report=report, name=name, made_at=now_utc(), query=""
        )
        row.query = query
        session.add(row)
        session.flush()
        _note(session, actor, deed, row)
        return row


def rename(session: Session, actor: Actor, saved_id: int, name: str) -> SavedReport:
    """Call one of the own saved reports something else.

    Raises:
        NotFound: The actor has no such report.
        ReportNameMissing, ReportNameTaken: The name cannot be used.
    """
    name = _checked(name)
    with atomic(session):
        row = saved_report(session, actor, saved_id)
        others = (one for one in session.scalars(saved_of(actor)) if one.id != row.id)
        if any(one.name == name for one in others):
            raise ReportNameTaken(name=name)
        row.name = name
        session.flush()
        _note(session, actor, "renamed", row)
        return row


def delete(session: Session, actor: Actor, saved_id: int) -> datetime:
    """Delete one of the own saved reports, with its schedules; gives the moment for the undo.

    Raises:
        NotFound: The actor has no such report.
    """
    with atomic(session):
        row, now = saved_report(session, actor, saved_id), now_utc()
        row.deleted_at = now
        ended = update(ReportSchedule).where(
            ReportSchedule.saved_id == row.id, ReportSchedule.deleted_at.is_(None)
        )
        rows_changed(
            session,
            ended.values(deleted_at=now, next_at=None, state=ScheduleState.PAUSED),
        )
        _note(session, actor, "deleted", row)
        return now


def restore(session: Session, actor: Actor, saved_id: int, deleted_at: datetime) -> SavedReport:
    """Undo a deletion; its schedules come back paused, for meanwhile a time may have passed.

    Raises:
        NotFound: Nothing was deleted then, or too long ago.
        ReportNameTaken: Another has its name by now.
    """
    with atomic(session):
        row = session.scalars(
            select(SavedReport).where(
                SavedReport.id == saved_id, SavedReport.actor_id == actor.user_id,
                SavedReport.deleted_at == deleted_at,
                SavedReport.deleted_at > now_utc() - UNDONE_WITHIN,
            )
        ).first()  # fmt: skip
        if row is None:
            raise NotFound
        if any(one.name == row.name for one in session.scalars(saved_of(actor))):
            raise ReportNameTaken(name=row.name)
        row.deleted_at = None
        rows_changed(
            session,
            update(ReportSchedule)
            .where(ReportSchedule.saved_id == row.id, ReportSchedule.deleted_at == deleted_at)
            .values(deleted_at=None),
        )
        session.flush()
        _note(session, actor, "restored", row)
        return row


def saved_report(session: Session, actor: Actor, saved_id: int) -> SavedReport:
    """Fetch one of the own saved reports.

    Raises:
        NotFound: The actor has no such report.
    """
    row = session.scalars(saved_of(actor).where(SavedReport.id == saved_id)).first()
    if row is None:
        raise NotFound
    return row


def names_of(session: Session, actor: Actor, report: str) -> Sequence[SavedReport]:
    """List the own saved reports of one report."""
    return session.scalars(saved_of(actor, report)).all()


def _checked(name: str) -> str:
    seen = "".join(mark for mark in name if mark.isprintable() or mark.isspace())
    name = " ".join(seen.split())[:NAME_MAX]
    if not name:
        raise ReportNameMissing
    return name


def _note(session: Session, actor: Actor, deed: str, row: SavedReport) -> None:
    audit.record(
        session, actor, f"saved_report.{deed}", "saved_report", row.id, report=row.report,
        name=row.name,
    )  # fmt: skip
