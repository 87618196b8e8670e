"""Simulations: what a month's real sales would have cost under a plan that is not in force yet."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ColumnElement, ForeignKey, String, select
from sqlalchemy import Text as LongText
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.job import Job
from vmsapp.models.mixins import region_table
from vmsapp.models.region import Region
from vmsapp.models.tariff import Tariff, TariffPlan
from vmsapp.models.types import BigId, Id, Moment, UtcDateTime
from vmsapp.models.user import OfficeUser
from vmsapp.scope import ScopedMixin, Sight, below


class Basis(StrEnum):
    """What stays the same when the prices change."""

    UNITS = "units"
    """The same units are bought: how much more or less they cost."""
    MONEY = "money"
    """The same money is spent: how many more or fewer units it buys."""


class TariffSimulation(ScopedMixin, Model):
    """A plan tried over the sales of a month; its result is kept with the plan.

    Attributes:
        rules, plan_version: The plan as it was when it was asked for: it may be edited since.
        tariff_id: Whose sales.
        month: Its first day.
        region_id: The places of a region and all below it; ``None``: of the whole utility.
        after_id: The last place that is through: a run goes on behind it.
        kept: What is added up so far; see ``services.tariffs.simulation_sums``.
        finished_at: When it was through; empty while it is not.
    """

    __tablename__ = "tariff_simulation"
    __table_args__ = (CheckConstraint("basis IN ('units', 'money')", name="ck_simulation_basis"),)

    id: Mapped[Id]
    plan_id: Mapped[int] = mapped_column(
        ForeignKey("tariff_plan.id", ondelete="CASCADE"), index=True
    )
    plan_version: Mapped[str] = mapped_column(String(64))
    rules: Mapped[str] = mapped_column(LongText)
    tariff_id: Mapped[int] = mapped_column(ForeignKey("tariff.id", ondelete="CASCADE"), index=True)
    month: Mapped[date]
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    basis: Mapped[str] = mapped_column(String(8))
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    made_at: Mapped[Moment]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    after_id: Mapped[int] = mapped_column(BigId, default=0)
    kept: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    plan: Mapped[TariffPlan] = relationship(lazy="raise_on_sql")
    tariff: Mapped[Tariff] = relationship(lazy="raise_on_sql")
    region: Mapped[Region | None] = relationship(lazy="raise_on_sql")
    job: Mapped[Job | None] = relationship(lazy="raise_on_sql")
    made_by: Mapped[OfficeUser | None] = relationship(lazy="raise_on_sql")

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those of the region and all below it; of the whole utility for who sees all of it."""
        return cls.region_id.in_(
            select(region_table.c.id).where(below(region_table.c.path, sight.region_path))
        )

    def inside(self, session: Session, sight: Sight) -> bool:
        """The region must be seen."""
        seen = select(Region.id).where(Region.id == self.region_id)
        return bool(sight.region_path) and session.scalar(seen) is not None
