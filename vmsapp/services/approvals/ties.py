"""Who may not be the second person for whom: accounts that one person can play.

Who makes an account, lets it in again, gives it rights, or sets its password or second
factor, can use it. For seven days the account and that person count as one; so do those who
stand behind that person in the same way, and so do two accounts that the same person had in
hand, for he could ask as the one and approve as the other. The audit trail tells.

What an account's owner does ends no tie: whoever made the account can sign in with it, choose
another password and set up a second factor as well as its owner can.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any, Final, NamedTuple

from flask_appbuilder.security.sqla.models import assoc_user_role
from sqlalchemy import String, cast, select, union_all
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import AuditEvent
from vmsapp.security import Permission
from vmsapp.security.matrix import CELLS

COUNTS_FOR: Final = timedelta(days=7)
ALWAYS: Final = datetime.max.replace(tzinfo=UTC)
"""Until when an account is its own."""

ON_A_USER: Final = frozenset(
    {
        "user.added",
        "user.activated",
        "user.groups_changed",
        "user.password_reset",
        "user.code_given",
        "user.second_factor_reset",
    }
)
ON_A_GROUP: Final = frozenset({"user_group.added", "user_group.changed"})


class Tie(NamedTuple):
    """Until when somebody counts as one person with an account, and by which deed."""

    until: datetime
    action: str


class Bond(NamedTuple):
    """Until when two accounts count as one person, and who it is that could play both."""

    until: datetime
    person_id: int


class Pair(NamedTuple):
    """Two accounts and their bond."""

    bond: Bond
    one: int
    other: int


Ties = Mapping[int, Mapping[int, Tie]]
"""For each account those who had it in hand."""

Event = Sequence[Any]
"""What the trail says: giver, taker, moment, action, details."""


def behind(ties: Ties, user_id: int) -> dict[int, datetime]:
    """List who could act as a user, himself among them, and until when that counts.

    A chain counts as long as each of its links: the latest of all ways is taken.

    >>> early, late = (Tie(datetime(2026, 3, day, tzinfo=UTC), "user.added") for day in (1, 2))
    >>> found = behind({3: {2: late}, 2: {1: early}, 5: {4: late}}, 3)
    >>> {one: until.day for one, until in found.items() if until < ALWAYS}
    {2: 2, 1: 1}
    """
    found, waiting = {user_id: ALWAYS}, [user_id]
    while waiting:
        taker = waiting.pop()
        for giver, tie in ties.get(taker, {}).items():
            until = min(tie.until, found[taker])
            if giver not in found or until > found[giver]:
                found[giver] = until
                waiting.append(giver)
    return found


def bond(ties: Ties, one: int, other: int) -> Bond | None:
    """Tell whether two accounts count as one person.

    >>> tie = Tie(datetime(2026, 3, 1, tzinfo=UTC), "user.added")
    >>> bond({2: {1: tie}, 3: {1: tie}}, 2, 3).person_id
    1
    >>> bond({2: {1: tie}}, 2, 3) is None
    True
    """
    left, right = behind(ties, one), behind(ties, other)
    shared = (Bond(min(left[who], right[who]), who) for who in left.keys() & right.keys())
    return max(shared, default=None)


def all_one(ties: Ties, user_ids: Iterable[int]) -> Pair | None:
    """Tell which bond ends first where no two of some accounts are two people.

    Returns:
        The two who are two people first; ``None``: two are now, or there are no two.
    """
    pairs = []
    for one, other in combinations(sorted(user_ids), 2):
        found = bond(ties, one, other)
        if found is None:
            return None
        pairs.append(Pair(found, one, other))
    return min(pairs, default=None)


def recent_events(session: Session) -> Sequence[Event]:
    """Read from the audit trail who had whose account in hand in the last seven days.

    Asked of the tables, beside the scope: whose account it was matters wherever it works.
    """
    events, members = AuditEvent.__table__.c, assoc_user_role.c
    said = (events.at, events.action, events.details)
    fresh = (events.at > now_utc() - COUNTS_FOR, events.actor_id.is_not(None))
    to_users = select(events.actor_id, events.subject_id, *said).where(
        *fresh, events.subject == "user", events.action.in_(ON_A_USER)
    )
    to_groups = (
        select(events.actor_id, cast(members.user_id, String(40)), *said)
        .join_from(
            AuditEvent.__table__,
            assoc_user_role,
            events.subject_id == cast(members.role_id, String(40)),
        )
        .where(*fresh, events.subject == "user_group", events.action.in_(ON_A_GROUP))
    )
    return session.execute(union_all(to_users, to_groups)).all()


def ties_among(events: Iterable[Event], *permissions: Permission) -> Ties:
    """Put events together to ties.

    Args:
        events: What was read of the trail.
        permissions: What a deed asks for: a change of a group counts if it gave one of them.
    """
    words = {str(cell) for cell in CELLS.values() if cell.own & frozenset(permissions)}
    ties: dict[int, dict[int, Tie]] = {}
    for giver, taker, at, action, details in events:
        counts = action in ON_A_USER or _gave(details, words)
        if counts and taker and taker.isdecimal() and int(taker) != giver:
            tie, known = Tie(at + COUNTS_FOR, action), ties.setdefault(int(taker), {})
            known[giver] = max(tie, known.get(giver, tie))
    return ties


def recent_ties(session: Session, *permissions: Permission) -> Ties:
    """Tell who counts as one person with whom where a deed asks for some permissions."""
    return ties_among(recent_events(session), *permissions)


def _gave(details: Mapping[str, Any], words: set[str]) -> bool:
    """Tell whether a group was given one of some cells; an event that does not say did."""
    given = details.get("given")
    return not isinstance(given, list) or not words.isdisjoint(given)
