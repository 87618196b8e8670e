"""Consumers that are on record, and no more among those who buy: retired and taken back.

For a while the deed can be undone as a whole: see ``many``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Consumer
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.registration.consumer_meters import meters_bound
from vmsapp.services.registration.consumers import locked
from vmsapp.services.registration.many import retired_at


@dataclass(frozen=True, slots=True)
class Retirement:
    """What one deed retired.

    Attributes:
        at: Its moment, by which it is undone.
        retired: Ids of the consumers.
        kept: Ids of those who still have a meter, and so go on.
    """

    at: datetime
    retired: Sequence[int]
    kept: Sequence[int]


def retire(session: Session, actor: Actor, ids: Sequence[int]) -> Retirement:
    """Retire consumers; who still has a meter, or is retired, stays as before.

    Raises:
        NotFound: One is not there, as far as the actor sees.
    """
    now = now_utc()
    with atomic(session):
        rows = locked(session, ids)
        bound = meters_bound(session, list(rows), everywhere=True)
        retiring = [row for row in rows.values() if not row.retired]
        leaving = [row for row in retiring if row.id not in bound]
        _set(session, actor, leaving, "consumer.retired", at=now, by=actor.user_id)
        kept = [row.id for row in retiring if row.id in bound]
        return Retirement(now, [row.id for row in leaving], kept)


def take_back(session: Session, actor: Actor, ids: Sequence[int]) -> int:
    """Take retired consumers back; those whose data were removed stay retired.

    Returns:
        How many were taken back.

    Raises:
        NotFound: One is not there, as far as the actor sees.
    """
    with atomic(session):
        rows = locked(session, ids).values()
        retired = [row for row in rows if row.retired and row.anonymised_at is None]
        return _back(session, actor, retired)


def undo(session: Session, actor: Actor, at: datetime) -> int:
    """Undo what the actor retired at a moment, as far as it still is as that deed left it.

    Returns:
        How many were taken back.

    Raises:
        UndoneTooLate: None is left, or the time is over.
    """
    with atomic(session):
        ids = retired_at(session, actor, Consumer, at, Consumer.anonymised_at.is_(None))
        left = [row for row in locked(session, ids).values() if row.retired_at == at]
        return _back(session, actor, left)


def _back(session: Session, actor: Actor, rows: Sequence[Consumer]) -> int:
    _set(session, actor, rows, "consumer.taken_back", at=None, by=None)
    return len(rows)


def _set(
    session: Session,
    actor: Actor,
    rows: Sequence[Consumer],
    action: str,
    *,
    at: datetime | None,
    by: int | None,
) -> None:
    """Write since when consumers are retired, and by whom, and put it on record."""
    session.execute(
        update(Consumer)
        .where(Consumer.id.in_([row.id for row in rows]))
        .values(retired_at=at, retired_by_id=by, version=Consumer.version + 1)
        .execution_options(synchronize_session=False)
    )
    for row in rows:
        audit.record(session, actor, action, "consumer", row.id, number=row.number)
        session.expire(row)
