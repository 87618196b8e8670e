"""Sealing: every few seconds, events that are committed get their places in the chain.

Events are written unchained, so that no sale waits for another. Numbers of events are
not in the order of commits; therefore a trigger lists each event as unsealed in its own
transaction, and the sealer works the list off. What is not committed is not on the list,
and what is committed late is found late, never skipped.

Sealers come one after the other; were there two at once, the second would fail on the
place the first took, and the chain would not fork.
"""

from typing import Final

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from vmsapp.extensions import atomic, end_reading
from vmsapp.models import AuditSeal, AuditUnsealed
from vmsapp.services.audit.chain import VERSION, events, head_of, link

BATCH: Final = 1_000
"""Events a transaction seals."""

SEALER_LOCK: Final = 0x5345414C
"""Advisory lock of the one sealer; on SQLite the write transaction is the lock."""

unsealed = AuditUnsealed.__table__


def seal(session: Session) -> int:
    """Seal what is committed and has no place yet.

    Returns:
        How many events were sealed.
    """
    total = 0
    while session.scalar(select(unsealed.c.event_id).limit(1)) is not None:
        sealed = _seal_some(session)
        total += sealed
        if sealed < BATCH:
            break
    end_reading(session)
    return total


def _seal_some(session: Session) -> int:
    with atomic(session, durable=True):
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": SEALER_LOCK})
        waiting = (
            session.execute(
                select(events)
                .join(unsealed, unsealed.c.event_id == events.c.id)
                .order_by(events.c.id)
                .limit(BATCH)
            )
            .mappings()
            .all()
        )
        if not waiting:
            return 0
        place, before = head_of(session)
        links = []
        for event in waiting:
            place += 1
            before = link(before, place, dict(event))
            links.append(
                {"place": place, "event_id": event["id"], "version": VERSION, "hash": before}
            )
        session.execute(insert(AuditSeal), links)
        done = [event["id"] for event in waiting]
        session.execute(
            delete(AuditUnsealed)
            .where(AuditUnsealed.event_id.in_(done))
            .execution_options(synchronize_session=False)
        )
        return len(done)
