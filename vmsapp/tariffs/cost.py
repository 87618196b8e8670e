"""What one purchase costs, and how far money goes.

Between the ends of steps and the limits of penalty bands cost is a straight line, so money
is turned into units by one division a stretch; nothing is searched for. Cost never falls
as units grow (prices are not negative and fines do not fall), so the first stretch that
reaches the money holds the answer. All figures are whole: tenths of units and parts of a
minor unit (see ``prices``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from vmsapp.tariffs.plan import Accumulation, Plan, Settlement
from vmsapp.tariffs.prices import Prices, tenths
from vmsapp.tariffs.terms import FeeDue, Standing, Terms


def counted_before(plan: Plan, standing: Standing) -> int:
    """Give the tenths already counted where this purchase begins.

    The first purchase of a month alone has the first step, under ``FIRST_OF_MONTH``.
    """
    if plan.accumulation is Accumulation.SALE:
        return 0
    bought = standing.bought
    first_end = plan.steps[0].end
    if plan.accumulation is Accumulation.FIRST_OF_MONTH and bought and first_end is not None:
        bought = max(bought, first_end)
    return tenths(bought)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a purchase at one service point, as a function of its tenths.

    Attributes:
        prices: Of the plan.
        counted: Tenths counted where it begins.
        due: Parts due whatever is bought: fees and debts.
    """

    prices: Prices
    counted: int
    due: int

    @classmethod
    def of(cls, terms: Terms, standing: Standing, fees: Iterable[FeeDue]) -> "Cost":
        """Make the cost of a purchase that pays these ``fees``."""
        prices = terms.prices
        due = prices.fee * sum(fee.amount_minor for fee in fees)
        due += prices.debt * sum(debt.amount_minor for debt in standing.debts)
        return cls(prices, counted_before(terms.plan, standing), due)

    def parts(self, bought: int) -> int:
        """Price ``bought`` tenths, more than 0, in parts of a minor unit."""
        prices, counted = self.prices, self.counted
        energy = prices.energy(counted + bought) - prices.energy(counted)
        return self.due + energy + prices.fine(bought) + prices.flat(counted, bought)

    def minor(self, bought: int) -> int:
        """Price ``bought`` tenths in money, half-up to the minor unit."""
        return half_up(self.parts(bought), self.prices.scale)

    def exact_minor(self, bought: int) -> Fraction:
        """Price ``bought`` tenths in minor units, before rounding."""
        return Fraction(self.parts(bought), self.prices.scale)


def half_up(parts: int, scale: int) -> int:
    """Round parts, 0 or more, to the nearest minor unit, halves up."""
    return (2 * parts + scale) // (2 * scale)


def most_that_fit(cost: Cost, minor: int, most: int) -> int:
    """Find the largest quantity whose amount payable fits ``minor``, up to ``most``.

    Returns:
        Tenths; 0 when not even one fits.
    """
    # Half-up rounding lets a cost fit as long as it is below the money and a half.
    bound = (2 * minor + 1) * cost.prices.scale
    low = 0
    for high in _stretch_ends(cost, most):
        at_end = 2 * cost.parts(high)
        if at_end >= bound:
            slope = 2 * _slope(cost, high)
            fitting = high - ((at_end - bound) // slope + 1) if slope else low
            return max(low, fitting)
        low = high
    return low


def all_the_money_buys(cost: Cost, minor: int, most: int, settlement: Settlement) -> int | None:
    """Find the quantity that money taken whole buys, for the settlements up and nearest.

    Returns:
        Tenths, or ``None`` where a limit or a fine leaves part of the money over.
    """
    money = minor * cost.prices.scale
    low = 0
    for high in _stretch_ends(cost, most):
        missing = cost.parts(high) - money
        if missing >= 0:
            slope = _slope(cost, high)
            solution = Fraction(high) - Fraction(missing, slope) if slope else Fraction(low)
            snapped = _snap(solution, settlement)
            if solution <= low or (snapped == low and _jumps(cost, low, high)):
                return None
            return snapped
        low = high
    return None


def _jumps(cost: Cost, low: int, high: int) -> bool:
    """Tell whether cost jumps at ``low``, where the stretch that ends at ``high`` begins."""
    return low > 0 and cost.parts(high) - (high - low) * _slope(cost, high) > cost.parts(low)


def _snap(solution: Fraction, settlement: Settlement) -> int:
    """Bring an exact quantity to the grid."""
    if settlement is Settlement.UP:
        return -(-solution.numerator // solution.denominator)
    return half_up(solution.numerator, solution.denominator)


def _stretch_ends(cost: Cost, most: int) -> Iterator[int]:
    """List where the straight lines of the cost end, in tenths of this purchase."""
    prices, counted = cost.prices, cost.counted
    ends = {start - counted for start in prices.starts}
    ends |= {low for low, _ in prices.bands}
    yield from sorted(end for end in ends if 0 < end < most)
    yield most


def _slope(cost: Cost, end: int) -> int:
    """Give the parts that one more tenth costs just below ``end``."""
    return cost.prices.slopes[cost.prices.step_at(cost.counted + end)]
