"""The kinds of steps of ``docs/model``, drawn by Hypothesis and taken by the real services."""

from collections import Counter
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.services.pair import CHECKER, MAKER
from tests.steps.checks import check_always, check_settled
from tests.steps.halts import CHANGING, OPEN, SELLING, SETTLING, TAKING_BACK
from tests.steps.line import FAULTS, NO
from tests.steps.world import MEANWHILE, METERS

faults = st.one_of(st.just([]), st.lists(st.sampled_from([*FAULTS, *NO]), max_size=2))
weather = st.one_of(
    st.just([]), st.just([]), st.lists(st.sampled_from(["fine", "broken", "lost"]), max_size=3)
)
meters = st.sampled_from(METERS)
numbers = st.integers(0, 99)
BEGINNINGS = ("a sale", "a sale in doubt", "a sale nobody has seen", "a set is out")
LIFE = (
    "an old request arrives", "an identifier is used elsewhere",
    "credits are to be sold again", "a debt is entered", "time goes on", "the clock is set back",
    "slips are entered",
)  # fmt: skip


def moment_at(points):
    """Whether somebody dies at a point, or somebody else acts there."""
    open_ones = [point for point in points if point in OPEN]
    deaths = st.tuples(st.just("dies"), st.sampled_from(points))
    others = st.tuples(st.sampled_from(MEANWHILE), st.sampled_from(open_ones))
    return st.one_of(st.none(), deaths, others)


class Utility(RuleBasedStateMachine):
    """One utility, from its first sale until everything is settled."""

    make_world: ClassVar[Any] = None
    keystore: ClassVar[Any] = None
    seen: ClassVar[Counter[str]] = Counter()

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

    def some(self, number):
        return self.world.payments[number % len(self.world.payments)]

    @rule(meter=meters, units=st.sampled_from(["10", "40", "130"]), faults=faults,
          weather=weather, moment=moment_at(SELLING))  # fmt: skip
    def sell(self, meter, units, faults, weather, moment):
        payment = self.world.pay(meter, units)
        if payment:
            self.world.plan(moment, faults, meter, payment)
            self.world.press(payment, weather)

    @precondition(lambda self: self.world.payments)
    @rule(number=numbers, faults=faults, weather=weather, moment=moment_at(SELLING))
    def press_again(self, number, faults, weather, moment):
        payment = self.some(number)
        self.world.plan(moment, faults, payment.meter, payment)
        self.world.press(payment, weather)

    @rule(later=st.sampled_from([0, 40, 700]), faults=faults, weather=weather,
          moment=moment_at(SETTLING), number=numbers, silent=st.booleans())  # fmt: skip
    def worker(self, later, faults, weather, moment, number, silent):
        self.world.tick(seconds=later)
        payment = self.some(number) if self.world.payments else None
        self.world.plan(moment, faults, payment and payment.meter, payment)
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
        self.world.plan(moment, faults, meter)
        self.world.change_key(meter, weather)

    @precondition(lambda self: self.world.wishes)
    @rule(number=numbers, faults=faults, moment=moment_at(CHANGING))
    def change_key_again(self, number, faults, moment):
        self.world.plan(moment, faults)
        self.world.send_wish(number)

    @precondition(lambda self: any(self.world.open_change(meter) for meter in METERS))
    @rule(meter=meters, faults=faults, moment=moment_at(TAKING_BACK),
          answer=st.sampled_from(["withdraw", "confirm", "confirm by a credit", "refuse",
                                  "refuse"]))  # fmt: skip
    def answer_change(self, meter, answer, faults, moment):
        self.world.plan(moment, faults, meter)
        self.world.answer_change(meter, answer)

    @rule(what=st.sampled_from(LIFE), meter=meters, number=numbers)
    def life_goes_on(self, what, meter, number):
        world = self.world
        world.seen[f"life: {what}"] += 1
        if what == "slips are entered":
            for customer in world.customers.values():
                for _ in range(1 + number % 3):
                    world.seen["slip entered"] += customer.enter_next()
        elif what == "an old request arrives":
            world.arrives(number)
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
