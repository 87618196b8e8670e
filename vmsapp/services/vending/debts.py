"""What a purchase recovers of its consumer's debts, oldest first.

A debt is recovered by a fixed sum a purchase, or by a share of the tender. Where units are
asked for there is no tender yet: then the share is of what is to be paid in the end, so that
a debt recovered by a fifth takes a fifth of it either way.

Args named ``owed`` are the debts that are not recovered yet, in the order of their ids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import zip_longest
from typing import Any, Final, Protocol

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, exists, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import Debt, DebtPayment, Sale
from vmsapp.services.rows import rows_changed, run
from vmsapp.statements import made_once
from vmsapp.tariffs import terms
from vmsapp.tariffs.need import Need

WHOLE: Final = 100
"""All of a tender, in percents; shares are whole ones."""


class Owed(Protocol):
    """What a debt says of itself; ``balance_minor`` is what is still owed."""

    id: int
    name: str
    share_percent: int | None
    sum_minor: int | None
    balance_minor: int
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What a purchase takes of a debt, and what is owed after it."""

    debt_id: int
    name: str
    amount_minor: int
    balance_minor: int


def owed_by(session: Session, consumer_id: int | None) -> Sequence[Owed]:
    """Read what a consumer owes still, for a price to be shown."""
    if consumer_id is None:
        return ()
    return run(session, _open(), {"consumer_id": consumer_id}).all()


def lock_owed(session: Session, consumer_id: int | None) -> Sequence[Owed]:
    """Lock what a consumer owes still: the last of a sale's locks before its receipt counter.

    Two meters of one consumer, sold to at once, are counted one after the other.
    """
    if consumer_id is None:
        return ()
    return run(session, _locking_open(), {"consumer_id": consumer_id}).all()


@made_once
def _locking_open() -> Select[*tuple[Any, ...]]:
    return _open().with_for_update()


@made_once
def _open() -> Select[*tuple[Any, ...]]:
    balance = Debt.amount_minor - Debt.recovered_minor - Debt.written_off_minor
    return (
        select(Debt.id, Debt.name, Debt.share_percent, Debt.sum_minor,
               balance.label("balance_minor"), Debt.entered_at)
        .where(Debt.consumer_id == bindparam("consumer_id"), IS_OPEN)
        .order_by(Debt.id)
    )  # fmt: skip


IS_OPEN: Final = Debt.recovered_minor + Debt.written_off_minor < Debt.amount_minor
"""Something of it is owed still."""


def is_owed_by(consumer_id: BindParameter[int]) -> ColumnElement[bool]:
    """State that a consumer owes something still."""
    return exists().where(Debt.consumer_id == consumer_id, IS_OPEN)


def of_tender(owed: Sequence[Owed], tender_minor: int) -> list[int]:
    """Tell what is taken of each debt where the tender is known; parts of a unit are left out.

    Shares that add up to more than there is take no more than the tender.
    """
    left, taken = tender_minor, []
    for debt in owed:
        amount = min(_asked(debt, tender_minor), max(left, 0))
        taken.append(amount)
        left -= amount
    return taken


def _asked(debt: Owed, tender_minor: int) -> int:
    """Tell what a debt asks of a tender."""
    share = debt.sum_minor
    if share is None:
        share = tender_minor * (debt.share_percent or 0) // WHOLE
    return min(share, debt.balance_minor)


def least_tender(owed: Sequence[Owed], need: Need, refused_minor: int) -> int:
    """Find the least tender that buys something after what it recovers of debts.

    Args:
        owed: The debts.
        need: What the tender must hold beside them.
        refused_minor: A tender that buys nothing; a larger one is looked for.

    Returns:
        Minor units. Where shares take too much of every tender, one that pays debts whole.
    """
    whole = [(debt, _paid_whole_by(debt)) for debt in owed]
    first = refused_minor + 1
    starts = sorted({first, *(tender for _, tender in whole if tender > first)})
    for start, end in zip_longest(starts, starts[1:]):
        growing = sum(debt.share_percent or 0 for debt, tender in whole if tender > start)
        found = [_least_like(tender, owed, need, growing) for tender in range(start, start + WHOLE)]
        within = [tender for tender in found if tender and (end is None or tender < end)]
        if within:
            return min(within)
    raise AssertionError("a tender that pays all debts whole leaves the rest")


def _least_like(tender_minor: int, owed: Sequence[Owed], need: Need, growing: int) -> int | None:
    """Find the least tender that buys something, of this one and those whole hundreds larger.

    A hundred minor units more pay debts just as many minor units more as their shares have
    percents, so all of them lie on one straight line.

    Args:
        tender_minor: The smallest.
        owed: The debts. They take no more than the tender; but if they ask for all of it, nothing
            is bought.
        need: What the tender must hold beside them.
        growing: Percents of the debts that no such tender pays whole.
    """
    asked = sum(_asked(debt, tender_minor) for debt in owed)
    lacking = need.due + need.debt * asked - need.minor * tender_minor
    if lacking <= 0:
        return tender_minor
    gain = WHOLE * need.minor - need.debt * growing
    return tender_minor + WHOLE * -(-lacking // gain) if gain > 0 else None


def _paid_whole_by(debt: Owed) -> int:
    """Give the least tender that pays all of a debt's balance by its share; 0 of a fixed sum."""
    return -(-WHOLE * debt.balance_minor // debt.share_percent) if debt.share_percent else 0


def of_cost(owed: Sequence[Owed], cost_minor: int) -> list[int]:
    """Tell what is taken of each debt so that shares are of what is to be paid with them.

    With cost C, fixed sums F and shares that add up to s, what is to be paid is
    (C + F) / (1 - s); shares of the whole or more take all that is owed.

    Args:
        owed: The debts.
        cost_minor: What is to be paid without them.
    """
    fixed = sum(min(debt.sum_minor, debt.balance_minor) for debt in owed if debt.sum_minor)
    shares = sum(debt.share_percent or 0 for debt in owed)
    total = Fraction(cost_minor + fixed) / (1 - Fraction(shares, WHOLE)) if shares < WHOLE else None
    return [_part(debt, total) for debt in owed]


def _part(debt: Owed, total: Fraction | None) -> int:
    if debt.sum_minor is not None:
        return min(debt.sum_minor, debt.balance_minor)
    if total is None:
        return debt.balance_minor
    return min(int(total * (debt.share_percent or 0) / WHOLE), debt.balance_minor)


def takings(
    owed: Sequence[Owed], tender_minor: int | None, cost: Callable[[], int]
) -> tuple[Taken, ...]:
    """Tell what a purchase takes of debts, leaving out those it takes nothing of.

    Args:
        owed: The debts.
        tender_minor: Money handed over; ``None`` where units are asked for.
        cost: Prices those units without the debts.
    """
    if not owed:
        return ()
    amounts = of_cost(owed, cost()) if tender_minor is None else of_tender(owed, tender_minor)
    return tuple(
        Taken(debt.id, debt.name, amount, debt.balance_minor - amount)
        for debt, amount in zip(owed, amounts, strict=True)
        if amount
    )


def priced_as(taken: Sequence[Taken]) -> tuple[terms.Debt, ...]:
    """Make of it what the price engine takes."""
    return tuple(terms.Debt(one.name, one.amount_minor) for one in taken)


def recover(session: Session, sale: Sale, taken: Sequence[Taken]) -> None:
    """Write down what a sale recovers, inside the transaction that holds the debts' locks."""
    for one in taken:
        _add(session, one.debt_id, one.amount_minor)
        session.add(
            DebtPayment(sale_id=sale.id, debt_id=one.debt_id, amount_minor=one.amount_minor)
        )


def give_back(session: Session, sale: Sale) -> None:
    """Owe again what a sale recovered, where it failed or was taken back; once."""
    paid = session.scalars(
        select(DebtPayment)
        .where(DebtPayment.sale_id == sale.id, DebtPayment.given_back_at.is_(None))
        .order_by(DebtPayment.debt_id)
    ).all()
    for one in paid:
        _add(session, one.debt_id, -one.amount_minor)
        one.given_back_at = now_utc()


def _add(session: Session, debt_id: int, amount_minor: int) -> None:
    """Add to what was recovered; the database itself keeps it between nothing and all."""
    changed = rows_changed(
        session,
        update(Debt)
        .where(Debt.id == debt_id)
        .values(recovered_minor=Debt.recovered_minor + amount_minor),
    )
    assert changed == 1, "a debt is never deleted"
