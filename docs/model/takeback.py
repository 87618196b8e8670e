"""A sale taken back by two people within a window, and the debts it recovered (reversal, debts)."""

from collections.abc import Iterator
from typing import NamedTuple

from engine import Case

WINDOW = 1
"""Until which moment a sale may be taken back."""


class R(NamedTuple):
    """A moment of one issued sale.

    Attributes:
        state: I or R.
        shown, left: It is marked as shown; its digits left the server.
        now: 0, 1, 2.
        asked: Reasons that wait for a second person: never (handed out), other.
        at: What approvers have checked and not written yet.
        back: How often the money went back.
        alone, late: It was taken back by one person; after its window.
        never: It was taken back as never handed out.
    """

    state: str = "I"
    shown: bool = False
    left: bool = False
    now: int = 0
    asked: tuple[str, ...] = ()
    at: tuple[str, ...] = ()
    back: int = 0
    alone: bool = False
    late: bool = False
    never: bool = False


class Reversal:
    """One issued sale; two people, two requests, a clerk who may open the receipt.

    Switches, True = as the product does it:
      two     the approver is another person than the asker
      again   the approval checks the state and the window again
      once    the write is a compare-and-set on issued
      unseen  for "never handed out" the write also compares that nothing was shown
    """

    def __init__(
        self, *, two: bool = True, again: bool = True, once: bool = True, unseen: bool = True
    ) -> None:
        self.two, self.again, self.once, self.unseen = two, again, once, unseen

    def initial(self) -> Iterator[R]:
        """The worker completed it: nobody has seen the digits."""
        yield R()

    def steps(self, s: R) -> Iterator[tuple[str, R]]:
        """Time, the clerk, who asks and who approves."""
        if s.now <= WINDOW:
            yield "time goes on", s._replace(now=s.now + 1)
        if s.state == "I" and not s.shown:
            yield (
                "clerk: the receipt marks the sale as shown (compare-and-set)",
                s._replace(shown=True),
            )
        if s.shown and not s.left and s.state == "I":
            yield "clerk: the digits leave the server", s._replace(left=True)
        if s.state == "I" and s.now <= WINDOW and len(s.asked) + len(s.at) < 2:
            for reason in ("never", "other") if not s.shown else ("other",):
                yield f"supervisor asks: {reason}", s._replace(asked=(*s.asked, reason))
        yield from self._approve(s)

    def _approve(self, s: R) -> Iterator[tuple[str, R]]:
        if s.asked:
            ok = s.state == "I" and s.now <= WINDOW
            if ok or not self.again:
                yield "approval: checked", s._replace(at=(*s.at, s.asked[0]), asked=s.asked[1:])
            else:
                yield "approval: refused", s._replace(asked=s.asked[1:])
        for reason in s.at[:1]:
            unseen = reason != "never" or not s.shown or not self.unseen
            if (s.state == "I" or not self.once) and unseen:
                done = s._replace(
                    state="R", at=s.at[1:], back=s.back + 1, late=s.late or self._late(s),
                    never=s.never or reason == "never",
                )  # fmt: skip
                yield "approval by another: written, money back", done
                if not self.two:
                    yield "!approval by who asked: written, money back", done._replace(alone=True)
            else:
                yield "approval: loses the compare-and-set", s._replace(at=s.at[1:])

    def _late(self, s: R) -> bool:
        return s.now > WINDOW and not self.again

    def bad(self, s: R) -> Iterator[str]:
        """Money and digits; two people; the window."""
        if s.back > 1:
            yield "I1 money back twice"
        if s.never and s.left:
            yield "I1 never handed out, though the digits left"
        if s.alone:
            yield "I12 one person alone"
        if s.late:
            yield "I12 after its window"


class D(NamedTuple):
    """A moment of one debt: what was recovered, and two sales: state, read, taken."""

    recovered: int = 0
    sales: tuple[tuple[str, int, int], ...] = (("-", 0, 0), ("-", 0, 0))


class Debts:
    """A debt of 3, of which each of two purchases takes up to 2.

    Switches, True = as the product does it:
      locked   what is owed is read under the debt's lock, in reserve
      stored   void and reversal give back what the sale's own row says; off: what it would take now
      back     they give it back at all
    """

    OWED, SHARE = 3, 2

    def __init__(self, *, locked: bool = True, stored: bool = True, back: bool = True) -> None:
        self.locked, self.stored, self.back = locked, stored, back

    def initial(self) -> Iterator[D]:
        """Nothing is recovered yet."""
        yield D()

    def steps(self, s: D) -> Iterator[tuple[str, D]]:
        """Two purchases by meters of one consumer, each voided or reversed or not."""
        for i, (state, read, taken) in enumerate(s.sales):
            owed = min(self.SHARE, self.OWED - s.recovered)
            if state == "-" and not self.locked:
                yield (
                    f"sale {i}: reads that {owed} would be taken",
                    self._set(s, i, ("read", owed, 0)),
                )
            if state == "read" or (state == "-" and self.locked):
                part = owed if self.locked else read
                yield (
                    f"sale {i}: reserve takes {part}",
                    self._set(s._replace(recovered=s.recovered + part), i, ("P", read, part)),
                )
            if state == "P":
                yield f"sale {i}: issued", self._set(s, i, ("I", read, taken))
            if state in {"P", "I"}:
                part = taken if self.stored else owed
                given = s._replace(recovered=s.recovered - (part if self.back else 0))
                yield f"sale {i}: given up, owed again", self._set(given, i, ("F", read, taken))

    def _set(self, s: D, i: int, sale: tuple[str, int, int]) -> D:
        return s._replace(sales=(*s.sales[:i], sale, *s.sales[i + 1 :]))

    def bad(self, s: D) -> Iterator[str]:
        """What was recovered is what the sales that stand took, and never more than is owed."""
        if s.recovered != sum(taken for state, _, taken in s.sales if state in {"P", "I"}):
            yield "I8 what was recovered is not the sum of its sales"
        if not 0 <= s.recovered <= self.OWED:
            yield "I8 more is recovered than was owed"


CASES = [
    Case("reversal, all of it", Reversal()),
    Case("reversal, all but two", Reversal(two=False), "I12"),
    Case("reversal, all but again", Reversal(again=False), "I12"),
    Case("reversal, all but once", Reversal(once=False), "I1"),
    Case("reversal, all but unseen", Reversal(unseen=False), "I1"),
    Case("debts, all of it", Debts()),
    Case("debts, all but locked", Debts(locked=False), "I8"),
    Case("debts, all but stored", Debts(stored=False), "I8"),
    Case("debts, all but back", Debts(back=False), "I8"),
]
