"""A campaign beside the counter: one of its meters, from the chunk to the person's word (decision 0042)."""

from collections.abc import Iterator
from typing import NamedTuple

from engine import Case

MOST = 2
"""Sales, hand-outs and rounds."""


class C(NamedTuple):
    """A moment of one meter of a campaign.

    Attributes:
        camp: run, stopped.
        alive: A worker is at it.
        kc: -, reserved, open, confirmed, refused, back (the old key confirmed), withdrawn, failed.
        chunk: -, asked, done.
        asked: The id under which the module is asked; each round has another.
        made: Ids of which the module made the set.
        gone: Ids that the module promised never to make.
        own: A change of the meter's own is open.
        sale: The key of a pending sale.
        sold, handed: How many.
        slips: What the customer holds, in the order of printing.
        meter: The key in the meter.
        wrong: What went wrong.
    """

    camp: str = "run"
    alive: bool = True
    kc: str = "-"
    chunk: str = "-"
    asked: int = 0
    made: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()
    own: bool = False
    sale: str = ""
    sold: int = 0
    handed: int = 0
    slips: tuple[tuple[str, ...], ...] = ()
    meter: str = "A"
    wrong: str = ""


class Campaign:
    """A meter with its set A to B, the worker, the module, the counter, sheets, and a supervisor.

    Switches, True = as the product does it:
      waits   no set is reserved while a sale of the meter is pending, nor a sale while a set is made
      one     a meter with an open change is left out, and gets none of its own meanwhile
      same    who asks a module again asks under the chunk's own id
      cas     completing leaves a change alone that was withdrawn meanwhile
      settle  a chunk that no job is at is settled: asked for again, or cancelled
      stays   stopping a campaign leaves the sets that were made what they are
      fresh   only a set that is open is handed out, by sheet or message
    """

    def __init__(
        self, *, waits: bool = True, one: bool = True, same: bool = True, cas: bool = True,
        settle: bool = True, stays: bool = True, fresh: bool = True,
    ) -> None:  # fmt: skip
        self.waits, self.one, self.same, self.cas = waits, one, same, cas
        self.settle, self.stays, self.fresh = settle, stays, fresh

    def initial(self) -> Iterator[C]:
        """The campaign is begun; nothing is made."""
        yield C()

    def steps(self, s: C) -> Iterator[tuple[str, C]]:
        """Whatever anybody may do."""
        yield from self._worker(s)
        yield from self._module(s)
        yield from self._supervisor(s)
        yield from self._counter(s)
        yield from self._customer(s)

    def settled(self, s: C) -> bool:
        """Tell whether nothing is being made."""
        return s.chunk != "asked" and not s.sale

    def bad(self, s: C) -> Iterator[str]:
        """Name what must not be."""
        if s.wrong:
            yield s.wrong
        if s.own and s.kc in {"reserved", "open"}:
            yield "I11 two sets of one meter count"

    def _worker(self, s: C) -> Iterator[tuple[str, C]]:
        if s.camp == "run" and s.alive:
            quiet = not (s.sale and self.waits) and not (s.own and self.one)
            if s.kc in {"-", "failed"} and s.asked < MOST and quiet:
                yield (
                    "worker: reserves the chunk",
                    s._replace(kc="reserved", chunk="asked", asked=s.asked + 1),
                )
            yield "!worker: killed", s._replace(alive=False)
        if s.camp == "run" and not s.alive:
            yield "another worker goes on", s._replace(alive=True)
        at_it = s.alive or self.settle
        if s.chunk == "asked" and at_it and s.made - s.gone:
            yield "the answer is written down", self._completed(s)
        if s.chunk == "asked" and self.settle and s.asked not in s.made:
            kc = "failed" if s.kc == "reserved" else s.kc
            yield (
                "reconcile: the module cancels the chunk",
                s._replace(gone=s.gone | {s.asked}, chunk="done", kc=kc),
            )

    def _completed(self, s: C) -> C:
        done = s._replace(chunk="done", made=frozenset())
        if s.kc == "reserved":
            return done._replace(kc="open")
        if s.kc == "withdrawn" and not self.cas:
            return done._replace(kc="open", wrong="I3 a set that was withdrawn may leave")
        return done

    def _module(self, s: C) -> Iterator[tuple[str, C]]:
        """Make the set when a request arrives, however often it was sent."""
        if s.chunk != "asked" or not (s.alive or self.settle) or s.asked in s.gone:
            return
        number = s.asked if self.same else s.asked + MOST * len(s.made)
        if number not in s.made and len(s.made) < MOST:
            wrong = "I2m the module made a second set" if s.made else s.wrong
            yield "module: makes the set", s._replace(made=s.made | {number}, wrong=wrong)

    def _supervisor(self, s: C) -> Iterator[tuple[str, C]]:
        if s.camp == "run":
            kc = "withdrawn" if s.kc == "open" and not self.stays else s.kc
            yield "supervisor: stops the campaign", s._replace(camp="stopped", kc=kc)
        if s.kc == "reserved":
            yield "supervisor: withdraws the change", s._replace(kc="withdrawn")
        if s.kc == "open" and s.meter == "B":
            yield "test tokens show B: confirmed", s._replace(kc="confirmed")
        if s.kc == "open" and s.meter == "A" and not (s.sale and self.waits):
            yield "!the meter shows A: refused", s._replace(kc="refused")
        handed = any("AB" in slip for slip in s.slips)
        if s.kc == "refused" and s.meter == "A" and not handed and not s.sale:
            yield (
                "test tokens show A, no set is about: the old key confirmed",
                s._replace(kc="back"),
            )
        if not s.own and not (self.one and s.kc in {"reserved", "open"}) and not s.sale:
            yield "!counter: a change of its own", s._replace(own=True)
        if s.own:
            yield "the change of its own is withdrawn", s._replace(own=False)

    def _counter(self, s: C) -> Iterator[tuple[str, C]]:
        if not s.sale and s.sold < MOST and not (self.waits and s.kc == "reserved"):
            key = "B" if s.kc in {"open", "confirmed"} else "A"
            yield f"sale: reserved under {key}", s._replace(sale=key, sold=s.sold + 1)
        if s.sale:
            before: tuple[str, ...] = ()
            if s.kc == "open" and s.sale == "B":
                before = ("AB",)
            elif s.kc == "refused" and s.sale == "A":
                before = ("BA",)
            slip = (*before, s.sale)
            yield f"sale: the slip {slip}", s._replace(sale="", slips=(*s.slips, slip))
        leaves = {"open"} if self.fresh else {"open", "refused", "back"}
        if s.kc in leaves and s.handed < MOST:
            yield (
                "a sheet or a message with the set",
                s._replace(slips=(*s.slips, ("AB",)), handed=s.handed + 1),
            )

    def _customer(self, s: C) -> Iterator[tuple[str, C]]:
        if not s.slips:
            return
        slip, meter, wrong = s.slips[0], s.meter, s.wrong
        for item in slip:
            if len(item) == 2:  # a set: refused, and skipped, by a meter that took it before
                meter = item[1] if meter == item[0] else meter
            elif item != meter:
                wrong = wrong or f"I5 a credit under {item} is refused: the meter has {meter}"
        entered = s._replace(slips=s.slips[1:], meter=meter, wrong=wrong)
        yield f"customer: enters {slip}", entered


LIMIT = 100_000
CASES = [
    Case("campaign, all of it", Campaign(), limit=LIMIT),
    Case("campaign, all but waits", Campaign(waits=False), "I5", limit=LIMIT),
    Case("campaign, all but one", Campaign(one=False), "I11", limit=LIMIT),
    Case("campaign, all but same", Campaign(same=False), "I2m", limit=LIMIT),
    Case("campaign, all but cas", Campaign(cas=False), "I3 I11", limit=LIMIT),
    Case("campaign, all but settle", Campaign(settle=False), "I6", limit=LIMIT),
    Case("campaign, all but stays", Campaign(stays=False), "I5", limit=LIMIT),
    Case("campaign, all but fresh", Campaign(fresh=False), "I5", limit=LIMIT),
]
