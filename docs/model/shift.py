"""A drawer that is counted, and sales whose outcome is open (shifts; decision 0034)."""

from collections.abc import Iterator
from typing import NamedTuple

from engine import Case


class D(NamedTuple):
    """A moment of one shift and one sale of 1.

    Attributes:
        shift: open, closed.
        sale: -, at (it has read that the shift is open), P, S (sealed), I, F, R.
        mine: The sale is this shift's.
        cash: What lies in the drawer.
        out: What reversals took out of this drawer.
        count, wanted: What was counted, and what was expected then.
    """

    shift: str = "open"
    sale: str = "-"
    mine: bool = False
    cash: int = 0
    out: int = 0
    count: int = 0
    wanted: int = 0


class Drawer:
    """One operator's shift, one sale, its end, and a reversal.

    Switches, True = as the product does it:
      lock    the shift is read under the account's lock, by the sale as by the close
      waits   a shift with a pending, unsealed sale is not closed
      sealed  a sale whose money was given back in doubt put nothing into the drawer, whatever
              becomes of it
      open    a reversal is paid out of a drawer that is open, or out of none
    """

    def __init__(
        self, *, lock: bool = True, waits: bool = True, sealed: bool = True, open_: bool = True
    ) -> None:
        self.lock, self.waits, self.sealed, self.open = lock, waits, sealed, open_

    def initial(self) -> Iterator[D]:
        """The shift is open and the drawer empty."""
        yield D()

    def expected(self, s: D) -> int:
        """Add up what ought to lie in the drawer, from the sale and what went out."""
        counts = {"I", "R"} if self.sealed else {"I", "R", "S", "SI", "SF"}
        return (1 if s.mine and s.sale in counts else 0) - s.out

    def steps(self, s: D) -> Iterator[tuple[str, D]]:
        """The sale, its end, the count."""
        if s.sale == "-" and s.shift == "open":
            if self.lock:
                yield (
                    "reserve: the shift is open, the money in the drawer",
                    s._replace(sale="P", mine=True, cash=1),
                )
            else:
                yield "reserve: reads that the shift is open", s._replace(sale="at")
        if s.sale == "at":
            yield (
                "reserve commits, the money in the drawer",
                s._replace(sale="P", mine=True, cash=s.cash + 1),
            )
        yield from self._end(s)
        waiting = s.sale == "P" and self.waits
        if s.shift == "open" and not waiting:
            yield (
                "the drawer is counted and the shift closed",
                s._replace(shift="closed", count=s.cash, wanted=self.expected(s)),
            )

    def _end(self, s: D) -> Iterator[tuple[str, D]]:
        if s.sale == "P":
            yield "issued", s._replace(sale="I")
            yield "failed, the money back", s._replace(sale="F", cash=s.cash - 1)
            yield "!in doubt: the money back, sealed", s._replace(sale="S", cash=s.cash - 1)
        if s.sale == "S":
            yield "sealed: issued and reversed", s._replace(sale="SI")
            yield "sealed: failed", s._replace(sale="SF")
        if s.sale == "I":
            mine = s.shift == "open" or not self.open
            yield (
                f"reversal, paid {'out of this drawer' if mine else 'elsewhere'}",
                s._replace(sale="R", out=int(mine), cash=s.cash - int(mine)),
            )

    def bad(self, s: D) -> Iterator[str]:
        """A closed shift is even, and stays what it was."""
        if s.shift != "closed":
            return
        if s.count != s.wanted:
            yield "I13 over or short, though nobody made a mistake"
        if self.expected(s) != s.wanted:
            yield "I13 the figures of a closed shift change"


CASES = [
    Case("shift, all of it", Drawer()),
    Case("shift, all but lock", Drawer(lock=False), "I13"),
    Case("shift, all but waits", Drawer(waits=False), "I13"),
    Case("shift, all but sealed", Drawer(sealed=False), "I13"),
    Case("shift, all but open", Drawer(open_=False), "I13"),
]
