"""Deciding what was asked for: approved and done, refused, or taken back.

``approve`` checks everything again and does the deed, in one transaction with the approval:
two approvers who click at once meet a compare-and-set, and what dies half way was not
approved either. ``carry_out`` besides has done what the deed leaves for after it.
"""

from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from vmsapp.errors import NotAllowed, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import ApprovalRequest, ApprovalState, OfficeUser
from vmsapp.scope import Actor, seen_by, unscoped
from vmsapp.security import NAME_LENGTH, sight_of
from vmsapp.security.holders import holders
from vmsapp.services.approvals.deed import Deed, Means, RequestAltered
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.errors import (
    ApproverTied,
    AskerLeft,
    AskerTied,
    BothTied,
    OwnRequest,
    ReasonMissing,
    ShownDiffers,
)
from vmsapp.services.approvals.outcomes import outcome_of
from vmsapp.services.approvals.requests import (
    DECIDE,
    expire,
    move,
    note,
    read,
    ties_for,
    waiting,
)
from vmsapp.services.approvals.ties import bond

MAX_REASON: Final = 255


class _CannotBeDone(Exception):
    """The deed itself was refused: the request ends, whoever might approve it."""

    def __init__(self, error: VmsError) -> None:
        super().__init__(error)
        self.error = error


def approve(session: Session, actor: Actor, request_id: int, shown_hash: str) -> ApprovalRequest:
    """Approve a request and do its deed, once, as who asked for it.

    Args:
        session: Outside any transaction but one that only read.
        actor: The second person; the scope is taken on already.
        request_id: Which request.
        shown_hash: The hash on the page that was read.

    Returns:
        The request: approved and done, or failed with its reason.

    Raises:
        NotFound: There is none, or its subject is out of sight.
        NotAllowed: The approver may not be the second person.
        Conflict: It does not wait any more, or is not what was shown.
    """
    expire(session)
    try:
        with atomic(session, durable=True):
            request, deed = waiting(session, request_id)
            check_decider(session, actor, request)
            if shown_hash != request.hash:
                raise ShownDiffers
            move(session, request, ApprovalState.APPROVED, actor)
            _do_for_asker(session, request, deed)
            note(session, actor, "approved", request)
    except _CannotBeDone as refused:
        with atomic(session, durable=True):
            request, _ = waiting(session, request_id)
            outcome = outcome_of(refused.error)
            move(session, request, ApprovalState.FAILED, actor, outcome=outcome)
            note(session, actor, "failed", request, error=refused.error.code)
            _keep_refusal(session, request, refused.error)
    return read(session, request_id)


def carry_out(
    session: Session, means: Means, actor: Actor, request_id: int, shown_hash: str
) -> tuple[ApprovalRequest, object]:
    """Approve a request, and do what its deed leaves for after the commit, such as a token.

    Args:
        session: Outside any transaction but one that only read.
        means: What that may need.
        actor: The second person; the scope is taken on already.
        request_id: Which request.
        shown_hash: The hash on the page that was read.

    Returns:
        The request, and what came of what follows; ``None`` where nothing does.

    Raises:
        VmsError: As ``approve`` does; and nothing was decided where what follows could not
            be done just now.
    """
    request = read(session, request_id)
    deed = DEEDS[request.action]
    if request.state == ApprovalState.PENDING:
        _check_ready(session, means, request, deed)
    request = approve(session, actor, request_id, shown_hash)
    if deed.follows is None or request.state != ApprovalState.APPROVED:
        return request, None
    with unscoped("what was approved is done, whoever sees where it was asked for"):
        made = deed.follows(session, means, actor, request)
    return read(session, request_id), made


def _check_ready(session: Session, means: Means, request: ApprovalRequest, deed: Deed[Any]) -> None:
    if deed.ready is None:
        return
    try:
        params = deed.thaw(request.params, request.hash)
    except RequestAltered:
        return  # approving it says so, and ends it
    deed.ready(session, means, params)


def refuse(session: Session, actor: Actor, request_id: int, reason: str) -> ApprovalRequest:
    """Refuse a request, saying why."""
    expire(session)
    reason = reason.strip()[:MAX_REASON]
    if not reason:
        raise ReasonMissing
    with atomic(session):
        request, _ = waiting(session, request_id)
        check_decider(session, actor, request)
        move(session, request, ApprovalState.REFUSED, actor, reason=reason)
        note(session, actor, "refused", request, reason=reason)
    return read(session, request_id)


def withdraw(session: Session, actor: Actor, request_id: int) -> ApprovalRequest:
    """Take an own request back."""
    expire(session)
    with atomic(session):
        request, _ = waiting(session, request_id)
        if request.asked_by_id != actor.user_id:
            raise NotAllowed
        move(session, request, ApprovalState.WITHDRAWN, actor)
        note(session, actor, "withdrawn", request)
    return read(session, request_id)


def check_decider(session: Session, actor: Actor, request: ApprovalRequest) -> None:
    """Refuse who may not be the second person of a request.

    Raises:
        NotAllowed: With the reason.
    """
    if actor.user_id == request.asked_by_id:
        raise OwnRequest
    if actor.user_id not in holders(session, DEEDS[request.action].permission, DECIDE):
        raise NotAllowed
    ties = ties_for(session, DEEDS[request.action])
    found = bond(ties, actor.user_id, request.asked_by_id)
    if found is None:
        return
    refusals = {request.asked_by_id: ApproverTied, actor.user_id: AskerTied}
    raise refusals.get(found.person_id, BothTied)(
        asker=_name_of(session, request.asked_by_id),
        giver=_name_of(session, found.person_id), until=found.until,
    )  # fmt: skip


def _do_for_asker(session: Session, request: ApprovalRequest, deed: Deed[Any]) -> None:
    """Do the deed under its maker's name and scope, after every check there is."""
    try:
        params = deed.thaw(request.params, request.hash)
        asker = _asker(session, request, deed)
        with seen_by(asker):
            if not deed.done(session, params, request.key):
                deed.check(session, asker, params)
                deed.run(session, asker, params, request.key)
            session.flush()
    except VmsError as error:
        if error.retry != "no":
            raise  # nothing was decided; the approver may try again
        raise _CannotBeDone(error) from error


def _keep_refusal(session: Session, request: ApprovalRequest, error: VmsError) -> None:
    """Have the deed keep why it could not be done, as of who asked for it."""
    deed = DEEDS[request.action]
    if deed.refused is None:
        return
    try:
        params = deed.thaw(request.params, request.hash)
        asker = _asker(session, request, deed)
    except VmsError:
        return  # altered, or the asker left: the request itself tells it
    with seen_by(asker):
        deed.refused(session, asker, params, error)
        session.flush()


def _asker(session: Session, request: ApprovalRequest, deed: Deed[Any]) -> Actor:
    """Make the actor of who asked, as far as they still may."""
    with unscoped("who asked may work elsewhere than who approves"):
        user = session.scalars(
            select(OfficeUser)
            .where(OfficeUser.id == request.asked_by_id, OfficeUser.active)
            .options(joinedload(OfficeUser.region))
            .execution_options(populate_existing=True)
        ).first()
    if user is None or user.id not in holders(session, deed.permission):
        raise AskerLeft
    return Actor(user_id=user.id, name=user.username[:NAME_LENGTH], sight=sight_of(user))


def _name_of(session: Session, user_id: int) -> str:
    with unscoped("the name is said to who is kept from deciding because of it"):
        name = select(OfficeUser.username).where(OfficeUser.id == user_id)
        return str(session.scalar(name))
