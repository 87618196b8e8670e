"""Opening a shift, and cash put into its drawer or taken out of it."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import CashReason, Shift, ShiftCash, ShiftState, VendingPoint
from vmsapp.money import MAX_MINOR
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.setup import setup_at
from vmsapp.services.shifts.errors import (
    BankTakesOnly,
    CashNegative,
    CashNothing,
    CashReasonMissing,
    CashTooLarge,
    FormSentOtherwise,
    ShiftOpenAlready,
)
from vmsapp.services.shifts.state import locked, present
from vmsapp.services.vending.errors import VendingPointClosed
from vmsapp.services.vending.ground import lock_account


@dataclass(frozen=True, slots=True)
class CashMove:
    """Cash that goes into a drawer, or out of it: a positive amount and which way."""

    shift_id: int
    amount_minor: int
    out: bool
    reason: CashReason
    note: str = ""

    @property
    def signed(self) -> int:
        """Positive for put in, negative for taken out."""
        return -self.amount_minor if self.out else self.amount_minor


def open_shift(
    session: Session, actor: Actor, vending_point_id: int, opening_minor: int, key: str
) -> Shift:
    """Open a shift of the actor's own, with the cash that lies in the drawer.

    Args:
        session: Outside any transaction, or inside the caller's.
        actor: Whose shift it becomes.
        vending_point_id: Where.
        opening_minor: Cash in the drawer.
        key: Of the form: sent again, it gives the shift it opened.

    Raises:
        NotFound: There is no such vending point, or it is out of sight.
        VendingPointClosed: Nothing is sold there.
        ShiftOpenAlready: The actor has one open there.
        CashNegative, CashTooLarge: No drawer holds that.
    """
    assert actor.user_id is not None, "a shift has an operator"
    if opening_minor < 0:
        raise CashNegative
    if opening_minor > MAX_MINOR:
        raise CashTooLarge
    with atomic(session):
        point = session.execute(
            select(VendingPoint.name, VendingPoint.closed_at)
            .where(VendingPoint.id == vending_point_id)
        ).one_or_none()  # fmt: skip
        if point is None:
            raise NotFound
        if point.closed_at is not None:
            raise VendingPointClosed(name=point.name)
        lock_account(session, vending_point_id)
        former = _opened_by(session, actor, vending_point_id, key, opening_minor)
        if former is not None:
            return former
        shift = present(session, vending_point_id, actor.user_id)
        if shift is not None:
            raise ShiftOpenAlready(shift_id=shift.id)
        now = now_utc()
        setup = setup_at(session, now)
        shift = Shift(
            vending_point_id=vending_point_id, key=key, operator_id=actor.user_id,
            currency=setup.currency, exponent=setup.exponent, opened_at=now,
            opening_minor=opening_minor,
        )  # fmt: skip
        session.add(shift)
        session.flush()
        audit.record(
            session, actor, "shift.opened", "shift", shift.id, vending_point_id=vending_point_id,
            opening_minor=opening_minor,
        )  # fmt: skip
        return shift


def _opened_by(
    session: Session, actor: Actor, vending_point_id: int, key: str, opening_minor: int
) -> Shift | None:
    """Find the shift this form opened before."""
    shift = session.scalars(
        select(Shift).where(Shift.vending_point_id == vending_point_id, Shift.key == key)
    ).one_or_none()
    if shift is None:
        return None
    if (shift.operator_id, shift.opening_minor) != (actor.user_id, opening_minor):
        raise FormSentOtherwise
    return shift


def move_cash(session: Session, actor: Actor, move: CashMove, key: str) -> ShiftCash:
    """Write down that cash was put into a drawer or taken out, such as to the bank.

    Whether the drawer holds that much is not checked: the answer would tell what is expected.

    Raises:
        NotFound, ShiftOfAnother, ShiftMoved: The shift cannot be changed.
        CashNothing, CashTooLarge, CashReasonMissing, BankTakesOnly: It makes no sense.
        FormSentOtherwise: The form came before with other values.
    """
    _check(move)
    with atomic(session):
        former = _moved_by(session, move, key)
        if former is not None:
            return former
        shift = locked(session, actor, move.shift_id, ShiftState.OPEN)
        former = _moved_by(session, move, key)  # sent twice at the same time
        if former is not None:
            return former
        moved = ShiftCash(
            vending_point_id=shift.vending_point_id, shift_id=shift.id, key=key,
            amount_minor=move.signed, reason=move.reason.value, note=move.note.strip(),
            made_at=now_utc(), entered_by_id=actor.user_id,
        )  # fmt: skip
        session.add(moved)
        session.flush()
        audit.record(
            session, actor, "shift.cash_moved", "shift", shift.id,
            vending_point_id=shift.vending_point_id, amount_minor=moved.amount_minor,
            reason=moved.reason, note=moved.note,
        )  # fmt: skip
        return moved


def _check(move: CashMove) -> None:
    if move.amount_minor <= 0:
        raise CashNothing
    if move.amount_minor > MAX_MINOR:
        raise CashTooLarge
    if move.reason is CashReason.BANK and not move.out:
        raise BankTakesOnly
    if move.reason is CashReason.OTHER and not move.note.strip():
        raise CashReasonMissing


def _moved_by(session: Session, move: CashMove, key: str) -> ShiftCash | None:
    """Find what this form moved before."""
    found = session.scalars(
        select(ShiftCash)
        .join(Shift, Shift.vending_point_id == ShiftCash.vending_point_id)
        .where(Shift.id == move.shift_id, ShiftCash.key == key)
    ).one_or_none()
    if found is None:
        return None
    had = (found.shift_id, found.amount_minor, found.reason, found.note)
    if had != (move.shift_id, move.signed, move.reason.value, move.note.strip()):
        raise FormSentOtherwise
    return found
