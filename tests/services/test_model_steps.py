"""The real services, driven through the kinds of steps of ``docs/model``: lost, late and doubled
requests, deaths, whims of the operator; and what must hold whatever comes.

Without settings every run takes the same steps. ``VMS_STEPS_EXAMPLES`` has it search further,
``VMS_STEPS_SEED`` elsewhere; ``VMS_STEPS_SHRINK`` looks for a shortest example of what it finds.
"""

import os
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.factories import DOMESTIC, STS6_11
from tests.services.pair import CHECKER, MAKER
from tests.steps.beginning import worlds
from tests.steps.checks import check_always, check_settled
from tests.steps.halts import CHANGING, OPEN, SELLING, SETTLING, TAKING_BACK
from tests.steps.line import FAULTS, NO
from tests.steps.machine import Utility
from tests.steps.world import MEANWHILE

SEARCH = os.environ.get("VMS_STEPS_EXAMPLES")
SEED = os.environ.get("VMS_STEPS_SEED")
SHRINK = "VMS_STEPS_SHRINK" in os.environ
EXAMPLES, STEPS = int(SEARCH or 12), 25

TAKEN = (
    *(f"planned: {fault}" for fault in (*FAULTS, *NO)),
    "sale issued", "sale failed", "sale pending", "worker: issued", "worker: failed",
    "worker: pending", "worker: reversed", "ends: asked twice", "ends: failed cancelled",
    "money given back in doubt", "reversal approved", "reversal failed", "debt entered",
    "reversal decided by the same: own_request", "set completed", "set back completed",
    "confirm: done", "confirm by a credit: done", "withdraw: done", "refuse: done",
    "refused: clock_behind", "refused: sale_underway",
)  # fmt: skip
"""Kinds of steps, and what became of them."""


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
    assert min(seen[f"sale {state}"] for state in ("issued", "failed", "pending")) > 0


def in_doubt(world, meter=DOMESTIC):
    """Sell, so that the worker takes the sale up and hears nothing."""
    world.line.plan("request lost")
    payment = world.pay(meter, "10")
    world.press(payment)
    world.calm()
    world.tick(seconds=40)
    world.line.once("fetch_result", FAULTS["request lost"])
    world.work()
    world.calm()
    return payment


def faults_of_every_kind(world):
    for fault in (*FAULTS, *NO):
        payment = world.pay(DOMESTIC, "10")
        world.plan(None, [fault])
        world.press(payment)
        world.calm()
        world.press(payment)
        world.press(world.pay(DOMESTIC, "40"))  # a new form for the same meter
        world.tick(seconds=40)
        world.work()
        world.show(payment)
        check_always(world)
    world.line.spend_elsewhere(world.shop.meter(DOMESTIC).meter_pan, 1)
    world.press(world.pay(DOMESTIC, "10"), ["fine", "fine", "lost"])
    in_doubt(world)
    world.tick(seconds=700)
    world.line.once("fetch_result", FAULTS["request lost"])
    world.work()
    world.calm()
    world.arrives(len(world.line.sent) - 1)
    world.clock.now -= timedelta(hours=1)
    world.press(world.pay(STS6_11, "10"))


def whims_about_money(world):
    world.owe(3000, 20, None)
    for made in (True, False):
        payment = in_doubt(world)
        world.give_back(payment)
        world.tick(seconds=40 if made else 700)
        world.work()
        world.show(payment)
    for reason in ("wrong_meter", "not_handed_out"):
        payment = world.pay(STS6_11, "10") if reason == "wrong_meter" else in_doubt(world)
        world.press(payment) if reason == "wrong_meter" else world.work()
        for by in (MAKER, CHECKER):
            world.ask_reversal(payment, reason)
            world.decide_reversal(len(world.asked) - 1, by)
    payment = in_doubt(world)
    world.work()
    world.ask_reversal(payment, "not_handed_out")
    world.show(payment)  # the digits leave before the second person comes
    world.decide_reversal(len(world.asked) - 1, CHECKER)


def whims_about_keys(world):
    world.line.plan("request lost")
    world.change_key(DOMESTIC)
    world.calm()
    world.answer_change(DOMESTIC, "withdraw")
    for answer in ("confirm", "refuse", "confirm", "confirm by a credit"):
        if world.open_change(DOMESTIC) is None:
            world.change_key(DOMESTIC)
        world.press(world.pay(DOMESTIC, "10"))
        if answer != "refuse":
            world.tick(days=1)
            world.customers[DOMESTIC].enter_next()
            world.customers[DOMESTIC].enter_next()
        world.answer_change(DOMESTIC, answer)
        world.sell_again(DOMESTIC)
        check_always(world)


def test_steps_of_every_kind_are_taken(make_world, ring):
    seen = Counter()
    for story in (faults_of_every_kind, whims_about_money, whims_about_keys):
        world = make_world()
        try:
            story(world)
            world.settle()
            check_always(world)
            check_settled(world, ring)
        finally:
            seen.update(world.seen)
            world.close()
    report(seen)
    assert not [what for what in TAKEN if not seen[what]]


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
