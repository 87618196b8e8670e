"""To give up a debt, or a part of it: by two people, with a reason.

What sales recovered stays recovered. A sale that is taken back afterwards makes its part owed
again, as it would of any debt; that part can be written off, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, NotFound
from vmsapp.models import Consumer, Debt, DebtWriteOff
from vmsapp.money import Money
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.approvals.deed import Deed, Line, Place
from vmsapp.services.debts import LONGEST_REASON, MAY_ENTER
from vmsapp.services.rows import lock
from vmsapp.services.setup import setup_at


class WriteOffAmountWrong(InvalidInput):
    """Nothing, or more than is still owed."""

    code = "write_off_amount_wrong"
    message = N_("Enter an amount above zero, at most what is still owed: %(owed)s.")
    field = "amount"

    def __init__(self, owed: Money) -> None:
        super().__init__(owed=owed)


class WriteOffReasonMissing(InvalidInput):
    """Whoever approves it, and an auditor, must be able to tell why."""

    code = "write_off_reason_missing"
    message = N_("Say why it is given up, in at most %(most)s characters.")
    field = "reason"

    def __init__(self) -> None:
        super().__init__(most=LONGEST_REASON)


@dataclass(frozen=True, slots=True)
class WriteOff:
    """What is given up of which debt, and why."""

    debt_id: int
    amount_minor: int
    reason: str


def debt_at(session: Session, debt_id: int) -> tuple[Debt, Consumer]:
    """Find a debt and who owes it.

    Raises:
        NotFound: There is none in the asker's scope.
    """
    found = session.execute(
        select(Debt, Consumer)
        .join(Consumer, Consumer.id == Debt.consumer_id)
        .where(Debt.id == debt_id)
    ).first()
    if found is None:
        raise NotFound
    return found[0], found[1]


def _check(session: Session, _actor: Actor, params: WriteOff) -> None:
    debt_at(session, params.debt_id)
    # the lock a sale takes that recovers of it
    debt = lock(session, Debt, Debt.id == params.debt_id)
    if not 0 < params.amount_minor <= debt.balance_minor:
        raise WriteOffAmountWrong(Money(debt.balance_minor, setup_at(session, now_utc()).currency))
    if not 0 < len(params.reason) <= LONGEST_REASON:
        raise WriteOffReasonMissing


def _run(session: Session, actor: Actor, params: WriteOff, key: str) -> None:
    debt, _consumer = debt_at(session, params.debt_id)
    debt.written_off_minor += params.amount_minor
    session.add(
        DebtWriteOff(
            debt_id=debt.id, amount_minor=params.amount_minor, reason=params.reason,
            written_at=now_utc(), written_by_id=actor.user_id, key=key,
        )
    )  # fmt: skip
    audit.record(
        session, actor, "debt.written_off", "consumer", debt.consumer_id, debt_id=debt.id,
        name=debt.name, amount_minor=params.amount_minor, reason=params.reason,
    )  # fmt: skip


def _done(session: Session, params: WriteOff, key: str) -> bool:
    known = select(DebtWriteOff.id).where(
        DebtWriteOff.debt_id == params.debt_id, DebtWriteOff.key == key
    )
    return session.scalar(known) is not None


def _describe(session: Session, params: WriteOff) -> Sequence[Line]:
    debt, consumer = debt_at(session, params.debt_id)
    currency = setup_at(session, now_utc()).currency
    return (
        Line(N_("Consumer"), consumer.name),
        Line(N_("Consumer number"), consumer.number),
        Line(N_("Debt"), debt.name),
        Line(
            N_("Still owed"),
            Money(max(debt.balance_minor - params.amount_minor, 0), currency),
            Money(debt.balance_minor, currency), passing=True,
        ),
        Line(N_("Written off"), Money(params.amount_minor, currency)),
        Line(N_("Reason"), params.reason),
    )  # fmt: skip


WRITE_OFF: Final = Deed(
    action="debt.write_off",
    label=N_("Write off a debt of a consumer"),
    params=WriteOff,
    permission=MAY_ENTER,
    place=lambda session, params: Place(region_id=debt_at(session, params.debt_id)[1].region_id),
    amount_minor=lambda params: params.amount_minor,
    describe=_describe,
    check=_check,
    run=_run,
    done=_done,
    asks=lambda _session, _params: True,
)
"""Always asks: money owed to the utility is given up."""
