"""Jobs: what runs without a person. The row is the truth, on every broker.

A worker claims a job by a compare-and-set on its state and keeps a heartbeat; one whose
heart stopped may be claimed again.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import OwnScoped
from vmsapp.models.types import Code, Id, Moment, Text, UtcDateTime
from vmsapp.models.user import OfficeUser


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(OwnScoped, Model):
    """One run, or for a ``recurring`` kind the one row of its runs.

    Attributes:
        params: What the job needs besides its kind: ids and words, never a secret.
        error: Code of what went wrong; ``problem`` holds its sentence and values.
        problem: ``message`` (English message id) and ``params`` as ``kept_params`` writes them.
        file_name: What its owner calls the file it reads or makes.
        stored: Under which random name the file it made lies in the folder of downloads.
        done, total: How far it is, in rows; the total once it is known.
        done_before: What was done when this run began: it is no part of its speed.
        attempts: Runs so far; what a run writes it writes only while the number is its own.
        queued_at: When its message was last sent; a sweep sends it again where one was lost.
        progress_at: When ``done`` last grew.
    """

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name="ck_job_state"
        ),
        Index(
            "uq_job_recurring",
            "kind",
            unique=True,
            sqlite_where=text("recurring"),
            postgresql_where=text("recurring"),
        ),
        Index(
            "ix_job_open",
            "state",
            sqlite_where=text("state IN ('waiting', 'running')"),
            postgresql_where=text("state IN ('waiting', 'running')"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[Code]
    recurring: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(10), default=JobState.WAITING)
    locale: Mapped[str] = mapped_column(String(8), default="en")
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    error: Mapped[str | None] = mapped_column(String(255))
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    file_name: Mapped[Text] = mapped_column(default="", server_default="")
    stored: Mapped[str | None] = mapped_column(String(64))
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    total: Mapped[int | None]
    done_before: Mapped[int] = mapped_column(default=0, server_default="0")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    cancel_asked: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    made_at: Mapped[Moment]
    queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    progress_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    actor: Mapped[OfficeUser | None] = relationship(lazy="raise_on_sql")

    @property
    def open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {JobState.WAITING, JobState.RUNNING}

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.kind})"
