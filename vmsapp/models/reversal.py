"""Reversals: an issued sale taken back by two people, once, with the reason they gave."""

from datetime import date
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.sale import Sale
from vmsapp.models.types import Id, Minor, Moment, Text


class ReversalReason(StrEnum):
    """Why a sale whose token was made is taken back."""

    NOT_HANDED_OUT = "not_handed_out"
    WRONG_METER = "wrong_meter"
    TEST = "test"
    OTHER = "other"


class SaleReversal(PointScoped, Model):
    """What answered a sale, beside the transfer that answers its money.

    Attributes:
        meter_id: The sale's meter, to find purchases that follow.
        may_be_used: Somebody had seen the digits, so the meter may have taken them.
        money_minor: What goes back to the customer: all that was charged.
        asked_by_id: Who wanted it; ``key`` is the form's, and the approved request's.
    """

    __tablename__ = "sale_reversal"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('not_handed_out', 'wrong_meter', 'test', 'other')",
            name="ck_sale_reversal_reason",
        ),
        CheckConstraint(
            "reason <> 'not_handed_out' OR NOT may_be_used", name="ck_sale_reversal_handed_out"
        ),
        CheckConstraint("reason <> 'other' OR note <> ''", name="ck_sale_reversal_note"),
        CheckConstraint("money_minor >= 0", name="ck_sale_reversal_money"),
    )

    id: Mapped[Id]
    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"), unique=True)
    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), index=True)
    transfer_id: Mapped[int] = mapped_column(ForeignKey("ledger_transfer.id"), unique=True)
    reason: Mapped[str] = mapped_column(String(16))
    note: Mapped[Text] = mapped_column(default="")
    may_be_used: Mapped[bool]
    money_minor: Mapped[Minor]
    reversed_at: Mapped[Moment]
    business_date: Mapped[date] = mapped_column(index=True)
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    key: Mapped[str] = mapped_column(String(60))

    sale: Mapped[Sale] = relationship(lazy="raise_on_sql")
