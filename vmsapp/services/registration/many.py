"""Deeds on many meters at once: what was done, what was not and why; and what can be undone.

The rows that one deed retires share its moment, so that it can be undone as a whole by whoever
did it, for a while; rows that somebody took back or retired anew since stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, VmsError
from vmsapp.models import Consumer, Meter
from vmsapp.scope import Actor

UNDO_WITHIN: Final = timedelta(minutes=10)
"""How long one can change one's mind by a press."""


class UndoneTooLate(Conflict):
    """The time for it is over, or nothing is left as it was."""

    code = "undone_too_late"
    message = N_("This cannot be undone any more. Take them back one by one.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a deed on many meters.

    Attributes:
        at: Its moment, by which it is undone.
        done: Ids of the meters it was done to.
        kept: Why it was not done to the others, by their ids.
    """

    at: datetime
    done: Sequence[int]
    kept: Mapping[int, VmsError]


def retired_at(
    session: Session,
    actor: Actor,
    model: type[Consumer] | type[Meter],
    at: datetime,
    *where: ColumnElement[bool],
) -> list[int]:
    """Find what the actor retired at a moment, as far as it still is as that deed left it.

    Raises:
        UndoneTooLate: None is left, or the time is over.
    """
    if not now_utc() - UNDO_WITHIN <= at <= now_utc():
        raise UndoneTooLate
    left = session.scalars(
        select(model.id)
        .where(model.retired_by_id == actor.user_id, model.retired_at == at, *where)
        .order_by(model.id)
    ).all()
    if not left:
        raise UndoneTooLate
    return list(left)
