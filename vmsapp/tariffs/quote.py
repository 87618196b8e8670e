"""A quote: what a purchase gives and costs, and the lines that explain it.

Lines add up: the amounts of all lines, rounding included, and the change make what was
received. Fractions keep what each line was before it became money, so the calculation
can be followed again years later.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction


class LineKind(StrEnum):
    """What a line is for, in the order money is taken."""

    FEE_ARREARS = "fee_arrears"
    FEE = "fee"
    PENALTY = "penalty"
    ENERGY = "energy"
    TAX = "tax"
    ROUNDING = "rounding"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a quote.

    Attributes:
        kind: What it is for.
        amount_minor: Minor units; below 0 only in a rounding line.
        units: Energy: the units of this step.
        rate: Energy: price per unit in currency units; tax: percent.
        base_minor_exact: Energy: units times price, before rounding, in minor units;
            tax: the energy the percent is of.
        period_start: Fees: first day of the period paid.
        step: Energy and tax: number of the step, from 1.
    """

    kind: LineKind
    amount_minor: int
    units: Decimal | None = None
    rate: Decimal | None = None
    base_minor_exact: Fraction | None = None
    period_start: date | None = None
    step: int | None = None

    @property
    def exact_minor(self) -> Fraction:
        """The figure before it was rounded to money, in minor units."""
        if self.base_minor_exact is None:
            return Fraction(self.amount_minor)
        if self.kind is LineKind.TAX and self.rate is not None:
            return self.base_minor_exact * Fraction(self.rate) / 100
        return self.base_minor_exact

    def as_dict(self) -> dict[str, str | int | None]:
        """Write the line with its base, rate and rounding, for storage as JSON."""
        return {
            "kind": self.kind.value,
            "amount_minor": self.amount_minor,
            "units": _plain(self.units),
            "rate": _plain(self.rate),
            "base_minor_exact": _plain(self.base_minor_exact),
            "rounding_minor_exact": _plain(self.amount_minor - self.exact_minor),
            "period_start": self.period_start.isoformat() if self.period_start else None,
            "step": self.step,
        }


@dataclass(frozen=True, slots=True)
class Quote:
    """What a purchase gives and costs at one moment; shown, not promised.

    Attributes:
        units: Sold, more than 0, on the grid.
        lines: In the order money is taken.
        received_minor: What the customer hands over.
        change_minor: What goes back, 0 or more.
        charged_minor: Received less change.
        bought_before: Units counted in the accumulation period before this purchase.
        bought_after: And after it.
    """

    units: Decimal
    lines: tuple[Line, ...]
    received_minor: int
    change_minor: int
    charged_minor: int
    bought_before: Decimal
    bought_after: Decimal

    def __post_init__(self) -> None:
        taken = sum(line.amount_minor for line in self.lines)
        assert taken == self.charged_minor, "lines do not add up"
        assert self.charged_minor + self.change_minor == self.received_minor
        assert self.change_minor >= 0, "change below nothing"

    def total_minor(self, kind: LineKind) -> int:
        """Add the lines of one kind, in minor units."""
        return sum(line.amount_minor for line in self.lines if line.kind is kind)

    def as_dict(self) -> dict[str, object]:
        """Write the whole calculation for storage as JSON: numbers are ints or text."""
        return {
            "units": _plain(self.units),
            "received_minor": self.received_minor,
            "change_minor": self.change_minor,
            "charged_minor": self.charged_minor,
            "bought_before": _plain(self.bought_before),
            "bought_after": _plain(self.bought_after),
            "lines": [line.as_dict() for line in self.lines],
        }

    def figures(self) -> dict[str, str | int]:
        """Give what a customer sees, to compare a quote shown with the one reserved.

        Returns:
            Units with one decimal, the three amounts and the total of each kind of line,
            in minor units. Survives JSON unchanged.
        """
        return {
            "units": f"{self.units:.1f}",
            "received_minor": self.received_minor,
            "change_minor": self.change_minor,
            "charged_minor": self.charged_minor,
            **{f"{kind.value}_minor": self.total_minor(kind) for kind in LineKind},
        }


def _plain(value: Decimal | Fraction | None) -> str | None:
    """Write a number in digits, a fraction as ``n/d``."""
    if value is None:
        return None
    return str(value) if isinstance(value, Fraction) else f"{value:f}"
