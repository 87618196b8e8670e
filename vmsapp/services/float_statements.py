"""A float's statement: what happened to it from a day to a day, with the running balance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, select, true
from sqlalchemy.orm import Session

from vmsapp.models import (
    AccountKind,
    FloatMovement,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    TransferState,
    VendingPointAccount,
)
from vmsapp.models.user import username_of

MAX_ROWS: Final = 500
"""Rows a statement shows; its totals count all of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a statement.

    Attributes:
        kind: ``sale``, ``reversal`` or ``float``.
        amount_minor: Positive when the float grew.
        balance_minor: What it held afterwards.
    """

    business_date: date
    kind: str
    amount_minor: int
    balance_minor: int
    sale_id: int | None
    reference: str | None
    paid_on: date | None
    entered_by: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """What happened to a float from a day to a day, both included."""

    first: date
    last: date
    opening_minor: int
    paid_in_minor: int
    taken_out_minor: int
    sold_minor: int
    reversed_minor: int
    rows: Sequence[Row]
    more: bool

    @property
    def closing_minor(self) -> int:
        """What the float held at the end."""
        moved = self.paid_in_minor - self.taken_out_minor
        return self.opening_minor + moved - self.sold_minor + self.reversed_minor


def statement(
    session: Session, vending_point_id: int, first: date, last: date, most: int = MAX_ROWS
) -> Statement:
    """Read a float's movements of some days, with the running balance.

    A sale stands on its business date once its token was made. The balance before is
    reckoned back from the present one, so that no more is read than what came since.
    """
    day = LedgerTransfer.business_date
    grew = -LedgerEntry.amount_minor  # the float is owed: a credit makes it grow
    mine = (
        LedgerAccount.vending_point_id == vending_point_id,
        LedgerAccount.kind == AccountKind.FLOAT,
        LedgerTransfer.state == TransferState.POSTED,
    )
    within = day.between(first, last)

    def total(*which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(true(), *which), grew), else_=0)), 0)

    kind = LedgerTransfer.kind
    present = select(VendingPointAccount.balance_minor).where(
        VendingPointAccount.vending_point_id == vending_point_id
    )
    balance_now, since, paid_in, taken_out, sold, taken_back = session.execute(
        select(
            present.scalar_subquery(),
            total(),
            total(within, kind == "float", LedgerEntry.amount_minor < 0),
            total(within, kind == "float", LedgerEntry.amount_minor > 0),
            total(within, kind == "sale"),
            total(within, kind == "reversal"),
        )
        .join_from(LedgerEntry, LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(*mine, day >= first)
    ).one()
    opening = int(balance_now or 0) - int(since)
    found = session.execute(
        select(
            day, kind, grew, LedgerTransfer.sale_id, FloatMovement.reference,
            FloatMovement.paid_on, username_of(FloatMovement.entered_by_id),
        )
        .join_from(LedgerEntry, LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .outerjoin(FloatMovement, FloatMovement.transfer_id == LedgerTransfer.id)
        .where(*mine, within)
        .order_by(day, LedgerTransfer.id)
        .limit(most + 1)
    ).all()  # fmt: skip
    rows, balance = [], opening
    for on, what, amount, sale_id, reference, paid_on, by in found[:most]:
        balance += int(amount)
        rows.append(Row(on, what, int(amount), balance, sale_id, reference, paid_on, by))
    return Statement(
        first, last, opening, int(paid_in), -int(taken_out), -int(sold), int(taken_back),
        rows, len(found) > most,
    )  # fmt: skip
