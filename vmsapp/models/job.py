"""Jobs: what runs without a person. The row is the truth, on every broker.

A worker claims a job by a compare-and-set on its state and keeps a heartbeat; one whose
heart stopped may be claimed again.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Code, Id, Moment, UtcDateTime


class Job(Model):
    """One run, or for a ``recurring`` kind the one row of its runs."""

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
    )

    id: Mapped[Id]
    kind: Mapped[Code]
    recurring: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    locale: Mapped[str] = mapped_column(String(8), default="en")
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    error: Mapped[str | None] = mapped_column(String(255))
    made_at: Mapped[Moment]
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
