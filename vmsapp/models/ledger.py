"""The ledger: double entry in minor units, never changed, only answered.

The entries of a transfer add up to zero. A posted transfer stays as it is; a mistake is
answered by another. Triggers in the database refuse what this says must not happen.
"""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.types import Id, Minor, Moment, Name, UtcDateTime


class AccountKind(StrEnum):
    """What an account holds. Debits are positive, credits negative."""

    CASH = "cash"
    FLOAT = "float"
    ENERGY = "energy"
    TAX = "tax"
    FEE = "fee"
    FEE_ARREARS = "fee_arrears"
    DEBT = "debt"
    PENALTY = "penalty"
    ROUNDING = "rounding"
    OVER_SHORT = "over_short"
    FREE_TOKENS = "free_tokens"


class TransferState(StrEnum):
    """A transfer is pending, then posted or voided."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"


class LedgerAccount(PointScoped, Model):
    """An account of one vending point. ``detail`` tells energies, taxes and debts apart."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        UniqueConstraint("vending_point_id", "kind", "detail", name="uq_ledger_account"),
        CheckConstraint(
            "kind IN ('cash', 'float', 'energy', 'tax', 'fee', 'fee_arrears', 'debt', 'penalty',"
            " 'rounding', 'over_short', 'free_tokens')",
            name="ck_ledger_account_kind",
        ),
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(12))
    detail: Mapped[str] = mapped_column(String(120), default="")


class LedgerTransfer(PointScoped, Model):
    """One movement of money, with the entries that make it.

    A sale's shift stands on the sale; ``shift_id`` is the one in which a sale is taken back, or
    whose drawer held more or less than it should.
    """

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'posted', 'voided')", name="ck_ledger_transfer_state"
        ),
        CheckConstraint(
            "kind IN ('sale', 'reversal', 'float', 'shift')", name="ck_ledger_transfer_kind"
        ),
        CheckConstraint(
            "(kind = 'reversal') = (answers_id IS NOT NULL)", name="ck_ledger_transfer_answers"
        ),
        Index(
            "uq_ledger_transfer_sale",
            "sale_id",
            "kind",
            unique=True,
            sqlite_where=text("sale_id IS NOT NULL"),
            postgresql_where=text("sale_id IS NOT NULL"),
        ),
        Index(
            "ix_ledger_transfer_shift",
            "shift_id",
            sqlite_where=text("shift_id IS NOT NULL"),
            postgresql_where=text("shift_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(8), default=TransferState.PENDING)
    sale_id: Mapped[int | None] = mapped_column(ForeignKey("sale.id"))
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_transfer.id"))
    shift_id: Mapped[int | None] = mapped_column(ForeignKey("shift.id"))
    reason: Mapped[str] = mapped_column(String(40), default="")
    made_at: Mapped[Moment]
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    business_date: Mapped[date] = mapped_column(index=True)

    entries: Mapped[list["LedgerEntry"]] = relationship(lazy="raise_on_sql", viewonly=True)


class LedgerEntry(PointScoped, Model):
    """One side of a transfer: ``amount_minor`` positive for debit, negative for credit."""

    __tablename__ = "ledger_entry"
    __table_args__ = (CheckConstraint("amount_minor <> 0", name="ck_ledger_entry_amount"),)

    id: Mapped[Id]
    transfer_id: Mapped[int] = mapped_column(ForeignKey("ledger_transfer.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_account.id"), index=True)
    amount_minor: Mapped[Minor]


class FloatMovement(PointScoped, Model):
    """Money paid into or taken out of a vending point's float: the paper behind its transfer.

    Attributes:
        key: Made with the form: the same form sent twice moves money once.
        amount_minor: Positive for paid in, negative for taken out.
        reference: Number of the deposit slip, transfer or voucher.
        paid_on: The day that paper bears; the transfer's business date is when it was entered.
        balance_minor: What the float held afterwards.
    """

    __tablename__ = "float_movement"
    __table_args__ = (
        UniqueConstraint("vending_point_id", "key", name="uq_float_movement_key"),
        CheckConstraint("amount_minor <> 0", name="ck_float_movement_amount"),
    )

    id: Mapped[Id]
    transfer_id: Mapped[int] = mapped_column(ForeignKey("ledger_transfer.id"), unique=True)
    key: Mapped[str] = mapped_column(String(60))
    amount_minor: Mapped[Minor]
    reference: Mapped[Name]
    paid_on: Mapped[date]
    balance_minor: Mapped[Minor]
    entered_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
