"""Revenue protection: what the rules found, who looks at it, what came of it.

A finding is about a meter, or about a vending point and, where the rule says so, one of its
people or one of its sales. As long as it is live no second one is written for its rule and
subject; see ``vmsapp.services.revenue_protection``.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.orm import Mapped, Session, column_property, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.meter import Meter
from vmsapp.models.mixins import PointScoped, region_table
from vmsapp.models.types import Code, Id, Moment, Text, UtcDateTime
from vmsapp.models.user import username_of
from vmsapp.models.vending_point import VendingPoint
from vmsapp.scope import ScopedMixin, Sight, below


class RevenueState(StrEnum):
    """How far the work on a finding is."""

    OPEN = "open"
    TAKEN = "taken"
    """Somebody looks at it."""
    DECIDED = "decided"
    CEASED = "ceased"
    """No longer true before anybody looked at it."""


REVENUE_MOVES: Final[dict[RevenueState, frozenset[RevenueState]]] = {
    RevenueState.OPEN: frozenset(
        {RevenueState.TAKEN, RevenueState.DECIDED, RevenueState.CEASED}
    ),
    RevenueState.TAKEN: frozenset({RevenueState.OPEN, RevenueState.DECIDED}),
    RevenueState.DECIDED: frozenset({RevenueState.TAKEN}),
    RevenueState.CEASED: frozenset(),
}  # fmt: skip
"""The allowed moves; every other is a mistake."""


class RevenueOutcome(StrEnum):
    """What was behind a finding."""

    TAMPERING = "tampering"
    FAULTY = "faulty"
    MISUSE = "misuse"
    VACANT = "vacant"
    MOVED = "moved"
    EXPLAINED = "explained"
    FALSE_ALARM = "false_alarm"


FOUND_RIGHT: Final = (RevenueOutcome.TAMPERING, RevenueOutcome.FAULTY, RevenueOutcome.MISUSE)
"""Money was lost there, and somebody has to do something about it."""

EXPLAINED: Final = (RevenueOutcome.VACANT, RevenueOutcome.MOVED, RevenueOutcome.EXPLAINED)
"""It was as the rule says, for a reason that is none of concern."""

LIVE: Final = text("live")


def _seen(finding: Any, sight: Sight) -> ColumnElement[bool]:  # noqa: ANN401 - model or columns
    meter, point = Meter.__table__.c, VendingPoint.__table__.c
    regions = select(region_table.c.id).where(below(region_table.c.path, sight.region_path))
    own = finding.meter_id.in_(select(meter.id).where(meter.region_id.in_(regions)))
    if sight.vending_point_id is not None:
        return or_(own, finding.vending_point_id == sight.vending_point_id)
    points = select(point.id).where(point.region_id.in_(regions))
    return or_(own, finding.vending_point_id.in_(points))


class RevenueFinding(PointScoped, Model):
    """What a rule found about one subject.

    Attributes:
        rule: The rule's stable code.
        subject: What it is about, as one text: ``meter 17``, ``point 3 operator 5``.
        meter_id: Of a finding about a meter, which is seen by whoever sees that.
        vending_point_id: Of every other one: seen like the sales there.
        operator_id, sale_id: What it is about at that vending point.
        facts: The figures the rule compared, under the names its sentence uses.
        live: It holds the place of its rule and subject.
        ceased_at: Since when the rule does not find it any more.
        assigned_id: Who looks at it.
        visit_on: Day of the field visit, planned or done.
    """

    __tablename__ = "revenue_finding"
    __table_args__ = (
        CheckConstraint(
            "state IN ('open', 'taken', 'decided', 'ceased')", name="ck_revenue_finding_state"
        ),
        CheckConstraint(
            "(meter_id IS NULL) <> (vending_point_id IS NULL)", name="ck_revenue_finding_one"
        ),
        CheckConstraint(
            "outcome IN ('tampering', 'faulty', 'misuse', 'vacant', 'moved', 'explained',"
            " 'false_alarm')",
            name="ck_revenue_finding_outcome",
        ),
        CheckConstraint(
            "(state = 'decided') = (outcome IS NOT NULL)", name="ck_revenue_finding_decided"
        ),
        CheckConstraint(
            "state <> 'taken' OR assigned_id IS NOT NULL", name="ck_revenue_finding_taken"
        ),
        Index(
            "uq_revenue_finding_live", "rule", "subject", unique=True,
            sqlite_where=LIVE, postgresql_where=LIVE,
        ),
        Index("ix_revenue_finding_counted", "rule", "state", "outcome"),
        Index("ix_revenue_finding_subject", "subject", "id"),
        Index("ix_revenue_finding_found", "found_at"),
    )  # fmt: skip

    id: Mapped[Id]
    rule: Mapped[Code]
    subject: Mapped[str] = mapped_column(String(80))
    meter_id: Mapped[int | None] = mapped_column(ForeignKey("meter.id"), index=True)
    vending_point_id: Mapped[int | None] = mapped_column(  # type: ignore[assignment]
        ForeignKey("vending_point.id"), index=True
    )
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    sale_id: Mapped[int | None] = mapped_column(ForeignKey("sale.id"))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(8), default=RevenueState.OPEN)
    live: Mapped[bool] = mapped_column(default=True)
    found_at: Mapped[Moment]
    ceased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    assigned_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    visit_on: Mapped[date | None]
    outcome: Mapped[str | None] = mapped_column(String(12))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    operator: Mapped[str | None] = column_property(
        username_of(operator_id), deferred=True, raiseload=True
    )
    assigned: Mapped[str | None] = column_property(
        username_of(assigned_id), deferred=True, raiseload=True
    )
    decided_by: Mapped[str | None] = column_property(
        username_of(decided_by_id), deferred=True, raiseload=True
    )
    meter: Mapped[Meter | None] = relationship(lazy="raise_on_sql")
    vending_point: Mapped[VendingPoint | None] = relationship(lazy="raise_on_sql")
    notes: Mapped[list["RevenueNote"]] = relationship(
        order_by="RevenueNote.id", viewonly=True, lazy="raise_on_sql"
    )
    setting: Mapped["RevenueRule | None"] = relationship(
        primaryjoin="foreign(RevenueFinding.rule) == RevenueRule.code", viewonly=True,
        lazy="raise_on_sql",
    )  # fmt: skip

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Findings about the meters of the region, and about what was done where sales are seen."""
        return _seen(cls, sight)

    def inside(self, session: Session, sight: Sight) -> bool:
        """The meter must be seen, or the vending point be the own one or lie in the region."""
        if self.meter_id is None:
            return super().inside(session, sight)
        return session.scalar(select(Meter.id).where(Meter.id == self.meter_id)) is not None


class RevenueNote(ScopedMixin, Model):
    """One step of the work on a finding, with what was written about it; rows are only added.

    Attributes:
        deed: ``taken``, ``left``, ``noted``, ``decided`` or ``reopened``.
        outcome: What was decided.
        visit_on: The day of the field visit, where one was named.
    """

    __tablename__ = "revenue_note"
    __table_args__ = (
        CheckConstraint(
            "deed IN ('taken', 'left', 'noted', 'decided', 'reopened')",
            name="ck_revenue_note_deed",
        ),
    )

    id: Mapped[Id]
    finding_id: Mapped[int] = mapped_column(ForeignKey("revenue_finding.id"), index=True)
    deed: Mapped[str] = mapped_column(String(8))
    text: Mapped[Text] = mapped_column(default="")
    outcome: Mapped[str | None] = mapped_column(String(12))
    visit_on: Mapped[date | None]
    made_at: Mapped[Moment]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    made_by: Mapped[str | None] = column_property(
        username_of(made_by_id), deferred=True, raiseload=True
    )

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those of the findings that are seen."""
        finding = RevenueFinding.__table__.c
        return cls.finding_id.in_(select(finding.id).where(_seen(finding, sight)))

    def inside(self, session: Session, sight: Sight) -> bool:
        """The finding must be seen."""
        seen = select(RevenueFinding.id).where(RevenueFinding.id == self.finding_id)
        return session.scalar(seen) is not None


class RevenueRule(Model):
    """What the utility set of a rule, and when it was last asked; a rule without a row is as made.

    Attributes:
        active: Whether it is asked at all.
        numbers: Thresholds that differ from the rule's own, by name.
        ran_at: When it was last through with all there is.
    """

    __tablename__ = "revenue_rule"

    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    numbers: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    ran_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
