"""Counters, periods and ledger (SALE.md 2, 11, 14), reversal against showing (12), key and vending point (4), crossing (6)."""

from engine import Case


class Counters:
    """Two sellers, periods 1 and 2 (January, February), one service point that may be left by the meter, void, reversal.

    Switches: late   sold_at is read after the locks are held (True) or before (False)
              stored void and reversal use service point and period stored on the sale (True),
                     or work them out again from sold_at and the meter (False)
              voidfee a void too makes the fee of the period due again (True); literal text names reversal alone (False)
    """

    def __init__(self, late=False, stored=False, voidfee=False, back=True, move=True):
        self.__dict__.update(locals())

    # clock, meter's point, counters ((point, period) -> units), fee paid set, sales (st, sold_at period, point, period, paidfee), pcs, newest{point}
    def initial(self):
        yield (
            1,
            0,
            ((0, 1, 0), (0, 2, 0), (1, 1, 0), (1, 2, 0)),
            frozenset(),
            (None, None),
            (("idle",), ("idle",)),
            (1, 1),
            None,
        )

    def add(self, counters, point, period, n):
        return tuple((p, q, u + n if (p, q) == (point, period) else u) for p, q, u in counters)

    def steps(self, s):
        clock, point, cnt, fees, sales, pcs, newest, err = s
        if clock == 1:
            yield "midnight: the next month begins", (2,) + s[1:]
        elif self.back:
            yield "!clock jumps back to the old month", (1,) + s[1:]
        if self.move and point == 0:
            yield "meter is swapped to another service point", (clock, 1) + s[2:]
        for i, x in enumerate(sales):
            pc = pcs[i]
            if x is None and pc[0] == "idle":
                if self.late:
                    yield (
                        f"seller{i}: begins reserve",
                        s[:5] + (self.pc(pcs, i, ("lock", None)),) + s[6:],
                    )
                else:
                    yield (
                        f"seller{i}: begins reserve, sold_at in month {clock}, waits for the lock",
                        s[:5] + (self.pc(pcs, i, ("lock", clock)),) + s[6:],
                    )
            if pc[0] == "lock":
                sold = pc[1] or clock
                behind = clock < newest[point] if not self.late else sold < newest[point]
                period = newest[point] if behind else sold
                if not self.late and sold < newest[point] and not behind:
                    err2 = "I7 priced in an old month after a sale of the new one"
                else:
                    err2 = err
                fee = (point, period) not in fees
                new = ("P", sold, point, period, fee)
                yield (
                    f"seller{i}: reserve commits: sold_at month {sold}, counter of point {point} month {period}{', pays the fee' if fee else ''}",
                    (
                        clock,
                        point,
                        self.add(cnt, point, period, 1),
                        fees | {(point, period)},
                        self.pc(sales, i, new),
                        self.pc(pcs, i, ("done",)),
                        self.pc(newest, point, max(newest[point], period)),
                        err2,
                    ),
                )
            if x and x[0] == "P":
                yield f"sale {i}: complete", s[:4] + (self.pc(sales, i, ("I",) + x[1:]),) + s[5:]
            if x and x[0] in "PI":
                what, st = ("void", "F") if x[0] == "P" else ("reversal", "R")
                at, per = (x[2], x[3]) if self.stored else (point, x[1])
                f2 = fees - {(at, per)} if x[4] and (what == "reversal" or self.voidfee) else fees
                yield (
                    f"sale {i}: {what} gives back to point {at} month {per}",
                    (clock, point, self.add(cnt, at, per, -1), f2, self.pc(sales, i, (st,) + x[1:]))
                    + s[5:],
                )

    def pc(self, seq, i, v):
        return seq[:i] + (v,) + seq[i + 1 :]

    def bad(self, s):
        _, _, cnt, fees, sales, _, _, err = s
        if err:
            yield err
        for p, q, u in cnt:
            want = sum(1 for x in sales if x and x[0] in "PI" and (x[2], x[3]) == (p, q))
            if u < 0:
                yield "I7 counter below zero"
            if u != want:
                yield "I7 counter is not the sum of its sales"
        for f in fees:
            if not any(x and x[0] in "PI" and x[4] and (x[2], x[3]) == f for x in sales):
                yield "I8 fee counts as paid, nobody paid it"


class Show:
    """Complete, then show, against a reversal 'never handed out' with money back.

    Switch: mark = shown_at is set by a commit (complete itself when the seller will show, else compare-and-set on issued) before digits leave, and
    'never handed out' needs it empty.
    """

    def __init__(self, mark=False):
        self.mark = mark

    # st, shown_at, left, money, pc of two viewers (seller, later viewer)
    def initial(self):
        yield ("P", 0, 0, "held", "got", "idle")

    def steps(self, s):
        st, at, left, money, p, v = s
        if p == "got":
            yield (
                "seller: complete commits" + (" with shown_at" if self.mark else ""),
                ("I", int(self.mark), left, money, "show", v),
            )
        if p == "show":
            yield "seller: answer with digits leaves the server", (st, at, 1, money, "idle", v)
            yield "!seller dies before the answer", (st, at, left, money, "idle", v)
        if v == "idle" and st == "I":
            if self.mark:
                yield (
                    "viewer: marks shown_at (compare-and-set on issued)",
                    (st, 1, left, money, p, "show"),
                )
            else:
                yield "viewer: reads sale, issued", (st, at, left, money, p, "show")
        if v == "show":
            yield "viewer: page with digits leaves the server", (st, at, 1, money, p, "end")
        if st == "I" and not (self.mark and at):
            yield (
                "supervisor: reversal 'never handed out', money back",
                ("R", at, left, "back", p, v),
            )

    def bad(self, s):
        if s[3] == "back" and s[2]:
            yield "I1 money back by 'never handed out', digits out"


class Point:
    """One form, one key, re-sent after the operator chose another vending point in another tab.

    Switch: inform = the form carries its vending point with the key.
    """

    def __init__(self, inform=False):
        self.inform = inform

    def initial(self):
        yield ("V1", frozenset(), 0)

    def steps(self, s):
        vp, keys, tokens = s
        use = "V1" if self.inform else vp
        if (use, "k") not in keys:
            yield (
                f"press: sale claims ({use}, k), token leaves, page lost",
                (vp, keys | {(use, "k")}, tokens + 1),
            )
        if vp == "V1":
            yield "operator chooses vending point V2 in another tab", ("V2", keys, tokens)

    def bad(self, s):
        if s[2] > 1:
            yield "I2 two tokens for one key"


class Cross:
    """Two sales of one meter, both refused with the same highest TID.

    Switch: head = new TID is max(highest, head) + 1 under the head's lock and raises the head; literal = 'the next TID above it'.
    """

    def __init__(self, head=False):
        self.head = head

    # head, table, module used, sales (tid, pc), err
    def initial(self):
        yield (0, frozenset(), (3,), (None, None), None)

    def steps(self, s):
        head, table, used, sales, err = s
        for i, x in enumerate(sales):
            up = lambda v, i=i: sales[:i] + (v,) + sales[i + 1 :]
            if x is None:
                t = head + 1
                yield (
                    f"sale {i}: reserve TID {t}",
                    (
                        t,
                        table | {t},
                        used,
                        up((t, "send", 0)),
                        "I6 reserve meets a stored TID" if t in table else err,
                    ),
                )
            elif x[1] == "send":
                # window 1 in this little model: anything not above the highest is refused
                if x[0] <= max(used):
                    yield (
                        f"module refuses TID {x[0]} of sale {i}, highest {max(used)}",
                        (head, table, used, up((max(used), "no", x[2])), err),
                    )
                else:
                    yield (
                        f"module makes TID {x[0]} for sale {i}",
                        (head, table, used + (x[0],), up((x[0], "ok", x[2])), err),
                    )
            elif x[1] == "no" and x[2] == 0:
                t = max(x[0], head) + 1 if self.head else x[0] + 1
                if t in table:
                    yield (
                        f"sale {i}: stores TID {t}: unique violation",
                        s[:4] + ("I6 unique violation on re-ask",),
                    )
                else:
                    yield (
                        f"sale {i}: stores TID {t}",
                        (
                            max(head, t) if self.head else head,
                            table | {t},
                            used,
                            up((t, "send", 1)),
                            err,
                        ),
                    )

    def bad(self, s):
        if s[4]:
            yield s[4]


CASES = [
    Case("counters, literal", Counters(), "I7 I8", limit=500_000),
    Case(
        "counters, service point and period stored", Counters(stored=True), "I7 I8", limit=500_000
    ),
    Case(
        "counters, stored, sold_at after the locks",
        Counters(stored=True, late=True),
        "I8",
        limit=500_000,
    ),
    Case(
        "counters, stored, late, void frees the fee",
        Counters(stored=True, late=True, voidfee=True),
        "",
        limit=500_000,
    ),
    Case("reversal 'never handed out' against showing, literal", Show(), "I1"),
    Case("reversal 'never handed out' against showing: all of it", Show(True)),
    Case("same key, other vending point, literal", Point(), "I2"),
    Case("same key, other vending point: all of it", Point(True)),
    Case("two sales refused at once, literal 'next TID above it'", Cross(), "I6"),
    Case("two sales refused at once: all of it", Cross(True)),
]
