"""Training meters between two requests: sealed in the database, one for each browser.

The cookie names the browser's session and nothing else. A meter that rested for two hours counts
no more, and its row goes with the next one that is begun or used.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict
from vmsapp.extensions import atomic
from vmsapp.models import TrainingMeter
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.training.bench import Training, new

Told = TypeVar("Told")

RESTS: Final = timedelta(hours=2)
"""So long a training meter may lie about unused."""


class NoTraining(Conflict):
    """Put away, or never begun."""

    code = "no_training_meter"
    message = N_("This training meter was put away. Begin with another one.")


def begin(session: Session, actor: Actor, session_id: int, key: bytes, *, ea: int) -> None:
    """Give a browser a new training meter in place of the one it has.

    Args:
        session: Outside any transaction that wrote.
        actor: Who learns.
        session_id: Whose browser.
        key: Seals what is kept.
        ea: Encryption algorithm, 7 or 11.
    """
    training = new(ea, now_utc(), _seconds)
    with atomic(session):
        _clear(session, session_id)
        now = now_utc()
        session.add(
            TrainingMeter(
                session_id=session_id, sealed=_sealed(key, session_id, training), begun_at=now,
                expires_at=now + RESTS,
            )
        )  # fmt: skip
        audit.record(session, actor, "training.begun", "training", None, drn=training.meter.drn)


def look(session: Session, session_id: int, key: bytes) -> Training | None:
    """Open a browser's training meter; None where it has none that counts."""
    row = session.execute(
        select(TrainingMeter.sealed).where(
            TrainingMeter.session_id == session_id, TrainingMeter.expires_at > now_utc()
        )
    ).first()
    return None if row is None else _opened(key, session_id, row.sealed)


def change(session: Session, session_id: int, key: bytes, deed: Callable[[Training], Told]) -> Told:
    """Do something with a browser's training meter; one tab waits for another.

    Raises:
        NoTraining: It has none that counts.
    """
    with atomic(session):
        row = session.scalars(
            select(TrainingMeter)
            .where(TrainingMeter.session_id == session_id, TrainingMeter.expires_at > now_utc())
            .with_for_update()
            .execution_options(populate_existing=True)
        ).first()
        training = None if row is None else _opened(key, session_id, row.sealed)
        if row is None or training is None:
            raise NoTraining
        told = deed(training)
        row.sealed = _sealed(key, session_id, training)
        row.expires_at = now_utc() + RESTS
        session.flush()
        session.execute(delete(TrainingMeter).where(TrainingMeter.expires_at <= now_utc()))
        return told


def put_away(session: Session, session_id: int) -> None:
    """Throw a browser's training meter away."""
    with atomic(session):
        _clear(session, session_id)


def _clear(session: Session, session_id: int) -> None:
    """Remove a browser's training meter, and all that rested for too long."""
    gone = (TrainingMeter.session_id == session_id) | (TrainingMeter.expires_at <= now_utc())
    session.execute(delete(TrainingMeter).where(gone))


def _seconds() -> float:
    return now_utc().timestamp()


def _sealed(key: bytes, session_id: int, training: Training) -> bytes:
    return sealing.seal(key, training.written(), aad=_bound(session_id))


def _opened(key: bytes, session_id: int, sealed: bytes) -> Training | None:
    try:
        return Training.read(sealing.unseal(key, sealed, aad=_bound(session_id)), _seconds)
    except sealing.SealBroken:
        return None  # sealed under a key of the installation that is gone


def _bound(session_id: int) -> bytes:
    return f"training meter {session_id}".encode()
