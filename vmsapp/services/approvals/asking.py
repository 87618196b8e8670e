"""Asking for a deed: it is done at once, or written down until a second person approves it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotAllowed, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import ApprovalRequest, ApprovalState
from vmsapp.models.approval import LASTS
from vmsapp.scope import Actor, unscoped
from vmsapp.security.holders import holders
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.errors import (
    AllOnePerson,
    AlreadyAsked,
    NobodyToApprove,
    OtherFormSent,
)
from vmsapp.services.approvals.requests import DECIDE, expire, note, ties_for
from vmsapp.services.approvals.rules import CHANGE_RULE, RuleChange, asks, rule_of
from vmsapp.services.approvals.ties import COUNTS_FOR, all_one


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
        AllOnePerson: It is off, and no two who could are two people as yet.
    """
    deed = DEEDS[change.action]
    if change.active:
        _check_satisfiable(session, deed)
    return submit(session, actor, CHANGE_RULE, change, key)


def _check_satisfiable(session: Session, deed: Deed[Any]) -> None:
    """Refuse a rule that would stop a deed altogether: asking less often takes two as well."""
    able = holders(session, deed.permission, DECIDE)
    if len(able) < 2:
        raise NobodyToApprove
    if rule_of(session, deed.action).active:
        return
    pair = all_one(ties_for(session, deed), able)
    if pair is not None:
        raise AllOnePerson(until=pair.bond.until, days=COUNTS_FOR.days)


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
        refusal, second = None, False
        try:
            deed.check(session, actor, params)
            second = actor.user_id is not None and asks(session, actor, deed, params, locked=True)
        except VmsError as error:
            refusal = error
        if deed.done(session, params, key):  # by this form, sent twice, while this waited
            return None
        if refusal is not None:
            raise refusal
        if second:
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
        same = select(ApprovalRequest).where(
            ApprovalRequest.hash == digest, ApprovalRequest.state == ApprovalState.PENDING
        )
        waits = session.scalars(same).first()
    if waits is None or (waits.asked_by_id, waits.key) == (actor.user_id, key):
        return waits  # this form's, written since the first look, or none
    raise AlreadyAsked(request_id=waits.id)


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
        amount_minor=deed.amount_of(params), asked_by_id=actor.user_id,
        made_at=now, expires_at=now + LASTS,
        vending_point_id=place.vending_point_id, region_id=place.region_id,
        state=ApprovalState.PENDING, reason="",
    )  # fmt: skip
    session.add(request)
    session.flush()
    note(session, actor, "asked", request, params=stored)
    return request
