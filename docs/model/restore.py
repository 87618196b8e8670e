"""What a backup does not know: a re-asked request, a key change, a reversal; and what a module forgets (SALE.md 6, 7, 10, 16)."""

from engine import Case


class Reasked:
    """A sale pending in the backup; afterwards its TID was refused, r2 was stored, made and handed out. Then the backup.

    Switches: match  = request ids carry the sale's number, after-restore settles every pending sale from the journal
                       before the worker may touch it
              kc     = after-restore opens again every key change set the journal holds and the database lacks
    """

    def __init__(self, match=False, kc=False):
        self.__dict__.update(locals())

    # db: (sale st, rid, kc) ; backup ; made{rid} ; journal_kc ; left ; money ; meter ; phase ; err
    def initial(self):
        yield (("-", 0, 0), ("-", 0, 0), frozenset(), 0, 0, "held", "A", "up", None, frozenset())

    def steps(self, s):
        (st, rid, kc), bk, made, jkc, left, money, _, phase, err, canc = s
        names = ("db", "bk", "made", "jkc", "left", "money", "meter", "phase", "err", "canc")
        now = dict(zip(names, s, strict=True))
        r = lambda **k: tuple({**now, **k}.values())
        if phase == "restored":
            db, note = s[0], ""
            if self.match and st == "P" and made:
                db, note = ("I", max(made), kc), ", settles the pending sale from the journal"
            if self.kc and jkc:
                db, note = (db[0], db[1], 1), note + ", opens the key change again"
            yield "after-restore" + note, r(db=db, phase="again")
            return
        if st == "-" and phase == "up":
            yield "reserve commits with r1", r(db=("P", 1, kc))
        if s[0] != bk and phase == "up":
            yield "backup is taken", r(bk=s[0])
        if st == "P" and rid == 1 and 1 not in canc and phase == "up":
            yield "module refuses r1's TID; r2 stored (commit)", r(db=("P", 2, kc))
        if st == "P" and rid == 2 and 2 not in made:
            yield "module makes the token for r2", r(made=made | {2})
        if st == "P" and rid in made:
            yield "complete commits", r(db=("I", rid, kc))
        if st == "I" and money == "held" and not left:
            yield "digits leave", r(left=1)
        if st == "P" and phase == "again" and rid not in made:
            yield (
                f"worker: r{rid} not executed, old: cancel, fail and void; operator gives the money back",
                r(db=("F", rid, kc), money="back", canc=canc | {rid}),
            )
        if kc == 0 and phase == "up" and st != "P":
            yield "key change set issued, printed, entered", r(db=(st, rid, 1), jkc=1, meter="B")
        if phase == "again" and kc == 0 and jkc and not err:
            yield (
                "sale after the restore, credit under A",
                r(err="I5 credit under A, meter is on B"),
            )
        if phase == "up" and bk != s[0]:
            yield "!database lost; backup restored", r(db=bk, phase="restored")

    def bad(self, s):
        if s[8]:
            yield s[8]
        if s[5] == "back" and s[4]:
            yield "I1 money back, token out"


class Forget:
    """The module keeps results for 7 days only (SECURITY-MODULES 5.6). Switch: ever = results and cancels stay as long as the TIDs."""

    def __init__(self, ever=False):
        self.ever = ever

    # sale, executed, remembered, cancelled
    def initial(self):
        yield ("P", 0, 0, 0)

    def steps(self, s):
        st, ex, mem, canc = s
        if not ex and not canc:
            yield "!module makes the token, answer lost, module then out of reach", (st, 1, 1, canc)
        if mem and not self.ever:
            yield "eight days pass, module drops the result", (st, ex, 0, canc)
        if st == "P":
            if mem:
                yield "worker: executed -> complete", ("I", ex, mem, canc)
            elif not canc:
                yield "worker: not executed, old: cancel", (st, ex, mem, 1)
            else:
                yield "worker: fail and void", ("F", ex, mem, canc)

    def bad(self, s):
        if s[0] == "F" and s[1]:
            yield "I9 executed token of a voided sale"


class Base:
    """'Highest in any module journal' read over all meters and base dates: one 1993 TID stops every 2014 meter. Switch: per."""

    def __init__(self, per=False):
        self.per = per

    def initial(self):
        yield (None,)

    def steps(self, s):
        if s[0] is None:
            own, other, now = (
                6_247_000,
                16_700_000,
                6_247_500,
            )  # minutes: 2014 base; a retired 1993-base meter
            yield (
                "after-restore: floor of a 2014 meter",
                (max(now, own, 0 if self.per else other) + 1440 - now,),
            )

    def bad(self, s):
        if s[0] and s[0] > 2880:
            yield "STRICT floor beyond rule 15: no sale for years"


CASES = [
    Case(
        "restore of a pending sale that was re-asked, a lost key change; literal",
        Reasked(),
        "I1 I5",
    ),
    Case(
        "restore of a pending sale that was re-asked, a lost key change; literal: journal settles pending sales",
        Reasked(match=True),
        "I5",
    ),
    Case(
        "restore of a pending sale that was re-asked, a lost key change; literal: and key changes are opened again",
        Reasked(match=True, kc=True),
    ),
    Case("module forgets after 7 days", Forget(), "I9"),
    Case("module forgets after 7 days: never", Forget(True)),
    Case("floor over all meters and base dates", Base(), "STRICT"),
    Case("floor over all meters and base dates: per meter and base date", Base(True)),
]
