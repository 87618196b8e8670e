"""Reports on taxes, steps, drawers, floats, second looks and gifts, beside sums over raw rows."""

import random  # noqa: TID251 - the same figures each time, and no secret
from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    ENDED_SGC,
    EXPIRED_SGC,
    HARBOUR,
    LEGACY_11,
    LEGACY_13,
    LEGACY_SGC,
    MARKET,
    MISSING_SGC,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    STS6_SGC,
    SUPERVISOR,
    TODAY,
    WATER,
    ZONE,
    add_tariff,
    step,
)
from tests.faults import request_lost
from tests.services import raw_sums
from tests.services.gifts import Gifts
from tests.services.pair import make_pair
from tests.till import Till
from vmsapp.models import (
    LedgerTransfer,
    Meter,
    ReceiptPrint,
    SecurityModule,
    Setup,
    VendingPointAccount,
)
from vmsapp.scope import Actor, seen_by
from vmsapp.security import SHIFTS, sight_of
from vmsapp.services.reports import By, Question
from vmsapp.services.reports.cash import cash_report
from vmsapp.services.reports.floats import float_report
from vmsapp.services.reports.free import free_report, quotas_used
from vmsapp.services.reports.key_expiry import key_report
from vmsapp.services.reports.second_looks import second_looks
from vmsapp.services.reports.steps import step_report
from vmsapp.services.reports.taxes import rounded, tax_report
from vmsapp.services.vending import reversal
from vmsapp.services.vending.reversal import REVERSE
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy

PLACES = (By.REGION, By.VENDING_POINT)
TIMES = (By.DAY, By.MONTH, By.YEAR)
LEVIES = (
    FlatLevy("Stamp", 7),
    UnitLevy("Lighting", Decimal("0.013")),
    PercentLevy("VAT", Decimal("16"), frozenset({Base.ENERGY}), of_levies=("Lighting",)),
    PercentLevy("Fund", Decimal("2.5"), frozenset({Base.TENDER})),
)
WORLDS = [
    (ZONE, datetime(2026, 3, 30, 18, 0, tzinfo=UTC)),  # a month's end; three hours ahead
    ("America/New_York", datetime(2026, 10, 31, 18, 0, tzinfo=UTC)),  # put back in the night
]


class World:
    """A utility that trades for a few days, as the dice fall."""

    def __init__(self, shop, zone, begins):
        self.shop, self.zone, self.begins = shop, zone, begins
        self.dice, self.pair, self.till = random.Random(zone), make_pair(shop), Till(shop)
        self.gifts = Gifts(shop, self.pair)
        shop.clock.now = begins
        shop.change(self.prepare)

    def prepare(self, session):
        session.query(Setup).update({"time_zone": self.zone})
        meters = self.shop.utility.meters
        levied = add_tariff(
            session, "Levied", step("0", "30", "0.0931"), step("30", None, "0.217", "5"),
            levies=LEVIES,
        )  # fmt: skip
        gross = add_tariff(
            session, "Gross", step("0", "40", "0.11", "7"), step("40", None, "0.17", "9"),
            levies=LEVIES[1:3], tax_inclusive=True,
        )  # fmt: skip
        water = add_tariff(
            session, "Water", step("0", "3", "1.25"), step("3", None, "2", "5"), levies=LEVIES,
            meter_type="water",
        )  # fmt: skip
        priced = {WATER: water, LEGACY_11: levied, SOUTHERN: levied, STS6_11: gross}
        for name, tariff in priced.items():
            session.get_one(Meter, meters[name]).tariff_id = tariff.id
        point = self.shop.utility.points[MARKET]
        session.add(
            VendingPointAccount(vending_point_id=point, limited=True, credit_limit_minor=10**6)
        )

    def trade(self):
        """Sell, take back, print again, give, move money; over three days."""
        shop, dice, shift, sales = self.shop, self.dice, None, []
        for number in range(12):
            shop.clock.forward(minutes=dice.choice([65, 190, 400]))
            if number % 4 == 0:
                shift = self.cash_up(shift)
            meter = dice.choice([LEGACY_11, DOMESTIC, STS6_11, SOUTHERN, WATER])
            south = {"point": MARKET, "by": SOUTH_OPERATOR} if meter == SOUTHERN else {}
            sales.append(shop.sell(meter, units=f"{dice.randint(50, 2900) / 10}", **south))
            for nth in range(1, dice.choice([1, 1, 2, 4])):
                self.print(sales[-1], nth)
            if number % 3 == 1:
                self.take_back(sales.pop(dice.randrange(len(sales))), f"back-{number}")
        self.give()
        shop.clock.forward(minutes=30)
        return self

    def cash_up(self, shift):
        """Count the drawer and open another one."""
        if shift is not None:
            self.till.move(shift, self.dice.randint(1, 900))
            self.till.move(shift, self.dice.randint(1, 900), out=False, reason="change")
            self.till.count(shift, self.dice.randint(1000, 9000))
            if self.till.again(shift).closed_at is None:
                self.till.finish(shift, "counted twice")
        return self.till.open(self.dice.randint(0, 3000))

    def print(self, sale, nth):
        who = self.dice.choice([OPERATOR, SUPERVISOR])
        at = self.shop.clock.forward(minutes=self.dice.choice([1, 90]))
        self.shop.change(lambda session: session.add(ReceiptPrint(
            vending_point_id=sale.vending_point_id, sale_id=sale.id, nth=nth, kind="paper",
            language="en", printed_at=at, printed_by_id=self.shop.utility.users[who].id,
        )))  # fmt: skip

    def take_back(self, sale, key):
        wanted = reversal.Reversal(sale.id, sale.charged_minor, "wrong_meter", "")
        asked = self.pair.ask(REVERSE, key, params=wanted)
        assert self.pair.approve(asked).state == "approved"

    def give(self):
        self.gifts.give(units="12.5")
        social = self.gifts.give(LEGACY_13, kind="free", reason="social", units="30")
        self.gifts.give(WATER, kind="free", reason="social", units="4")
        self.shop.clock.forward(minutes=200)
        self.take_back(social, "back-gift")

    def rows(self, first, last):
        return raw_sums.Rows(self.shop, self.zone, first, last)


def asked(shop, report, question, who=AUDITOR, *more):
    with shop.session() as session, seen_by(shop.actor(who)):
        return report(session, *more, question)


def told(answer):
    """The lines, by what they are about."""
    empty = [type(line.figures)() for line in answer.lines]
    return {
        (line.key, tuple(line.apart)): astuple(line.figures)
        for line, nothing in zip(answer.lines, empty, strict=True)
        if line.figures != nothing
    }


def some(raw):
    return {place: figures for place, figures in raw.items() if any(figures)}


def periods(begins):
    """All of it, and a day in the middle of it: its edges fall between sales."""
    year, day = begins.year, begins.date() + timedelta(days=1)
    return (date(year, 1, 1), date(year, 12, 31)), (day, day)


@pytest.mark.parametrize(("zone", "begins"), WORLDS, ids=["ahead", "behind"])
def test_figures_are_the_sums_of_their_rows(shop, zone, begins):
    world = World(shop, zone, begins).trade()
    assert shop.count(LedgerTransfer, LedgerTransfer.kind == "reversal") > 3
    told_apart = (
        (tax_report, raw_sums.taxes, (*TIMES, *PLACES)),
        (step_report, raw_sums.steps, (*TIMES, By.WEEK, By.PRODUCT, *PLACES)),
        (second_looks, raw_sums.second_looks, (*TIMES, By.WEEK, By.OPERATOR, *PLACES)),
        (free_report, raw_sums.free, (*TIMES, By.OPERATOR, *PLACES)),
    )
    for first, last in periods(world.begins):
        rows = world.rows(first, last)
        for report, raw, bys in told_apart:
            for by in bys:
                answer = asked(shop, report, Question(first, last, by))
                assert told(answer) == some(raw(rows, by)), (report.__name__, by, first)
                totals = [line.figures for line in answer.totals]
                assert sums(totals) == sums([line.figures for line in answer.lines])
    taxes_are_what_the_ledger_has_of_them(world)
    floats_begin_where_they_ended_and_end_where_they_are(world)
    drawers_hold_what_their_shifts_say(world)


def sums(figures):
    return [sum(parts) for parts in zip(*(astuple(one) for one in figures), strict=True)]


def taxes_are_what_the_ledger_has_of_them(world):
    for first, last in periods(world.begins):
        answer = asked(world.shop, tax_report, Question(first, last, By.DAY))
        found = {}
        for line in answer.totals:
            name = line.apart.name
            found[name] = found.get(name, 0) + line.figures.net_minor
        assert found == raw_sums.tax_accounts(world.rows(first, last))


def floats_begin_where_they_ended_and_end_where_they_are(world):
    shop, pair, begins = world.shop, world.pair, world.begins.date()
    for amount in (5000, 700):
        pair.ask(key=f"in-{amount}", amount_minor=amount, point=MARKET, paid_on=begins)
        shop.clock.forward(days=1)
    days = [begins + timedelta(days=number) for number in range(-1, 6)]
    for first, last in [*zip(days, days, strict=True), (days[0], days[-1]), (days[2], days[3])]:
        answer = asked(shop, float_report, Question(first, last, By.VENDING_POINT))
        found = {
            line.key: (*astuple(line.figures), line.figures.end_minor) for line in answer.lines
        }
        assert found == raw_sums.floats(world.rows(first, last))
    (account,) = [row for row in shop.rows(VendingPointAccount) if row.limited]
    everything = asked(shop, float_report, Question(days[0], days[-1], By.REGION))
    (line,) = everything.lines
    assert (line.figures.begin_minor, line.figures.end_minor) == (0, account.balance_minor)


def manager(shop, *deeds, name=AUDITOR):
    user = shop.utility.users[name]
    held = frozenset((deed, SHIFTS) for deed in deeds)
    return Actor(user.id, user.username, sight_of(user), held)


def drawers_hold_what_their_shifts_say(world):
    shop, actor = world.shop, manager(world.shop, "can_figures")
    for (first, last), by in product(periods(world.begins), (By.DAY, By.WEEK, By.MONTH)):
        with shop.session() as session, seen_by(actor):
            answer = cash_report(session, actor, Question(first, last, by))
        found = {
            (line.key, line.apart[2:]): astuple(line.figures) for line in answer.lines
        }  # fmt: skip
        assert found == raw_sums.drawers(world.rows(first, last), by)
        for line in answer.lines:
            one = line.figures
            moved = one.sold_minor + one.in_minor - one.back_minor - one.out_minor
            assert one.expected_minor == one.float_minor + moved
            assert one.difference_minor == one.counted_minor - one.expected_minor


def test_what_a_drawer_held_is_told_to_who_may_see_it(shop):
    till = Till(shop)
    till.count(till.open(2000), 2000)
    other = till.open(3000, by=SUPERVISOR)
    till.count(other, 3000, by=SUPERVISOR)
    question = Question(date(2026, 1, 1), date(2026, 12, 31), By.YEAR)

    def drawers(name, *deeds):
        actor = manager(shop, *deeds, name=name)
        with shop.session() as session, seen_by(actor):
            answer = cash_report(session, actor, question)
        return {line.apart.operator: line.figures.counted_minor for line in answer.lines}

    assert drawers(OPERATOR) == {OPERATOR: 2000}
    assert drawers(OPERATOR, "can_figures") == {OPERATOR: 2000, SUPERVISOR: 3000}
    assert drawers(SUPERVISOR, "can_close_others") == {OPERATOR: 2000, SUPERVISOR: 3000}
    assert drawers(SOUTH_OPERATOR, "can_figures") == {}


def test_everybody_is_told_of_what_is_theirs(shop):
    world = World(shop, *WORLDS[0]).trade()
    year = Question(date(2026, 1, 1), date(2026, 12, 31), By.VENDING_POINT)
    north, south = (shop.utility.points[name] for name in (HARBOUR, MARKET))
    seen = {AUDITOR: {north, south}, OPERATOR: {north}, SOUTH_OPERATOR: {south}}
    for report in (tax_report, step_report, second_looks, float_report, free_report):
        for who, points in seen.items():
            everything = asked(shop, report, year)
            own = {place: f for place, f in told(everything).items() if place[0] in points}
            assert told(asked(shop, report, year, who)) == own, (report.__name__, who)
    one = Question(date(2026, 1, 1), date(2026, 12, 31), By.YEAR, vending_point_id=south)
    assert told(asked(shop, tax_report, one, OPERATOR)) == {}
    assert world.rows(one.first, one.last).moved


def test_money_given_back_in_doubt_counts_for_who_gave_it_and_lies_in_no_drawer(shop, module):
    Till(shop).open(2000)
    module.once("issue_credit", request_lost)
    sale = shop.sell(units="50")  # 5.00
    shop.clock.forward(minutes=1)
    module.once("fetch_result", request_lost)
    shop.reconcile()
    shop.seal(sale)
    assert shop.reconcile() == {"reversed": 1}
    people = shop.utility.users
    answer = asked(shop, second_looks, Question(TODAY, TODAY, By.OPERATOR))
    assert told(answer) == {
        (people[OPERATOR].id, ()): (1, 500, 0, 0, 0),
        (people[SUPERVISOR].id, ()): (0, 0, 0, 1, 500),
    }  # fmt: skip
    rows = raw_sums.Rows(shop, ZONE, TODAY, TODAY)
    assert told(answer) == raw_sums.second_looks(rows, By.OPERATOR)
    (drawer,) = drawers_of(shop)
    assert (drawer.open, drawer.shifts, drawer.sold_minor, drawer.back_minor) == (1, 0, 0, 0)


def drawers_of(shop):
    actor = manager(shop, "can_figures")
    with shop.session() as session, seen_by(actor):
        answer = cash_report(session, actor, Question(TODAY, TODAY, By.DAY))
    return [line.figures for line in answer.lines]


KEYS = {
    # supply group: meters of all regions, of the north, of the south
    MISSING_SGC: (1, 1, 0), EXPIRED_SGC: (1, 1, 0), ENDED_SGC: (1, 1, 0), LEGACY_SGC: (11, 10, 1),
    STS6_SGC: (2, 2, 0),
}  # fmt: skip


@pytest.mark.parametrize(("who", "place"), [(AUDITOR, 0), (OPERATOR, 1), (SOUTH_OPERATOR, 2)])
def test_keys_are_told_with_the_meters_that_the_reader_sees(shop, who, place):
    meters = shop.rows(Meter, Meter.state != "retired")
    region = {0: None, 1: "north", 2: "south"}[place]
    ids = {row.id for name, row in shop.utility.regions.items() if region in {None, name}}
    counted = {sgc: sum(one.sgc == sgc and one.region_id in ids for one in meters) for sgc in KEYS}
    assert counted == {sgc: counts[place] for sgc, counts in KEYS.items()}
    answer = asked(shop, key_report, Question(TODAY, TODAY, By.YEAR), who)
    found = {line.apart.sgc: line.figures.meters for line in answer.lines}
    assert found == {sgc: count for sgc, count in counted.items() if count}


def test_keys_that_end_first_stand_first_and_those_that_are_missing_before_them(shop):
    answer = asked(shop, key_report, Question(TODAY, TODAY, By.YEAR))
    order = [(line.apart.sgc, line.apart.ends_on and line.apart.ends_on.year)
             for line in answer.lines]  # fmt: skip
    assert order == [(MISSING_SGC, None), (EXPIRED_SGC, 2020), (ENDED_SGC, 2024),
                     (LEGACY_SGC, 2045), (STS6_SGC, 2045)]  # fmt: skip

    def retire(session):
        session.query(SecurityModule).one().retired_at = shop.clock.now

    shop.change(retire)
    answer = asked(shop, key_report, Question(TODAY, TODAY, By.YEAR))
    assert {line.apart.ends_on for line in answer.lines} == {None}
    south = Question(TODAY, TODAY, By.YEAR, region_id=shop.utility.regions["south"].id)
    (line,) = asked(shop, key_report, south).lines
    assert (line.apart.sgc, line.figures.meters) == (LEGACY_SGC, 1)


def test_quotas_count_what_may_be_in_somebodys_hands(shop):
    gifts = Gifts(shop, make_pair(shop))
    first = gifts.give(units="20")
    shop.clock.forward(minutes=5)
    second = gifts.give(LEGACY_13, kind="free", reason="social", units="10")
    today = Question(first.business_date, first.business_date, By.DAY)
    (used,) = asked(shop, quotas_used, today)
    assert (used.name, used.value_minor, used.tokens) == (HARBOUR, 300, 2)  # 30 units at 0.10
    wanted = reversal.Reversal(second.id, 0, "not_handed_out", "")
    gifts.pair.approve(gifts.pair.ask(REVERSE, "back", params=wanted))
    (used,) = asked(shop, quotas_used, today)
    assert (used.value_minor, used.tokens) == (200, 1)
    assert asked(shop, quotas_used, today, SOUTH_OPERATOR) == []
    (before,) = asked(shop, quotas_used, Question(date(2026, 3, 1), date(2026, 3, 1), By.DAY))
    assert (before.value_minor, before.tokens) == (200, 0)  # the month is that of the day


def test_a_base_is_rounded_half_up_to_the_minor_unit():
    exact = {"0": 0, "1/2": 1, "49/100": 0, "123456789012345678901/2": 61728394506172839451,
             "2.5": 3, "7/3": 2}  # fmt: skip
    assert {text: rounded(text) for text in exact} == exact
