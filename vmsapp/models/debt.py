"""Debts of consumers: what is owed besides fees, what each sale recovered, what was written off."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Minor, Moment, Name, Text, UtcDateTime


class Debt(Model):
    """What a consumer owes; it stays with the consumer, wherever the meters go.

    Attributes:
        name: How it is called on receipts.
        recovered_minor: What sales that stand have taken of it.
        written_off_minor: What two people gave up of it.
        share_percent: Of the tender, taken at each purchase; or else
        sum_minor: A fixed sum at each purchase.
        key: Made with the form: the same form sent twice enters one debt.
    """

    __tablename__ = "debt"
    __table_args__ = (
        UniqueConstraint("consumer_id", "key", name="uq_debt_key"),
        CheckConstraint("amount_minor > 0", name="ck_debt_amount"),
        CheckConstraint(
            "recovered_minor >= 0 AND recovered_minor <= amount_minor", name="ck_debt_recovered"
        ),
        CheckConstraint(
            "written_off_minor >= 0 AND recovered_minor + written_off_minor <= amount_minor",
            name="ck_debt_written_off",
        ),
        CheckConstraint("(share_percent IS NULL) <> (sum_minor IS NULL)", name="ck_debt_way"),
        CheckConstraint("share_percent BETWEEN 1 AND 99", name="ck_debt_share"),
        CheckConstraint("sum_minor > 0", name="ck_debt_sum"),
    )

    id: Mapped[Id]
    consumer_id: Mapped[int] = mapped_column(ForeignKey("consumer.id"), index=True)
    name: Mapped[Name]
    amount_minor: Mapped[Minor]
    recovered_minor: Mapped[Minor] = mapped_column(default=0)
    written_off_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    share_percent: Mapped[int | None]
    sum_minor: Mapped[Minor | None]
    reason: Mapped[Text]
    entered_at: Mapped[Moment]
    entered_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    key: Mapped[str] = mapped_column(String(60))

    @property
    def balance_minor(self) -> int:
        """What is still owed."""
        return self.amount_minor - self.recovered_minor - self.written_off_minor


class DebtPayment(Model):
    """What a sale recovered of a debt; given back when the sale failed or was taken back."""

    __tablename__ = "debt_payment"
    __table_args__ = (CheckConstraint("amount_minor > 0", name="ck_debt_payment_amount"),)

    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"), primary_key=True)
    debt_id: Mapped[int] = mapped_column(ForeignKey("debt.id"), primary_key=True, index=True)
    amount_minor: Mapped[Minor]
    given_back_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DebtWriteOff(Model):
    """What two people gave up of a debt, and why. Only added to.

    Attributes:
        key: Made with the form: the same form sent twice writes off once.
    """

    __tablename__ = "debt_write_off"
    __table_args__ = (
        UniqueConstraint("debt_id", "key", name="uq_debt_write_off_key"),
        CheckConstraint("amount_minor > 0", name="ck_debt_write_off_amount"),
    )

    id: Mapped[Id]
    debt_id: Mapped[int] = mapped_column(ForeignKey("debt.id"))
    amount_minor: Mapped[Minor]
    reason: Mapped[Text]
    written_at: Mapped[Moment]
    written_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    key: Mapped[str] = mapped_column(String(60))
