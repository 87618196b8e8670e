"""The audit trail: who did what, when, from where. Rows are only ever added.

An event is written in the transaction of the deed. A trigger puts its id among the
unsealed; the sealer (``services/audit/sealer``) gives it a place in the chain of hashes and
takes it off again. Heads of the chain are signed by a security module.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ColumnElement, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, Session, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import BigId, Code, Id, Moment, UtcDateTime
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


class AuditUnsealed(Model):
    """An event that has no place in the chain yet; a trigger on ``audit_event`` adds it.

    The row is committed with its event, so an event whose transaction ends late is found
    like any other, whatever its number.
    """

    __tablename__ = "audit_unsealed"

    event_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("audit_event.id"), primary_key=True, autoincrement=False
    )


class AuditSeal(Model):
    """An event's place in the chain, from 1 without gaps; rows are only added.

    Attributes:
        version: How the event was put into bytes.
        hash: SHA-256 over the hash before, the place and the event, as hex.
    """

    __tablename__ = "audit_seal"

    place: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigId, ForeignKey("audit_event.id"), unique=True)
    version: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


class AuditHead(Model):
    """A head of the chain as a security module signed it; rows are only added.

    The fields are those of ``hsm.base.SignedHead``.
    """

    __tablename__ = "audit_head"
    __table_args__ = (
        Index("uq_audit_head_number", "module_name", "number", unique=True),
        CheckConstraint("number >= 1", name="ck_audit_head_number"),
    )

    id: Mapped[Id]
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"))
    module_name: Mapped[str] = mapped_column(String(40))
    number: Mapped[int] = mapped_column(BigId)
    place: Mapped[int] = mapped_column(BigId, index=True)
    digest: Mapped[str] = mapped_column(String(64))
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    restart: Mapped[bool]
    public_key: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(String(128))
