"""The real services, driven through the kinds of steps of ``docs/model``: lost, late and doubled
requests, deaths, whims of the operator; and what must hold whatever comes.

Without settings every run takes the same steps. ``VMS_STEPS_EXAMPLES`` has it search further,
``VMS_STEPS_SEED`` elsewhere; ``VMS_STEPS_SHRINK`` looks for a shortest example of what it finds.
"""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.factories import DOMESTIC
from tests.keyring import make_ring
from tests.steps.beginning import worlds
from tests.steps.checks import check_always, check_settled
from tests.steps.halts import CHANGING, OPEN, SELLING, SETTLING, TAKING_BACK
from tests.steps.line import FAULTS, NO
from tests.steps.machine import BEGINNINGS, LIFE, Utility
from tests.steps.world import MEANWHILE

SEARCH = os.environ.get("VMS_STEPS_EXAMPLES")
SEED = os.environ.get("VMS_STEPS_SEED")
SHRINK = "VMS_STEPS_SHRINK" in os.environ
EXAMPLES, STEPS = int(SEARCH or 20), 25

NEVER_MISSED = (
    *(f"begins: {story}" for story in BEGINNINGS), *(f"life: {what}" for what in LIFE),
    *(f"planned: {fault}" for fault in (*FAULTS, *NO)),
    "sale issued", "sale failed", "sale pending", "seller died", "worker: issued", "worker: failed",
    "worker: pending", "money given back in doubt", "reversal approved", "set completed",
    "set withdrawn", "confirm: done", "slip entered",
)  # fmt: skip
"""What a search comes by, however small it is."""


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    store = make_ring(tmp_path_factory.mktemp("ring"))
    yield store
    store.close()


@pytest.fixture
def make_world(template_of, ring, blank_record, tmp_path, monkeypatch):
    with worlds(template_of("sqlite"), ring, blank_record, tmp_path, monkeypatch) as make:
        yield make


def test_whatever_happens_one_payment_has_one_token_or_its_money_back(make_world, ring):
    seen = Counter()
    machine = type(
        "Seen", (Utility,),
        {"make_world": staticmethod(make_world), "keystore": ring, "seen": seen},
    )  # fmt: skip
    search = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, database=None, deadline=None,
        derandomize=SEED is None, suppress_health_check=list(HealthCheck), print_blob=False,
        phases=(Phase.generate, Phase.shrink) if SHRINK else (Phase.generate,),
    )  # fmt: skip
    run = machine if SEED is None else seed(int(SEED))(machine)
    run_state_machine_as_test(run, settings=search)
    report(seen)
    assert not [what for what in NEVER_MISSED if not seen[what]]


# every point of every phase: the process dies there, and others act there


def sell(world, point):
    """Sell, so that the seller comes by a point."""
    if point in {"refused", "raising_tid", "raised_tid"}:
        world.press(world.pay(DOMESTIC, "10"))
        pan = world.shop.meter(DOMESTIC).meter_pan
        world.line.spend_elsewhere(pan, 1)
    payment = world.pay(DOMESTIC, "40")
    return payment, lambda: world.press(payment)


def settle(world, point):
    """Leave something open, so that the worker comes by a point."""
    faults = {
        "found": "answer lost", "completing": "answer lost",
        "found_refused": "refused, answer lost",
        "set_found": "answer lost", "set_completing": "answer lost",
    }  # fmt: skip
    world.line.plan(faults.get(point, "request lost"))
    payment = None
    if point.startswith("set_"):
        world.change_key(DOMESTIC)
    else:
        payment = world.pay(DOMESTIC, "40")
        world.press(payment)
    world.calm()
    cancels = point in {"cancelling", "cancelled", "failing"}
    world.tick(seconds=700 if cancels else 40)
    return payment, world.work


def change(world, point):
    """Ask for a set; a sale may be sent again meanwhile."""
    payment = world.pay(DOMESTIC, "40")
    world.press(payment)
    return payment, lambda: world.change_key(DOMESTIC)


def take_back(world, point):
    """Ask for the set back."""
    payment, asked = change(world, point)
    asked()
    return payment, lambda: world.answer_change(DOMESTIC, "refuse")


PHASES = {"sell": (sell, SELLING), "settle": (settle, SETTLING), "change": (change, CHANGING),
          "take back": (take_back, TAKING_BACK)}  # fmt: skip


@pytest.mark.parametrize("phase", PHASES)
def test_at_every_point_a_process_may_die_and_others_may_act(make_world, ring, phase):
    prepare, points = PHASES[phase]
    seen = Counter()
    open_ones = [point for point in points if point in OPEN]
    apart = 1 if SEARCH else min(len(open_ones), 5)  # all of them, over the points of a phase
    for point in points:
        first = open_ones.index(point) % apart if point in OPEN else len(MEANWHILE)
        for what in ("dies", *MEANWHILE[first::apart]):
            world = make_world()
            try:
                payment, deed = prepare(world, point)
                world.plan((what, point), (), DOMESTIC, payment)
                deed()
                assert world.halts.seen == [point], f"{what} at {point}: nobody came by"
                world.calm()
                check_always(world)
                world.settle()
                check_always(world)
                check_settled(world, ring)
            finally:
                seen.update(world.seen)
                world.close()
    assert {f"at {point}" for point in points} <= seen.keys()
    assert {f"meanwhile: {what}" for what in MEANWHILE} <= seen.keys()


def report(seen):
    print("\n".join(f"{count:6} {what}" for what, count in sorted(seen.items())))  # noqa: T201
