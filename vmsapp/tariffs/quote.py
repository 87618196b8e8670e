"""A quote: what a purchase gives and costs, and the lines that explain it.

Lines add up: the amounts of all lines, rounding included, and the change make what was
received. The figures of a quote are known at once; its lines are worked out when they are
first read (see ``lines``), from nothing but what the quote holds.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from vmsapp.tariffs.cost import counted_before
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.lines import Line, LineKind, lines_of
from vmsapp.tariffs.terms import FeeDue, Standing, Terms

__all__ = ["Line", "LineKind", "Quote"]


@dataclass(frozen=True)
class Quote:
    """What a purchase gives and costs at one moment; shown, not promised.

    Attributes:
        terms: It was priced under.
        standing: The service point's counters before it.
        units: Sold, more than 0, on the grid.
        fees: Fixed fees it pays, oldest first.
        payable_minor: What its parts come to, half-up to the minor unit.
        charged_minor: Received less change: what is payable, brought to a coin, or the
            whole tender.
        received_minor: What the customer hands over.
    """

    terms: Terms
    standing: Standing
    units: Decimal
    fees: tuple[FeeDue, ...]
    payable_minor: int
    charged_minor: int
    received_minor: int

    def __post_init__(self) -> None:
        assert self.change_minor >= 0, "change below nothing"

    @property
    def change_minor(self) -> int:
        """What goes back, 0 or more."""
        return self.received_minor - self.charged_minor

    @property
    def bought_before(self) -> Decimal:
        """Units counted in the accumulation period before this purchase."""
        return self.standing.bought

    @property
    def bought_after(self) -> Decimal:
        """Units counted in the accumulation period after it."""
        return self.standing.bought + self.units

    @property
    def starts_at(self) -> Decimal:
        """Where the purchase begins in the steps."""
        return counted_before(self.terms.plan, self.standing) * GRID

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The calculation, in the order money is taken."""
        lines = lines_of(self.terms, self.standing, self.fees, self.units, self.charged_minor)
        assert sum(line.amount_minor for line in lines) == self.charged_minor, "lines do not add up"
        return lines

    def total_minor(self, kind: LineKind) -> int:
        """Add the lines of one kind, in minor units."""
        return sum(line.amount_minor for line in self.lines if line.kind is kind)

    def as_dict(self) -> dict[str, object]:
        """Write the whole calculation for storage as JSON: numbers are ints or text."""
        return {
            "units": f"{self.units:f}",
            "received_minor": self.received_minor,
            "change_minor": self.change_minor,
            "charged_minor": self.charged_minor,
            "bought_before": f"{self.bought_before:f}",
            "bought_after": f"{self.bought_after:f}",
            "starts_at": f"{self.starts_at:f}",
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
