"""A very small explicit-state model checker: breadth first, so every counterexample is a shortest one.

A step whose label begins with ``!`` is a fault or a whim (crash, lost reply, clock jump): progress
asks that from EVERY reachable state a settled one can be reached by steps without it, which is
progress once faults stop.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import NamedTuple, Protocol

State = Hashable
Trace = list[str]
PROGRESS = "I6"
"""Broken where there is no way on."""


class Model(Protocol):
    """What is explored; one with a method ``settled(state)`` is checked for progress, too."""

    def initial(self) -> Iterable[State]:
        """Where it begins."""

    def steps(self, state: State) -> Iterable[tuple[str, State]]:
        """Every step from a state: its label, and the state after it."""

    def bad(self, state: State) -> Iterable[str]:
        """Names of the invariants that are broken in a state, each beginning with its code."""


class Found(NamedTuple):
    """What an exploration found.

    Attributes:
        states: How many were seen.
        broken: A shortest trace for each broken invariant.
        stuck: A shortest trace to where there is no way on.
        complete: Every reachable state was seen.
    """

    states: int
    broken: dict[str, Trace]
    stuck: Trace | None
    complete: bool

    @property
    def codes(self) -> frozenset[str]:
        """Codes of what is broken."""
        stuck = {PROGRESS} if self.stuck is not None else set()
        return frozenset({name.split()[0] for name in self.broken} | stuck)


class Case(NamedTuple):
    """A model with its switches set, and what must come of it.

    Attributes:
        title: What is left out.
        model: With its switches.
        broken: Codes of the invariants it must break; none where it must hold.
        limit: How many states are looked at.
    """

    title: str
    model: Model
    broken: str = ""
    limit: int = 900_000

    @property
    def expected(self) -> frozenset[str]:
        """The codes, apart."""
        return frozenset(self.broken.split())


def explore(model: Model, limit: int = 3_000_000, *, first: bool = False) -> Found:
    """Look at every state within reach.

    Args:
        model: What to explore.
        limit: How many states are looked at.
        first: Stop at the first broken invariant.
    """
    parent: dict[State, tuple[State, str] | None] = dict.fromkeys(model.initial())
    queue = deque(parent)
    broken: dict[str, Trace] = {}
    onward: dict[State, list[State]] = {}
    while queue:
        if len(parent) > limit or (first and broken):
            return Found(len(parent), broken, None, complete=False)
        state = queue.popleft()
        for name in model.bad(state):
            broken.setdefault(name, _trace(parent, state))
        onward[state] = []
        for label, after in model.steps(state):
            if after not in parent:
                parent[after] = (state, label)
                queue.append(after)
            if not label.startswith("!"):
                onward[state].append(after)
    return Found(len(parent), broken, _stuck(model, parent, onward), complete=True)


def _stuck(
    model: Model,
    parent: dict[State, tuple[State, str] | None],
    onward: dict[State, list[State]],
) -> Trace | None:
    settled = getattr(model, "settled", None)
    if settled is None:
        return None
    back: dict[State, list[State]] = {}
    for state, after in onward.items():
        for one in after:
            back.setdefault(one, []).append(state)
    good = {state for state in parent if settled(state)}
    todo = list(good)
    while todo:
        for before in back.get(todo.pop(), ()):
            if before not in good:
                good.add(before)
                todo.append(before)
    # the order of insertion is breadth first
    lost = next((state for state in parent if state not in good), None)
    return None if lost is None else _trace(parent, lost)


def _trace(parent: dict[State, tuple[State, str] | None], state: State) -> Trace:
    labels = []
    while (step := parent[state]) is not None:
        state, label = step
        labels.append(label)
    return labels[::-1]


def run(cases: Iterable[Case]) -> list[str]:
    """Explore every case and print what was found.

    Returns:
        Titles of the cases that came out otherwise than they must.
    """
    return [case.title for case in cases if not _as_expected(case)]


def _as_expected(case: Case) -> bool:
    found = explore(case.model, case.limit)
    said = "BROKEN " + ", ".join(sorted(found.broken)) if found.broken else "HOLDS"
    cut = "" if found.complete else " (cut off)"
    print(f"\n== {case.title}: {found.states} states{cut} -> {said}")
    for name, trace in sorted(found.broken.items()):
        _print(f"{name}, {len(trace)} steps:", trace)
    if found.stuck is not None:
        _print(f"{PROGRESS}, no way on after {len(found.stuck)} steps:", found.stuck)
    if found.codes != case.expected:
        print(f"   UNEXPECTED: it must break {sorted(case.expected) or 'nothing'}")
    return found.codes == case.expected


def _print(title: str, trace: Trace) -> None:
    print(f"   {title}")
    for number, label in enumerate(trace, 1):
        print(f"     {number:2} {label}")
