"""Taxes and levies of a plan: percents, amounts per unit, flat sums, in an order.

A percent names what it is of, its base: energy, the steps' own taxes, fees, penalty, levies
listed before it, or the whole charge. A levy may apply to some steps only; fees, penalty and
flat sums belong to no step, so a percent of them is charged whatever the steps.

>>> vat = PercentLevy("VAT", Decimal(16), frozenset({Base.ENERGY}), of_levies=("Fuel",))
>>> vat.rate
Decimal('16')
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Base(StrEnum):
    """What a percent may be of."""

    ENERGY = "energy"
    STEP_TAX = "step_tax"
    FEE = "fee"
    """Fixed fees, arrears included."""
    PENALTY = "penalty"
    TENDER = "tender"
    """All that is charged, this percent included. Stands alone."""


@dataclass(frozen=True, slots=True)
class PercentLevy:
    """A percent of something.

    Attributes:
        name: For people; other levies name it by this.
        rate: Percent, 0 to 100, up to 4 decimals.
        base: Parts of the price it is of.
        of_levies: Names of earlier levies it is of, too; each counts once.
        steps: Numbers of the steps it applies to, from 1; none means all.
    """

    name: str
    rate: Decimal
    base: frozenset[Base] = frozenset({Base.ENERGY})
    of_levies: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitLevy:
    """An amount for each unit.

    Attributes:
        name: For people; other levies name it by this.
        rate: Currency units per unit, 0 or more, up to 6 decimals.
        steps: Numbers of the steps it applies to, from 1; none means all.
    """

    name: str
    rate: Decimal
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FlatLevy:
    """A sum added once to each purchase.

    Attributes:
        name: For people; other levies name it by this.
        amount_minor: Minor units, 0 or more.
        steps: The purchase must touch one of these; none means any.
    """

    name: str
    amount_minor: int
    steps: tuple[int, ...] = ()


Levy = PercentLevy | UnitLevy | FlatLevy
