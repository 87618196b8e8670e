"""Reports on taxes, steps, drawers, floats, second looks and gifts, beside sums over raw rows."""

from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from tests.factories import (
    AUDITOR,
    HARBOUR,
    LEGACY_13,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SUPERVISOR,
    TODAY,
    ZONE,
)
from tests.faults import request_lost
from tests.services import raw_sums
from tests.services.gifts import Gifts
from tests.services.pair import make_pair
from tests.services.trading import World
from tests.till import Till
from vmsapp.models import (
    LedgerTransfer,
    VendingPointAccount,
)
from vmsapp.scope import Actor, seen_by
from vmsapp.security import SHIFTS, sight_of
from vmsapp.services.reports import By, Question
from vmsapp.services.reports.cash import cash_report
from vmsapp.services.reports.floats import float_report
from vmsapp.services.reports.free import free_report, quotas_used
from vmsapp.services.reports.second_looks import second_looks
from vmsapp.services.reports.steps import step_report
from vmsapp.services.reports.taxes import rounded, tax_report
from vmsapp.services.vending import reversal
from vmsapp.services.vending.reversal import REVERSE

PLACES = (By.REGION, By.VENDING_POINT)
TIMES = (By.DAY, By.MONTH, By.YEAR)
WORLDS = [
    (ZONE, datetime(2026, 3, 30, 18, 0, tzinfo=UTC)),  # a month's end; three hours ahead
    ("America/New_York", datetime(2026, 10, 31, 18, 0, tzinfo=UTC)),  # put back in the night
]


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
