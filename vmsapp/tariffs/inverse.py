"""From money to units: the cost turned round, in exact fractions.

Between the ends of steps and the limits of penalty bands cost is a straight line, so
each stretch is solved by one division; nothing is searched for. Cost never falls as
units grow (prices are not negative and fines do not fall), so the first stretch that
reaches the money holds the answer.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from vmsapp.money import round_down, round_half_up
from vmsapp.tariffs.charges import exact_cost, payable_minor
from vmsapp.tariffs.plan import GRID, Settlement
from vmsapp.tariffs.steps import counted_before, spread
from vmsapp.tariffs.terms import Standing, Terms

HALF: Final = Fraction(1, 2)
TO_GRID: Final[dict[Settlement, Callable[[Fraction], int]]] = {
    Settlement.UP: math.ceil,
    Settlement.NEAREST: round_half_up,
}
"""How units are brought to the grid when the tender is taken whole."""


class Reach(NamedTuple):
    """How far money goes.

    Attributes:
        units: All that is below it costs less than the money.
        spent: Whether the money is used up there; if not, a limit or a jump of the
            fine stopped it.
    """

    units: Fraction
    spent: bool


def units_that_fit(
    terms: Terms, standing: Standing, tender_minor: int, largest: Decimal
) -> Decimal:
    """Find the largest quantity whose amount payable fits the tender.

    Args:
        terms: What it is sold under.
        standing: The service point's counters.
        tender_minor: Minor units.
        largest: Limit of the quantity, on the grid.

    Returns:
        Units on the grid; 0 when not even one grid step fits.
    """
    # Half-up rounding lets an exact cost fit as long as it is below the tender and a half.
    reach = _reach(terms, standing, tender_minor + HALF, largest)
    units = _snap(reach.units, round_down)
    if units and payable_minor(terms, standing, units) > tender_minor:
        units -= GRID  # the solution itself is on the grid, and costs that half to the full
    return units


def units_for_all(
    terms: Terms, standing: Standing, tender_minor: int, largest: Decimal
) -> Decimal | None:
    """Find the quantity a tender taken whole buys, for the settlements up and nearest.

    Returns:
        Units on the grid, or ``None`` where a limit or a fine leaves part of the tender over.
    """
    reach = _reach(terms, standing, Fraction(tender_minor), largest)
    return _snap(reach.units, TO_GRID[terms.settlement]) if reach.spent else None


def _snap(units: Fraction, rounding: Callable[[Fraction], int]) -> Decimal:
    return rounding(units / Fraction(GRID)) * GRID


def _reach(terms: Terms, standing: Standing, money: Fraction, largest: Decimal) -> Reach:
    """Solve exact cost = ``money`` (minor units) on the stretch that gets there."""
    low = Fraction()
    for end in _stretch_ends(terms, standing, largest):
        missing = exact_cost(terms, standing, end) - money
        if missing >= 0:
            slope = _slope(terms, standing, end)
            units = Fraction(end) - missing / slope if slope else low
            return Reach(units, spent=True) if units > low else Reach(low, spent=False)
        low = Fraction(end)
    return Reach(low, spent=False)


def _stretch_ends(terms: Terms, standing: Standing, largest: Decimal) -> list[Decimal]:
    """List where the straight lines of the cost end, in units of this purchase."""
    before = counted_before(terms.plan, standing.bought)
    ends = [step.end - before for step in terms.plan.steps if step.end is not None]
    ends += [band.low for band in terms.plan.penalties]
    return [*sorted({end for end in ends if 0 < end < largest}), largest]


def _slope(terms: Terms, standing: Standing, end: Decimal) -> Fraction:
    """Give the minor units that one more unit costs just below ``end``, tax included."""
    before = counted_before(terms.plan, standing.bought)
    step = spread(terms.plan.steps, before, end)[-1].step
    tax = 1 + Fraction(step.tax_percent) / 100
    return Fraction(step.price) * tax * terms.currency.minor_per_unit
