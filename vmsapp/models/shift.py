"""Shifts: an operator at a vending point with a drawer, from its float to its count.

Who may not know beforehand what ought to lie in the drawer is not told: what was expected
is written down only once the cash was counted.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.types import Id, Minor, Moment, Text, UtcDateTime
from vmsapp.models.user import username_of
from vmsapp.models.vending_point import VendingPoint


class ShiftState(StrEnum):
    """How far a shift is; told by its time stamps."""

    OPEN = "open"
    COUNTED = "counted"
    CLOSED = "closed"


class CashReason(StrEnum):
    """Why cash is put into a drawer or taken out of it, other than by sales."""

    BANK = "bank"
    CHANGE = "change"
    OTHER = "other"


class Shift(PointScoped, Model):
    """An operator's time at a drawer.

    Attributes:
        key: Made with the form: the same form sent twice opens one shift.
        currency: ISO 4217 code of all its amounts; ``exponent`` their decimals.
        opening_minor: Cash in the drawer at the beginning.
        counted_minor: Cash that was counted at the end; none where it is not counted.
        pieces: Coins and notes by their worth in minor units, where they were told.
        counted_by_id: Who counted; ``closed_by_id`` who ended it.
        expected_minor: What ought to have been there; written when the shift is closed.
        over_short_minor: What was there beyond it, below zero where some was missing.
        note: Why, where it was more than the utility lets pass.
    """

    __tablename__ = "shift"
    __table_args__ = (
        UniqueConstraint("vending_point_id", "key", name="uq_shift_key"),
        Index(
            "uq_shift_open",
            "vending_point_id",
            "operator_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        CheckConstraint("opening_minor >= 0", name="ck_shift_opening"),
        CheckConstraint("counted_minor >= 0", name="ck_shift_counted"),
        CheckConstraint(
            "(counted_at IS NULL) = (counted_minor IS NULL)", name="ck_shift_counted_at"
        ),
        CheckConstraint("(closed_at IS NULL) = (expected_minor IS NULL)", name="ck_shift_expected"),
        CheckConstraint(
            "over_short_minor = counted_minor - expected_minor", name="ck_shift_over_short"
        ),
    )

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(60))
    operator_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    currency: Mapped[str] = mapped_column(String(3))
    exponent: Mapped[int]
    opened_at: Mapped[Moment]
    opening_minor: Mapped[Minor]
    counted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    counted_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    counted_minor: Mapped[Minor | None]
    pieces: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    expected_minor: Mapped[Minor | None]
    over_short_minor: Mapped[Minor | None]
    note: Mapped[Text] = mapped_column(default="")

    vending_point: Mapped[VendingPoint] = relationship(lazy="raise_on_sql")
    operator_name: Mapped[str] = column_property(
        username_of(operator_id), deferred=True, raiseload=True
    )
    closed_by: Mapped[str | None] = column_property(
        username_of(closed_by_id), deferred=True, raiseload=True
    )

    @property
    def state(self) -> ShiftState:
        """How far it is."""
        if self.closed_at is not None:
            return ShiftState.CLOSED
        return ShiftState.OPEN if self.counted_at is None else ShiftState.COUNTED


class ShiftCash(PointScoped, Model):
    """Cash put into a drawer or taken out of it, other than by sales.

    Attributes:
        key: Made with the form: the same form sent twice moves money once.
        amount_minor: Positive for put in, negative for taken out.
    """

    __tablename__ = "shift_cash"
    __table_args__ = (
        UniqueConstraint("vending_point_id", "key", name="uq_shift_cash_key"),
        CheckConstraint("amount_minor <> 0", name="ck_shift_cash_amount"),
        CheckConstraint("reason IN ('bank', 'change', 'other')", name="ck_shift_cash_reason"),
    )

    id: Mapped[Id]
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"), index=True)
    key: Mapped[str] = mapped_column(String(60))
    amount_minor: Mapped[Minor]
    reason: Mapped[str] = mapped_column(String(8))
    note: Mapped[Text] = mapped_column(default="")
    made_at: Mapped[Moment]
    entered_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
