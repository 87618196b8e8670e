"""What holds for every plan, standing and wish; costs by the plain way of ``plain``."""

import json
from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.tariffs import anything as some
from tests.unit.tariffs.making import MAX
from tests.unit.tariffs.plain import Plain, to_coin
from vmsapp.errors import InvalidInput
from vmsapp.money import Currency
from vmsapp.tariffs.cost import Cost
from vmsapp.tariffs.credit import quote_for_currency
from vmsapp.tariffs.document import parse, read_rules, rules_of
from vmsapp.tariffs.engine import LineKind, Terms, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.errors import AmountTooSmall
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.levies import FlatLevy
from vmsapp.tariffs.limits import tightest_limit
from vmsapp.tariffs.plan import Limits, Settlement

FEES = {LineKind.FEE_ARREARS: "fee", LineKind.FEE: "fee"}


def quote_or_none(make, *args):
    try:
        return make(*args)
    except InvalidInput:
        return None


def tenths(units) -> int:
    return int(units * 10)


def largest(under, standing) -> int:
    return tightest_limit(under, standing).tenths


def without_money_limits(under: Terms) -> Terms:
    """Amounts are looked at that a limit of money would refuse."""
    limits = under.plan.limits
    units = tuple(replace(most, minor=None) for most in limits.most)
    plan = replace(under.plan, limits=Limits(limits.smallest_units, None, units))
    return replace(under, plan=plan)


def assert_adds_up(quote) -> None:
    amounts = [(line.kind, line.amount_minor) for line in quote.lines]
    assert sum(minor for _, minor in amounts) + quote.change_minor == quote.received_minor
    assert quote.charged_minor == quote.received_minor - quote.change_minor
    assert quote.change_minor >= 0
    assert all(minor >= 0 for kind, minor in amounts if kind is not LineKind.ROUNDING)
    assert json.loads(json.dumps(quote.figures())) == quote.figures()
    assert json.loads(json.dumps(quote.as_dict()))["charged_minor"] == quote.charged_minor


@given(some.terms, some.standings(), some.tenders)
def test_lines_and_change_make_what_was_received_by_amount(under, standing, tender):
    quote = quote_or_none(quote_by_amount, under, standing, tender)
    assume(quote is not None)
    assert quote.received_minor == tender
    assert_adds_up(quote)


@given(some.terms, some.standings(), some.wishes)
def test_lines_make_what_was_received_by_quantity(under, standing, wanted):
    quote = quote_or_none(quote_by_quantity, under, standing, wanted)
    assume(quote is not None)
    assert (quote.change_minor, quote.units) == (0, wanted)
    assert quote.charged_minor % under.currency.coin_minor == 0
    assert_adds_up(quote)


@given(some.terms, some.standings(), some.wishes)
def test_quantity_costs_what_the_plain_way_says_line_by_line(under, standing, wanted):
    quote = quote_or_none(quote_by_quantity, under, standing, wanted)
    assume(quote is not None)
    plain = Plain(under, standing, quote.fees, tenths(wanted))
    cost = Cost.of(under, standing, quote.fees)
    assert cost.exact_minor(tenths(wanted)) == plain.exact
    assert quote.payable_minor == plain.payable
    assert quote.charged_minor == to_coin(under, plain.payable)
    assert [
        (FEES.get(line.kind, line.kind.value), line.amount_minor) for line in quote.lines
    ] == plain.lines(quote.charged_minor)


@given(some.terms, some.standings(), some.wishes)
def test_exact_figures_of_the_lines_make_the_exact_cost(under, standing, wanted):
    under = replace(under, currency=replace(under.currency, coin_minor=1))
    quote = quote_or_none(quote_by_quantity, under, standing, wanted)
    assume(quote is not None)
    lines = [line for line in quote.lines if line.kind is not LineKind.ROUNDING]
    plain = Plain(under, standing, quote.fees, tenths(wanted))
    # Percents of the whole are of the rounded amount: at most half a minor unit apart.
    assert abs(sum(line.exact_minor for line in lines) - plain.exact) <= Fraction(1, 2)


@settings(max_examples=200)
@given(some.terms, some.standings(), some.tenders)
def test_amount_down_buys_the_largest_quantity_that_fits(under, standing, tender):
    under = without_money_limits(replace(under, settlement=Settlement.DOWN))
    quote = quote_or_none(quote_by_amount, under, standing, tender)
    assume(quote is not None)
    bought = tenths(quote.units)
    assert quote.charged_minor == Plain(under, standing, quote.fees, bought).payable <= tender
    if bought < largest(under, standing):
        assert Plain(under, standing, quote.fees, bought + 1).payable > tender


@settings(max_examples=200)
@given(some.terms, some.standings(), some.tenders, st.sampled_from(["up", "nearest"]))
def test_amount_taken_whole_buys_the_exact_solution_on_the_grid(under, standing, tender, way):
    under = without_money_limits(replace(under, settlement=Settlement(way)))
    quote = quote_or_none(quote_by_amount, under, standing, tender)
    assume(quote is not None)
    bought = tenths(quote.units)
    down = quote_by_amount(replace(under, settlement=Settlement.DOWN), standing, tender)
    assert down.units <= quote.units <= down.units + GRID
    here = Plain(under, standing, quote.fees, bought)
    if quote.change_minor:
        # A limit, a fine or a flat sum ended it: what was bought is what fits.
        assert quote.units == down.units
        assert quote.charged_minor == here.payable <= tender
    if bought > tenths(down.units):
        before = Plain(under, standing, quote.fees, bought - 1)
        assert before.exact < tender <= here.exact
        if way == "nearest" and under.plan.penalties == () and no_flat_levies(under.plan):
            assert here.exact - tender <= tender - before.exact
    elif not quote.change_minor and bought < largest(under, standing):
        above = Plain(under, standing, quote.fees, bought + 1)
        assert above.payable > tender
        if way == "up":
            assert abs(here.exact - tender) <= Fraction(1, 2)
        elif abs(here.exact - tender) > Fraction(1, 2):
            assert tender - here.exact < above.exact - tender


def no_flat_levies(plan) -> bool:
    return not any(isinstance(levy, FlatLevy) for levy in plan.levies)


@settings(max_examples=200)
@given(some.terms, some.standings(), some.tenders)
def test_minimum_named_works_and_one_less_does_not(under, standing, tender):
    under = without_money_limits(under)
    for make in (quote_by_amount, quote_for_currency):
        try:
            make(under, standing, tender)
        except AmountTooSmall as refusal:
            minimum = refusal.minimum.minor
            assert minimum > tender
            assert make(under, standing, minimum).received_minor == minimum
            assert minimum == 1 or quote_or_none(make, under, standing, minimum - 1) is None
        except InvalidInput:
            assume(False)


@given(some.terms, some.standings(), some.tenders, st.integers(1, 5000))
def test_more_money_never_buys_nothing_where_less_bought_something(under, standing, tender, more):
    under = without_money_limits(under)
    for make in (quote_by_amount, quote_for_currency):
        if quote_or_none(make, under, standing, tender):
            assert quote_or_none(make, under, standing, tender + more)


@settings(max_examples=200)
@given(some.terms, some.standings(), some.wishes)
def test_amount_asked_for_a_quantity_buys_at_least_that_quantity(under, standing, wanted):
    under = without_money_limits(under)
    under = replace(under, currency=replace(under.currency, coin_minor=1))
    quote = quote_or_none(quote_by_quantity, under, standing, wanted)
    assume(quote is not None)
    assume(quote.charged_minor > 0)
    back = quote_by_amount(
        replace(under, settlement=Settlement.DOWN), standing, quote.charged_minor
    )
    assert back.fees == quote.fees
    assert back.units >= wanted


@given(some.plans(bare=True), some.standings(), some.wishes, some.wishes)
def test_two_parts_cost_the_same_as_the_whole(plan, standing, first, second):
    under = Terms(plan, Currency("XTS", 2), Settlement.DOWN, MAX)
    end = plan.steps[-1].end
    assume(end is None or standing.bought + first + second <= end)
    standing = replace(standing, debts=())
    later = replace(standing, bought=standing.bought + first)

    def exact(where, units) -> Fraction:
        return Cost.of(under, where, ()).exact_minor(tenths(units))

    assert exact(standing, first) + exact(later, second) == exact(standing, first + second)


@given(some.plans(), some.currencies)
def test_plan_read_from_its_document_is_the_same_plan(plan, currency):
    text = json.dumps(rules_of(plan, currency), sort_keys=True)
    assert read_rules(parse(text), currency) == plan


@given(some.terms, some.standings(), some.tenders)
def test_credit_is_what_fees_debts_and_percents_of_all_leave(under, standing, tender):
    quote = quote_or_none(quote_for_currency, under, standing, tender)
    assume(quote is not None)
    assert_adds_up(quote)
    plain = Plain(under, standing, quote.fees, 0)
    assert quote.credit_minor >= 1
    lines = [line for line in quote.lines if line.kind is not LineKind.ROUNDING]
    assert sum(line.exact_minor for line in lines) == tender
    assert abs(quote.credit_minor - lines_credit(quote).exact_minor) <= Fraction(len(lines) + 1, 2)
    assert [line.amount_minor for line in lines if line.kind in FEES] == [
        minor for kind, minor in plain.lines(0) if kind == "fee"
    ]


def lines_credit(quote):
    return next(line for line in quote.lines if line.kind is LineKind.CREDIT)
