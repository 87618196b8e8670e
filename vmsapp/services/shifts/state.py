"""Which shift somebody has, and whether it takes a sale."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, Select, and_, bindparam, or_, select
from sqlalchemy.orm import Session

from vmsapp.errors import NotFound
from vmsapp.models import Setup, Shift, ShiftState, VendingPoint
from vmsapp.scope import Actor
from vmsapp.security import SHIFTS
from vmsapp.services.rows import lock
from vmsapp.services.shifts.errors import (
    ShiftBeingClosed,
    ShiftMoved,
    ShiftNeeded,
    ShiftOfAnother,
    ShiftTooLong,
)
from vmsapp.services.vending.ground import lock_account
from vmsapp.services.vending_points import MOST
from vmsapp.statements import made_once


def places(session: Session, user_id: int | None) -> Sequence[tuple[VendingPoint, Shift | None]]:
    """List the vending points somebody may sell at or has a shift at, by name, with the shift.

    In one statement, for the counter tells both on every page.
    """
    own = and_(
        Shift.vending_point_id == VendingPoint.id,
        Shift.operator_id == user_id,
        Shift.closed_at.is_(None),
    )
    found = session.execute(
        select(VendingPoint, Shift)
        .outerjoin(Shift, own)
        .where(or_(VendingPoint.closed_at.is_(None), Shift.id.is_not(None)))
        .order_by(Shift.id.is_(None), VendingPoint.name)
        .limit(MOST)
    )
    return sorted(((point, shift) for point, shift in found), key=lambda place: place[0].name)


def present(session: Session, vending_point_id: int, user_id: int | None) -> Shift | None:
    """Find the shift somebody has at a vending point, read anew; whose drawer pays and takes."""
    if user_id is None:
        return None
    whose = {"point_id": vending_point_id, "user_id": user_id}
    return session.scalars(_present(), whose).one_or_none()


@made_once
def _present() -> Select[Shift]:
    point_id: BindParameter[int] = bindparam("point_id")
    user_id: BindParameter[int] = bindparam("user_id")
    return (
        select(Shift)
        .where(Shift.vending_point_id == point_id)
        .where(Shift.operator_id == user_id, Shift.closed_at.is_(None))
        .execution_options(populate_existing=True)
    )


def overdue(shift: Shift, setup: Setup, moment: datetime) -> bool:
    """Tell whether a shift has lasted longer than one may."""
    return moment - shift.opened_at > timedelta(hours=setup.shift_hours)


def shift_for_sale(shift: Shift | None, setup: Setup, moment: datetime) -> int | None:
    """Tell the shift a sale of this moment belongs to.

    Args:
        shift: Of whoever sells, read in a transaction that holds the account.
        setup: In force at the moment.
        moment: Of the sale.

    Returns:
        Its id; ``None`` where there is none and none is needed.

    Raises:
        ShiftNeeded, ShiftBeingClosed, ShiftTooLong: Sales need one here.
    """
    if setup.shifts_used:
        check_may_sell(shift, setup, moment)
    return shift.id if shift is not None and shift.state == ShiftState.OPEN else None


def check_may_sell(shift: Shift | None, setup: Setup, moment: datetime) -> None:
    """Refuse to sell without a shift, in one that was counted, or in one that lasted too long."""
    if shift is None:
        raise ShiftNeeded
    if shift.counted_at is not None:
        raise ShiftBeingClosed(shift_id=shift.id, counted_at=shift.counted_at)
    if overdue(shift, setup, moment):
        raise ShiftTooLong(shift_id=shift.id, opened_at=shift.opened_at, hours=setup.shift_hours)


def locked(session: Session, actor: Actor, shift_id: int, *states: ShiftState) -> Shift:
    """Lock the account of a shift's vending point, then the shift, to change it.

    Args:
        session: Inside the caller's transaction.
        actor: Whose shift it is, or who may close those of others.
        shift_id: Which.
        states: Those it may be in.

    Raises:
        NotFound: There is none, or it is out of sight.
        ShiftOfAnother: It is somebody else's.
        ShiftMoved: It is in another state.
    """
    found = session.execute(
        select(Shift.vending_point_id, Shift.operator_id).where(Shift.id == shift_id)
    ).one_or_none()
    if found is None:
        raise NotFound
    if not may_change(actor, found.operator_id):
        raise ShiftOfAnother
    lock_account(session, found.vending_point_id)
    shift = lock(session, Shift, Shift.id == shift_id)
    if shift.state not in states:
        raise ShiftMoved(shift_id=shift.id, state=shift.state)
    return shift


def may_change(actor: Actor, operator_id: int) -> bool:
    """Tell whether somebody may move cash in a shift and close it."""
    return operator_id == actor.user_id or actor.may("can_close_others", SHIFTS)


def may_see_figures(actor: Actor, shift: Shift) -> bool:
    """Tell whether somebody may see what was expected: of a closed shift, the own or with leave."""
    if shift.state == ShiftState.OPEN:
        return False
    if may_change(actor, shift.operator_id):
        return True
    return shift.state == ShiftState.CLOSED and actor.may("can_figures", SHIFTS)
