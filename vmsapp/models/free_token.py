"""Free tokens: energy given without money, with who asked for it, why, and what it is worth."""

from datetime import date
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.types import Minor, Text


class FreeReason(StrEnum):
    """Why a token is given without money."""

    OUTAGE = "outage"
    FAULTY_CREDIT = "faulty_credit"
    SOCIAL = "social"
    COMMISSIONING = "commissioning"
    OTHER = "other"


class FreeToken(PointScoped, Model):
    """What a sale without money was given for; the token is the sale's.

    Attributes:
        meter_id: The sale's meter, whose month has a quota.
        kind: The sale's: ``free`` or ``compensation``.
        for_sale_id: The purchase that a compensation makes up for, where it names one.
        value_minor: What the energy costs at the meter's price, without fees and taxes.
        business_date: The sale's.
    """

    __tablename__ = "free_token"
    __table_args__ = (
        CheckConstraint("kind IN ('free', 'compensation')", name="ck_free_token_kind"),
        CheckConstraint(
            "reason IN ('outage', 'faulty_credit', 'social', 'commissioning', 'other')",
            name="ck_free_token_reason",
        ),
        CheckConstraint("reason <> 'other' OR note <> ''", name="ck_free_token_note"),
        CheckConstraint(
            "for_sale_id IS NULL OR kind = 'compensation'", name="ck_free_token_for_sale"
        ),
        CheckConstraint("value_minor >= 0", name="ck_free_token_value"),
    )

    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"), primary_key=True)
    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(16))
    note: Mapped[Text] = mapped_column(default="")
    for_sale_id: Mapped[int | None] = mapped_column(ForeignKey("sale.id"))
    value_minor: Mapped[Minor]
    business_date: Mapped[date]
