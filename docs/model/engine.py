"""A very small explicit-state model checker: breadth first, so every counterexample is a shortest one.

A model is any object with

    initial()            -> iterable of hashable states
    steps(state)         -> iterable of (label, next_state)
    bad(state)           -> iterable of names of invariants broken in this state
    settled(state)       -> True where nothing waits any more (for the progress check; optional)

A label starting with "!" is a fault or a whim (crash, lost reply, clock jump): the progress check
asks that from EVERY reachable state a settled one can be reached by steps without "!" (that is
progress under fairness once faults stop).
"""

from collections import deque


def explore(model, limit=3_000_000, want=None):
    """Explore; returns (number of states, {invariant: trace}, progress trace or None, complete?)."""
    parent, queue, found = {}, deque(), {}
    for state in model.initial():
        parent[state] = None
        queue.append(state)
    forward = {}
    check_progress = hasattr(model, "settled")
    complete = True
    while queue:
        state = queue.popleft()
        for name in model.bad(state):
            if name not in found:
                found[name] = trace(parent, state)
        if want and all(w in found for w in want):
            complete = False
            break
        if len(parent) > limit:
            complete = False
            break
        nexts = []
        for label, nxt in model.steps(state):
            if nxt not in parent:
                parent[nxt] = (state, label)
                queue.append(nxt)
            if check_progress and not label.startswith("!"):
                nexts.append(nxt)
        if check_progress:
            forward[state] = nexts
    stuck = None
    if check_progress and complete:
        back = {}
        for s, ns in forward.items():
            for n in ns:
                back.setdefault(n, []).append(s)
        good = {s for s in parent if model.settled(s)}
        todo = list(good)
        while todo:
            for p in back.get(todo.pop(), ()):
                if p not in good:
                    good.add(p)
                    todo.append(p)
        for s in parent:  # insertion order is breadth first
            if s not in good:
                stuck = trace(parent, s)
                break
    return len(parent), found, stuck, complete


def trace(parent, state):
    """The labels that lead to a state."""
    labels = []
    while parent[state] is not None:
        state, label = parent[state]
        labels.append(label)
    return labels[::-1]


def report(title, model, limit=3_000_000, expect=None):
    """Explore, print, and return the set of broken names (progress counts as I6)."""
    n, found, stuck, complete = explore(model, limit)
    broken = set(found) | ({"I6"} if stuck else set())
    verdict = "HOLDS" if not broken else "BROKEN " + ", ".join(sorted(broken))
    print(f"\n== {title}: {n} states{'' if complete else ' (cut off)'} -> {verdict}")
    for name, tr in sorted(found.items()):
        print(f"   {name}, {len(tr)} steps:")
        for i, label in enumerate(tr, 1):
            print(f"     {i:2} {label}")
    if stuck is not None:
        print(f"   I6, no way on after {len(stuck)} steps:")
        for i, label in enumerate(stuck, 1):
            print(f"     {i:2} {label}")
    if expect is not None and broken != set(expect):
        print(f"   UNEXPECTED: thought {sorted(expect)}")
    return broken, complete
