"""A vending point's float: what it sells from, money paid in and taken out, its statement.

The balance changes only under the account's lock, together with a posted transfer of
the ledger; it is what the float's entries add up to. The float never holds less than
the credit limit allows, with what is being sold at the moment taken off.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, select, true
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, InvalidInput, NotFound, Refused
from vmsapp.models import (
    AccountKind,
    FloatMovement,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    TransferState,
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
TERMS: Final[Permission] = ("can_terms", FLOATS)

MAX_ROWS: Final = 500
"""Rows a statement shows; its totals count all of them."""


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


class CreditLimitTooLarge(AmountTooLarge):
    """The same of a credit limit."""

    field = "credit_limit"


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


class CreditLimitNegative(InvalidInput):
    """A float that must hold something before the first sale is not offered."""

    code = "credit_limit_negative"
    message = N_("A credit limit cannot be below zero.")
    field = "credit_limit"


class CreditInUse(InvalidInput):
    """More has been sold on credit than the new limit allows."""

    code = "credit_in_use"
    message = N_("%(used)s of the credit is in use; have it paid in before the limit goes lower.")
    field = "credit_limit"

    def __init__(self, *, used: Money) -> None:
        super().__init__(used=used)


@dataclass(frozen=True, slots=True)
class Movement:
    """Money paid in or taken out: how much, on which paper, of which day."""

    vending_point_id: int
    amount_minor: int
    reference: str
    paid_on: date


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether a vending point sells from its float, and how far below zero."""

    vending_point_id: int
    limited: bool
    credit_limit_minor: int


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


def account_of(point: VendingPoint) -> VendingPointAccount:
    """The account of a vending point; an empty one until its first movement."""
    return point.account or VendingPointAccount(
        vending_point_id=point.id, limited=False, balance_minor=0, pending_minor=0,
        credit_limit_minor=0,
    )  # fmt: skip


def statement(session: Session, vending_point_id: int, first: date, last: date) -> Statement:
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
        .limit(MAX_ROWS + 1)
    ).all()  # fmt: skip
    rows, balance = [], opening
    for on, what, amount, sale_id, reference, paid_on, by in found[:MAX_ROWS]:
        balance += int(amount)
        rows.append(Row(on, what, int(amount), balance, sale_id, reference, paid_on, by))
    return Statement(
        first, last, opening, int(paid_in), -int(taken_out), -int(sold), int(taken_back),
        rows, len(found) > MAX_ROWS,
    )  # fmt: skip


def _locked(session: Session, vending_point_id: int) -> VendingPointAccount:
    """Lock the account of a vending point the asker sees.

    Raises:
        NotFound: There is none, or it is out of sight.
    """
    seen = select(VendingPoint.id).where(VendingPoint.id == vending_point_id)
    if session.scalar(seen) is None:
        raise NotFound
    return lock_account(session, vending_point_id)


def _present(session: Session, vending_point_id: int) -> tuple[str, VendingPointAccount]:
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


def _place(_session: Session, params: Movement | Terms) -> Place:
    return Place(vending_point_id=params.vending_point_id)


def _currency(session: Session) -> str:
    return setup_at(session, now_utc()).currency


def _check_pay_in(session: Session, _actor: Actor, params: Movement) -> None:
    _locked(session, params.vending_point_id)
    if params.amount_minor <= 0:
        raise AmountNotPositive
    if params.amount_minor > MAX_MINOR:
        raise AmountTooLarge
    if not params.reference.strip():
        raise ReferenceMissing
    now = now_utc()
    if params.paid_on > business_day(now, setup_at(session, now).time_zone):
        raise DayToCome


def _check_take_out(session: Session, actor: Actor, params: Movement) -> None:
    _check_pay_in(session, actor, params)
    available = _locked(session, params.vending_point_id).available_minor
    if params.amount_minor > available:
        raise FloatTooSmall(available=Money(max(available, 0), _currency(session)))


def _pay_in(session: Session, actor: Actor, params: Movement, key: str) -> None:
    _move(session, actor, params, key, params.amount_minor)


def _take_out(session: Session, actor: Actor, params: Movement, key: str) -> None:
    _move(session, actor, params, key, -params.amount_minor)


def _move(session: Session, actor: Actor, params: Movement, key: str, amount_minor: int) -> None:
    now = now_utc()
    account = _locked(session, params.vending_point_id)
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


def _check_terms(session: Session, _actor: Actor, params: Terms) -> None:
    account = _locked(session, params.vending_point_id)
    if params.credit_limit_minor < 0:
        raise CreditLimitNegative
    if params.credit_limit_minor > MAX_MINOR:
        raise CreditLimitTooLarge
    used = account.pending_minor - account.balance_minor
    if params.limited and used > params.credit_limit_minor:
        raise CreditInUse(used=Money(used, _currency(session)))


def _change_terms(session: Session, actor: Actor, params: Terms, _key: str) -> None:
    account = _locked(session, params.vending_point_id)
    audit.record(
        session, actor, "float.terms_changed", "vending_point", params.vending_point_id,
        vending_point_id=params.vending_point_id, limited=params.limited,
        credit_limit_minor=params.credit_limit_minor, was_limited=account.limited,
        was_credit_limit_minor=account.credit_limit_minor,
    )  # fmt: skip
    account.limited, account.credit_limit_minor = params.limited, params.credit_limit_minor


def _describe_movement(session: Session, params: Movement, amount_minor: int) -> Sequence[Line]:
    currency = _currency(session)
    name, account = _present(session, params.vending_point_id)
    balance = account.balance_minor
    return (
        Line(N_("Vending point"), name),
        Line(N_("Amount"), Money(params.amount_minor, currency)),
        Line(N_("Reference"), params.reference),
        Line(N_("Date on the slip"), params.paid_on),
        Line(
            N_("Balance of the float"),
            Money(balance + amount_minor, currency), Money(balance, currency), passing=True,
        ),
    )  # fmt: skip


def _describe_terms(session: Session, params: Terms) -> Sequence[Line]:
    currency = _currency(session)
    name, account = _present(session, params.vending_point_id)
    return (
        Line(N_("Vending point"), name),
        Line(N_("Sells from a float"), params.limited, account.limited),
        Line(
            N_("Credit limit"),
            Money(params.credit_limit_minor, currency), Money(account.credit_limit_minor, currency),
        ),
        Line(N_("Balance of the float"), Money(account.balance_minor, currency), passing=True),
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
)
TAKE_OUT = replace(
    PAY_IN,
    action="float.take_out",
    label=N_("Take out of a float"),
    describe=lambda session, params: _describe_movement(session, params, -params.amount_minor),
    check=_check_take_out,
    run=_take_out,
    done=_taken_out,
)
CHANGE_TERMS = Deed(
    action="float.terms",
    label=N_("Change a float’s terms"),
    params=Terms,
    permission=TERMS,
    place=_place,
    # without a limit the credit is endless, so no amount tells how much is let through
    amount_minor=lambda params: params.credit_limit_minor if params.limited else None,
    describe=_describe_terms,
    check=_check_terms,
    run=_change_terms,
)
