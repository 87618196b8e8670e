"""A tariff plan: what one unit costs, what is due beside it, what may be bought at once.

A plan is a value: it holds no dates, no database id and no counter. Making one checks it,
so a plan that exists can be priced. Unit figures lie on the grid, prices have up to
6 decimals, fees and fines are in the currency's minor unit.

>>> Plan("Home", (Step(Decimal(0), None, Decimal("0.1"), Decimal(5)),), None).name
'Home'
>>> Plan("Home", (Step(Decimal(10), None, Decimal("0.1"), Decimal(5)),), None)
Traceback (most recent call last):
vmsapp.tariffs.plan_errors.StepsNotFromZero: The first step starts at 10; it must start at 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from vmsapp.tariffs.checks import faults_of
from vmsapp.tariffs.levies import Levy

FULL_SHARE: Final = Decimal(100)


class FeePeriod(StrEnum):
    """How often a fixed fee falls due, by the calendar of the utility's time zone."""

    SALE = "sale"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Accumulation(StrEnum):
    """Which earlier units the steps count.

    ``FIRST_OF_MONTH`` counts the calendar month, and the first step is for the month's
    first purchase alone: what that leaves of it lapses. ``EVER`` never begins anew.
    """

    MONTH = "month"
    SALE = "sale"
    FIRST_OF_MONTH = "first_of_month"
    DAY = "day"
    WEEK = "week"
    YEAR = "year"
    EVER = "ever"


class Settlement(StrEnum):
    """Which way a sale is rounded: units when buying by amount, money by quantity."""

    DOWN = "down"
    UP = "up"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class Step:
    """One price for the units in (start, end].

    Attributes:
        start: Units, on the grid; belongs to the step before.
        end: Units, on the grid; ``None`` in a last step without end.
        price: Currency units per unit, 0 or more, up to 6 decimals.
        tax_percent: Percent of this step's energy, 0 to 100, up to 4 decimals.
    """

    start: Decimal
    end: Decimal | None
    price: Decimal
    tax_percent: Decimal


@dataclass(frozen=True, slots=True)
class Penalty:
    """A flat fine for one purchase of (low, high] units.

    Attributes:
        low: Units, on the grid; exactly on it the band below counts.
        high: Units, on the grid; ``None`` in a last band without end.
        fine_minor: Added once, minor units, 0 or more.
    """

    low: Decimal
    high: Decimal | None
    fine_minor: int


@dataclass(frozen=True, slots=True)
class FixedFee:
    """An amount due once in each period, whole, at the first purchase in it.

    Attributes:
        amount_minor: Minor units, 0 or more.
        period: How often.
        recover_missed: Whether periods without a purchase are charged later.
        max_periods: How many periods back a fee can be asked for, the current included, at
            least 1; older ones lapse. ``None`` for no limit.
        arrears_share: Percent of the charge that may go to missed periods, more than 0 up
            to 100; as many whole ones as fit, the rest stay due. Below 100 they never take
            what the current fee and the smallest purchase need.
    """

    amount_minor: int
    period: FeePeriod
    recover_missed: bool
    max_periods: int | None
    arrears_share: Decimal = FULL_SHARE


class Span(StrEnum):
    """What a limit counts: one purchase, or all of a calendar day or month."""

    SALE = "sale"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Most:
    """The most that may be bought in a span; ``None`` for no limit.

    Attributes:
        span: Over what.
        units: More than 0, on the grid.
        minor: Money charged, minor units, more than 0.
    """

    span: Span
    units: Decimal | None = None
    minor: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How little and how much may be bought.

    Attributes:
        smallest_units: Least of one purchase, on the grid.
        smallest_minor: Least money handed over at once, minor units.
        most: At most one for each span; kept in the order of spans, without those that
            limit nothing, so that equal limits are equal values.
    """

    smallest_units: Decimal | None = None
    smallest_minor: int | None = None
    most: tuple[Most, ...] = ()

    def __post_init__(self) -> None:
        some = (most for most in self.most if (most.units, most.minor) != (None, None))
        object.__setattr__(self, "most", tuple(sorted(some, key=lambda m: [*Span].index(m.span))))

    def tightened(self, other: "Limits") -> "Limits":
        """Give the limits that hold where both these and the ``other`` ones do."""
        both = [*self.most, *other.most]
        return Limits(
            smallest_units=_of(max, self.smallest_units, other.smallest_units),
            smallest_minor=_of(max, self.smallest_minor, other.smallest_minor),
            most=tuple(
                Most(
                    span,
                    _of(min, *(one.units for one in both if one.span is span)),
                    _of(min, *(one.minor for one in both if one.span is span)),
                )
                for span in Span
                if any(one.span is span for one in both)
            ),
        )


Figure = TypeVar("Figure", int, Decimal)


def _of(choose: Callable[..., Figure], *figures: Figure | None) -> Figure | None:
    """Choose among the figures there are."""
    known = [figure for figure in figures if figure is not None]
    return choose(known) if known else None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is needed to price a purchase but the counters of the service point.

    Attributes:
        name: For people.
        steps: Contiguous from 0; only the last may be without end.
        fixed_fee: ``None`` for none.
        penalties: Up to 5 contiguous bands with fines that do not fall. Below the first
            nothing is fined; above a closed last one nothing is sold, for no fine is written.
        accumulation: What steps count.
        levies: Beside the steps' own taxes, in the order they are worked out.
        tax_inclusive: Whether prices, fee and fines already hold the steps' taxes and the
            levies on them. Flat levies and percents of the whole charge always come on top.
        limits: Of a purchase.

    Raises:
        InvalidPlan: One of its kinds, naming the first fault found.
    """

    name: str
    steps: tuple[Step, ...]
    fixed_fee: FixedFee | None
    penalties: tuple[Penalty, ...] = ()
    accumulation: Accumulation = Accumulation.MONTH
    levies: tuple[Levy, ...] = ()
    tax_inclusive: bool = False
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        for fault in faults_of(self):
            raise fault
