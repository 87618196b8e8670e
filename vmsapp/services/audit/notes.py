"""What a door notes after its answer: refusals of people who are signed in, use of bearers.

Nothing was done, so there is no transaction to write it in: each note has a short one of
its own. What repeats must not flood the trail: the same note (who, from where, at which
door, why) is written once in its while and counted meanwhile, and the next one says how
often it was. Each process counts for itself, and what it counted last is lost when it
ends.
"""

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.scope import Actor
from vmsapp.services import audit

log = logging.getLogger(__name__)

REFUSED, BEARER_USED, BEARER_RENEWED = "request.refused", "bearer.used", "bearer.renewed"

WHILE: Final = {
    REFUSED: timedelta(minutes=1),
    BEARER_USED: timedelta(hours=1),
    BEARER_RENEWED: timedelta(minutes=1),
}
"""How long the same note is not written again."""

REMEMBERED: Final = 1_000
"""Notes a process remembers; the oldest is forgotten for a new one, and may be written again."""

DOOR_LENGTH: Final = 40


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be noted.

    Attributes:
        door: Endpoint that answered.
        code: Why, an error's code; empty for a bearer.
        ids: Numbers in the address, such as the meter's; never what was typed.
    """

    action: str
    actor: Actor
    door: str
    code: str = ""
    ids: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same note."""
        who = (self.actor.user_id, self.actor.address)
        return (*who, self.action, self.door, self.code, self.ids)


@dataclass(slots=True)
class Notes:
    """What this process noted lately."""

    _lately: OrderedDict[tuple[object, ...], tuple[datetime, int]] = field(
        default_factory=OrderedDict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, engine: Engine, note: Note) -> None:
        """Write a note, unless the same was written a short while ago.

        What goes wrong is logged: the answer is out already.
        """
        times = self._due(note)
        if not times:
            return
        why: dict[str, Any] = dict(note.ids) | ({"code": note.code} if note.code else {})
        try:
            with Session(engine) as own, atomic(own):
                audit.record(
                    own, note.actor, note.action, "page", note.door[:DOOR_LENGTH],
                    times=times, **why,
                )  # fmt: skip
        except SQLAlchemyError:
            log.warning("%s of %s was not noted", note.action, note.door, exc_info=True)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._lately.clear()

    def _due(self, note: Note) -> int:
        """Tell how often it came since it was last written; 0 if it is not due."""
        now = now_utc()
        with self._lock:
            written, count = self._lately.pop(note.key, (None, 0))
            count += 1
            due = written is None or not written <= now < written + WHILE[note.action]
            self._lately[note.key] = (now, 0) if written is None or due else (written, count)
            if len(self._lately) > REMEMBERED:
                self._lately.popitem(last=False)
        return count if due else 0
