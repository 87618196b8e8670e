"""Who may not be the second person for whom: whoever made the other what he is.

Who makes an account, lets it in again, gives it rights, or sets its password or second
factor, can use it. For seven days that account and its maker count as one person,
whichever of them asks and whichever approves; and so does whoever stands behind the
maker in the same way. The audit trail tells.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from flask_appbuilder.security.sqla.models import assoc_user_role
from sqlalchemy import String, cast, select, union
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import AuditEvent

COUNTS_FOR: Final = timedelta(days=7)

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

Tie = tuple[int, int]
"""Who gave power, and to whom."""


def behind(ties: Iterable[Tie], user_id: int) -> set[int]:
    """List who gave a user power, and who gave it to them.

    >>> sorted(behind({(1, 2), (2, 3), (4, 5)}, 3))
    [1, 2]
    """
    ties, found, last = set(ties), {user_id}, set[int]()
    while found != last:
        last = set(found)
        found |= {giver for giver, taker in ties if taker in last}
    return found - {user_id}


def recent_ties(session: Session) -> set[Tie]:
    """Read from the audit trail who gave whom power in the last seven days.

    Asked of the tables, beside the scope: whose account it was matters wherever it works.
    """
    since = now_utc() - COUNTS_FOR
    events = AuditEvent.__table__.c
    fresh = (events.at >= since, events.actor_id.is_not(None))
    to_users = select(events.actor_id, events.subject_id).where(
        *fresh, events.subject == "user", events.action.in_(ON_A_USER)
    )
    members = assoc_user_role.c
    to_groups = (
        select(events.actor_id, cast(members.user_id, String(40)))
        .join_from(
            AuditEvent.__table__,
            assoc_user_role,
            events.subject_id == cast(members.role_id, String(40)),
        )
        .where(*fresh, events.subject == "user_group", events.action.in_(ON_A_GROUP))
    )
    rows = session.execute(union(to_users, to_groups))
    return {
        (giver, int(taker)) for giver, taker in rows
        if taker and taker.isdecimal() and int(taker) != giver
    }  # fmt: skip
