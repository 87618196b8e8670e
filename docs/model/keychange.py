"""Key change (SALE.md 10) against a meter with a TID store of N = 3.

Keys: "A" (old) and "B" (new). A slip is the list of what was printed together, in printed order. The customer
enters slips in the order printed and each slip from top to bottom, may be late, and (whim "!") may lose a slip or enter
one out of order. KCTs refused by the meter are skipped ("skip these if the meter already took them").

Switches (True = the rule as it is):
  quiet    a set is reserved only while no sale of the meter is pending, and no sale is reserved while a set is pending
  assume24 False = no inference: the set is printed until a person confirmed; True = literal 24 h rule
  back     after "the meter refused it" the set back (B->A) is printed before each credit; nothing is undone silently
  same_bdt a change back never crosses base dates (else RO clears the TID store and spent tokens live again)
  proof    "refused" and "confirmed" need what the meter shows (KRN, TI), the claim alone is not enough
"""

from collections import namedtuple

from engine import Case

# kc: none ready pending open sure refused withdrawn ; use: key for credits
K = namedtuple("K", "kc sale nsales slips meter store spent fail day roll used")


class KeyChange:
    def __init__(
        self,
        quiet=False,
        assume24=True,
        back=False,
        same_bdt=False,
        proof=False,
        rollover=False,
        lose=False,
        maxsales=3,
        refuse=True,
        supback=False,
        N=3,
    ):
        self.__dict__.update(locals())

    def initial(self):
        yield K("none", None, 0, (), "A", (0, 0, 0), frozenset(), None, 0, 0, frozenset())

    def credit_key(self, s):
        return {
            "none": "A",
            "ready": "A",
            "pending": "A",
            "withdrawn": "A",
            "open": "B",
            "sure": "B",
            "refused": "A",
            "backopen": "A",
        }[s.kc]

    def steps(self, s):
        # --- system
        if s.kc == "none":
            yield "supervisor: draws up a key change A->B", s._replace(kc="ready")
        if s.kc == "ready":
            yield "supervisor: withdraws the change", s._replace(kc="withdrawn")
            if not (self.quiet and s.sale):
                yield "key change set: reserve commits, module asked", s._replace(kc="pending")
        if s.kc == "pending":
            if (
                self.quiet
            ):  # digits have not left: withdrawing is a compare-and-set that complete then loses
                yield "supervisor: withdraws the pending change", s._replace(kc="withdrawn")
            yield (
                "key change set: complete commits, set printed",
                s._replace(kc="open", slips=s.slips + (("AB",),)),
            )
        if s.sale is None and s.nsales < self.maxsales and not (self.quiet and s.kc == "pending"):
            key = self.credit_key(s)
            kc, note = s.kc, ""
            if self.assume24 and s.kc == "open" and s.day and ("B" in {k for k, _ in s.used}):
                kc, note = "sure", "; 24 h after an earlier credit on B: change counts as confirmed"
            yield (
                f"sale {s.nsales + 1}: reserve commits under key {key}{note}",
                s._replace(kc=kc, sale=(key, s.nsales + 1), nsales=s.nsales + 1),
            )
        if s.sale:
            key, tid = s.sale
            pre = (
                ("AB",)
                if s.kc == "open" and key == "B"
                else ("BA",)
                if (self.back and s.kc in ("refused", "backopen"))
                else ()
            )
            if s.kc == "backopen" and not self.back:
                pre = ("BA",)
            slip = pre + ((key, tid),)
            yield (
                f"sale {tid}: complete commits, slip {show(slip)}",
                s._replace(sale=None, slips=s.slips + (slip,), used=s.used | {(key, tid)}),
            )
        if s.kc == "open":
            if not s.day:
                yield "24 hours pass", s._replace(day=1)
            if not self.proof:
                if s.meter == "B":
                    yield "operator: test tokens show B -> confirmed", s._replace(kc="sure")
                if self.refuse and not (self.quiet and s.sale):
                    yield (
                        "!supervisor: marks 'the meter refused it'"
                        + (" (set not yet entered)" if s.meter == "A" else " (wrongly)"),
                        s._replace(kc="refused"),
                    )
            elif s.meter == "B":
                yield "operator: test tokens show B -> confirmed", s._replace(kc="sure")
            elif self.refuse and not (self.quiet and s.sale):
                yield (
                    "!supervisor: meter still shows A -> 'the meter refused it'",
                    s._replace(kc="refused"),
                )
        if (
            s.kc == "sure"
            and self.supback
            and not (self.quiet and self.same_bdt and s.sale)
            and not (self.rollover and self.same_bdt)
        ):
            yield (
                "supervisor: change back B->A, set printed",
                s._replace(kc="backopen", slips=s.slips + (("BA",),)),
            )
        # --- customer
        if s.slips and not s.fail:
            yield (
                f"customer enters slip {show(s.slips[0])}",
                self.enter(s._replace(slips=s.slips[1:]), s.slips[0]),
            )
            if self.lose:
                yield f"!customer loses slip {show(s.slips[0])}", s._replace(slips=s.slips[1:])
        for k, t in sorted(s.spent):
            if not s.fail and self.rollover:
                again = self.enter(s, ((k, t),))
                if again.fail and "twice" in again.fail:
                    yield f"!customer enters spent token {t} ({k}) again", again

    def enter(self, s, slip):
        meter, store, spent, fail = s.meter, list(s.store), set(s.spent), s.fail
        for item in slip:
            if item in ("AB", "BA"):
                if meter == item[0]:
                    meter = item[1]
                    if self.rollover:
                        store = [0] * self.N
                continue
            key, tid = item
            if key != meter:
                fail = fail or f"I5 {item}: CRCError, meter is on {meter}"
            elif tid in store:
                if item not in spent:
                    fail = fail or "I5 used"
            elif tid < min(store):
                if item not in spent:
                    fail = fail or "I5 old"
            else:
                if item in spent:
                    fail = "I2 a spent token is credited twice"
                store.remove(min(store))
                store.append(tid)
                spent.add(item)
        return s._replace(
            meter=meter, store=tuple(sorted(store)), spent=frozenset(spent), fail=fail
        )

    def bad(self, s):
        if s.fail:
            yield (
                s.fail[:2]
                + " "
                + ("credited twice" if "twice" in s.fail else "refused by the meter")
            )


def show(slip):
    return (
        "["
        + ", ".join(
            f"KCT {x[0]}->{x[1]}" if x in ("AB", "BA") else f"credit {x[1]} under {x[0]}"
            for x in slip
        )
        + "]"
    )


CASES = [
    Case(
        "key change, literal, customer enters everything in order, no 'refused'",
        KeyChange(refuse=False),
        "I5",
        limit=400_000,
    ),
    Case("key change: quiet", KeyChange(quiet=True, refuse=False), limit=400_000),
    Case(
        "key change, literal 24 h rule, a slip may be lost",
        KeyChange(quiet=True, refuse=False, lose=True),
        "I5",
        limit=400_000,
    ),
    Case(
        "key change: the set is printed until a person confirmed",
        KeyChange(quiet=True, refuse=False, lose=True, assume24=False),
        "",
        limit=400_000,
    ),
    Case(
        "key change, 'meter refused it' as a claim",
        KeyChange(quiet=True, assume24=False),
        "I5",
        limit=400_000,
    ),
    Case(
        "key change, 'meter refused it' as a claim: with what the meter shows as proof",
        KeyChange(quiet=True, assume24=False, proof=True),
        "I5",
        limit=400_000,
    ),
    Case(
        "key change, 'meter refused it' as a claim: with proof and the set back printed",
        KeyChange(quiet=True, assume24=False, proof=True, back=True),
        "",
        limit=400_000,
    ),
    Case(
        "key change, 'meter refused it' as a claim: with the set back printed, claim alone",
        KeyChange(quiet=True, assume24=False, back=True),
        "",
        limit=400_000,
    ),
    Case(
        "change back over a base date (RO)",
        KeyChange(quiet=True, assume24=False, refuse=False, rollover=True, supback=True),
        "I2 I5",
        limit=400_000,
    ),
    Case(
        "change back within a base date, also quiet",
        KeyChange(quiet=True, assume24=False, refuse=False, supback=True, same_bdt=True),
        "",
        limit=400_000,
    ),
    Case(
        "change back within a base date, also quiet: same base date only",
        KeyChange(
            quiet=True, assume24=False, refuse=False, rollover=True, supback=True, same_bdt=True
        ),
        "",
        limit=400_000,
    ),
]
