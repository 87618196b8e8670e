"""What holds for every plan, standing and wish."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from vmsapp.money import Currency
from vmsapp.tariffs.charges import exact_cost
from vmsapp.tariffs.engine import LineKind, Standing, Terms, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.errors import AboveLimit, AmountTooSmall, BelowSmallestPurchase
from vmsapp.tariffs.plan import (
    GRID,
    Accumulation,
    FeePeriod,
    FixedFee,
    Penalty,
    Plan,
    Settlement,
    Step,
)

TODAY = date(2024, 3, 5)
MONTHS = (date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1))
MAX = Decimal("1638.3")


def units(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda tenths: tenths * GRID)


prices = st.integers(0, 3_000_000).map(lambda millionths: Decimal(millionths).scaleb(-6))
taxes = st.integers(0, 10_000).map(lambda hundredths: Decimal(hundredths).scaleb(-2))


@st.composite
def chains(draw, most: int) -> list[tuple[Decimal, Decimal | None]]:
    """Contiguous (low, high] rows from 0, the last with or without an end."""
    ends = sorted(draw(st.sets(units(1, 9000), max_size=most)))
    last = [None] if not ends or (len(ends) < most and draw(st.booleans())) else []
    return list(pairwise([Decimal(0), *ends, *last]))


@st.composite
def plans(draw, *, bare: bool = False) -> Plan:
    steps = tuple(Step(*row, draw(prices), draw(taxes)) for row in draw(chains(5)))
    if bare:
        return Plan("Any", steps, None)
    bands = draw(chains(5)) if draw(st.booleans()) else []
    fines = sorted(draw(st.lists(st.integers(0, 5000), min_size=len(bands), max_size=len(bands))))
    penalties = tuple(Penalty(*row, fine) for row, fine in zip(bands, fines, strict=True))
    fee = FixedFee(draw(st.integers(0, 500)), FeePeriod.MONTH, True, None)
    accumulation = draw(st.sampled_from(Accumulation))
    smallest, largest = draw(
        st.sampled_from([(None, None), (Decimal(1), None), (None, Decimal(70))])
    )
    return Plan("Any", steps, fee, penalties, accumulation, smallest, largest)


currencies = st.builds(
    Currency, st.just("XTS"), st.integers(0, 3), st.sampled_from([1, 1, 5, 25, 50])
)
terms = st.builds(Terms, plans(), currencies, st.sampled_from(Settlement), st.just(MAX))
standings = st.builds(
    Standing, units(0, 4000), st.integers(0, 3).map(lambda n: MONTHS[:n]), st.just(TODAY)
)
tenders = st.integers(1, 400_000)


def quote_or_none(make, *args):
    try:
        return make(*args)
    except (AboveLimit, AmountTooSmall, BelowSmallestPurchase):
        return None


@given(terms, standings, tenders)
def test_lines_and_change_make_what_was_received_by_amount(under, standing, tender):
    quote = quote_or_none(quote_by_amount, under, standing, tender)
    assume(quote is not None)
    assert sum(line.amount_minor for line in quote.lines) + quote.change_minor == tender
    assert quote.received_minor == tender
    assert quote.charged_minor == tender - quote.change_minor
    assert all(line.amount_minor >= 0 for line in quote.lines if line.kind != LineKind.ROUNDING)


@given(terms, standings, units(1, 16383))
def test_lines_make_what_was_received_by_quantity(under, standing, wanted):
    quote = quote_or_none(quote_by_quantity, under, standing, wanted)
    assume(quote is not None)
    assert sum(line.amount_minor for line in quote.lines) == quote.received_minor
    assert (quote.change_minor, quote.units) == (0, wanted)
    assert quote.received_minor % under.currency.coin_minor == 0
    assert abs(quote.total_minor(LineKind.ROUNDING)) < under.currency.coin_minor
    assert all(line.amount_minor >= 0 for line in quote.lines if line.kind != LineKind.ROUNDING)


@given(terms, standings, tenders)
def test_amount_down_buys_the_largest_quantity_that_fits(under, standing, tender):
    under = replace(
        under, currency=replace(under.currency, coin_minor=1), settlement=Settlement.DOWN
    )
    quote = quote_or_none(quote_by_amount, under, standing, tender)
    assume(quote is not None)
    assert quote_by_quantity(under, standing, quote.units).charged_minor == quote.charged_minor
    assert quote.charged_minor <= tender
    above = quote_or_none(quote_by_quantity, under, standing, quote.units + GRID)
    assert above is None or above.charged_minor > tender  # None: a limit was reached


@given(terms, standings, units(1, 16383))
def test_amount_asked_for_a_quantity_buys_at_least_that_quantity(under, standing, wanted):
    under = replace(under, currency=replace(under.currency, coin_minor=1))
    quote = quote_or_none(quote_by_quantity, under, standing, wanted)
    assume(quote is not None)
    assume(quote.charged_minor > 0)
    down = quote_by_amount(
        replace(under, settlement=Settlement.DOWN), standing, quote.charged_minor
    )
    assert down.units >= wanted


@given(terms, standings, tenders)
def test_up_gives_no_less_than_nearest_and_nearest_no_less_than_down(under, standing, tender):
    ways = (Settlement.DOWN, Settlement.NEAREST, Settlement.UP)
    quotes = [
        quote_or_none(quote_by_amount, replace(under, settlement=way), standing, tender)
        for way in ways
    ]
    assume(all(quotes))
    down, nearest, up = (quote.units for quote in quotes)
    assert down <= nearest <= up <= down + GRID


@given(plans(bare=True), standings, units(1, 8000), units(1, 8000))
def test_two_parts_cost_the_same_as_the_whole(plan, standing, first, second):
    under = Terms(plan, Currency("XTS", 2), Settlement.DOWN, MAX)
    end = plan.steps[-1].end
    assume(end is None or standing.bought + first + second <= end)
    later = replace(standing, bought=standing.bought + first)
    parts = exact_cost(under, standing, first) + exact_cost(under, later, second)
    assert parts == exact_cost(under, standing, first + second)
