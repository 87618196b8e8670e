"""What was refused before anything was reserved: who wanted what, and why not."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import InvalidInput, NotFound, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import EngineeringRefusal, Meter
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.approvals.outcomes import outcome_of
from vmsapp.services.engineering.errors import FunctionUnknown, OtherMeter
from vmsapp.services.engineering.wish import REASON_MAX, Wish


def counts(error: VmsError) -> bool:
    """Tell whether an error is a refusal: not a field to be put right, nor a meter out of sight.

    The digits of another meter are one: somebody was about to change the wrong one.
    """
    if isinstance(error, OtherMeter):
        return True
    return not isinstance(error, InvalidInput | NotFound)


def note_refusal(session: Session, actor: Actor, wish: Wish, error: VmsError) -> None:
    """Keep a refusal, in a transaction of its own; a meter out of sight leaves no trace.

    Args:
        session: Rolled back already.
        actor: Who wanted it.
        wish: What.
        error: Why not.
    """
    assert not isinstance(error, FunctionUnknown), "the cards offer no other"
    with atomic(session):
        add_refusal(session, actor, wish, error)


def add_refusal(session: Session, actor: Actor, wish: Wish, error: VmsError) -> None:
    """Keep a refusal, inside the caller's transaction."""
    if session.scalar(select(Meter.id).where(Meter.id == wish.meter_id)) is None:
        return
    point = actor.sight.vending_point_id
    session.add(
        EngineeringRefusal(
            meter_id=wish.meter_id, vending_point_id=point, function=wish.function,
            wanted=wish.wanted, reason=wish.reason.strip()[:REASON_MAX], code=error.code,
            outcome=outcome_of(error), refused_at=now_utc(), wanted_by_id=actor.user_id,
        )
    )  # fmt: skip
    audit.record(
        session, actor, "engineering.refused", "meter", wish.meter_id, vending_point_id=point,
        function=wish.function, wanted=wish.wanted, error=error.code,
    )  # fmt: skip
