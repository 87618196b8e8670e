"""A request from asking to done.

``submit`` does a deed at once, or writes down that it is asked for. ``approve`` checks
everything again and does it, in one transaction with the approval: two approvers who
click at once meet a compare-and-set, and what dies half way was not approved either.
"""

from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload, undefer

from vmsapp.clock import now_utc
from vmsapp.errors import NotAllowed, NotFound, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import ApprovalRequest, ApprovalState, OfficeUser
from vmsapp.models.approval import LASTS
from vmsapp.money import Money
from vmsapp.scope import SYSTEM, Actor, seen_by, unscoped
from vmsapp.security import APPROVALS, NAME_LENGTH, Permission, sight_of
from vmsapp.security.holders import holders
from vmsapp.services import audit
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.errors import (
    AlreadyAsked,
    AlreadyDecided,
    ApproverTied,
    AskerLeft,
    AskerTied,
    NobodyToApprove,
    OtherFormSent,
    OwnRequest,
    ReasonMissing,
    ShownDiffers,
)
from vmsapp.services.approvals.rules import CHANGE_RULE, RuleChange, asks
from vmsapp.services.approvals.ties import COUNTS_FOR, behind, recent_ties
from vmsapp.services.rows import lock, rows_changed

DECIDE: Final[Permission] = ("can_decide", APPROVALS)
"""Asked of who approves or refuses, besides the deed's own permission."""

MAX_REASON: Final = 255


class _CannotBeDone(Exception):
    """The deed itself was refused: the request ends, whoever might approve it."""

    def __init__(self, error: VmsError) -> None:
        super().__init__(error)
        self.error = error


def submit(
    session: Session,
    actor: Actor,
    deed: Deed[Any],
    params: Any,  # noqa: ANN401 - the deed's own
    key: str,
) -> ApprovalRequest | None:
    """Do a deed, or ask for it where a second person must approve it.

    Args:
        session: Outside any transaction but one that only read.
        actor: Who wants it; the scope is taken on already.
        deed: Which deed.
        params: With what.
        key: Made with the form: the same form sent twice does or asks once.

    Returns:
        The request that waits, or that this form made before; ``None``: it is done.

    Raises:
        VmsError: Nothing was written; the error says why.
    """
    try:
        return _submit(session, actor, deed, params, key)
    except IntegrityError:  # the same came twice at once: now the first is found
        return _submit(session, actor, deed, params, key)


def change_rule(
    session: Session, actor: Actor, change: RuleChange, key: str
) -> ApprovalRequest | None:
    """Change a rule; a weaker one is asked for, a stronger one needs somebody to satisfy it.

    Raises:
        NobodyToApprove: Fewer than two people could approve the deed.
    """
    deed = DEEDS[change.action]
    if change.active and len(holders(session, deed.permission, DECIDE)) < 2:
        raise NobodyToApprove
    return submit(session, actor, CHANGE_RULE, change, key)


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
            request, deed = _waiting(session, request_id)
            check_decider(session, actor, request)
            if shown_hash != request.hash:
                raise ShownDiffers
            _move(session, request, ApprovalState.APPROVED, actor)
            _do_for_asker(session, request, deed)
            _note(session, actor, "approved", request)
    except _CannotBeDone as refused:
        with atomic(session, durable=True):
            request, _ = _waiting(session, request_id)
            outcome = _outcome(refused.error)
            _move(session, request, ApprovalState.FAILED, actor, outcome=outcome)
            _note(session, actor, "failed", request, error=refused.error.code)
    return read(session, request_id)


def refuse(session: Session, actor: Actor, request_id: int, reason: str) -> ApprovalRequest:
    """Refuse a request, saying why."""
    expire(session)
    reason = reason.strip()[:MAX_REASON]
    if not reason:
        raise ReasonMissing
    with atomic(session):
        request, _ = _waiting(session, request_id)
        check_decider(session, actor, request)
        _move(session, request, ApprovalState.REFUSED, actor, reason=reason)
        _note(session, actor, "refused", request, reason=reason)
    return read(session, request_id)


def withdraw(session: Session, actor: Actor, request_id: int) -> ApprovalRequest:
    """Take an own request back."""
    expire(session)
    with atomic(session):
        request, _ = _waiting(session, request_id)
        if request.asked_by_id != actor.user_id:
            raise NotAllowed
        _move(session, request, ApprovalState.WITHDRAWN, actor)
        _note(session, actor, "withdrawn", request)
    return read(session, request_id)


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
            _note(session, SYSTEM, "expired", request)
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


def check_decider(session: Session, actor: Actor, request: ApprovalRequest) -> None:
    """Refuse who may not be the second person of a request.

    Raises:
        NotAllowed: With the reason.
    """
    if actor.user_id == request.asked_by_id:
        raise OwnRequest
    if actor.user_id not in holders(session, DEEDS[request.action].permission, DECIDE):
        raise NotAllowed
    ties, days = recent_ties(session), COUNTS_FOR.days
    if request.asked_by_id in behind(ties, actor.user_id):
        raise ApproverTied(asker=_name_of(session, request.asked_by_id), days=days)
    if actor.user_id in behind(ties, request.asked_by_id):
        raise AskerTied(asker=_name_of(session, request.asked_by_id), days=days)


def _submit(
    session: Session,
    actor: Actor,
    deed: Deed[Any],
    params: Any,  # noqa: ANN401
    key: str,
) -> ApprovalRequest | None:
    expire(session)
    with atomic(session, durable=True):
        if actor.user_id is not None and actor.user_id not in holders(session, deed.permission):
            raise NotAllowed
        before = _asked_before(session, actor, deed, params, key)
        if before is not None or deed.done(session, params, key):
            return before
        deed.check(session, actor, params)
        if actor.user_id is not None and asks(session, deed, params):
            return _ask(session, actor, deed, params, key)
        deed.run(session, actor, params, key)
    return None


def _asked_before(
    session: Session,
    actor: Actor,
    deed: Deed[Any],
    params: Any,  # noqa: ANN401
    key: str,
) -> ApprovalRequest | None:
    """Find the request this form made, or one for the very same that waits."""
    _, digest = deed.freeze(params)
    mine = select(ApprovalRequest).where(
        ApprovalRequest.asked_by_id == actor.user_id, ApprovalRequest.key == key
    )
    found = session.scalars(mine).first()
    if found is not None:
        if found.hash != digest:
            raise OtherFormSent
        return found
    with unscoped("the same is the same, whoever asked for it"):
        same = select(ApprovalRequest.id).where(
            ApprovalRequest.hash == digest, ApprovalRequest.state == ApprovalState.PENDING
        )
        waits = session.scalar(same)
    if waits is not None:
        raise AlreadyAsked(request_id=waits)
    return None


def _ask(
    session: Session,
    actor: Actor,
    deed: Deed[Any],
    params: Any,  # noqa: ANN401
    key: str,
) -> ApprovalRequest:
    assert actor.user_id is not None, "the product itself asks nobody"
    now, place = now_utc(), deed.place(session, params)
    stored, digest = deed.freeze(params)
    request = ApprovalRequest(
        action=deed.action, params=stored, hash=digest, key=key,
        amount_minor=deed.amount_minor(params), asked_by_id=actor.user_id,
        made_at=now, expires_at=now + LASTS,
        vending_point_id=place.vending_point_id, region_id=place.region_id,
        state=ApprovalState.PENDING, reason="",
    )  # fmt: skip
    session.add(request)
    session.flush()
    _note(session, actor, "asked", request, params=stored)
    return request


def _waiting(session: Session, request_id: int) -> tuple[ApprovalRequest, Deed[Any]]:
    """Lock a request that waits; the scope hides what the asker may not see."""
    seen = select(ApprovalRequest.id).where(ApprovalRequest.id == request_id)
    if session.scalar(seen) is None:
        raise NotFound
    request = lock(session, ApprovalRequest, ApprovalRequest.id == request_id)
    if request.state_at(now_utc()) != ApprovalState.PENDING:
        raise AlreadyDecided
    return request, DEEDS[request.action]


def _move(
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


def _note(
    session: Session,
    actor: Actor,
    what: str,
    request: ApprovalRequest,
    **details: Any,  # noqa: ANN401
) -> None:
    audit.record(
        session, actor, f"approval.{what}", "approval_request", request.id,
        vending_point_id=request.vending_point_id, deed=request.action, hash=request.hash,
        asked_by=request.asked_by_id, **details,
    )  # fmt: skip


def _outcome(error: VmsError) -> dict[str, Any]:
    """Keep an error so that it can be said in any reader's language."""
    kept = {
        name: {"minor": value.minor, "currency": value.currency}
        if isinstance(value, Money) else value if isinstance(value, int | str) else str(value)
        for name, value in error.params.items()
    }  # fmt: skip
    return {"code": error.code, "message": error.message, "params": kept}


def said_again(outcome: dict[str, Any]) -> VmsError:
    """Make the error again that an outcome keeps."""
    params = {
        name: Money(**value) if isinstance(value, dict) else value
        for name, value in outcome["params"].items()
    }
    error = VmsError(**params)
    error.message = outcome["message"]  # type: ignore[misc]
    return error
