"""What waits for somebody, and who cannot decide for whom at the moment."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import ApprovalRequest, ApprovalState, OfficeUser, Region
from vmsapp.scope import Actor, unscoped
from vmsapp.security import Permission
from vmsapp.security.holders import holders, rights_of_holders
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.requests import DECIDE, ties_for
from vmsapp.services.approvals.ties import (
    Pair,
    Ties,
    all_one,
    bond,
    recent_events,
    ties_among,
)


@dataclass(frozen=True, slots=True)
class Held:
    """An account that counts as one person with whoever had it in hand.

    Attributes:
        action: The deed that did it, as the audit trail names it.
        until: Until when it counts.
    """

    username: str
    giver: str
    action: str
    until: datetime


@dataclass(frozen=True, slots=True)
class OnePerson:
    """Those who could approve a deed count as one person.

    Attributes:
        until: Until when no two of them are two people.
        one, other: The accounts that are two people first.
        giver: Who could play both; one of the two, or a third.
        made: Both accounts were made by a third.
    """

    until: datetime
    one: str
    other: str
    giver: str
    made: bool


@dataclass(frozen=True, slots=True)
class AtHand:
    """Who could approve, and who counts as one person at the moment.

    Attributes:
        held: Accounts that somebody had in hand, the longest first.
        alone: Why no two could approve a deed for each other, by action.
        missing: Deeds that fewer than two users could approve: the rights that one more needs.
    """

    held: Sequence[Held]
    alone: Mapping[str, OnePerson]
    missing: Mapping[str, Sequence[Permission]]


def waits() -> ColumnElement[bool]:
    """State which requests still wait."""
    return and_(
        ApprovalRequest.state == ApprovalState.PENDING, ApprovalRequest.expires_at > now_utc()
    )


def may_decide(actor: Actor) -> list[str]:
    """List the actions on which somebody's rights let him decide."""
    if not actor.may(*DECIDE):
        return []
    return [action for action, deed in DEEDS.items() if actor.may(*deed.permission)]


def waits_for(session: Session, actor: Actor) -> ColumnElement[bool]:
    """State which requests wait for one person: right, scope, not own, and no tie.

    Two statements more, however many requests there are.
    """
    if actor.user_id is None:
        return false()
    others = (
        waits(),
        ApprovalRequest.asked_by_id != actor.user_id,
        ApprovalRequest.action.in_(may_decide(actor)),
    )
    asked = session.execute(
        select(ApprovalRequest.action, ApprovalRequest.asked_by_id).where(*others).distinct()
    ).all()
    if not asked:
        return false()
    events = recent_events(session)
    ties = {action: ties_among(events, DEEDS[action].permission, DECIDE) for action, _ in asked}
    free = [
        and_(ApprovalRequest.action == action, ApprovalRequest.asked_by_id == asker)
        for action, asker in asked
        if bond(ties[action], actor.user_id, asker) is None
    ]
    return and_(*others, or_(false(), *free))


def count_waiting(session: Session, actor: Actor) -> int:
    """Count the requests that wait for somebody; three statements, none for who may not decide."""
    wanted = how_many_wait(session, actor)
    return 0 if wanted is None else session.scalar(wanted) or 0


def how_many_wait(session: Session, actor: Actor) -> Select[int] | None:
    """State that count, for who asks for it among others; ``None`` for who may not decide."""
    if not may_decide(actor):
        return None
    return select(func.count(ApprovalRequest.id)).where(waits_for(session, actor))


def next_for(session: Session, actor: Actor, after_id: int) -> ApprovalRequest | None:
    """Find what waits for somebody next: below a request in the list, else at its top."""
    if not may_decide(actor):
        return None
    return session.scalars(
        select(ApprovalRequest)
        .where(waits_for(session, actor), ApprovalRequest.id != after_id)
        .order_by(ApprovalRequest.id > after_id, ApprovalRequest.id.desc())
        .limit(1)
    ).first()


def people_at_hand(session: Session) -> AtHand:
    """Tell who counts as one person with whom, of those who ask or approve.

    As far as the asker sees the accounts; who had them in hand is named wherever he works.
    """
    deeds = DEEDS.values()
    rights = rights_of_holders(session, DECIDE, *(deed.permission for deed in deeds))
    events = recent_events(session)
    pairs, missing = {}, {}
    for deed in deeds:
        able = [who for who, has in rights.items() if has >= {deed.permission, DECIDE}]
        if len(able) < 2:
            missing[deed.action] = _missing(rights, deed.permission)
            continue
        ties = ties_among(events, deed.permission, DECIDE)
        pair = all_one(ties, able)
        if pair is not None:
            pairs[deed.action] = pair, ties
    ties = ties_among(events, DECIDE, *(deed.permission for deed in deeds))
    held, names = _held_accounts(session, ties, rights.keys() & ties.keys(), pairs.values())
    alone = {action: _one_person(pair, ties, names) for action, (pair, ties) in pairs.items()}
    return AtHand(held, alone, missing)


def could_approve(
    session: Session, deed: Deed[Any], region_id: int | None, *, asker_id: int | None = None
) -> Sequence[int]:
    """List who could approve a deed: right, scope, and no tie to who asks for it.

    Args:
        session: Whoever asks: the answer does not hang on what they see.
        deed: Which.
        region_id: Where its subject lies; None for the whole utility.
        asker_id: Who asks for it; None for whoever could, as far as nobody asks.
    """
    ids = sorted(holders(session, deed.permission, DECIDE) - {asker_id})
    path = select(Region.path).where(Region.id == region_id)
    with unscoped("who could approve does not hang on who asks"):
        wanted = None if region_id is None else session.scalar(path)
        rows = session.execute(
            select(OfficeUser.id, OfficeUser.all_regions, Region.path)
            .outerjoin(Region, Region.id == OfficeUser.region_id)
            .where(OfficeUser.id.in_(ids))
        )
        seeing = [
            user_id
            for user_id, everything, own in rows
            if everything or (wanted is not None and own is not None and wanted.startswith(own))
        ]
    if asker_id is None or not seeing:
        return seeing
    ties = ties_for(session, deed)
    return [user_id for user_id in seeing if bond(ties, user_id, asker_id) is None]


def _missing(
    rights: Mapping[int, Collection[Permission]], permission: Permission
) -> Sequence[Permission]:
    """Tell which right too few hold; both, where each is held by two but not by the same."""
    both = (permission, DECIDE)
    short = [one for one in both if sum(one in has for has in rights.values()) < 2]
    return short or both


def _one_person(pair: Pair, ties: Ties, names: Mapping[int, str]) -> OnePerson:
    (until, giver), one, other = pair
    made = all(
        giver in ties.get(account, {}) and ties[account][giver].action == "user.added"
        for account in (one, other)
    )
    return OnePerson(until, names[one], names[other], names[giver], made)


def _held_accounts(
    session: Session,
    ties: Ties,
    user_ids: Collection[int],
    pairs: Iterable[tuple[Pair, Ties]],
) -> tuple[list[Held], Mapping[int, str]]:
    """List the accounts held as far as they are seen, and name everybody who is spoken of."""
    if not user_ids:
        return [], {}
    seen = select(OfficeUser.id, OfficeUser.username)
    names = dict(session.execute(seen.where(OfficeUser.id.in_(user_ids))).all())
    spoken_of = {giver for taker in names for giver in ties[taker]}
    spoken_of.update(who for pair, _ in pairs for who in (pair.bond.person_id, *pair[1:]))
    with unscoped("the name is said to who must know why somebody cannot approve"):
        given = dict(session.execute(seen.where(OfficeUser.id.in_(spoken_of))).all())
    found = [
        Held(name, given[giver], tie.action, tie.until)
        for taker, name in names.items()
        for giver, tie in ties[taker].items()
    ]
    return sorted(found, key=lambda one: (one.until, one.username), reverse=True), given
