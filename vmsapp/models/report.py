"""Reports that are kept and sent: saved questions, schedules, who reads them, what was sent."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import OwnScoped
from vmsapp.models.types import Code, Id, Moment, Name, UtcDateTime
from vmsapp.models.user import OfficeUser, username_of

LONGEST_QUERY: Final = 1000


class Every(StrEnum):
    """How often a report is sent."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class ScheduleState(StrEnum):
    """Whether a schedule goes on. ``STOPPED`` it was by the product, which says why."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class SendingState(StrEnum):
    """How far one report to one reader is.

    ``SENDING`` is written before the mail server is asked: who finds it later knows that the mail
    may have left. Such a one is ``UNSURE``, and nothing but a person sends it again.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    UNSURE = "unsure"
    FAILED = "failed"
    GIVEN_UP = "given_up"


SENDING_MOVES: Final[Mapping[SendingState, frozenset[SendingState]]] = {
    SendingState.WAITING: frozenset(
        {SendingState.SENDING, SendingState.FAILED, SendingState.GIVEN_UP}
    ),
    SendingState.SENDING: frozenset(
        {SendingState.SENT, SendingState.WAITING, SendingState.UNSURE, SendingState.FAILED,
         SendingState.GIVEN_UP}
    ),
    SendingState.UNSURE: frozenset({SendingState.SENT}),
    SendingState.FAILED: frozenset(),
    SendingState.GIVEN_UP: frozenset(),
    SendingState.SENT: frozenset(),
}  # fmt: skip
"""From which state to which; every move is a compare-and-set."""


class SavedReport(OwnScoped, Model):
    """A question to a report under a name of its asker's, who alone sees it.

    Attributes:
        report: Which report, by its name in ``views.reported``.
        query: The question, as an address holds it.
        deleted_at: It is kept for a while, so that its deletion can be undone.
    """

    __tablename__ = "saved_report"
    __table_args__ = (
        Index(
            "uq_saved_report_name", "actor_id", "name", unique=True,
            sqlite_where=text("deleted_at IS NULL"), postgresql_where=text("deleted_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[Id]
    report: Mapped[Code]
    name: Mapped[Name]
    query: Mapped[str] = mapped_column(String(LONGEST_QUERY))
    made_at: Mapped[Moment]
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def __str__(self) -> str:
        return self.name


class ReportSchedule(OwnScoped, Model):
    """When a saved report is sent; to whom say its ``ReportRecipient`` rows.

    Attributes:
        weekday: Of a weekly one; Monday is 0.
        month_day: Of a monthly one, 1 to 31; a shorter month sends it on its last day.
        hour: 0 to 23, on the utility's clocks.
        zone: The time zone in which ``next_at`` was worked out.
        next_at: When it is due; none while it does not go on.
        last_at: When it was due last.
        problem: Why it was stopped, as ``services.problems`` writes it.
    """

    __tablename__ = "report_schedule"
    __table_args__ = (
        CheckConstraint("every IN ('day', 'week', 'month')", name="ck_report_schedule_every"),
        CheckConstraint("kind IN ('xlsx', 'csv', 'pdf')", name="ck_report_schedule_kind"),
        CheckConstraint(
            "state IN ('active', 'paused', 'stopped')", name="ck_report_schedule_state"
        ),
        CheckConstraint("hour BETWEEN 0 AND 23", name="ck_report_schedule_hour"),
        CheckConstraint("weekday BETWEEN 0 AND 6", name="ck_report_schedule_weekday"),
        CheckConstraint("month_day BETWEEN 1 AND 31", name="ck_report_schedule_month_day"),
        CheckConstraint(
            "(next_at IS NOT NULL) = (state = 'active' AND deleted_at IS NULL)",
            name="ck_report_schedule_next",
        ),
        Index(
            "ix_report_schedule_next", "next_at",
            sqlite_where=text("next_at IS NOT NULL"),
            postgresql_where=text("next_at IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[Id]
    saved_id: Mapped[int] = mapped_column(ForeignKey("saved_report.id"), index=True)
    every: Mapped[str] = mapped_column(String(8))
    weekday: Mapped[int | None]
    month_day: Mapped[int | None]
    hour: Mapped[int]
    kind: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8), default=ScheduleState.ACTIVE)
    zone: Mapped[Name]
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    made_at: Mapped[Moment]
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    saved: Mapped[SavedReport] = relationship(lazy="raise_on_sql")
    actor: Mapped[OfficeUser | None] = relationship(lazy="raise_on_sql")


class ReportRecipient(OwnScoped, Model):
    """Somebody to whom a schedule's reports go; the row is its author's, as the schedule is."""

    __tablename__ = "report_recipient"
    __table_args__ = (UniqueConstraint("schedule_id", "user_id"),)

    id: Mapped[Id]
    schedule_id: Mapped[int] = mapped_column(ForeignKey("report_schedule.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)


class ReportSending(OwnScoped, Model):
    """One report to one reader for one due time; it holds no figure of it.

    Attributes:
        for_at: The due time, or the moment somebody wanted it sent at once.
        job_id: The job that sends it.
        due_at: From when on it may be sent.
        attempts: How often the mail server was asked.
        rows: How many the file had.
        problem: Why it was not sent.
    """

    __tablename__ = "report_sending"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'unsure', 'failed', 'given_up')",
            name="ck_report_sending_state",
        ),
        UniqueConstraint("schedule_id", "for_at", "user_id"),
        Index(
            "ix_report_sending_open", "due_at",
            sqlite_where=text("state IN ('waiting', 'sending')"),
            postgresql_where=text("state IN ('waiting', 'sending')"),
        ),
    )  # fmt: skip

    id: Mapped[Id]
    schedule_id: Mapped[int] = mapped_column(ForeignKey("report_schedule.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    for_at: Mapped[Moment]
    made_at: Mapped[Moment]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"), index=True)
    state: Mapped[str] = mapped_column(String(8), default=SendingState.WAITING)
    state_at: Mapped[Moment]
    due_at: Mapped[Moment]
    attempts: Mapped[int] = mapped_column(default=0)
    rows: Mapped[int | None]
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    reader: Mapped[str] = column_property(username_of(user_id), deferred=True, raiseload=True)
