"""A meter's life: in stock, active, blocked with a reason, retired."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Meter, MeterState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.licence.standing import admit_meters
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.meter_locks import lock_both, refuse_busy
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


def move(session: Session, actor: Actor, meter_id: int, deed: str, *, reason: str = "") -> Meter:
    """Move a meter to another state.

    Args:
        session: In the actor's scope.
        actor: Who does it.
        meter_id: Which meter.
        deed: One of ``MOVES``.
        reason: Needed to block; the counter shows it.

    Raises:
        NoSuchMeter: It is not there, or out of sight.
        StateMoved, StillBound, MetersBusy, ReasonMissing: Each with its sentence.
        MeterLimitReached: The licence allows no more.
    """
    wanted, reason = MOVES[deed], reason.strip()[:MAX_REASON]
    with atomic(session):
        if wanted.of == (RETIRED,):
            admit_meters(session, 1)
        points, meters = lock_both(session, [meter_id])
        meter, bound = meters[meter_id], meter_id in points
        number = identifiers.drn.format(meter.drn)
        if meter.state not in wanted.of:
            raise wrong.StateMoved(number=number, state=meter.state)
        if wanted.unbound:
            if bound:
                raise wrong.StillBound(number=number)
            refuse_busy(session, [meter])
        if wanted.to is BLOCKED and not reason:
            raise wrong.ReasonMissing
        before = meter.state
        to = STOCK if deed == "unblock" and not bound else wanted.to
        put(meter, to, actor, reason)
        session.flush()
        audit.record(
            session, actor, wanted.action, "meter", meter.id,
            drn=meter.drn, reason=reason, before={"state": before}, after={"state": to.value},
        )  # fmt: skip
    return meter


def put(meter: Meter, state: MeterState, actor: Actor, reason: str = "") -> None:
    """Set a meter's state with all that goes with it."""
    blocked, now = state is BLOCKED, now_utc()
    meter.state = state
    meter.blocked_reason = reason if blocked else ""
    meter.blocked_at, meter.blocked_by_id = (now, actor.user_id) if blocked else (None, None)
    meter.retired_at = now if state is RETIRED else None
