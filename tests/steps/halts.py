"""What happens in the middle of something: a process dies, or somebody else acts.

The points are those at which whole processes are killed; here one process raises what nothing
catches, so that what is committed stays and the rest is gone.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from tests.processes.stops import POINTS, stop_at

Deed = Callable[[], Any]

OPEN: Final = frozenset(
    {"reserved", "module_answered", "refused", "raised_tid", "answered", "completed", "doubted",
     "found", "found_refused", "cancelling", "cancelled", "settled", "set_reserved",
     "back_reserved", "set_made", "set_answered", "set_taken", "set_found"}
)  # fmt: skip
"""Points at which no transaction is open and no lock is held."""

SELLING: Final = (
    "locked", "reserving", "reserved", "module_asked", "module_writing", "module_answered",
    "refused", "raising_tid", "raised_tid", "answered", "completing", "completed",
)  # fmt: skip
SETTLING: Final = (
    "doubted", "module_asked", "module_answered", "found", "found_refused", "completing",
    "cancelling", "cancelled", "failing", "settled", "set_taken", "set_found", "set_completing",
)  # fmt: skip
CHANGING: Final = (
    "set_reserved", "module_asked", "set_made", "set_answered", "set_completing",
)  # fmt: skip
TAKING_BACK: Final = ("back_reserved", *CHANGING[1:])


class Died(BaseException):
    """The process is gone."""


class Halts:
    """Plans for the points; each is carried out once, the first time somebody comes by."""

    def __init__(self) -> None:
        self._plans: dict[str, list[Deed]] = defaultdict(list)
        self.seen: list[str] = []

    def install(self, put: Callable[[Any, str, Any], None]) -> None:
        """Wrap every point."""
        for name in POINTS:
            stop_at(name, self, put)

    def __call__(self, name: str) -> None:
        if self._plans[name]:
            deed = self._plans[name].pop(0)
            self.seen.append(name)
            deed()

    def die(self, name: str) -> None:
        """Have the process die at a point."""
        self._plans[name].append(_die)

    def meanwhile(self, name: str, deed: Deed) -> None:
        """Have somebody else act at a point."""
        assert name in OPEN, "who acts there would wait for a lock that nobody releases"
        self._plans[name].append(deed)

    def forget(self) -> None:
        """Plan nothing any more."""
        self._plans.clear()


def _die() -> None:
    raise Died
