"""The real services, driven through the kinds of steps of ``docs/model``: lost, late and doubled
requests, deaths, whims of the operator; and what must hold whatever comes.

``VMS_STEPS_EXAMPLES`` and ``VMS_STEPS_SEED`` have it search further; without them every run
takes the same steps.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import create_engine, event, select

from tests.factories import HARBOUR, SUPERVISOR, FrozenClock
from tests.keyring import KeyShop, make_ring
from tests.processes.books import FLOAT_MINOR
from tests.services.pair import CHECKER, MAKER, Pair, make_pair
from tests.shop import Shop
from tests.steps.checks import check_always, check_settled
from tests.steps.halts import CHANGING, OPEN, SELLING, SETTLING, TAKING_BACK, Halts
from tests.steps.line import FAULTS, NO, Line
from tests.steps.world import METERS, StepWorld
from vmsapp.clock import clock_reads
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.models import ServicePoint, VendingPointAccount
from vmsapp.services import vending

EXAMPLES = int(os.environ.get("VMS_STEPS_EXAMPLES", "60"))
SEED = os.environ.get("VMS_STEPS_SEED")
SHRINK = "VMS_STEPS_SHRINK" in os.environ
STEPS = 25

faults = st.one_of(st.just([]), st.lists(st.sampled_from([*FAULTS, *NO]), max_size=2))
weather = st.one_of(
    st.just([]), st.just([]), st.lists(st.sampled_from(["fine", "broken", "lost"]), max_size=3)
)
meters = st.sampled_from(METERS)
numbers = st.integers(0, 99)
MEANWHILE = (
    "the worker runs", "the worker runs later", "the worker cancels", "the same form again",
    "the money goes back", "the receipt is opened", "a set is asked for", "a set is withdrawn",
    "an old request arrives",
)  # fmt: skip
BEGINNINGS = ("a sale", "a sale in doubt", "a sale nobody has seen", "a set is out")
LIFE = (
    "an old request arrives", "an identifier is used elsewhere",
    "credits are to be sold again", "a debt is entered", "time goes on", "the clock is set back",
    "slips are entered",
)  # fmt: skip


def moment_at(points):
    """Whether somebody dies at a point, or somebody else acts there."""
    deaths = st.tuples(st.just("dies"), st.sampled_from(points))
    others = st.tuples(st.sampled_from(MEANWHILE), st.sampled_from([p for p in points if p in OPEN]))
    return st.one_of(st.none(), deaths, others)


class Utility(RuleBasedStateMachine):
    """One utility, from its first sale until everything is settled."""

    make_world = None
    keystore = None
    seen: Counter = Counter()

    def __init__(self):
        super().__init__()
        self.world = self.make_world()

    @initialize(story=st.sampled_from(BEGINNINGS), meter=meters)
    def begins(self, story, meter):
        """Begin where something is under way already."""
        world = self.world
        world.seen[f"begins: {story}"] += 1
        if story == "a set is out":
            world.change_key(meter)
        payment = world.pay(meter, "40")
        if story in {"a sale in doubt", "a sale nobody has seen"}:
            world.line.plan("request lost")
        world.press(payment)
        if story == "a sale in doubt":
            world.line.once("fetch_result", FAULTS["request lost"])
        if story in {"a sale in doubt", "a sale nobody has seen"}:
            world.tick(seconds=40)
            world.work()
        world.calm()

    def plan(self, moment, faults=(), meter=None, payment=None):
        """Plan what goes wrong during this step."""
        world = self.world
        world.line.plan(*faults)
        for fault in faults:
            world.seen[f"planned: {fault}"] += 1
        if moment is None:
            return
        what, point = moment
        if what == "dies":
            world.halts.die(point)
            return
        deeds = {
            "the worker runs": world.work,
            "the worker runs later": lambda: (world.tick(seconds=40), world.work()),
            "the worker cancels": lambda: (world.tick(minutes=11), world.work()),
            "the same form again": lambda: payment and world.press(payment),
            "the money goes back": lambda: payment and world.give_back(payment),
            "the receipt is opened": lambda: payment and world.show(payment),
            "a set is asked for": lambda: meter and world.change_key(meter),
            "a set is withdrawn": lambda: meter and world.answer_change(meter, "withdraw"),
            "an old request arrives": self.arrives,
        }

        def act():
            world.seen[f"meanwhile: {what}"] += 1
            deeds[what]()

        world.halts.meanwhile(point, act)

    def arrives(self, number=0):
        if self.world.line.sent:
            self.world.line.arrives_again(number)

    def some(self, number):
        return self.world.payments[number % len(self.world.payments)]

    @rule(meter=meters, units=st.sampled_from(["10", "40", "130"]), faults=faults,
          weather=weather, moment=moment_at(SELLING))  # fmt: skip
    def sell(self, meter, units, faults, weather, moment):
        payment = self.world.pay(meter, units)
        if payment:
            self.plan(moment, faults, meter, payment)
            self.world.press(payment, weather)

    @precondition(lambda self: self.world.payments)
    @rule(number=numbers, faults=faults, weather=weather, moment=moment_at(SELLING))
    def press_again(self, number, faults, weather, moment):
        payment = self.some(number)
        self.plan(moment, faults, payment.meter, payment)
        self.world.press(payment, weather)

    @rule(later=st.sampled_from([0, 40, 700]), faults=faults, weather=weather,
          moment=moment_at(SETTLING), number=numbers, silent=st.booleans())  # fmt: skip
    def worker(self, later, faults, weather, moment, number, silent):
        self.world.tick(seconds=later)
        payment = self.some(number) if self.world.payments else None
        self.plan(moment, faults, payment and payment.meter, payment)
        if silent:
            self.world.line.once("fetch_result", FAULTS["request lost"])
            self.world.line.once("cancel", FAULTS["answer lost"])
        self.world.work(weather)

    @precondition(lambda self: self.world.payments)
    @rule(number=numbers, deed=st.sampled_from(["show", "back", "wrong_meter", "not_handed_out"]))
    def deal_with(self, number, deed):
        payment = self.some(number)
        if deed == "show":
            self.world.show(payment)
        elif deed == "back":
            self.world.give_back(payment)
        else:
            self.world.ask_reversal(payment, deed)

    @precondition(lambda self: self.world.asked)
    @rule(number=numbers, by=st.sampled_from([CHECKER, CHECKER, MAKER]))
    def decide_reversal(self, number, by):
        self.world.decide_reversal(number, by)

    @rule(meter=meters, faults=faults, weather=weather, moment=moment_at(CHANGING))
    def change_key(self, meter, faults, weather, moment):
        self.plan(moment, faults, meter)
        self.world.change_key(meter, weather)

    @precondition(lambda self: self.world.wishes)
    @rule(number=numbers, faults=faults, moment=moment_at(CHANGING))
    def change_key_again(self, number, faults, moment):
        self.plan(moment, faults)
        self.world.send_wish(number)

    @precondition(lambda self: any(self.world.open_change(meter) for meter in METERS))
    @rule(meter=meters, faults=faults, moment=moment_at(TAKING_BACK),
          answer=st.sampled_from(["withdraw", "confirm", "confirm by a credit", "refuse",
                                  "refuse"]))  # fmt: skip
    def answer_change(self, meter, answer, faults, moment):
        self.plan(moment, faults, meter)
        self.world.answer_change(meter, answer)

    @rule(what=st.sampled_from(LIFE), meter=meters, number=numbers)
    def life_goes_on(self, what, meter, number):
        world = self.world
        world.seen[f"life: {what}"] += 1
        if what == "slips are entered":
            for customer in world.customers.values():
                world.seen["slip entered"] += customer.enter_next()
        elif what == "an old request arrives":
            self.arrives(number)
        elif what == "an identifier is used elsewhere":
            world.line.spend_elsewhere(world.shop.meter(meter).meter_pan, 1 + number % 2)
        elif what == "credits are to be sold again":
            world.sell_again(meter)
        elif what == "a debt is entered" and world.seen["debt entered"] < 3:
            world.owe(150 if number % 2 else 3000, *((20, None) if number % 3 else (None, 100)))
        elif what == "time goes on":
            world.tick(seconds=(20, 40, 700, 86_400)[number % 4])
        elif what == "the clock is set back":
            world.tick(seconds=-20 - number % 80)

    @invariant()
    def holds(self):
        self.world.seen.update(f"at {name}" for name in self.world.halts.seen)
        self.world.halts.seen.clear()
        self.world.calm()
        check_always(self.world)

    def teardown(self):
        try:
            self.world.settle()
            check_always(self.world)
            check_settled(self.world, self.keystore)
        finally:
            type(self).seen.update(self.world.seen)
            self.world.close()


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    store = make_ring(tmp_path_factory.mktemp("ring"))
    yield store
    store.close()


@pytest.fixture
def make_world(template_of, ring, blank_record, tmp_path, monkeypatch):
    """Give worlds, one after the other, each from the same beginning."""
    template, folder = template_of("sqlite"), tmp_path
    halts, clock = Halts(), FrozenClock()
    halts.install(monkeypatch.setattr)
    monkeypatch.setattr(vending, "UNDERWAY_WAIT_S", 0.0)
    engine = create_engine(f"sqlite:///{folder / 'vms.sqlite'}", hide_parameters=True)
    event.listen(engine, "connect", careless)
    begun: dict[str, object] = {}

    def make():
        clock.now = FrozenClock().now
        database, record = folder / "vms.sqlite", folder / "results.sqlite"
        engine.dispose()
        for path in folder.glob("*.sqlite*"):
            path.unlink()
        shutil.copyfile(begun.get("file", Path(template.url.removeprefix("sqlite:///"))), database)
        shutil.copyfile(blank_record, record)
        results = Results(record)
        line = Line(SoftModule(ring, results, limits=Limits(None, None)))
        registry = Registry((), {"soft": lambda _: line.inner}, wrap=lambda _: line)
        shop = Shop(engine, registry, template.utility, clock)
        if not begun:
            begin(shop, begun, folder)
        pair = Pair(shop, *begun["pair"])
        world = StepWorld(shop, line, halts, pair, begun["keys"])
        begun["keys"].shop = shop
        world.close = lambda: (results.close(), halts.forget())
        return world

    with clock_reads(clock):
        yield make


def careless(connection, _record):
    """Nothing here survives the machine anyway."""
    connection.execute("PRAGMA synchronous = OFF")


def begin(shop, begun, folder):
    """Write down once what every example begins with: a float, two people, one consumer."""

    def add(session):
        session.add(
            VendingPointAccount(
                vending_point_id=shop.utility.points[HARBOUR], limited=True,
                balance_minor=FLOAT_MINOR,
            )
        )  # fmt: skip
        first, second = (
            session.scalars(select(ServicePoint).where(ServicePoint.id == shop.point_of(name))).one()
            for name in METERS
        )
        second.consumer_id = first.consumer_id

    shop.change(add)
    pair = make_pair(shop)
    begun["pair"] = pair.group_id, pair.ids
    begun["keys"] = KeyShop(shop, SUPERVISOR)
    shop.engine.dispose()
    begun["file"] = folder / "begun.db"
    shutil.copyfile(shop.engine.url.database, begun["file"])


def test_whatever_happens_one_payment_has_one_token_or_its_money_back(make_world, ring):
    machine = type("Seen", (Utility,), {"make_world": staticmethod(make_world), "keystore": ring,
                                        "seen": Counter()})  # fmt: skip
    search = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, database=None, deadline=None,
        derandomize=SEED is None, phases=(Phase.generate, Phase.shrink) if SHRINK else (Phase.generate,),
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    run = machine if SEED is None else seed(int(SEED))(machine)
    run_state_machine_as_test(run, settings=search)
    print("\n".join(f"{count:6} {what}" for what, count in sorted(machine.seen.items())))
