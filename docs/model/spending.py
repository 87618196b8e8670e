"""Identifiers spent in vain: a module that is not there, one that refuses again and again (clocks).

Every sale that is reserved spends an identifier, whatever becomes of it. Whoever lets many be spent
sends a meter's head ahead of the clock, until rule 15 refuses every sale to it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from engine import Case

LEAD = 3
"""How far the head may run ahead of the clock before sales are refused."""


class T(NamedTuple):
    """A moment: module up, head ahead of the clock, a sale being asked for, its attempts."""

    up: bool = True
    head: int = 0
    asking: bool = False
    attempts: int = 0
    falls: int = 0


class Spending:
    """One meter, an operator who presses again and again within a minute.

    Switches, True = as the product does it:
      ready  the module is asked how it is before anything is written
      most   a refused identifier is answered by a higher one once a sale; off: as often as refused
    """

    def __init__(self, *, ready: bool = True, most: bool = True, taken: bool = False) -> None:
        self.ready, self.most, self.taken = ready, most, taken

    def initial(self) -> Iterator[T]:
        """Nothing was sold in this minute."""
        yield T()

    def steps(self, s: T) -> Iterator[tuple[str, T]]:
        """The module falls and rises, the operator presses, the module answers."""
        if s.up and s.falls < 1 and not self.taken:
            yield "!the module is out of reach", s._replace(up=False, falls=s.falls + 1)
        if not s.up:
            yield "the module is back", s._replace(up=True)
        if not s.asking and s.head <= LEAD and (s.up or not self.ready) and not self._sold(s):
            yield (
                "the operator presses: reserve spends an identifier",
                s._replace(asking=True, head=s.head + 1, attempts=1),
            )
        if s.asking and not s.up:
            yield "not a byte sent: the sale fails", s._replace(asking=False)
        if s.asking and s.up:
            yield "the module makes the token", T(up=True, head=s.head, falls=9)
            if self.taken:
                yield from self._refused(s)

    def _refused(self, s: T) -> Iterator[tuple[str, T]]:
        if self.most and s.attempts == 2:
            yield (
                "!another system was faster again: the sale fails",
                s._replace(asking=False, falls=9),
            )
        elif s.head <= LEAD:
            yield (
                "!another system was faster: asked again with a higher identifier",
                s._replace(head=s.head + 1, attempts=s.attempts + 1),
            )

    def _sold(self, s: T) -> bool:
        return s.falls == 9

    def bad(self, s: T) -> Iterator[str]:
        """Sales to the meter stop."""
        if s.head > LEAD:
            yield "STRICT sales stop by rule 15"


CASES = [
    Case("spending, all of it", Spending()),
    Case("spending, all but ready", Spending(ready=False), "STRICT"),
    Case("spending, another system sells to the meter, all of it", Spending(taken=True)),
    Case("spending, another system, all but most", Spending(taken=True, most=False), "STRICT"),
]
