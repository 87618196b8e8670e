"""A vending point's float: what it sells from, money paid in and taken out.

The balance changes only under the account's lock, together with a posted transfer of
the ledger; it is what the float's entries add up to. The float never holds less than
the credit limit allows (``float_terms``), with what is being sold at the moment taken off.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, Refused, VmsError
from vmsapp.models import (
    ApprovalRequest,
    ApprovalState,
    FloatMovement,
    LedgerTransfer,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.models.user import username_of
from vmsapp.money import MAX_MINOR, Money
from vmsapp.scope import Actor
from vmsapp.security import FLOATS, Permission
from vmsapp.services import audit, ledger
from vmsapp.services.approvals.deed import Deed, Line, Place
from vmsapp.services.approvals.errors import OtherFormSent
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.ground import lock_account

MOVE: Final[Permission] = ("can_move", FLOATS)

LOOKED_THROUGH: Final = 5000
"""Newest movements of one amount that are looked through for a slip entered before."""


class AmountNotPositive(InvalidInput):
    """Nothing, or less than nothing, is moved."""

    code = "amount_not_positive"
    message = N_("Enter an amount above zero.")
    field = "amount"


class AmountTooLarge(InvalidInput):
    """More money than any float holds."""

    code = "amount_too_large"
    message = N_("This amount is too large.")
    field = "amount"


class ReferenceMissing(InvalidInput):
    """Money moves on paper that can be found again."""

    code = "reference_missing"
    message = N_("Enter the number of the deposit slip or voucher.")
    field = "reference"


class DayToCome(InvalidInput):
    """The paper bears a day that has not come yet."""

    code = "day_to_come"
    message = N_("This day has not come yet.")
    field = "paid_on"


class FloatTooSmall(Refused):
    """The float would hold less than its credit limit allows."""

    code = "float_too_small"
    message = N_("At most %(available)s can be taken out.")

    def __init__(self, *, available: Money) -> None:
        super().__init__(available=available)


class SlipEntered(Conflict):
    """The same paper was entered before: it may be the same money."""

    code = "slip_entered"
    message = N_(
        "A slip with this reference and amount was entered here on %(entered_on)s by %(by)s."
        " Tick that it is another one, if it is."
    )

    def __init__(self, *, entered_on: date, by: str) -> None:
        super().__init__(entered_on=entered_on, by=by)


@dataclass(frozen=True, slots=True)
class Movement:
    """Money paid in or taken out: how much, on which paper, of which day.

    Attributes:
        again: The paper is another one, though one like it was entered before.
    """

    vending_point_id: int
    amount_minor: int
    reference: str
    paid_on: date
    again: bool = False


def account_of(point: VendingPoint) -> VendingPointAccount:
    """The account of a vending point; an empty one until its first movement."""
    return point.account or VendingPointAccount(
        vending_point_id=point.id, limited=False, balance_minor=0, pending_minor=0,
        credit_limit_minor=0,
    )  # fmt: skip


def locked(session: Session, vending_point_id: int) -> VendingPointAccount:
    """Lock the account of a vending point the asker sees.

    Raises:
        NotFound: There is none, or it is out of sight.
    """
    seen = select(VendingPoint.id).where(VendingPoint.id == vending_point_id)
    if session.scalar(seen) is None:
        raise NotFound
    return lock_account(session, vending_point_id)


def present(session: Session, vending_point_id: int) -> tuple[str, VendingPointAccount]:
    """Read a vending point's name and account as they stand, without a lock."""
    point = session.scalars(
        select(VendingPoint)
        .where(VendingPoint.id == vending_point_id)
        .options(joinedload(VendingPoint.account))
        .execution_options(populate_existing=True)
    ).first()
    if point is None:
        raise NotFound
    return point.name, account_of(point)


def _place(_session: Session, params: Movement) -> Place:
    return Place(vending_point_id=params.vending_point_id)


def currency_now(session: Session) -> str:
    """The currency that floats are kept in."""
    return setup_at(session, now_utc()).currency


def faults(
    session: Session, account: VendingPointAccount, params: Movement, *, out: bool
) -> Iterator[VmsError]:
    """Say all that is wrong with money that is to move, at most one fault a field.

    Args:
        session: Any.
        account: The vending point's; what is done at last is checked with it locked.
        params: What was typed.
        out: Taken out, not paid in.
    """
    now, amount = now_utc(), params.amount_minor
    if amount <= 0:
        yield AmountNotPositive()
    elif amount > MAX_MINOR:
        yield AmountTooLarge()
    if not params.reference.strip():
        yield ReferenceMissing()
    if params.paid_on > business_day(now, setup_at(session, now).time_zone):
        yield DayToCome()
    if out and account.available_minor < amount <= MAX_MINOR:
        yield FloatTooSmall(available=Money(max(account.available_minor, 0), currency_now(session)))
    if not params.again:
        yield from _entered_before(session, params, -amount if out else amount)


def _entered_before(session: Session, params: Movement, amount_minor: int) -> Iterator[SlipEntered]:
    """Find the newest movement of the same amount on the same paper."""
    rows = session.execute(
        select(
            FloatMovement.reference,
            LedgerTransfer.business_date,
            username_of(FloatMovement.entered_by_id),
        )
        .join_from(FloatMovement, LedgerTransfer, LedgerTransfer.id == FloatMovement.transfer_id)
        .where(
            FloatMovement.vending_point_id == params.vending_point_id,
            FloatMovement.amount_minor == amount_minor,
        )
        .order_by(FloatMovement.id.desc())
        .limit(LOOKED_THROUGH)
    )
    paper = on_paper(params.reference)
    for reference, entered_on, by in rows:
        if on_paper(reference) == paper:
            yield SlipEntered(entered_on=entered_on, by=by or "–")
            return


def on_paper(reference: str) -> str:
    """Write a reference as it reads on paper, whatever width, capitals and dashes it is typed in.

    >>> on_paper(" ＳＬ–1") == on_paper("sl 1") == on_paper("SL-1")
    True
    """
    plain = unicodedata.normalize("NFKC", reference).casefold()
    return "".join(mark for mark in plain if mark.isalnum())


def _check_pay_in(session: Session, _actor: Actor, params: Movement) -> None:
    _check(session, params, out=False)


def _check_take_out(session: Session, _actor: Actor, params: Movement) -> None:
    _check(session, params, out=True)


def _check(session: Session, params: Movement, *, out: bool) -> None:
    account = locked(session, params.vending_point_id)
    for fault in faults(session, account, params, out=out):
        raise fault


def _pay_in(session: Session, actor: Actor, params: Movement, key: str) -> None:
    _move(session, actor, params, key, params.amount_minor)


def _take_out(session: Session, actor: Actor, params: Movement, key: str) -> None:
    _move(session, actor, params, key, -params.amount_minor)


def _move(session: Session, actor: Actor, params: Movement, key: str, amount_minor: int) -> None:
    now = now_utc()
    account = locked(session, params.vending_point_id)
    today = business_day(now, setup_at(session, now).time_zone)
    transfer = ledger.move_float(session, account, amount_minor, at=now, business_date=today)
    session.add(
        FloatMovement(
            vending_point_id=params.vending_point_id, transfer_id=transfer.id, key=key,
            amount_minor=amount_minor, reference=params.reference.strip(),
            paid_on=params.paid_on, balance_minor=account.balance_minor,
            entered_by_id=actor.user_id,
        )
    )  # fmt: skip
    session.flush()
    audit.record(
        session, actor, "float.paid_in" if amount_minor > 0 else "float.taken_out",
        "vending_point", params.vending_point_id, vending_point_id=params.vending_point_id,
        amount_minor=amount_minor, reference=params.reference.strip(),
        paid_on=params.paid_on.isoformat(), balance_minor=account.balance_minor,
        **({"again": True} if params.again else {}),
    )  # fmt: skip


def _paid_in(session: Session, params: Movement, key: str) -> bool:
    return _moved(session, params, key, params.amount_minor)


def _taken_out(session: Session, params: Movement, key: str) -> bool:
    return _moved(session, params, key, -params.amount_minor)


def _moved(session: Session, params: Movement, key: str, amount_minor: int) -> bool:
    """Tell whether this form moved its money already.

    Raises:
        OtherFormSent: It moved other money: its key came again with other values.
    """
    found = session.scalars(select(FloatMovement).where(FloatMovement.key == key)).first()
    if found is None:
        return False
    had = (found.vending_point_id, found.amount_minor, found.reference, found.paid_on)
    if had != (params.vending_point_id, amount_minor, params.reference.strip(), params.paid_on):
        raise OtherFormSent
    return True


def _paid_in_alone(session: Session, user_id: int, params: Movement, since: datetime) -> int:
    return _alone(session, user_id, params, since, FloatMovement.amount_minor > 0)


def _taken_out_alone(session: Session, user_id: int, params: Movement, since: datetime) -> int:
    return _alone(session, user_id, params, since, FloatMovement.amount_minor < 0)


def _alone(
    session: Session, user_id: int, params: Movement, since: datetime, way: ColumnElement[bool]
) -> int:
    """Add up what somebody moved one way at a vending point, but for what another approved."""
    approved = select(ApprovalRequest.id).where(
        ApprovalRequest.action.in_((PAY_IN.action, TAKE_OUT.action)),
        ApprovalRequest.state == ApprovalState.APPROVED,
        ApprovalRequest.asked_by_id == user_id,
        ApprovalRequest.vending_point_id == params.vending_point_id,
        ApprovalRequest.key == FloatMovement.key,
    )
    moved = session.scalar(
        select(func.sum(func.abs(FloatMovement.amount_minor)))
        .join_from(FloatMovement, LedgerTransfer, LedgerTransfer.id == FloatMovement.transfer_id)
        .where(
            FloatMovement.vending_point_id == params.vending_point_id,
            FloatMovement.entered_by_id == user_id,
            LedgerTransfer.made_at > since,
            way,
            ~approved.exists(),
        )
    )
    return int(moved or 0)


def _describe_movement(session: Session, params: Movement, amount_minor: int) -> Sequence[Line]:
    currency = currency_now(session)
    name, account = present(session, params.vending_point_id)
    balance = account.balance_minor
    return (
        Line(N_("Vending point"), name),
        Line(N_("Amount"), Money(params.amount_minor, currency)),
        Line(N_("Reference"), params.reference),
        Line(N_("Date on the slip"), params.paid_on),
        *((Line(N_("A slip like it was entered before"), True),) if params.again else ()),  # noqa: FBT003
        Line(
            N_("Balance of the float"),
            Money(balance + amount_minor, currency), Money(balance, currency), passing=True,
        ),
    )  # fmt: skip


PAY_IN = Deed(
    action="float.pay_in",
    label=N_("Pay into a float"),
    params=Movement,
    permission=MOVE,
    place=_place,
    amount_minor=lambda params: params.amount_minor,
    describe=lambda session, params: _describe_movement(session, params, params.amount_minor),
    check=_check_pay_in,
    run=_pay_in,
    done=_paid_in,
    alone=_paid_in_alone,
)
TAKE_OUT = replace(
    PAY_IN,
    action="float.take_out",
    label=N_("Take out of a float"),
    describe=lambda session, params: _describe_movement(session, params, -params.amount_minor),
    check=_check_take_out,
    run=_take_out,
    done=_taken_out,
    alone=_taken_out_alone,
)
