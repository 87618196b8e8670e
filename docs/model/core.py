"""One payment, two keys, two web processes, two reconcilers, one `tcp` module (SALE.md 1, 4, 6, 7, 8).

Messages: a request once sent stays deliverable for ever, any number of times, in any order
(delay, reordering and duplication in one abstraction); a reply may be lost. A process may die between any
two steps. A commit may succeed with its acknowledgement lost.

Switches (True = the rule as it is, False = with that part left out):
  cas_rid    every write of a pending sale compares state AND request id
  doubt      "no byte was sent" fails the sale only for the seller who reserved it and while
             nobody stamped doubt; whoever else takes the sale stamps doubt first (a commit)
  tomb       a refusal that ends a sale is written by the module under the id, and the id is looked up first
  ack        a commit with unknown outcome is read again by key, never reported as a failure
  pend       a second sale is refused while the first is pending, not only while it is in doubt (whim: the operator
             opens a new form for the same money)
  seal       a supervisor gives the money back while the sale is in doubt: state S; if the module made the token the sale ends
             reversed (R) and no digits leave, else it fails
"""

from collections import namedtuple

from engine import Case

# st: - P I F ; rid: number of the present request ; tid ; n: re-asked already ; d: doubt stamped ; old: > 10 min
Sale = namedtuple("Sale", "st rid tid n d old")
S = namedtuple("S", "sales sent done canc refused sellers workers money shown keys tids nrid flags")
NONE = Sale("-", 0, 0, 0, 0, 0)


class Core:
    def __init__(
        self,
        cas_rid=False,
        doubt=False,
        tomb=False,
        ack=False,
        clash=False,
        policy=True,
        sellers=1,
        workers=1,
        presses=2,
        down=True,
        crash=True,
        seal=False,
        whim=False,
        pend=False,
    ):
        self.__dict__.update(locals())

    def initial(self):
        used = ((1, "x"),) if self.clash else ()
        yield S(
            (NONE, NONE),
            frozenset(),
            used,
            frozenset(),
            frozenset(),
            (("idle",),) * self.sellers,
            (("idle",),) * self.workers,
            "held",
            frozenset(),
            0,
            (),
            0,
            frozenset(),
        )

    # ---- the module: id looked up first; results durable; TID net
    def module(self, s, rid, tid, refuse):
        """Deliver an issue request; returns (state, answer)."""
        done = {r: t for t, r in s.done}
        if rid in done:
            return s, ("ok", done[rid])
        if rid in s.canc:
            return s, ("no",)
        if refuse:
            return (s._replace(canc=s.canc | {rid}) if self.tomb else s), ("no",)
        if any(t == tid for t, _ in s.done):
            return s, ("tid", max(t for t, _ in s.done))
        return s._replace(done=tuple(sorted(s.done + ((tid, rid),), key=str))), ("ok", tid)

    def set(self, seq, i, v):
        return seq[:i] + (v,) + seq[i + 1 :]

    def cas(self, s, i, rid):
        x = s.sales[i]
        return x.st in "PS" and (x.rid == rid or not self.cas_rid)

    def write(self, s, i, **kw):
        return s._replace(sales=self.set(s.sales, i, s.sales[i]._replace(**kw)))

    def reask(self, s, i, rid, high):
        """Rule 6: next TID above, new request id, once; returns (state, new rid, tid) or None (then fail)."""
        x = s.sales[i]
        if not self.cas(s, i, rid):
            return s, None
        if x.n >= (1 if self.cas_rid else 2):  # literal: both may think it is their "once"
            return s, "fail"
        tid = max([high] + list(s.tids)) + 1
        nr = s.nrid + 1
        return self.write(s, i, rid=nr, tid=tid, n=x.n + 1)._replace(
            nrid=nr, tids=s.tids + (tid,)
        ), (nr, tid)

    def act(self, s, who, i, rid, ans, put):
        """What an actor does with an answer about request rid of sale i. put(s, pc) stores its pc."""
        if ans[0] == "ok":
            if self.cas(s, i, rid):
                yield (
                    f"{who}: complete sale {i} with TID {ans[1]} (commit)",
                    put(
                        self.write(
                            s,
                            i,
                            st="I" if s.sales[i].st == "P" else "R",
                            tid=ans[1] if not self.cas_rid else s.sales[i].tid,
                        ),
                        ("show", i),
                    ),
                )
            else:
                yield f"{who}: complete loses the compare-and-set, reads again", put(s, ("show", i))
        elif ans[0] == "no":
            if self.cas(s, i, rid):
                yield (
                    f"{who}: definite no -> fail and void sale {i} (commit)",
                    put(self.write(s, i, st="F"), ("show", i)),
                )
            else:
                yield f"{who}: fail loses the compare-and-set", put(s, ("show", i))
        elif ans[0] == "tid":
            t, got = self.reask(s, i, rid, ans[1])
            if got is None:
                yield f"{who}: re-ask loses the compare-and-set", put(s, ("idle",))
            elif got == "fail":
                yield (
                    f"{who}: TID refused twice -> fail sale {i}",
                    put(self.write(s, i, st="F"), ("show", i)),
                )
            else:
                yield (
                    f"{who}: TID refused; stores request r{got[0]} TID {got[1]} on sale {i} (commit)",
                    put(t, ("send", i, got[0], got[1], 0)),
                )

    def steps(self, s):
        out = []
        add = lambda label, st: out.append((label, st))
        # delayed / duplicated requests reach the module with nobody listening
        for rid, tid in s.sent:
            for refuse in (False, True) if self.policy and self.tomb else (False,):
                t, a = self.module(s, rid, tid, refuse)
                if t != s:
                    add(f"!late or duplicate request r{rid} reaches the module -> {a[0]}", t)
        for i, x in enumerate(s.sales):
            if x.st == "P" and not x.old:
                add(f"sale {i} becomes older than 10 minutes", self.write(s, i, old=1))
        # the operator presses; key = index of the sale
        for p, pc in enumerate(s.sellers):
            put = lambda st, v, p=p: st._replace(sellers=self.set(st.sellers, p, v))
            who = f"seller{p}"
            if pc[0] == "idle":
                for k in range(min(self.presses, s.keys + 1)):
                    again = (
                        self.whim
                        and k
                        and s.sales[k - 1].st == "P"
                        and not self.pend
                        and not s.sales[k - 1].d
                    )
                    if (
                        k
                        and s.sales[k - 1].st != "F"
                        and ("toldfail", k - 1) not in s.flags
                        and not again
                    ):
                        continue  # a new key only after a failure message (page rule)
                    if s.sales[k].st == "-" and s.money == "held":
                        tid = max(list(s.tids) + [0]) + 1
                        nr = s.nrid + 1
                        t = self.write(s, k, st="P", rid=nr, tid=tid)._replace(
                            keys=max(s.keys, k + 1), nrid=nr, tids=s.tids + (tid,)
                        )
                        add(
                            f"{who}: key {k}: reserve commits (r{nr}, TID {tid})",
                            put(t, ("send", k, nr, tid, 1)),
                        )
                        # lost acknowledgement
                        add(
                            f"!{who}: key {k}: reserve commits (r{nr}), acknowledgement lost",
                            put(t, ("unk", k)),
                        )
                    elif s.sales[k].st != "-":
                        add(f"{who}: key {k} again: stored sale", put(s, ("show", k)))
            elif pc[0] == "unk":
                if self.ack:
                    add(f"{who}: reads sale by key", put(s, ("show", pc[1])))
                else:
                    add(
                        f"{who}: tells the operator 'failed, nothing was done'",
                        put(s._replace(flags=s.flags | {("toldfail", pc[1])}), ("idle",)),
                    )
            if pc[0] != "idle" and self.crash and pc[0] != "unk":
                add(f"!{who} dies", put(s, ("idle",)))
            out.extend(self.common(s, who, pc, put, True))
        # the operator's money
        if s.money == "held":
            for k in range(2):
                if ("toldfail", k) in s.flags and k == s.keys - 1:
                    add(
                        f"operator gives the money back (was told key {k} failed)",
                        s._replace(money="back"),
                    )
        if self.seal:
            for k, x in enumerate(s.sales):
                if x.st == "P" and x.d and s.money == "held" and k == s.keys - 1:
                    add(
                        f"supervisor: gives the money of sale {k} back, digits sealed (commit)",
                        self.write(s, k, st="S")._replace(money="back"),
                    )
        for w, pc in enumerate(s.workers):
            put = lambda st, v, w=w: st._replace(workers=self.set(st.workers, w, v))
            who = f"worker{w}"
            if pc[0] == "idle":
                for i, x in enumerate(s.sales):
                    if x.st in "PS":
                        t = self.write(s, i, d=1) if self.doubt else s
                        add(
                            f"{who}: takes pending sale {i} (r{x.rid})",
                            put(t, ("ask", i, x.rid, x.tid, x.old)),
                        )
            elif pc[0] == "ask":
                _, i, rid, tid, old = pc
                done = {r: t for t, r in s.done}
                if rid in done:
                    add(
                        f"{who}: fetch_result(r{rid}) -> executed",
                        put(s, ("got", i, rid, ("ok", done[rid]))),
                    )
                elif rid in s.canc:
                    add(f"{who}: fetch_result(r{rid}) -> never", put(s, ("got", i, rid, ("no",))))
                elif old:
                    add(
                        f"{who}: fetch_result(r{rid}) -> not executed, sale is old",
                        put(s, ("cancel", i, rid)),
                    )
                else:
                    add(
                        f"{who}: fetch_result(r{rid}) -> not executed, asks again",
                        put(s, ("send", i, rid, tid, 0)),
                    )
                if self.down:
                    add(f"!{who}: module does not answer", put(s, ("idle",)))
            elif pc[0] == "cancel":
                _, i, rid = pc
                done = {r: t for t, r in s.done}
                if rid in done:
                    add(
                        f"{who}: cancel(r{rid}) -> already executed",
                        put(s, ("got", i, rid, ("ok", done[rid]))),
                    )
                else:
                    t = s._replace(canc=s.canc | {rid})
                    add(f"{who}: cancel(r{rid}) -> never will be", put(t, ("got", i, rid, ("no",))))
                    add(f"!{who}: cancel(r{rid}) done, answer lost", put(t, ("idle",)))
            if pc[0] != "idle" and self.crash:
                add(f"!{who} dies", put(s, ("idle",)))
            out.extend(self.common(s, who, pc, put, False))
        return out

    def common(self, s, who, pc, put, seller):
        out = []
        if pc[0] == "send":
            _, i, rid, tid, first = pc
            t = s._replace(sent=s.sent | {(rid, tid)})
            out.append((f"{who}: sends r{rid}", put(t, ("wait", i, rid, tid))))
            if self.down:
                if not self.doubt or (first and not s.sales[i].d):
                    ok = self.cas(s, i, rid) and not (self.doubt and s.sales[i].d)
                    t = self.write(s, i, st="F") if ok else s
                    out.append(
                        (
                            f"!{who}: connection refused, no byte sent -> "
                            + ("fail at once, void (commit)" if ok else "loses"),
                            put(t, ("show", i)),
                        )
                    )
                else:
                    out.append(
                        (f"!{who}: connection refused, sale stays pending", put(s, ("idle",)))
                    )
        elif pc[0] == "wait":
            _, i, rid, tid = pc
            for refuse in (False, True) if self.policy else (False,):
                t, a = self.module(s, rid, tid, refuse)
                why = " (rate, clock, login ...)" if refuse and a == ("no",) else ""
                out.append(
                    (
                        ("!" if refuse else "") + f"module answers r{rid} to {who}: {a}{why}",
                        put(t, ("got", i, rid, a)),
                    )
                )
            # refused before the id is looked up (clock, rate, locked): says nothing about the id
            if self.policy and not self.tomb:
                out.append(
                    (
                        f"!module refuses this call of {who} for r{rid} (clock, rate, locked)",
                        put(s, ("got", i, rid, ("no",))),
                    )
                )
            out.append(
                (
                    f"!{who}: no answer to r{rid}; doubt",
                    put(self.write(s, i, d=1) if s.sales[i].st in "PS" else s, ("idle",)),
                )
            )
        elif pc[0] == "got":
            out.extend(self.act(s, who, pc[1], pc[2], pc[3], put))
        elif pc[0] == "show":
            i = pc[1]
            x = s.sales[i]
            if seller:
                if x.st == "I":
                    out.append(
                        (
                            f"{who}: digits of sale {i} leave the server",
                            put(s._replace(shown=s.shown | {i}), ("idle",)),
                        )
                    )
                elif x.st == "F":
                    out.append(
                        (
                            f"{who}: tells the operator 'sale {i} failed'",
                            put(s._replace(flags=s.flags | {("toldfail", i)}), ("idle",)),
                        )
                    )
                else:
                    out.append((f"{who}: shows 'sale {i} is being settled'", put(s, ("idle",))))
            else:
                out.append((f"{who}: next", put(s, ("idle",))))
        return out

    def bad(self, s):
        issued = [i for i, x in enumerate(s.sales) if x.st == "I"]
        if s.money == "back" and issued:
            yield "I1 money given back, token deliverable"
        if len(s.shown) > 1 or len(issued) > 1:
            yield "I2 two tokens for one payment"
        if any(s.sales[i].st != "I" for i in s.shown):
            yield "I3 digits left without a committed sale"
        ts = [t for t, _ in s.done]
        if len(ts) != len(set(ts)):
            yield "I4 TID twice"
        done = {r for _, r in s.done}
        for x in s.sales:
            if x.st == "F" and x.rid in done:
                yield "I9 executed token of a voided sale"
        own = sum(1 for x in s.sales if x.st in "PISR" and x.rid in done)
        voided = any(x.st == "F" and x.rid in done for x in s.sales)
        if len(done - {"x"}) > own and not voided:
            # an executed request that is not its sale's present one
            yield "I2m second token made in the module"
        for x in s.sales:
            if x.st == "I" and x.rid not in done:
                yield "I4m issued sale carries another request's token"

    def settled(self, s):
        return all(x.st in "-IFR" for x in s.sales) and all(
            p[0] == "idle" for p in s.sellers + s.workers
        )


ON = dict(cas_rid=True, doubt=True, tomb=True, ack=True)


CASES = [
    Case("core, literal rules (tcp), one seller one worker", Core(), "I1 I2 I9", limit=260_000),
    Case(
        "core, literal, another system used TID 1 (clash)",
        Core(clash=True, presses=1, sellers=1, workers=1),
        "I1 I2m I4m I9",
        limit=260_000,
    ),
    Case(
        "core, all but cas_rid",
        Core(**{**ON, "cas_rid": False}, presses=1, clash=True, workers=2),
        "I2m I4m I9",
        limit=300_000,
    ),
    Case("core, all but doubt", Core(**{**ON, "doubt": False}, presses=1), "I9", limit=300_000),
    Case("core, all but tomb", Core(**{**ON, "tomb": False}, presses=1), "I9", limit=300_000),
    Case("core, all but ack", Core(**{**ON, "ack": False}, presses=2), "I1 I2", limit=300_000),
    Case(
        "core, all of it, the same money pressed again in a new form while pending",
        Core(**ON, whim=True),
        "I1 I2",
        limit=300_000,
    ),
    Case(
        "core, all of it, the same money pressed again in a new form while pending: refused while pending",
        Core(**ON, whim=True, pend=True),
        "",
        limit=900_000,
    ),
    Case(
        "core, all of it, money back while in doubt (sealed), 2 keys",
        Core(**ON, seal=True),
        "",
        limit=900_000,
    ),
    Case(
        "core, all of it, sealed, clash, 1 seller 2 workers",
        Core(**ON, seal=True, presses=1, workers=2, clash=True),
        "",
        limit=900_000,
    ),
    Case(
        "core, all of it, sealed, 2 sellers 2 workers",
        Core(**ON, seal=True, presses=1, sellers=2, workers=2),
        "",
        limit=900_000,
    ),
    Case("core, all of it, 3 sellers 1 worker", Core(**ON, presses=1, sellers=3), limit=900_000),
    Case(
        "core, all of it, 2 sellers 1 worker, 2 keys",
        Core(**ON, sellers=2, pend=True, whim=True),
        "",
        limit=700_000,
    ),
    Case("core, all of it, 1 seller 1 worker, 2 keys", Core(**ON), limit=900_000),
    Case("core, all of it, 1 seller 2 workers", Core(**ON, presses=1, workers=2), limit=900_000),
    Case("core, all of it, 2 sellers 1 worker", Core(**ON, presses=1, sellers=2), limit=900_000),
    Case(
        "core, all of it, 2 sellers 2 workers",
        Core(**ON, presses=1, sellers=2, workers=2),
        "",
        limit=900_000,
    ),
    Case(
        "core, all of it, clash, 1 seller 2 workers",
        Core(**ON, presses=1, workers=2, clash=True),
        "",
        limit=900_000,
    ),
    Case(
        "core, all of it, clash, 2 sellers 1 worker",
        Core(**ON, presses=1, sellers=2, clash=True),
        "",
        limit=900_000,
    ),
]
