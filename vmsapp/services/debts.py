"""Debts of consumers: entered by two people, and what became of each.

To write one off is ``vmsapp.services.debt_write_offs``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, NotFound
from vmsapp.models import Consumer, Debt, DebtPayment, DebtWriteOff, Sale
from vmsapp.money import MAX_MINOR, Money
from vmsapp.scope import Actor
from vmsapp.security import Permission
from vmsapp.services import audit
from vmsapp.services.approvals.deed import Deed, Line, Place
from vmsapp.services.rows import lock
from vmsapp.services.setup import setup_at

MAY_ENTER: Final[Permission] = ("can_debts", "Consumers")
LONGEST_NAME: Final = 120
LONGEST_REASON: Final = 255
STATEMENT_ROWS: Final = 500
"""The newest of so many movements are told."""


class DebtAmountWrong(InvalidInput):
    """Nothing is owed, or more than any amount is."""

    code = "debt_amount_wrong"
    message = N_("Enter an amount above zero.")
    field = "amount"


class DebtNameMissing(InvalidInput):
    """It stands on receipts under its name."""

    code = "debt_name_missing"
    message = N_("Say what the debt is called on receipts, in at most %(most)s characters.")
    field = "name"

    def __init__(self) -> None:
        super().__init__(most=LONGEST_NAME)


class DebtWayWrong(InvalidInput):
    """It is recovered by a share of the tender or by a fixed sum, not both, not neither."""

    code = "debt_way_wrong"
    message = N_("Give either a share of the tender, from 1 to 99 %, or a fixed sum a purchase.")
    field = "share"


class DebtReasonMissing(InvalidInput):
    """Whoever approves it, and the consumer, must be able to tell why."""

    code = "debt_reason_missing"
    message = N_("Say where the debt comes from, in at most %(most)s characters.")
    field = "reason"

    def __init__(self) -> None:
        super().__init__(most=LONGEST_REASON)


@dataclass(frozen=True, slots=True)
class NewDebt:
    """What a consumer owes from now on, and how it is recovered."""

    consumer_id: int
    name: str
    amount_minor: int
    share_percent: int | None
    sum_minor: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of a statement: positive is owed, negative is recovered or written off.

    Attributes:
        sale_id: The sale that recovered it, or was taken back.
        reason: Why it was written off.
    """

    at: datetime
    debt: str
    sale_id: int | None
    reason: str | None
    amount_minor: int
    balance_minor: int


def debts_of(session: Session, consumer_id: int) -> Sequence[Debt]:
    """List a consumer's debts, the settled ones among them, oldest first.

    Raises:
        NotFound: There is no such consumer in the asker's scope.
    """
    _consumer(session, consumer_id)
    return session.scalars(
        select(Debt).where(Debt.consumer_id == consumer_id).order_by(Debt.id)
    ).all()


def statement(session: Session, debts: Sequence[Debt]) -> Sequence[Movement]:
    """Tell what moved some debts of one consumer, oldest first, with what was owed after it.

    Asked of the tables, beside the scope: whose debt it is sees what was recovered elsewhere.
    """
    named = {debt.id: debt.name for debt in debts}
    paid, sale = DebtPayment.__table__.c, Sale.__table__.c
    rows = session.execute(
        select(paid.debt_id, paid.sale_id, paid.amount_minor, paid.given_back_at, sale.sold_at)
        .join_from(DebtPayment.__table__, Sale.__table__, sale.id == paid.sale_id)
        .where(paid.debt_id.in_(named))
    ).all()
    moved: list[tuple[datetime, str, int | None, str | None, int]] = [
        (debt.entered_at, debt.name, None, None, debt.amount_minor) for debt in debts
    ]
    off = select(DebtWriteOff).where(DebtWriteOff.debt_id.in_(named))
    moved += [
        (one.written_at, named[one.debt_id], None, one.reason, -one.amount_minor)
        for one in session.scalars(off)
    ]
    for debt_id, sale_id, amount, given_back_at, sold_at in rows:
        moved.append((sold_at, named[debt_id], sale_id, None, -amount))
        if given_back_at is not None:
            moved.append((given_back_at, named[debt_id], sale_id, None, amount))
    told, balance = [], 0
    for at, name, sale_id, reason, amount in sorted(moved, key=lambda one: (one[0], one[2] or 0)):
        balance += amount
        told.append(Movement(at, name, sale_id, reason, amount, balance))
    return told[-STATEMENT_ROWS:]


def _consumer(session: Session, consumer_id: int) -> Consumer:
    found = session.scalars(select(Consumer).where(Consumer.id == consumer_id)).first()
    if found is None:
        raise NotFound
    return found


def _check(session: Session, _actor: Actor, params: NewDebt) -> None:
    _consumer(session, params.consumer_id)
    lock(session, Consumer, Consumer.id == params.consumer_id)
    if not 0 < params.amount_minor <= MAX_MINOR:
        raise DebtAmountWrong
    if not 0 < len(params.name) <= LONGEST_NAME:
        raise DebtNameMissing
    share, fixed = params.share_percent, params.sum_minor
    if (share is None) == (fixed is None):
        raise DebtWayWrong
    if share is not None and not 1 <= share <= 99:
        raise DebtWayWrong
    if fixed is not None and not 0 < fixed <= MAX_MINOR:
        raise DebtWayWrong
    if not 0 < len(params.reason) <= LONGEST_REASON:
        raise DebtReasonMissing


def _run(session: Session, actor: Actor, params: NewDebt, key: str) -> None:
    debt = Debt(
        consumer_id=params.consumer_id, name=params.name, amount_minor=params.amount_minor,
        recovered_minor=0, share_percent=params.share_percent, sum_minor=params.sum_minor,
        reason=params.reason, entered_at=now_utc(), entered_by_id=actor.user_id, key=key,
    )  # fmt: skip
    session.add(debt)
    session.flush()
    audit.record(
        session, actor, "debt.entered", "consumer", params.consumer_id, debt_id=debt.id,
        name=debt.name, amount_minor=debt.amount_minor, share_percent=debt.share_percent,
        sum_minor=debt.sum_minor, reason=debt.reason,
    )  # fmt: skip


def _done(session: Session, params: NewDebt, key: str) -> bool:
    known = select(Debt.id).where(Debt.consumer_id == params.consumer_id, Debt.key == key)
    return session.scalar(known) is not None


def _describe(session: Session, params: NewDebt) -> Sequence[Line]:
    consumer = _consumer(session, params.consumer_id)
    currency = setup_at(session, now_utc()).currency
    owed = sum(debt.balance_minor for debt in debts_of(session, params.consumer_id))
    if params.share_percent is not None:
        way = Line(N_("Share of the tender, in percent"), params.share_percent)
    else:
        way = Line(N_("Fixed sum a purchase"), Money(params.sum_minor or 0, currency))
    return (
        Line(N_("Consumer"), consumer.name),
        Line(N_("Consumer number"), consumer.number),
        Line(N_("Debt"), params.name),
        Line(N_("Amount"), Money(params.amount_minor, currency)),
        Line(
            N_("Owed in all"), Money(owed + params.amount_minor, currency), Money(owed, currency),
            passing=True,
        ),
        way,
        Line(N_("Reason"), params.reason),
    )  # fmt: skip


ENTER: Final = Deed(
    action="debt.enter",
    label=N_("Enter a debt of a consumer"),
    params=NewDebt,
    permission=MAY_ENTER,
    place=lambda session, params: Place(region_id=_consumer(session, params.consumer_id).region_id),
    amount_minor=lambda params: params.amount_minor,
    describe=_describe,
    check=_check,
    run=_run,
    done=_done,
    asks=lambda _session, _params: True,
)
"""Always asks: what is owed is taken of every purchase until it is paid."""
