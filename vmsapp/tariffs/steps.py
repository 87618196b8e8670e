"""Units of one purchase, spread over the steps they fall into.

Steps count units bought since the accumulation period began, so a purchase starts where
the last one stopped.

>>> steps = (Step(Decimal(0), Decimal(100), Decimal("0.1"), Decimal(0)),
...          Step(Decimal(100), None, Decimal("0.2"), Decimal(5)))
>>> [(p.number, str(p.units)) for p in spread(steps, Decimal(60), Decimal(100))]
[(1, '40'), (2, '60')]
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from vmsapp.tariffs.plan import Accumulation, Plan, Step


@dataclass(frozen=True, slots=True)
class Portion:
    """The units of a purchase that fall into one step.

    Attributes:
        number: Of the step, from 1.
        step: Its price and tax.
        units: More than 0.
    """

    number: int
    step: Step
    units: Decimal

    def energy(self, minor_per_unit: int) -> Fraction:
        """Price these units exactly, without tax, in minor units."""
        return Fraction(self.units) * Fraction(self.step.price) * minor_per_unit

    def tax(self, minor_per_unit: int) -> Fraction:
        """Tax these units exactly, in minor units."""
        return self.energy(minor_per_unit) * Fraction(self.step.tax_percent) / 100


def counted_before(plan: Plan, bought: Decimal) -> Decimal:
    """Give the units already counted where this purchase begins."""
    return Decimal(0) if plan.accumulation is Accumulation.SALE else bought


def spread(steps: tuple[Step, ...], before: Decimal, units: Decimal) -> tuple[Portion, ...]:
    """Spread a purchase over the steps.

    Args:
        steps: Of a checked plan.
        before: Units already counted, 0 or more.
        units: Of this purchase, within the last step's end.

    Returns:
        One portion for each step touched, in the order of the steps.
    """
    after = before + units
    portions = []
    for number, step in enumerate(steps, 1):
        low = max(step.start, before)
        high = after if step.end is None else min(step.end, after)
        if high > low:
            portions.append(Portion(number, step, high - low))
    assert sum(portion.units for portion in portions) == units, "past the last step"
    return tuple(portions)
