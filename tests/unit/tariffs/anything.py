"""Any plan, terms, standing and wish, for tests of what always holds."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

from hypothesis import strategies as st

from tests.unit.tariffs.making import MAX, TODAY
from vmsapp.money import Currency
from vmsapp.tariffs.engine import Debt, FeeDue, Standing, Terms, Used
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.levies import Base, FlatLevy, Levy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import (
    Accumulation,
    FeePeriod,
    FixedFee,
    Limits,
    Most,
    Penalty,
    Plan,
    Settlement,
    Span,
    Step,
)
from vmsapp.tariffs.plan_errors import InclusiveTooLow

ACCUMULATING = sorted(set(Accumulation) - {Accumulation.SALE, Accumulation.FIRST_OF_MONTH})


def units(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda tenths: tenths * GRID)


def decimals(high: int, places: int) -> st.SearchStrategy[Decimal]:
    """Numbers from 0 to ``high``, coarse ones as often as fine ones."""
    ends = st.sampled_from([Decimal(0), Decimal(high)])
    coarse, fine = (
        st.integers(0, high * 10**exponent).map(lambda n, e=exponent: Decimal(n).scaleb(-e))
        for exponent in (1, places)
    )
    return ends | coarse | fine


prices = decimals(3, 6)
percents = decimals(100, 4)
of_all = decimals(19, 4)  # five of them leave something to buy with
money = st.integers(0, 5000)


@st.composite
def chains(draw, most: int) -> list[tuple[Decimal, Decimal | None]]:
    """Contiguous (low, high] rows from 0, the last with or without an end."""
    ends = sorted(draw(st.sets(units(1, 300) | units(1, 9000), max_size=most)))
    last = [None] if not ends or (len(ends) < most and draw(st.booleans())) else []
    return list(pairwise([Decimal(0), *ends, *last]))


@st.composite
def levies(draw, steps: int) -> tuple[Levy, ...]:
    made: list[Levy] = []
    named = []
    for name in draw(st.sampled_from(["", "A", "AB", "ABCDE"])):
        kind = draw(st.sampled_from(["percent", "percent", "unit", "flat", "whole"]))
        on = tuple(sorted(draw(st.sets(st.integers(1, steps), max_size=2))))
        if kind == "unit":
            made.append(UnitLevy(name, draw(decimals(1, 6)), on))
        elif kind == "flat":
            made.append(FlatLevy(name, draw(money), on))
        elif kind == "whole":
            made.append(PercentLevy(name, draw(of_all), frozenset({Base.TENDER})))
            continue
        else:
            of = tuple(draw(st.sets(st.sampled_from(named), max_size=2))) if named else ()
            some = st.sets(st.sampled_from(sorted(set(Base) - {Base.TENDER})), min_size=not of)
            made.append(PercentLevy(name, draw(percents), frozenset(draw(some)), of, on))
        named.append(name)
    return tuple(made)


@st.composite
def limits(draw) -> Limits:
    smallest = draw(st.none() | units(1, 30))
    most = [
        Most(span, draw(st.none() | units(30, 3000)), draw(st.none() | st.integers(1, 400_000)))
        for span in draw(st.sets(st.sampled_from(Span), max_size=2))
    ]
    return Limits(smallest, None, tuple(most))


fees = st.builds(
    FixedFee,
    money,
    st.sampled_from(FeePeriod),
    st.booleans(),
    st.none() | st.integers(1, 40),
    st.sampled_from([Decimal(100), Decimal(50), Decimal("33.3"), Decimal(5)]),
)


@st.composite
def plans(draw, *, bare: bool = False) -> Plan:
    """Any plan; a bare one has nothing but steps, taxes and levies that are no flat sum."""
    rows = draw(chains(5))
    steps = tuple(Step(*row, draw(prices), draw(percents)) for row in rows)
    of_plan = draw(levies(len(steps)))
    if bare:
        kinds = (levy for levy in of_plan if isinstance(levy, UnitLevy) or not is_of_others(levy))
        accumulation = draw(st.sampled_from(ACCUMULATING))
        return Plan("Any", steps, None, levies=tuple(kinds), accumulation=accumulation)
    bands = draw(chains(5)) if draw(st.booleans()) else []
    fines = sorted(draw(st.lists(money, min_size=len(bands), max_size=len(bands))))
    plan = Plan(
        "Any",
        steps,
        draw(st.none() | fees),
        tuple(Penalty(*row, fine) for row, fine in zip(bands, fines, strict=True)),
        draw(st.sampled_from(Accumulation)),
        of_plan,
        limits=draw(st.just(Limits()) | limits()),
    )
    if not draw(st.booleans()):
        return plan
    try:
        return replace(plan, tax_inclusive=True)
    except InclusiveTooLow:
        return plan


def is_of_others(levy: Levy) -> bool:
    """Flat, or a percent of levies that a bare plan may not have."""
    return isinstance(levy, FlatLevy) or bool(levy.of_levies)


currencies = st.builds(
    Currency, st.just("XTS"), st.integers(0, 3), st.sampled_from([1, 1, 1, 5, 25])
)
terms = st.builds(Terms, plans(), currencies, st.sampled_from(Settlement), st.just(MAX))


@st.composite
def standings(draw) -> Standing:
    missed = [
        FeeDue(FeePeriod.MONTH, date(2023, 9 + place, 1), draw(money), missed=True)
        for place in range(draw(st.integers(0, 4)))
    ]
    current = [FeeDue(FeePeriod.MONTH, date(2024, 3, 1), draw(money), missed=False)]
    return Standing(
        draw(st.just(Decimal(0)) | units(0, 400) | units(0, 9000)),
        (*missed, *current[: draw(st.integers(0, 1))]),
        TODAY,
        tuple(Debt(name, draw(st.integers(1, 3000))) for name in draw(st.sampled_from(["", "x"]))),
        {Span.DAY: Used(draw(units(0, 500)), draw(money))} if draw(st.booleans()) else {},
    )


tenders = st.integers(1, 3000) | st.integers(3000, 40_000) | st.integers(1, 400_000)
wishes = units(1, 300) | units(1, 3000)
