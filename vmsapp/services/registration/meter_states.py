"""A meter's life: in stock, active, blocked with a reason, retired."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.models import Meter, MeterState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.licence.standing import admit_meters
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.many import Outcome, retired_at
from vmsapp.services.registration.meter_locks import busy, lock_both, lock_meters
from vmsapp.sts import identifiers

MAX_REASON: Final = 255


@dataclass(frozen=True, slots=True)
class Move:
    """A deed on a meter's state.

    Attributes:
        of: States it leads on from.
        to: State it leads to; unblocked, a meter that hangs nowhere goes into stock.
        action: Its code in the audit trail.
        unbound: Only for a meter that hangs nowhere and to which no sale is being settled.
    """

    of: tuple[MeterState, ...]
    to: MeterState
    action: str
    unbound: bool = False


STOCK, ACTIVE, BLOCKED, RETIRED = MeterState

MOVES: Final[Mapping[str, Move]] = {
    "activate": Move((STOCK,), ACTIVE, "meter.activated"),
    "store": Move((ACTIVE,), STOCK, "meter.stored", unbound=True),
    "block": Move((STOCK, ACTIVE), BLOCKED, "meter.blocked"),
    "unblock": Move((BLOCKED,), ACTIVE, "meter.unblocked"),
    "retire": Move((STOCK, ACTIVE, BLOCKED), RETIRED, "meter.retired", unbound=True),
    "take_back": Move((RETIRED,), STOCK, "meter.taken_back"),
}
"""The deeds there are; a move that stands not here is refused."""


def possible(state: str, *, bound: bool) -> list[str]:
    """List the deeds open to a meter in a state."""
    return [
        name for name, move in MOVES.items() if state in move.of and not (bound and move.unbound)
    ]


def move(session: Session, actor: Actor, meter_id: int, deed: str, *, reason: str = "") -> None:
    """Move a meter to another state.

    Raises:
        NoSuchMeter: It is not there, or out of sight.
        StateMoved, StillBound, MetersBusy, ReasonMissing: Each with its sentence.
        MeterLimitReached: The licence allows no more.
    """
    with atomic(session):
        for error in move_many(session, actor, [meter_id], deed, reason=reason).kept.values():
            raise error


def move_many(
    session: Session, actor: Actor, meter_ids: Iterable[int], deed: str, *, reason: str = ""
) -> Outcome:
    """Move meters to another state, those that can be.

    Args:
        session: In the actor's scope.
        actor: Who does it.
        meter_ids: Which meters.
        deed: One of ``MOVES``.
        reason: Needed to block; the counter shows it.

    Raises:
        NoSuchMeter: One is not there, or out of sight.
        MeterMoved: One was bound or unbound at this moment.
        ReasonMissing: None was given.
        MeterLimitReached: The licence allows no more.
    """
    wanted, reason, now = MOVES[deed], reason.strip()[:MAX_REASON], now_utc()
    if wanted.to is BLOCKED and not reason:
        raise wrong.ReasonMissing
    with atomic(session):
        ids = set(meter_ids)
        if wanted.of == (RETIRED,):
            admit_meters(session, len(ids))
        points, meters = lock_both(session, ids)
        selling = busy(session, meters.values()) if wanted.unbound else set()
        kept = {
            meter.id: error
            for meter in meters.values()
            if (error := _against(meter, wanted, bound=meter.id in points, busy=selling))
        }
        done = [meter for meter in meters.values() if meter.id not in kept]
        for meter in done:
            before = meter.state
            to = STOCK if deed == "unblock" and meter.id not in points else wanted.to
            put(meter, to, actor, reason, at=now)
            _note(session, actor, wanted.action, meter, before, reason)
        session.flush()
    return Outcome(now, [meter.id for meter in done], kept)


def _against(meter: Meter, wanted: Move, *, bound: bool, busy: Collection[int]) -> VmsError | None:
    """Say what speaks against a move, if anything does."""
    number = identifiers.drn.format(meter.drn)
    if meter.state not in wanted.of:
        return wrong.StateMoved(number=number, state=meter.state)
    if wanted.unbound and bound:
        return wrong.StillBound(number=number)
    return wrong.MetersBusy(number=number) if meter.id in busy else None


def undo_retiring(session: Session, actor: Actor, at: datetime) -> int:
    """Give meters that the actor retired at a moment the state they had.

    Returns:
        How many were taken back.

    Raises:
        UndoneTooLate: None is left, or the time is over.
        MeterLimitReached: The licence allows no more by now.
    """
    with atomic(session):
        ids = retired_at(session, actor, Meter, at)
        admit_meters(session, len(ids))
        meters = [one for one in lock_meters(session, ids).values() if one.retired_at == at]
        for meter in meters:
            meter.state = meter.retired_from or STOCK
            meter.retired_at = meter.retired_by_id = meter.retired_from = None
            _note(session, actor, "meter.taken_back", meter, RETIRED, "")
        session.flush()
        return len(meters)


def _note(
    session: Session, actor: Actor, action: str, meter: Meter, before: str, reason: str
) -> None:
    audit.record(
        session, actor, action, "meter", meter.id, drn=meter.drn, reason=reason,
        before={"state": str(before)}, after={"state": str(meter.state)},
    )  # fmt: skip


def put(
    meter: Meter, state: MeterState, actor: Actor, reason: str = "", *, at: datetime | None = None
) -> None:
    """Set a meter's state with all that goes with it."""
    at = at or now_utc()
    if state is RETIRED:
        meter.retired_at, meter.retired_by_id, meter.retired_from = at, actor.user_id, meter.state
    else:
        blocked = state is BLOCKED
        meter.retired_at = meter.retired_by_id = meter.retired_from = None
        meter.blocked_reason = reason if blocked else ""
        meter.blocked_at, meter.blocked_by_id = (at, actor.user_id) if blocked else (None, None)
    meter.state = state
