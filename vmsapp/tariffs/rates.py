"""What one unit, one fee and one fine come to with their taxes and levies.

Everything is linear: a step's levies are so much a unit, a fee's so much of the fee. So
each is worked out once a plan, in exact fractions of currency units, and a purchase only
adds up. A tax-inclusive price is turned round here: its net is what the taxes make it of.

>>> from vmsapp.tariffs.levies import UnitLevy
>>> fuel = UnitLevy("Fuel", Decimal("0.02"))
>>> vat = PercentLevy("VAT", Decimal(10), frozenset({Base.ENERGY}), of_levies=("Fuel",))
>>> [str(share) for share in shares((fuel, vat), {Base.ENERGY: Fraction(1, 10)}, step=1)]
['1/50', '3/250']
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeGuard

from vmsapp.tariffs.levies import Base, FlatLevy, Levy, PercentLevy, UnitLevy

if TYPE_CHECKING:
    from vmsapp.tariffs.plan import Plan

ONE: Final = Fraction(1)
ZERO: Final = Fraction(0)


def percent(rate: Decimal) -> Fraction:
    """Write a percent as a share of 1."""
    return Fraction(rate) / 100


def shares(
    levies: Sequence[Levy],
    parts: Mapping[Base, Fraction],
    step: int | None = None,
    flat: str | None = None,
) -> tuple[Fraction, ...]:
    """Work out, in their order, what the levies take of parts of a price.

    Args:
        levies: Of the plan.
        parts: What percents may be of.
        step: The step whose one unit this is; ``None`` for what belongs to no step.
        flat: The flat levy of one minor unit this is about.

    Returns:
        One figure a levy. A percent of the whole charge takes nothing here.
    """
    taken: dict[str, Fraction] = {}
    for levy in levies:
        taken[levy.name] = ZERO
        if step is not None and levy.steps and step not in levy.steps:
            continue
        if isinstance(levy, PercentLevy):
            of = sum((parts.get(base, ZERO) for base in levy.base), ZERO)
            of += sum((taken[name] for name in set(levy.of_levies)), ZERO)
            taken[levy.name] = percent(levy.rate) * of
        elif isinstance(levy, UnitLevy) and step is not None:
            taken[levy.name] = Fraction(levy.rate)
        elif isinstance(levy, FlatLevy) and levy.name == flat:
            taken[levy.name] = ONE
    return tuple(taken.values())


@dataclass(frozen=True, slots=True)
class Rates:
    """What one unit, one fee and one fine of a plan hold, without and with levies.

    Shares are one figure a levy, in their order. Those of steps are whole numbers, too:
    ``scale`` parts make one currency unit.

    Attributes:
        scale: Parts that make one currency unit.
        net: Parts one unit of each step costs without taxes and levies.
        tax: Each step's own tax, as a share of 1.
        unit: Parts the levies take of one unit of each step.
        part: What remains of one minor unit of a fee and of a fine without the levies on it.
        of_part: What the levies take of one minor unit of a net fee and of a net fine.
        flat: What the levies take of one minor unit of each flat levy, that one included.
        whole: The percents of the whole charge, as a share of 1.
    """

    scale: int
    net: tuple[int, ...]
    tax: tuple[Fraction, ...]
    unit: tuple[tuple[int, ...], ...]
    part: Mapping[Base, Fraction]
    of_part: Mapping[Base, tuple[Fraction, ...]]
    flat: Mapping[str, tuple[Fraction, ...]]
    whole: Fraction

    @classmethod
    def of(cls, plan: "Plan") -> "Rates":
        """Work out the rates of a plan."""
        nets = net_prices(plan)
        units = [unit_shares(plan, number, net) for number, net in enumerate(nets, 1)]
        scale = math.lcm(*(part.denominator for parts in (nets, *units) for part in parts))
        of_part = {base: shares(plan.levies, {base: ONE}) for base in (Base.FEE, Base.PENALTY)}
        return cls(
            scale=scale,
            net=_whole(nets, scale),
            tax=tuple(percent(step.tax_percent) for step in plan.steps),
            unit=tuple(_whole(unit, scale) for unit in units),
            part={
                base: 1 / (1 + sum(taken, ZERO)) if plan.tax_inclusive else ONE
                for base, taken in of_part.items()
            },
            of_part=of_part,
            flat={
                levy.name: shares(plan.levies, {}, flat=levy.name)
                for levy in plan.levies
                if isinstance(levy, FlatLevy)
            },
            whole=tender_share(plan),
        )

    def gross_part(self, base: Base) -> Fraction:
        """Give what a minor unit of a fee or fine costs with the levies on it."""
        return self.part[base] * (1 + sum(self.of_part[base], ZERO))


def _whole(parts: Sequence[Fraction], scale: int) -> tuple[int, ...]:
    """Write figures as whole numbers of ``scale`` parts."""
    return tuple(part.numerator * (scale // part.denominator) for part in parts)


def unit_shares(plan: "Plan", number: int, net: Fraction) -> tuple[Fraction, ...]:
    """Work out the levies on one unit of a step, ``net`` being its price without them."""
    tax = net * percent(plan.steps[number - 1].tax_percent)
    return shares(plan.levies, {Base.ENERGY: net, Base.STEP_TAX: tax}, step=number)


def net_prices(plan: "Plan") -> tuple[Fraction, ...]:
    """Give each step's price without taxes and levies, in currency units."""
    prices = [Fraction(step.price) for step in plan.steps]
    if not plan.tax_inclusive:
        return tuple(prices)
    return tuple(_net_price(plan, number, price) for number, price in enumerate(prices, 1))


def _net_price(plan: "Plan", number: int, gross: Fraction) -> Fraction:
    """Solve gross = net + tax + levies, which is a straight line in net."""
    at_nothing = sum(unit_shares(plan, number, ZERO), ZERO)
    at_one = ONE + percent(plan.steps[number - 1].tax_percent)
    at_one += sum(unit_shares(plan, number, ONE), ZERO)
    return (gross - at_nothing) / (at_one - at_nothing)


def tender_share(plan: "Plan") -> Fraction:
    """Add up the percents of the whole charge, as a share of 1."""
    return sum((percent(levy.rate) for levy in plan.levies if of_tender(levy)), ZERO)


def of_tender(levy: Levy) -> TypeGuard[PercentLevy]:
    """Tell whether a levy is a percent of the whole charge."""
    return isinstance(levy, PercentLevy) and Base.TENDER in levy.base
