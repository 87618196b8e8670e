"""A key change that the meter refused, and the set that takes it back (key change; decision 0033).

A set A to B is out and may be in the customer's hands. A supervisor who sees that the meter still
shows A has the set back made: another change, from B to A, whose completion refuses the first.
Sets are printed before credits only; the customer enters slips in printed order.

Switches, True = as the product does it:
  late     the first change counts until the set back is completed; off: it is refused as soon as
           the set back is reserved
  one      completing the set back refuses the first in the same commit; off: in another one
  warned   what went with a set that was refused is not handed out again
  cleared  the old key is confirmed by what the meter shows only once no slip with the first set
           is left: it shows A before both sets as after both
  entered  where no set leads back, the set must have been entered and seen refused
"""

from collections.abc import Iterator
from typing import NamedTuple

from engine import Case


class S(NamedTuple):
    """A moment.

    Attributes:
        first: The set A to B: open, refused or confirmed.
        back: The set B to A: -, reserved, open, confirmed, failed or withdrawn.
        deaf: The meter refuses the first set whatever happens.
        sale: A sale whose token is being made: number, key, set.
        sold: Credits made: number, key, set.
        slips: Printed and not entered yet, each from top to bottom.
        meter: The key it has.
        spent: Numbers of credits it took.
        seen: Somebody saw it refuse the first set.
    """

    first: str = "open"
    back: str = "-"
    deaf: bool = False
    sale: tuple[int, str, str] | None = None
    sold: tuple[tuple[int, str, str], ...] = ()
    slips: tuple[tuple[str, ...], ...] = ()
    meter: str = "A"
    spent: frozenset[int] = frozenset()
    seen: bool = False
    reprinted: bool = False
    fail: str = ""


class SetBack:
    """One meter, one change, one set back; ``way``: a set may lead back."""

    def __init__(
        self,
        *,
        late: bool = True,
        one: bool = True,
        warned: bool = True,
        cleared: bool = True,
        entered: bool = True,
        way: bool = True,
        sales: int = 3,
    ) -> None:
        self.late, self.one, self.warned, self.cleared = late, one, warned, cleared
        self.entered, self.way, self.sales = entered, way, sales

    def initial(self) -> Iterator[S]:
        """The first set is completed, and nothing was sold with it yet."""
        yield S()
        yield S(deaf=True)

    def in_force(self, s: S) -> tuple[str, str]:
        """Tell the key of a token now, and the set before it."""
        if s.first == "open":
            return "B", "AB"
        if s.first == "confirmed":
            return "B", ""
        return "A", "BA" if s.back == "open" else ""

    def steps(self, s: S) -> Iterator[tuple[str, S]]:
        """What the system, the supervisor and the customer may do."""
        yield from self._sell(s)
        yield from self._answer(s)
        yield from self._set_back(s)
        yield from self._customer(s)

    def _sell(self, s: S) -> Iterator[tuple[str, S]]:
        number = len(s.sold) + 1
        if s.sale is None and number <= self.sales and s.back != "reserved":
            key, before = self.in_force(s)
            yield (
                f"sale {number}: reserved under {key}, set {before or 'none'}",
                s._replace(sale=(number, key, before)),
            )
        if s.sale is not None:
            yield (
                f"sale {s.sale[0]}: completed and printed",
                s._replace(sale=None, sold=(*s.sold, s.sale), slips=(*s.slips, self._slip(s.sale))),
            )
        for sale in s.sold if not s.reprinted else ():
            if self.warned and sale[2] == "AB" and s.first == "refused":
                continue
            slip = self._slip(sale)
            yield (
                f"!sale {sale[0]}: printed again",
                s._replace(slips=(*s.slips, slip), reprinted=True),
            )

    def _slip(self, sale: tuple[int, str, str]) -> tuple[str, ...]:
        number, key, before = sale  # the sale names its set: every print shows that one
        return (*((before,) if before else ()), f"{number}{key}")

    def _answer(self, s: S) -> Iterator[tuple[str, S]]:
        if s.first == "open" and s.back != "reserved" and s.meter == "B":
            yield "a person confirms: the meter shows B", s._replace(first="confirmed")
        clear = not self.cleared or not any("AB" in slip for slip in s.slips)
        if s.first == "refused" and s.back == "open" and s.meter == "A" and clear:
            yield "a person confirms the old key: the meter shows A", s._replace(back="confirmed")
        if s.first != "open" or s.sale is not None or s.meter != "A":
            return
        if not self.way and (s.seen or not self.entered):
            yield (
                "supervisor: the meter refused it, and no set leads back",
                s._replace(first="refused"),
            )
        if self.way and s.back in {"-", "failed", "withdrawn"}:
            yield (
                "supervisor: the meter refused it; the set back is reserved",
                s._replace(back="reserved", first="open" if self.late else "refused"),
            )

    def _set_back(self, s: S) -> Iterator[tuple[str, S]]:
        if s.back == "reserved":
            first = "refused" if self.one else s.first
            yield "the set back is completed", s._replace(back="open", first=first)
            yield "!the module makes no set back", s._replace(back="failed")
            yield "the set back is withdrawn", s._replace(back="withdrawn")
        if s.back == "open" and s.first == "open":
            yield "the first change is refused, in a commit of its own", s._replace(first="refused")

    def _customer(self, s: S) -> Iterator[tuple[str, S]]:
        if not s.slips or s.fail:
            return
        after = s._replace(slips=s.slips[1:])
        for item in s.slips[0]:
            after = self._enter(after, item)
        yield f"the customer enters {', '.join(s.slips[0])}", after

    def _enter(self, s: S, item: str) -> S:
        if item == "AB" and s.deaf:
            return s._replace(seen=True)
        if item in {"AB", "BA"}:
            return s._replace(meter=item[1]) if s.meter == item[0] else s
        number, key = int(item[:-1]), item[-1]
        if number in s.spent:
            return s
        if key != s.meter:
            lost = s.deaf and key == "B"  # to be taken back and sold again, as the page lists
            return s if lost else s._replace(fail=f"credit {item}, the meter has {s.meter}")
        return s._replace(spent=s.spent | {number})

    def bad(self, s: S) -> Iterator[str]:
        """A credit the meter does not take; two sets that count at once."""
        if s.fail:
            yield "I5 refused by the meter"
        if s.first == "open" and s.back == "open":
            yield "I11 two sets count at once"


CASES = [
    Case("set back, all of it", SetBack()),
    Case("set back, no set leads back, all of it", SetBack(way=False)),
    Case("set back, all but late", SetBack(late=False), "I5"),
    Case("set back, all but one", SetBack(one=False), "I5 I11"),
    Case("set back, all but warned", SetBack(warned=False), "I5"),
    Case("set back, all but cleared", SetBack(cleared=False), "I5"),
    Case("set back, all but entered", SetBack(way=False, entered=False), "I5"),
]
