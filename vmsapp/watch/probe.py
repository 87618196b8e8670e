"""Asking something that may be slow, or never answer, on behalf of many who will not wait.

The question is put in a thread of its own, once at a time; its answer is kept for a moment.
Whoever has waited long enough is told that there is no answer, and the question goes on.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from vmsapp.errors import VmsError

log = logging.getLogger(__name__)

NO_ANSWER: Final = "no_answer"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was answered, or a code that says why nothing was; one of the two is empty."""

    value: T | None
    why: str = ""


class Probe(Generic[T]):
    """One question.

    Args:
        name: What the log calls it.
        ask: Puts it; whatever it raises is an answer.
        keep: Seconds for which an answer is given again.
    """

    def __init__(self, name: str, ask: Callable[[], T], *, keep: float) -> None:
        self._name, self._ask, self._keep = name, ask, keep
        self._lock = threading.Lock()
        self._under_way: threading.Event | None = None
        self._answer: Answer[T] = Answer(None, NO_ANSWER)
        self._until = 0.0

    def begin(self) -> threading.Event | None:
        """Put the question, unless it is being put or the last answer will do.

        Returns:
            What is set once it is answered; None where it is.
        """
        with self._lock:
            if self._under_way is None and time.monotonic() >= self._until:
                self._under_way = threading.Event()
                run = copy_context().run
                threading.Thread(target=run, args=(self._put, self._under_way), daemon=True).start()
            return self._under_way

    def answer(self, until: float) -> Answer[T]:
        """Give the answer.

        Args:
            until: Moment of ``time.monotonic`` until which is waited.
        """
        under_way = self.begin()
        if under_way is not None and not under_way.wait(max(0.0, until - time.monotonic())):
            return Answer(None, NO_ANSWER)
        with self._lock:
            return self._answer

    def forget(self) -> None:
        """Ask again next time."""
        with self._lock:
            self._until = 0.0

    def _put(self, answered: threading.Event) -> None:
        try:
            answer = Answer(self._ask())
        except VmsError as error:
            answer = Answer(None, str(getattr(error, "why", error.code)))
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, it did not answer
            # its class alone: the text may name addresses and accounts
            log.warning("no answer from %s: %s", self._name, type(error).__name__)
            answer = Answer(None, NO_ANSWER)
        with self._lock:
            self._answer, self._until = answer, time.monotonic() + self._keep
            self._under_way = None
        answered.set()
