"""The second person: which deeds ask for one, and what was asked.

A request freezes what is to be done, with its hash. It leaves ``pending`` once, by
compare-and-set; the database itself refuses a request approved by who made it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, column_property, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.region import Region
from vmsapp.models.types import Code, Id, Minor, Moment, Text, UtcDateTime
from vmsapp.models.user import username_of
from vmsapp.models.vending_point import VendingPoint
from vmsapp.scope import ScopedMixin, Sight, below

LASTS: Final = timedelta(hours=24)
"""How long a request waits."""


class ApprovalState(StrEnum):
    """A request waits, then ends in one of the others."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    FAILED = "failed"


class ApprovalRule(Model):
    """Whether an action asks for a second person; no row, or not ``active``: it does not.

    Attributes:
        from_amount_minor: From which amount on; ``None`` for every amount.
    """

    __tablename__ = "approval_rule"
    __table_args__ = (CheckConstraint("from_amount_minor >= 0", name="ck_approval_rule_amount"),)

    action: Mapped[str] = mapped_column(String(40), primary_key=True)
    active: Mapped[bool] = mapped_column(default=False)
    from_amount_minor: Mapped[Minor | None]


class ApprovalRequest(ScopedMixin, Model):
    """A deed somebody asked for, waiting for or decided by a second person.

    It belongs where its subject lies: at a vending point, in a region, or, with neither,
    to the whole utility. Who does not see the subject does not see the request.

    Attributes:
        key: Made with the form: the same form sent twice asks once.
        hash: SHA-256 of action and parameters as they were asked for.
        outcome: Why it failed, as message and values, to be said in the reader's language.
    """

    __tablename__ = "approval_request"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'approved', 'refused', 'withdrawn', 'expired', 'failed')",
            name="ck_approval_request_state",
        ),
        CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL)", name="ck_approval_request_decided"
        ),
        CheckConstraint(
            "state <> 'approved' OR (decided_by_id IS NOT NULL AND decided_by_id <> asked_by_id)",
            name="ck_approval_request_second_person",
        ),
        CheckConstraint(
            "vending_point_id IS NULL OR region_id IS NULL", name="ck_approval_request_place"
        ),
        UniqueConstraint("asked_by_id", "key", name="uq_approval_request_key"),
        Index(
            "uq_approval_request_waiting",
            "hash",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_approval_request_state", "state", "expires_at"),
    )

    id: Mapped[Id]
    action: Mapped[Code]
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    hash: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(60))
    amount_minor: Mapped[Minor | None]
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    made_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"), index=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    state: Mapped[str] = mapped_column(String(10), default=ApprovalState.PENDING)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    reason: Mapped[Text] = mapped_column(default="")
    outcome: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    asked_by: Mapped[str] = column_property(username_of(asked_by_id), deferred=True, raiseload=True)
    decided_by: Mapped[str | None] = column_property(
        username_of(decided_by_id), deferred=True, raiseload=True
    )
    vending_point: Mapped[VendingPoint | None] = relationship(lazy="raise_on_sql")
    region: Mapped[Region | None] = relationship(lazy="raise_on_sql")

    def state_at(self, moment: datetime) -> ApprovalState:
        """The state, whether or not the expiry was written down already."""
        if self.state == ApprovalState.PENDING and self.expires_at <= moment:
            return ApprovalState.EXPIRED
        return ApprovalState(self.state)

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those whose vending point or region is seen; the whole utility's by nobody else."""
        regions, points = Region.__table__.c, VendingPoint.__table__.c
        seen = below(regions.path, sight.region_path)
        in_region = cls.region_id.in_(select(regions.id).where(seen))
        at_point: ColumnElement[bool] = cls.vending_point_id.in_(
            select(points.id).join(Region.__table__, regions.id == points.region_id).where(seen)
        )
        if sight.vending_point_id is not None:
            at_point = and_(at_point, cls.vending_point_id == sight.vending_point_id)
        return or_(in_region, at_point)

    def inside(self, session: Session, sight: Sight) -> bool:
        """The vending point or region must be seen."""
        if self.vending_point_id is not None:
            found = select(VendingPoint.id).where(VendingPoint.id == self.vending_point_id)
        elif self.region_id is not None:
            found = select(Region.id).where(Region.id == self.region_id)
        else:
            return False
        return session.scalar(found) is not None
