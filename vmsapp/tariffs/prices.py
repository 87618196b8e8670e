"""A plan as straight lines: what any number of units costs, in whole numbers.

Units are counted in tenths, the grid. Money is counted in parts of a minor unit so small
that every price, tax and levy of the plan is a whole number of them: ``scale`` parts make
one minor unit. Nothing is rounded here, and nothing is a fraction.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from vmsapp.money import Currency
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.levies import Base, FlatLevy
from vmsapp.tariffs.rates import ZERO, Rates

if TYPE_CHECKING:
    from vmsapp.tariffs.plan import Plan


def tenths(units: Decimal) -> int:
    """Count grid steps in units that lie on the grid."""
    return int(units / GRID)


@dataclass(frozen=True, slots=True)
class Flat:
    """A flat levy with the levies on it; charged when one of the steps is touched."""

    amount: int
    steps: frozenset[int]


@dataclass(frozen=True, slots=True)
class Prices:
    """What a plan charges, all taxes and levies included.

    Attributes:
        scale: Parts that make one minor unit.
        starts: Where each step begins, in tenths.
        slopes: Parts one tenth costs in each step.
        before: Parts all tenths before each step cost.
        fee: Parts a minor unit of a fixed fee costs.
        debt: Parts a minor unit of a debt costs.
        bands: Where each penalty band begins, in tenths, and the parts of its fine.
        flats: Flat levies.
    """

    scale: int
    starts: tuple[int, ...]
    slopes: tuple[int, ...]
    before: tuple[int, ...]
    fee: int
    debt: int
    bands: tuple[tuple[int, int], ...]
    flats: tuple[Flat, ...]

    @classmethod
    def of(cls, plan: "Plan", currency: Currency, rates: Rates) -> "Prices":
        """Work out the prices of a plan from its rates."""
        # What is charged is divided by what percents of the whole charge leave of it.
        whole = 1 / (1 - rates.whole)
        per_tenth = currency.minor_per_unit * Fraction(GRID) * whole / rates.scale
        slopes = [gross * per_tenth for gross in _gross(rates)]
        fee, fine = (rates.gross_part(base) * whole for base in (Base.FEE, Base.PENALTY))
        bands = [(tenths(band.low), fine * band.fine_minor) for band in plan.penalties]
        flats = [
            (levy, levy.amount_minor * sum(rates.flat[levy.name], ZERO) * whole)
            for levy in plan.levies
            if isinstance(levy, FlatLevy)
        ]
        amounts = [*slopes, fee, whole, *(parts for _, parts in bands), *(f for _, f in flats)]
        scale = math.lcm(*(amount.denominator for amount in amounts))
        starts = [tenths(step.start) for step in plan.steps]
        exact = [int(slope * scale) for slope in slopes]
        return cls(
            scale=scale,
            starts=tuple(starts),
            slopes=tuple(exact),
            before=tuple(_before(starts, exact)),
            fee=int(fee * scale),
            debt=int(whole * scale),
            bands=tuple((low, int(parts * scale)) for low, parts in bands),
            flats=tuple(Flat(int(parts * scale), frozenset(f.steps)) for f, parts in flats),
        )

    def step_at(self, tenth: int) -> int:
        """Find the step that holds a tenth, counted from 1; steps from 0."""
        return bisect_left(self.starts, tenth, lo=1) - 1

    def energy(self, total: int) -> int:
        """Price the first ``total`` tenths, in parts."""
        step = self.step_at(total)
        return self.before[step] + (total - self.starts[step]) * self.slopes[step]

    def fine(self, bought: int) -> int:
        """Find the fine for one purchase, in parts; exactly on a limit it is the lower one."""
        band = bisect_left(self.bands, (bought, -1)) - 1
        return self.bands[band][1] if band >= 0 else 0

    def flat(self, counted: int, bought: int) -> int:
        """Add the flat levies of a purchase that begins after ``counted`` tenths, in parts."""
        if not self.flats:
            return 0
        touched = range(self.step_at(counted + 1) + 1, self.step_at(counted + bought) + 2)
        return sum(
            flat.amount
            for flat in self.flats
            if not flat.steps or not flat.steps.isdisjoint(touched)
        )


def _gross(rates: Rates) -> list[Fraction]:
    """What one unit of each step costs with its tax and levies, in parts of the rates."""
    return [
        net * (1 + tax) + sum(taken)
        for net, tax, taken in zip(rates.net, rates.tax, rates.unit, strict=True)
    ]


def _before(starts: list[int], slopes: list[int]) -> Iterator[int]:
    """Add up what all tenths before each step cost."""
    total = 0
    yield total
    for start, end, slope in zip(starts, starts[1:], slopes, strict=False):
        total += (end - start) * slope
        yield total
