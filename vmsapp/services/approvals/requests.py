"""A request that waits, and how it ends: read, moved on once, put on record."""

from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import ApprovalRequest, ApprovalState
from vmsapp.scope import SYSTEM, Actor, unscoped
from vmsapp.security import APPROVALS, Permission
from vmsapp.services import audit
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.errors import AlreadyDecided
from vmsapp.services.approvals.ties import Ties, recent_ties
from vmsapp.services.rows import lock, rows_changed

DECIDE: Final[Permission] = ("can_decide", APPROVALS)
"""Asked of who approves or refuses, besides the deed's own permission."""


def expire(session: Session) -> int:
    """Write down which requests waited too long.

    Returns:
        How many they were.
    """
    late = select(ApprovalRequest).where(
        ApprovalRequest.state == ApprovalState.PENDING, ApprovalRequest.expires_at <= now_utc()
    )
    with unscoped("time passes for every request alike"), atomic(session):
        ended = [
            request
            for request in session.scalars(late)
            if _moved(session, request, ApprovalState.EXPIRED, SYSTEM)  # or another was first
        ]
        for request in ended:
            note(session, SYSTEM, "expired", request)
    return len(ended)


def read(session: Session, request_id: int) -> ApprovalRequest:
    """Read a request as it stands, with the people in it.

    Raises:
        NotFound: There is none, or its subject is out of sight.
    """
    found = session.scalars(
        select(ApprovalRequest)
        .where(ApprovalRequest.id == request_id)
        .options(undefer(ApprovalRequest.asked_by), undefer(ApprovalRequest.decided_by))
        .execution_options(populate_existing=True)
    ).first()
    if found is None:
        raise NotFound
    return found


def waiting(session: Session, request_id: int) -> tuple[ApprovalRequest, Deed[Any]]:
    """Lock a request that waits; the scope hides what the asker may not see."""
    seen = select(ApprovalRequest.id).where(ApprovalRequest.id == request_id)
    if session.scalar(seen) is None:
        raise NotFound
    request = lock(session, ApprovalRequest, ApprovalRequest.id == request_id)
    if request.state_at(now_utc()) != ApprovalState.PENDING:
        raise AlreadyDecided
    return request, DEEDS[request.action]


def move(
    session: Session,
    request: ApprovalRequest,
    to: ApprovalState,
    actor: Actor,
    **values: Any,  # noqa: ANN401 - of its columns
) -> None:
    """End a request; whatever the locks, it ends once."""
    if not _moved(session, request, to, actor, **values):
        raise AlreadyDecided


def _moved(
    session: Session,
    request: ApprovalRequest,
    to: ApprovalState,
    actor: Actor,
    **values: Any,  # noqa: ANN401
) -> bool:
    """Tell whether this ended a request, by compare-and-set."""
    statement = (
        update(ApprovalRequest)
        .where(ApprovalRequest.id == request.id, ApprovalRequest.state == ApprovalState.PENDING)
        .values(state=to, decided_at=now_utc(), decided_by_id=actor.user_id, **values)
    )
    return rows_changed(session, statement) == 1


def note(
    session: Session,
    actor: Actor,
    what: str,
    request: ApprovalRequest,
    **details: Any,  # noqa: ANN401
) -> None:
    """Put on record what became of a request."""
    audit.record(
        session, actor, f"approval.{what}", "approval_request", request.id,
        vending_point_id=request.vending_point_id, deed=request.action, hash=request.hash,
        asked_by=request.asked_by_id, **details,
    )  # fmt: skip


def ties_for(session: Session, deed: Deed[Any]) -> Ties:
    """Find who is tied to whom among those who could decide on a deed."""
    return recent_ties(session, deed.permission, DECIDE)
