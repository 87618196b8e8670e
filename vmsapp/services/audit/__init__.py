"""Write down who did what, in the transaction in which it was done."""

from typing import Any

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import AuditEvent
from vmsapp.scope import Actor
from vmsapp.services.rows import insert_at_once


def record(
    session: Session,
    actor: Actor,
    action: str,
    subject: str,
    subject_id: object = None,
    *,
    vending_point_id: int | None = None,
    at_once: bool = False,
    **details: Any,  # noqa: ANN401 - whatever JSON can hold
) -> None:
    """Add one event; it is written when the caller's transaction is.

    Args:
        session: The caller's session, inside its ``atomic``.
        actor: Who did it.
        action: What, as a stable code such as ``sale.issued``.
        subject: Kind of row it was done to.
        subject_id: Which one.
        vending_point_id: Where, if at a vending point.
        at_once: Written past the unit of work, for what must be quick.
        details: Values that explain it; never a token, key or passphrase.
    """
    event = AuditEvent(
        at=now_utc(),
        actor_id=actor.user_id,
        actor_name=actor.name,
        address=actor.address,
        action=action,
        subject=subject,
        subject_id=None if subject_id is None else str(subject_id),
        vending_point_id=vending_point_id,
        details=details,
    )
    if at_once:
        insert_at_once(session, event)
    else:
        session.add(event)
