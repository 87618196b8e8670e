"""Tariffs and their dated plans. A plan is never changed once a sale used it."""

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy import Text as LongText
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.product import METER_TYPE_CHECK
from vmsapp.models.types import Id, Name


class Tariff(Model):
    """A name that meters carry; what it costs stands in its plans.

    Attributes:
        tariff_index: The TI that its meters are to carry, 2 digits; ``None``: any.
    """

    __tablename__ = "tariff"
    __table_args__ = (
        CheckConstraint(METER_TYPE_CHECK, name="ck_tariff_meter_type"),
        CheckConstraint("length(tariff_index) = 2", name="ck_tariff_index"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    meter_type: Mapped[str] = mapped_column(String(12))
    retired: Mapped[bool] = mapped_column(default=False)
    tariff_index: Mapped[str | None] = mapped_column(String(2))

    plans: Mapped[list["TariffPlan"]] = relationship(
        back_populates="tariff", order_by="TariffPlan.effective_on", lazy="raise_on_sql"
    )

    def __repr__(self) -> str:
        return self.name


class TariffPlan(Model):
    """What a tariff costs from a day on, until the next plan's day.

    ``rules`` is the plan as a document, JSON text as ``vmsapp.tariffs.document`` writes it,
    in the utility's currency; ``name`` repeats its name, for lists.
    """

    __tablename__ = "tariff_plan"
    __table_args__ = (
        UniqueConstraint("tariff_id", "effective_on", name="uq_tariff_plan_day"),
        CheckConstraint("rules LIKE '{%}'", name="ck_tariff_plan_rules"),
    )

    id: Mapped[Id]
    tariff_id: Mapped[int] = mapped_column(ForeignKey("tariff.id"), index=True)
    name: Mapped[Name]
    effective_on: Mapped[date]
    rules: Mapped[str] = mapped_column(LongText)

    tariff: Mapped[Tariff] = relationship(back_populates="plans", lazy="raise_on_sql")

    def __repr__(self) -> str:
        return self.name
