"""Vending points, their money and their receipt numbers."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    String,
    and_,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped, RegionScoped
from vmsapp.models.region import Region
from vmsapp.models.types import Id, Minor, Name, Text, UtcDateTime
from vmsapp.scope import Sight


class PaperSize(StrEnum):
    """What a receipt is printed on."""

    ROLL_80 = "80mm"
    ROLL_58 = "58mm"
    A4 = "a4"


class VendingPoint(RegionScoped, Model):
    """A counter where tokens are sold. An operator sees only the own one.

    One that is closed sells nothing; its sales stay on record.
    """

    __tablename__ = "vending_point"
    __table_args__ = (
        CheckConstraint("paper_size IN ('80mm', '58mm', 'a4')", name="ck_vending_point_paper"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    address: Mapped[Text] = mapped_column(default="")
    contact_person: Mapped[Name] = mapped_column(default="")
    telephone: Mapped[str] = mapped_column(String(40), default="")
    email: Mapped[str] = mapped_column(String(120), default="")
    paper_size: Mapped[str] = mapped_column(String(8), default=PaperSize.ROLL_80)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    region: Mapped[Region] = relationship(lazy="raise_on_sql")
    account: Mapped["VendingPointAccount | None"] = relationship(
        lazy="raise_on_sql", viewonly=True, uselist=False
    )

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those of the region; for an operator the own one alone."""
        in_region = super().visible_to(sight)
        if sight.vending_point_id is None:
            return in_region
        return and_(in_region, cls.id == sight.vending_point_id)

    def inside(self, session: Session, sight: Sight) -> bool:
        """An operator's own one, else any in the region."""
        if sight.vending_point_id is not None and self.id != sight.vending_point_id:
            return False
        return super().inside(session, sight)

    def __repr__(self) -> str:
        return self.name


class VendingPointAccount(PointScoped, Model):
    """The one balance that is locked: what a vending point has left to sell from.

    An unlimited point collects cash for the utility; a limited one sells from a float
    it paid in, down to its credit limit. Pending sales count against the float at once.
    """

    __tablename__ = "vending_point_account"
    __table_args__ = (
        CheckConstraint("pending_minor >= 0", name="ck_vending_point_account_pending"),
        CheckConstraint("credit_limit_minor >= 0", name="ck_vending_point_account_limit"),
    )

    vending_point_id: Mapped[int] = mapped_column(ForeignKey("vending_point.id"), primary_key=True)
    limited: Mapped[bool] = mapped_column(default=False)
    balance_minor: Mapped[Minor] = mapped_column(default=0)
    pending_minor: Mapped[Minor] = mapped_column(default=0)
    credit_limit_minor: Mapped[Minor] = mapped_column(default=0)

    @property
    def available_minor(self) -> int:
        """What may still be sold for."""
        return self.balance_minor - self.pending_minor + self.credit_limit_minor


class ReceiptCounter(PointScoped, Model):
    """The last receipt number of a vending point in a series; numbers leave no gap."""

    __tablename__ = "receipt_counter"

    vending_point_id: Mapped[int] = mapped_column(ForeignKey("vending_point.id"), primary_key=True)
    series: Mapped[int] = mapped_column(primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger, default=0)
