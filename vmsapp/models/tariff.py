"""Tariffs and their dated plans. A plan is never changed once a sale used it."""

from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.product import METER_TYPE_CHECK
from vmsapp.models.types import UNITS_SCALE, FixedPoint, Id, Name, Price, Units


class Tariff(Model):
    """A name that meters carry; what it costs stands in its plans."""

    __tablename__ = "tariff"
    __table_args__ = (CheckConstraint(METER_TYPE_CHECK, name="ck_tariff_meter_type"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    meter_type: Mapped[str] = mapped_column(String(12))
    retired: Mapped[bool] = mapped_column(default=False)

    plans: Mapped[list["TariffPlan"]] = relationship(
        back_populates="tariff", order_by="TariffPlan.effective_on", lazy="raise_on_sql"
    )

    def __repr__(self) -> str:
        return self.name


class TariffPlan(Model):
    """What a tariff costs from a day on, until the next plan's day.

    ``fixed_fee_minor`` is in minor units of the utility's currency; ``fee_period``,
    ``accumulation`` take the words of ``vmsapp.tariffs.plan``.
    """

    __tablename__ = "tariff_plan"
    __table_args__ = (
        UniqueConstraint("tariff_id", "effective_on", name="uq_tariff_plan_day"),
        CheckConstraint("fixed_fee_minor >= 0", name="ck_tariff_plan_fee"),
        CheckConstraint(
            "fee_period IN ('sale', 'day', 'week', 'month', 'year')", name="ck_tariff_plan_period"
        ),
        CheckConstraint("accumulation IN ('month', 'sale')", name="ck_tariff_plan_accumulation"),
    )

    id: Mapped[Id]
    tariff_id: Mapped[int] = mapped_column(ForeignKey("tariff.id"), index=True)
    name: Mapped[Name]
    effective_on: Mapped[date]
    fixed_fee_minor: Mapped[int] = mapped_column(default=0)
    fee_period: Mapped[str] = mapped_column(String(8), default="month")
    recover_missed: Mapped[bool] = mapped_column(default=True)
    max_periods: Mapped[int | None]
    accumulation: Mapped[str] = mapped_column(String(8), default="month")

    tariff: Mapped[Tariff] = relationship(back_populates="plans", lazy="raise_on_sql")
    steps: Mapped[list["TariffStep"]] = relationship(
        order_by="TariffStep.position", lazy="selectin", cascade="all, delete-orphan"
    )
    penalties: Mapped[list["TariffPenalty"]] = relationship(
        order_by="TariffPenalty.position", lazy="selectin", cascade="all, delete-orphan"
    )


class TariffStep(Model):
    """The price of the units in (start, end]."""

    __tablename__ = "tariff_step"
    __table_args__ = (
        CheckConstraint("price >= 0", name="ck_tariff_step_price"),
        CheckConstraint("tax_percent >= 0", name="ck_tariff_step_tax"),
        CheckConstraint("end_units IS NULL OR end_units > start_units", name="ck_tariff_step_span"),
    )

    plan_id: Mapped[int] = mapped_column(ForeignKey("tariff_plan.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    start_units: Mapped[Units]
    end_units: Mapped[Decimal | None] = mapped_column(FixedPoint(UNITS_SCALE))
    price: Mapped[Price]
    tax_percent: Mapped[Price]


class TariffPenalty(Model):
    """A fine added once to a single purchase of (low, high] units."""

    __tablename__ = "tariff_penalty"
    __table_args__ = (
        CheckConstraint("fine_minor >= 0", name="ck_tariff_penalty_fine"),
        CheckConstraint("position BETWEEN 1 AND 5", name="ck_tariff_penalty_position"),
    )

    plan_id: Mapped[int] = mapped_column(ForeignKey("tariff_plan.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    low_units: Mapped[Units]
    high_units: Mapped[Decimal | None] = mapped_column(FixedPoint(UNITS_SCALE))
    fine_minor: Mapped[int]
