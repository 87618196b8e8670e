"""The audit trail: who did what, when, from where. Rows are only ever added."""

from typing import Any

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, Session, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Code, Id, Moment
from vmsapp.scope import ScopedMixin, Sight


class AuditEvent(ScopedMixin, Model):
    """One deed or refusal. ``details`` hold values, never secrets, keys or tokens."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_subject", "subject", "subject_id"),
        Index("ix_audit_event_at", "at"),
    )

    id: Mapped[Id]
    at: Mapped[Moment]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    actor_name: Mapped[str] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(45))
    action: Mapped[Code]
    subject: Mapped[Code]
    subject_id: Mapped[str | None] = mapped_column(String(40))
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Only those who see everything read the trail."""
        return false()

    def inside(self, session: Session, sight: Sight) -> bool:
        """Everybody's deeds are written down."""
        return True
