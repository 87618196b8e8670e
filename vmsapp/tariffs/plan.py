"""A tariff plan: what one unit costs, what is due beside it, what may be bought at once.

A plan is a value: it holds no dates, no database id and no counter. Making one checks it,
so a plan that exists can be priced. Unit figures lie on the grid, prices have up to
6 decimals, fees and fines are in the currency's minor unit.

>>> Plan("Home", (Step(Decimal(0), None, Decimal("0.1"), Decimal(5)),), None).name
'Home'
>>> Plan("Home", (Step(Decimal(10), None, Decimal("0.1"), Decimal(5)),), None)
Traceback (most recent call last):
vmsapp.tariffs.errors.StepsNotFromZero: The first step starts at 10; it must start at 0.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from vmsapp.tariffs import errors

GRID: Final = Decimal("0.1")
"""Smallest step of units a token carries."""

PRICE_QUANTUM: Final = Decimal("0.000001")
TAX_QUANTUM: Final = Decimal("0.0001")
MAX_BANDS: Final = 5
MAX_DIGITS: Final = 12
"""Digits before the point of any figure of a plan: sums stay exact in any arithmetic."""


class FeePeriod(StrEnum):
    """How often a fixed fee falls due, by the calendar of the utility's time zone."""

    SALE = "sale"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Accumulation(StrEnum):
    """What steps count: the units bought in a calendar month, or in one sale alone."""

    MONTH = "month"
    SALE = "sale"


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
        price: Currency units per unit, 0 or more, up to 6 decimals, tax not included.
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
        max_periods: Most periods charged in one sale, the current included; at least 1.
            ``None`` for no limit.
    """

    amount_minor: int
    period: FeePeriod
    recover_missed: bool
    max_periods: int | None

    def __post_init__(self) -> None:
        if self.amount_minor < 0 or (self.max_periods is not None and self.max_periods < 1):
            raise errors.InvalidFee


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
        smallest_units: Least of one purchase, on the grid.
        largest_units: Most of one purchase, on the grid.

    Raises:
        InvalidPlan: One of its kinds, naming the first fault found.
    """

    name: str
    steps: tuple[Step, ...]
    fixed_fee: FixedFee | None
    penalties: tuple[Penalty, ...] = ()
    accumulation: Accumulation = Accumulation.MONTH
    smallest_units: Decimal | None = None
    largest_units: Decimal | None = None

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        _check_penalties(self.penalties)
        _check_purchase(self.smallest_units, self.largest_units)


def fits(value: Decimal, quantum: Decimal) -> bool:
    """Tell whether ``value`` is a plain number that ``quantum`` divides."""
    if not value.is_finite() or (value and value.adjusted() >= MAX_DIGITS):
        return False
    return value == value.quantize(quantum)


def _check_decimals(value: Decimal | None, quantum: Decimal) -> None:
    if value is not None and not fits(value, quantum):
        raise errors.TooManyDecimals(value=value, decimals=-int(quantum.as_tuple().exponent))


@dataclass(frozen=True, slots=True)
class _ChainErrors:
    """How a broken chain of (low, high] rows is named."""

    end: type[errors.InvalidPlan]
    gap: type[errors.InvalidPlan]
    overlap: type[errors.InvalidPlan]
    after_open: type[errors.InvalidPlan]


_STEP_ERRORS: Final = _ChainErrors(
    errors.StepEnd, errors.StepGap, errors.StepOverlap, errors.StepAfterOpen
)
_BAND_ERRORS: Final = _ChainErrors(
    errors.BandEnd, errors.BandGap, errors.BandOverlap, errors.BandAfterOpen
)


def _check_chain(rows: list[tuple[Decimal, Decimal | None]], names: _ChainErrors) -> None:
    """Check that each row ends above its start, which is where the row before it ends."""
    for row, (low, high) in enumerate(rows, 1):
        _check_decimals(low, GRID)
        _check_decimals(high, GRID)
        if high is not None and high <= low:
            raise names.end(row=row, start=low, end=high)
        if row == 1:
            continue
        before = rows[row - 2][1]
        if before is None:
            raise names.after_open(row=row)
        if low != before:
            error = names.gap if low > before else names.overlap
            raise error(row=row, start=low, end=before)


def _check_steps(steps: tuple[Step, ...]) -> None:
    if not steps:
        raise errors.NoSteps
    _check_chain([(step.start, step.end) for step in steps], _STEP_ERRORS)
    if steps[0].start != 0:
        raise errors.StepsNotFromZero(start=steps[0].start)
    for row, step in enumerate(steps, 1):
        _check_decimals(step.price, PRICE_QUANTUM)
        _check_decimals(step.tax_percent, TAX_QUANTUM)
        if step.price < 0:
            raise errors.NegativePrice(row=row)
        if not 0 <= step.tax_percent <= 100:
            raise errors.TaxOutOfRange(row=row, tax=step.tax_percent)


def _check_penalties(bands: tuple[Penalty, ...]) -> None:
    if len(bands) > MAX_BANDS:
        raise errors.TooManyBands(most=MAX_BANDS, count=len(bands))
    _check_chain([(band.low, band.high) for band in bands], _BAND_ERRORS)
    highest = 0
    for row, band in enumerate(bands, 1):
        if band.low < 0:
            raise errors.BandStart(start=band.low)
        if band.fine_minor < 0:
            raise errors.NegativeFine(row=row)
        if band.fine_minor < highest:
            raise errors.FallingFine(row=row)
        highest = band.fine_minor


def _check_purchase(smallest: Decimal | None, largest: Decimal | None) -> None:
    _check_decimals(smallest, GRID)
    _check_decimals(largest, GRID)
    if smallest is not None and smallest <= 0:
        raise errors.PurchaseLimits
    if largest is not None and largest < (smallest or GRID):
        raise errors.PurchaseLimits
