"""Closing a shift: the cash is counted blindly, then compared, then the difference is booked.

The count is written down before anybody is told what was expected, and is not taken back. Within
the utility's tolerance that closes the shift; beyond it whoever closes says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Sale, SaleState, Shift, ShiftState, VendingPointAccount
from vmsapp.money import MAX_MINOR
from vmsapp.scope import Actor
from vmsapp.services import audit, ledger
from vmsapp.services.setup import setup_at
from vmsapp.services.shifts.errors import (
    CashNegative,
    CashTooLarge,
    PiecesDoNotAdd,
    ReasonMissing,
    SaleStillPending,
)
from vmsapp.services.shifts.figures import expected_minor
from vmsapp.services.shifts.state import locked


@dataclass(frozen=True, slots=True)
class Count:
    """What somebody counted.

    Attributes:
        total_minor: All of it.
        pieces: How many coins and notes of each worth in minor units, where that was told.
    """

    total_minor: int
    pieces: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What was counted beside what was expected."""

    expected_minor: int
    counted_minor: int
    reason_needed: bool

    @property
    def over_short_minor(self) -> int:
        """What was there beyond it; below zero where some was missing."""
        return self.counted_minor - self.expected_minor


def count(session: Session, actor: Actor, shift_id: int, counted: Count | None) -> Shift:
    """Write the count down; where the difference may pass, the shift is closed by it.

    Args:
        session: Outside any transaction.
        actor: Who counts: whose shift it is, or who may close those of others.
        shift_id: Which.
        counted: What was counted; ``None`` where the utility does not count.

    Raises:
        NotFound, ShiftOfAnother, ShiftMoved: The shift cannot be closed.
        SaleStillPending: Nobody knows yet what becomes of the money of a sale.
        CashNegative, CashTooLarge, PiecesDoNotAdd: No count.
    """
    _check(counted)
    with atomic(session, durable=True):
        shift = locked(session, actor, shift_id, ShiftState.OPEN)
        check_nothing_pending(session, shift.id)
        if counted is not None:
            shift.counted_at, shift.counted_by_id = now_utc(), actor.user_id
            shift.counted_minor = counted.total_minor
            shift.pieces = _written(counted.pieces)
            audit.record(
                session, actor, "shift.counted", "shift", shift.id,
                vending_point_id=shift.vending_point_id, counted_minor=counted.total_minor,
                pieces=shift.pieces,
            )  # fmt: skip
        compared = compare(session, shift)
        if compared is None or not compared.reason_needed:
            _close(session, actor, shift, "")
        return shift


def finish(session: Session, actor: Actor, shift_id: int, note: str) -> Shift:
    """Close a shift that was counted, with the reason of its difference.

    Raises:
        NotFound, ShiftOfAnother, ShiftMoved: The shift cannot be closed.
        ReasonMissing: The difference is larger than may pass without one.
    """
    note = note.strip()
    with atomic(session, durable=True):
        shift = locked(session, actor, shift_id, ShiftState.COUNTED)
        compared = compare(session, shift)
        if compared is not None and compared.reason_needed and not note:
            raise ReasonMissing
        _close(session, actor, shift, note)
        return shift


def compare(session: Session, shift: Shift) -> Compared | None:
    """Compare what was counted with what was expected; nothing where it was not counted."""
    if shift.counted_minor is None:
        return None
    expected = shift.expected_minor
    if expected is None:
        expected = expected_minor(session, shift)
    tolerance = setup_at(session, now_utc()).shift_tolerance_minor
    beyond = abs(shift.counted_minor - expected) > tolerance
    return Compared(expected, shift.counted_minor, reason_needed=beyond)


def check_nothing_pending(session: Session, shift_id: int) -> None:
    """Refuse to close beside a sale whose money may still be the customer's.

    Raises:
        SaleStillPending: Names the first.
    """
    pending = session.scalar(
        select(Sale.id)
        .where(Sale.shift_id == shift_id, Sale.state == SaleState.PENDING)
        .where(Sale.sealed_at.is_(None))
        .order_by(Sale.id)
        .limit(1)
    )
    if pending is not None:
        raise SaleStillPending(sale_id=pending)


def _close(session: Session, actor: Actor, shift: Shift, note: str) -> None:
    now = now_utc()
    shift.expected_minor = expected_minor(session, shift)
    if shift.counted_minor is not None:
        shift.over_short_minor = shift.counted_minor - shift.expected_minor
    shift.closed_at, shift.closed_by_id, shift.note = now, actor.user_id, note
    session.flush()
    posted = bool(shift.over_short_minor) and not _own_money(session, shift)
    if shift.over_short_minor and posted:
        today = business_day(now, setup_at(session, now).time_zone)
        ledger.post_over_short(session, shift, shift.over_short_minor, at=now, business_date=today)
    audit.record(
        session, actor, "shift.closed", "shift", shift.id,
        vending_point_id=shift.vending_point_id, expected_minor=shift.expected_minor,
        counted_minor=shift.counted_minor, over_short_minor=shift.over_short_minor,
        posted=posted, note=note,
    )  # fmt: skip


def _own_money(session: Session, shift: Shift) -> bool:
    """Tell whether the cash is the vending point's own: it sells from what it paid in."""
    account = session.scalars(
        select(VendingPointAccount).where(
            VendingPointAccount.vending_point_id == shift.vending_point_id
        )
    ).one()
    return account.limited


def _check(counted: Count | None) -> None:
    if counted is None:
        return
    if counted.total_minor < 0:
        raise CashNegative
    if counted.total_minor > MAX_MINOR:
        raise CashTooLarge
    if counted.pieces and _worth(counted.pieces) != counted.total_minor:
        raise PiecesDoNotAdd


def _worth(pieces: Mapping[int, int]) -> int:
    return sum(worth * number for worth, number in pieces.items())


def _written(pieces: Mapping[int, int] | None) -> dict[str, int] | None:
    return {str(worth): number for worth, number in pieces.items() if number} if pieces else None
