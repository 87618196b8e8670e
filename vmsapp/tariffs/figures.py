"""How fine and how large the figures of a plan may be.

>>> fits(Decimal("0.15"), GRID)
False
"""

from decimal import Decimal
from typing import Final

GRID: Final = Decimal("0.1")
"""Smallest step of units a token carries: 0.1 kWh, 0.1 m³, 0.1 min."""

PRICE_QUANTUM: Final = Decimal("0.000001")
TAX_QUANTUM: Final = Decimal("0.0001")
MAX_DIGITS: Final = 12
"""Digits before the point of any figure of a plan: sums stay exact in any arithmetic."""

MAX_MINOR: Final = 10**MAX_DIGITS


def fits(value: Decimal, quantum: Decimal) -> bool:
    """Tell whether ``value`` is a plain number that ``quantum`` divides."""
    if not value.is_finite() or (value and value.adjusted() >= MAX_DIGITS):
        return False
    return value == value.quantize(quantum)
