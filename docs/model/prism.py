"""PrismToken (SALE.md 7): no cancel, FIFO result cache, the module may choose the TID. Two sales to one meter.

bump     the module knows the meter's TIDs and moves to the next free minute when the one asked for is used
Switches (True = the rule as it is):
  only     a definite no fails a sale only when it answers the only request ever sent for it
  raise_   storing another TID than asked also raises the meter's head, under its lock; a clash goes to a person
  kept     every message id ever sent is kept on the sale; all are asked for before another is sent
  person   what a person may do is named: hand out the digits in hand, or void for good
"""

from collections import namedtuple

from engine import Case

# sale: st asked-tid msgs(tuple) tid ; act: pcs ; ex: executed ((msg, sale, tid)...) ; cache: one msg
P = namedtuple("P", "sales head table sent ex cache act shown fail nmsg")


class Prism:
    def __init__(
        self,
        bump=True,
        only=False,
        raise_=False,
        kept=False,
        person=False,
        nsales=2,
        policy=True,
        maxmsg=4,
    ):
        self.__dict__.update(locals())

    def initial(self):
        yield P(
            (None,) * self.nsales,
            0,
            frozenset(),
            frozenset(),
            (),
            None,
            (("idle",),) * (self.nsales + 1),
            frozenset(),
            None,
            0,
        )

    def run(self, s, msg, sale, tid):
        for m, _, t in s.ex:
            if m == msg:
                return s, t
        used = {t for _, _, t in s.ex}
        if self.bump:
            while tid in used:
                tid += 1
        return s._replace(ex=s.ex + ((msg, sale, tid),), cache=msg), tid

    def put(self, s, a, pc):
        return s._replace(act=s.act[:a] + (pc,) + s.act[a + 1 :])

    def w(self, s, i, v):
        return s._replace(sales=s.sales[:i] + (v,) + s.sales[i + 1 :])

    def steps(self, s):
        for m, i, t in s.sent:
            n, _ = self.run(s, m, i, t)
            if n != s:
                yield f"!late request m{m} reaches the module", n
        if s.cache is not None:
            yield "!other traffic pushes the result out of the cache", s._replace(cache=None)
        for a, pc in enumerate(s.act):
            worker = a == self.nsales
            who = "worker" if worker else f"seller{a}"
            if pc[0] == "idle":
                if (
                    not worker
                    and s.sales[a] is None
                    and not (a and s.sales[a - 1] is None)
                    and not any(x and x[0] == "D" for x in s.sales)
                ):
                    t = s.head + 1
                    if t in s.table:
                        yield (
                            f"{who}: reserve TID {t}: unique violation",
                            s._replace(
                                fail="I6 sales to this meter stop: reserve meets a stored TID"
                            ),
                        )
                        continue
                    m = s.nmsg
                    yield (
                        f"{who}: reserve sale {a} TID {t} message m{m}",
                        self.put(
                            self.w(s, a, ("P", t, (m,), t))._replace(
                                head=t, table=s.table | {t}, nmsg=m + 1
                            ),
                            a,
                            ("send", a, m, t),
                        ),
                    )
                if worker:
                    for i, x in enumerate(s.sales):
                        if x and x[0] in "PD":
                            yield (
                                f"worker: takes sale {i}",
                                self.put(self.w(s, i, ("D",) + x[1:]), a, ("ask", i)),
                            )
            elif pc[0] == "ask":
                i = pc[1]
                x = s.sales[i]
                msgs = x[2] if self.kept else x[2][-1:]
                hit = [(m, t) for m, j, t in s.ex if m in msgs and m == s.cache]
                if hit:
                    yield (
                        f"worker: fetchTokenResult(m{hit[0][0]}) -> TID {hit[0][1]}",
                        self.put(s, a, ("got", i, hit[0][0], ("ok", hit[0][1]), 1)),
                    )
                elif s.nmsg < self.maxmsg and x[0] in "PD":
                    m = s.nmsg
                    yield (
                        f"worker: ECacheMiss for {msgs}; stores new m{m}, same minute (commit)",
                        self.put(
                            self.w(s, i, x[:2] + (x[2] + (m,), x[3]))._replace(nmsg=m + 1),
                            a,
                            ("send", i, m, x[1]),
                        ),
                    )
                else:
                    yield "worker: leaves it on the list", self.put(s, a, ("idle",))
            elif pc[0] == "send":
                _, i, m, t = pc
                yield (
                    f"{who}: sends m{m} minute {t}",
                    self.put(s._replace(sent=s.sent | {(m, i, t)}), a, ("wait", i, m, t)),
                )
            elif pc[0] == "wait":
                _, i, m, t = pc
                n, got = self.run(s, m, i, t)
                yield (
                    f"module answers m{m} to {who}: TID {got}",
                    self.put(n, a, ("got", i, m, ("ok", got), int(worker))),
                )
                if self.policy and not any(
                    e[0] == m for e in s.ex
                ):  # one TLS stream: a message runs once or is refused
                    yield (
                        f"!module says no to m{m} ({who}): error code",
                        self.put(
                            s._replace(sent=s.sent - {(m, i, t)}),
                            a,
                            ("got", i, m, ("no",), int(worker)),
                        ),
                    )
                yield (
                    f"!{who}: no answer",
                    self.put(
                        self.w(s, i, ("D",) + s.sales[i][1:]) if s.sales[i][0] == "P" else s,
                        a,
                        ("idle",),
                    ),
                )
            elif pc[0] == "got":
                _, i, m, ans, re = pc
                x = s.sales[i]
                if x[0] not in "PD":
                    yield f"{who}: loses the compare-and-set", self.put(s, a, ("idle",))
                elif ans[0] == "no":
                    if self.only and (re or len(x[2]) > 1 or x[0] == "D"):
                        yield (
                            f"{who}: no, but an earlier message may have run: stays in doubt",
                            self.put(s, a, ("idle",)),
                        )
                    else:
                        yield (
                            f"{who}: definite no -> fail sale {i}",
                            self.put(self.w(s, i, ("F",) + x[1:]), a, ("idle",)),
                        )
                else:
                    t = ans[1]
                    if t == x[1]:
                        yield (
                            f"{who}: complete sale {i} TID {t}",
                            self.put(self.w(s, i, ("I",) + x[1:3] + (t,)), a, ("idle",)),
                        )
                    elif t in s.table or re:
                        yield (
                            f"{who}: TID {t} clashes or is not the minute: a person decides (digits sealed on the sale)",
                            self.put(self.w(s, i, ("H",) + x[1:3] + (t,)), a, ("idle",)),
                        )
                    else:
                        head = max(s.head, t) if self.raise_ else s.head
                        yield (
                            f"{who}: complete sale {i} with returned TID {t}",
                            self.put(
                                self.w(s, i, ("I",) + x[1:3] + (t,))._replace(
                                    table=s.table | {t}, head=head
                                ),
                                a,
                                ("idle",),
                            ),
                        )
        for i, x in enumerate(s.sales):
            if x and x[0] == "H":
                if self.person:
                    clash = any(
                        j != i and y and y[0] in "IH" and y[3] == x[3]
                        for j, y in enumerate(s.sales)
                    )
                    if not clash:
                        yield (
                            f"person: hands out the digits of sale {i} (TID {x[3]}, head raised)",
                            self.w(s, i, ("I",) + x[1:])._replace(
                                table=s.table | {x[3]}, head=max(s.head, x[3])
                            ),
                        )
                    yield (
                        f"person: voids sale {i} for good, money back",
                        self.w(s, i, ("V",) + x[1:]),
                    )
                else:
                    yield (
                        f"person: hands out the digits of sale {i} (TID {x[3]})",
                        self.w(s, i, ("I",) + x[1:]),
                    )

    def bad(self, s):
        if s.fail:
            yield s.fail.split()[0] + " reserve fails on a stored TID"
        iss = [x[3] for x in s.sales if x and x[0] == "I"]
        if len(iss) != len(set(iss)):
            yield "I4 TID twice among tokens handed out"
        for i, x in enumerate(s.sales):
            if x and x[0] == "F" and any(j == i for _, j, _ in s.ex):
                yield "I9 machine failed a sale whose token exists"

    def settled(self, s):
        return all(p[0] == "idle" for p in s.act)


class Failover:
    """Two `tcp` modules with equal keys. Switch: asked = the sale lists every module asked; all must cancel."""

    def __init__(self, asked=False):
        self.asked = asked

    # st, current, sent{(mod)}, exec{mod}, canc{mod}, asked{mod}, worker pc, seller pc
    def initial(self):
        yield ("P", "A", frozenset(), frozenset(), frozenset(), frozenset(), ("idle",), ("send",))

    def steps(self, s):
        st, cur, sent, ex, canc, asked, w, p = s
        if cur == "A":
            yield "failover: registry assigns the algorithm to B", (st, "B") + s[2:]
        else:
            yield "!registry assigns the algorithm back to A", (st, "A") + s[2:]
        for m in sorted(sent):
            if m not in ex and m not in canc:
                yield f"!request reaches {m} late", (st, cur, sent, ex | {m}, canc, asked, w, p)
        if p == ("send",):
            yield (
                f"seller: sends r1 to {cur}",
                (st, cur, sent | {cur}, ex, canc, asked | {cur}, w, ("wait", cur)),
            )
        if p[0] == "wait":
            yield "!seller: no answer", s[:7] + (("gone",),)
        if w == ("idle",) and st == "P" and p != ("send",):
            yield f"worker: takes the sale, old, goes to {cur}", s[:6] + (("at", cur), p)
        if w[0] == "at":
            m = w[1]
            todo = sorted(asked | {m}) if self.asked else [m]
            if any(x in ex for x in todo):
                yield (
                    f"worker: fetch_result at {todo} -> executed, complete",
                    ("I",) + s[1:6] + (("idle",), p),
                )
            else:
                left = [x for x in todo if x not in canc]
                if left:
                    yield (
                        f"worker: cancel at {left[0]}",
                        (st, cur, sent, ex, canc | {left[0]}, asked, w, p),
                    )
                else:
                    yield "worker: cancelled -> fail and void", ("F",) + s[1:6] + (("idle",), p)
            yield "!worker: module does not answer", s[:6] + (("idle",), p)

    def bad(self, s):
        if s[0] == "F" and s[3]:
            yield "I9 executed token of a voided sale"

    def settled(self, s):
        return s[0] in "IF"


CASES = [
    Case("prism, literal, module keeps the minute asked", Prism(False), "I9", limit=200_000),
    Case("prism: all of it", Prism(False, True, True, True, True), limit=900_000),
    Case(
        "prism, literal, module moves to the next free minute", Prism(True), "I6 I9", limit=200_000
    ),
    Case("prism: all of it, moves", Prism(True, True, True, True, True), limit=900_000),
    Case(
        "prism, three sales, literal but 'only'",
        Prism(True, True, nsales=3, policy=False),
        "I6",
        limit=300_000,
    ),
    Case(
        "prism, three sales, all of it",
        Prism(True, True, True, True, True, nsales=3, policy=False),
        "",
        limit=500_000,
    ),
    Case("failover, literal", Failover(), "I9"),
    Case("failover, every module asked must cancel", Failover(True)),
]
