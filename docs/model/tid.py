"""TID allocation and the restore (SALE.md 5, 6, 15, 16). Scale: W = 4 for 2,880 minutes, F = 2 for 1,440 minutes.

One meter. The database holds (head, floor, epoch, keys, sales); a backup is a copy of it; a crash loses everything since.
Journal: the module's own list of what it made (None for PrismToken unless `journal`).
Switches (True = the rule as it is):
  margin   after-restore floor = max(...) + W + 1 instead of + F, and rule 15 measures from max(clock, floor)
  journal  every driver has a journal outside the database (PrismToken has none of its own)
  witness  epoch and sequence are also kept outside database and module, so that a restore is seen with PrismToken too
  epoch    a key carries the epoch of its form; an unknown key of an older epoch is refused
"""

from collections import namedtuple

from engine import Case

# db = (head, floor, epoch, keys) ; out = TIDs of tokens that left ; dup = what went wrong
D = namedtuple("D", "now db backup epoch journal out form paid got dup restores refused ran")
W, F = 4, 2


class Restore:
    def __init__(
        self,
        prism=False,
        margin=False,
        journal=False,
        witness=False,
        epoch=False,
        ahead=0,
        sales=3,
        restores=1,
        tmax=3,
        back=False,
    ):
        self.__dict__.update(locals())

    def initial(self):
        db = (0, self.ahead, 0, frozenset())
        yield D(1, db, db, 0, 0, frozenset(), (0, 0), 0, (), None, 0, 0, True)

    def next_tid(self, s):
        head, floor, _, _ = s.db
        return max(s.now, head + 1, floor)

    def steps(self, s):
        head, floor, ep, keys = s.db
        if s.now < self.tmax:
            yield "a minute passes", s._replace(now=s.now + 1)
        if self.back and s.now > 1:
            yield "!clock jumps back a minute", s._replace(now=s.now - 1)
        if s.backup != s.db:
            yield "backup is taken", s._replace(backup=s.db)
        form, fep = s.form
        # restore is detected when epochs differ: module (tcp) or witness
        seen = s.ran or not (not self.prism or self.witness)
        if seen and len(s.out) + (1 if s.dup else 0) < self.sales:
            t = self.next_tid(s)
            limit = max(s.now, floor if self.margin else 0) + W
            if form in keys:
                pass  # stored receipt: nothing new
            elif self.epoch and fep < ep:
                yield (
                    f"operator sends key {form} of epoch {fep} again: refused, 'look in the list of the restore'",
                    s._replace(form=(form + 1, ep)),
                )
            elif t > limit:
                if not s.refused:
                    yield (
                        f"sale refused: next TID {t} is more than {W} ahead of the clock {s.now}",
                        s._replace(refused=1),
                    )
            else:
                dup = s.dup
                if t in s.out:
                    dup = f"I4 TID {t} leaves twice"
                if form in s.got:
                    dup = dup or f"I10 key {form} used twice: second token for one payment"
                yield (
                    f"sale with key {form}: TID {t}, token leaves",
                    s._replace(
                        db=(t, floor, ep, keys | {form}),
                        out=s.out | {t},
                        got=s.got + (form,),
                        dup=dup,
                        journal=max(s.journal, t) if (not self.prism or self.journal) else 0,
                    ),
                )
        if form in keys or form in s.got:
            yield "operator opens a new form", s._replace(form=(form + 1, ep))
        if s.restores < self.restores:
            yield (
                "!database lost; backup restored",
                s._replace(db=s.backup, restores=s.restores + 1, ran=False),
            )
        if not s.ran:
            base = max(s.now, s.journal, head, floor if self.margin else 0)
            fl = base + (W + 1 if self.margin else F)
            yield (
                f"after-restore: floor {fl}",
                s._replace(db=(head, fl, max(ep, s.epoch) + 1, keys), epoch=s.epoch + 1, ran=True),
            )

    def bad(self, s):
        if s.dup:
            yield s.dup.split()[0]
        if s.refused:
            yield "STRICT sales stop by rule 15"


class Window:
    """Clock jumps against the meter's store of N and the module's window of M highest (rule 6): entered in any order."""

    def __init__(self, N=3, M=3, sales=5, inorder=False, hold=1, jump=True):
        self.__dict__.update(locals())

    # (now, head, held pending tids, in hand, store, used at module, fail)
    def initial(self):
        yield (1, 0, (), (), (0,) * self.N, (), None, 0)

    def steps(self, s):
        now, head, held, hand, store, used, fail, n = s
        if now < 4:
            yield "minute", (now + 1, head, held, hand, store, used, fail, n)
        if self.jump and now == 1:
            yield "!clock jumps forward 10", (11, head, held, hand, store, used, fail, n)
        if self.jump and now >= 11:
            yield "!clock jumps back", (2, head, held, hand, store, used, fail, n)
        if n < self.sales and len(held) < self.hold + 1:
            t = max(now, head + 1)
            yield f"reserve TID {t}", (now, t, held + (t,), hand, store, used, fail, n + 1)
        for t in held:
            top = sorted(used)[-self.M :]
            rest = tuple(x for x in held if x != t)
            if len(top) == self.M and t < top[0]:
                yield (
                    f"module refuses TID {t} (below the {self.M} highest) -> new TID",
                    (
                        now,
                        max(head, used[-1]) + 1,
                        rest + (max(head, used[-1]) + 1,),
                        hand,
                        store,
                        used,
                        fail,
                        n,
                    ),
                )
            else:
                yield (
                    f"module makes {t}, printed",
                    (now, head, rest, hand + (t,), store, tuple(sorted(used + (t,))), fail, n),
                )
        for t in hand[:1] if self.inorder else hand:
            rest = tuple(x for x in hand if x != t)
            if t in store or t < min(store):
                yield (
                    f"customer enters {t}: refused, store {store}",
                    (now, head, held, rest, store, used, "I5", n),
                )
            else:
                st = list(store)
                st.remove(min(st))
                yield (
                    f"customer enters {t}",
                    (now, head, held, rest, tuple(sorted(st + [t])), used, fail, n),
                )

    def bad(self, s):
        if s[6]:
            yield s[6]


CASES = [
    Case("restore, tcp, literal", Restore(), "I10", limit=300_000),
    Case("restore, tcp, keys carry the epoch", Restore(epoch=True), limit=300_000),
    Case(
        "restore, tcp, keys carry the epoch, two restores",
        Restore(epoch=True, restores=2, sales=4),
        "STRICT",
        limit=300_000,
    ),
    Case(
        "restore, tcp, with the margin, two restores",
        Restore(epoch=True, restores=2, sales=4, margin=True),
        "",
        limit=600_000,
    ),
    Case(
        "restore, prism, literal, meter's TIDs 3 ahead of the clock (moved in)",
        Restore(prism=True, ahead=4, epoch=True),
        "I4 STRICT",
        limit=300_000,
    ),
    Case(
        "restore, prism, witness but no journal, meter's TIDs ahead",
        Restore(prism=True, ahead=4, witness=True, epoch=True),
        "I4 STRICT",
        limit=300_000,
    ),
    Case(
        "restore, prism, witness, with the margin, no journal",
        Restore(prism=True, ahead=4, witness=True, epoch=True, margin=True),
        "",
        limit=300_000,
    ),
    Case(
        "restore, prism, witness, margin, journal, two restores",
        Restore(
            prism=True,
            ahead=4,
            witness=True,
            epoch=True,
            margin=True,
            journal=True,
            restores=2,
            sales=4,
        ),
        "",
        limit=600_000,
    ),
    Case(
        "restore, tcp, all of it, clock jumps back",
        Restore(epoch=True, restores=2, sales=4, margin=True, back=True),
        "STRICT",
        limit=600_000,
    ),
    Case(
        "meter store 3, module window 3, entered in printed order",
        Window(inorder=True),
        "",
        limit=300_000,
    ),
    Case("meter store 3, module window 3, entered in any order", Window(), "I5", limit=300_000),
    Case(
        "meter store 2, module window 3 (a maker's store smaller than the module's window), printed order, 3 pending",
        Window(N=2, M=3, inorder=True, hold=3),
        "I5",
        limit=300_000,
    ),
    Case(
        "meter store 3, module window 3, printed order, 4 pending at once",
        Window(N=3, M=3, inorder=True, hold=3, sales=6, jump=False),
        "",
        limit=400_000,
    ),
]
