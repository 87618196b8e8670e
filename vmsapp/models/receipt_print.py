"""Prints: every time a receipt left the product, on paper or as a file."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, column_property, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.types import Id, Moment
from vmsapp.models.user import username_of


class PrintKind(StrEnum):
    """How a receipt left."""

    PAPER = "paper"
    PDF = "pdf"
    MAIL = "mail"
    SMS = "sms"


class ReceiptPrint(PointScoped, Model):
    """One print: the first of a sale is the original, each later one a copy.

    Attributes:
        nth: Which print of its sale, from 1 on; the copies' number is one less.
        language: The one it was printed in; empty where nobody noted it.
    """

    __tablename__ = "receipt_print"
    __table_args__ = (
        UniqueConstraint("sale_id", "nth", name="uq_receipt_print_nth"),
        CheckConstraint("nth >= 1", name="ck_receipt_print_nth"),
        CheckConstraint("kind IN ('paper', 'pdf', 'mail', 'sms')", name="ck_receipt_print_kind"),
    )

    id: Mapped[Id]
    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"))
    nth: Mapped[int]
    kind: Mapped[str] = mapped_column(String(8))
    language: Mapped[str] = mapped_column(String(8))
    printed_at: Mapped[Moment]
    printed_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)

    printed_by: Mapped[str] = column_property(
        username_of(printed_by_id), deferred=True, raiseload=True
    )
