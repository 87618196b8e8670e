"""The rules a plan must keep, each with its own sentence.

All faults are found, in the order of the form, so that a person sees them at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from vmsapp.tariffs import plan_errors as errors
from vmsapp.tariffs.figures import GRID, MAX_MINOR, PRICE_QUANTUM, TAX_QUANTUM, fits
from vmsapp.tariffs.levies import FlatLevy, Levy, PercentLevy
from vmsapp.tariffs.plan_errors import BandNeverReached, InvalidPlan
from vmsapp.tariffs.rates import net_prices, of_tender

if TYPE_CHECKING:
    from vmsapp.tariffs.plan import FixedFee, Limits, Penalty, Plan, Step

MAX_NAME: Final = 120
MAX_STEPS: Final = 50
MAX_BANDS: Final = 5
MAX_LEVIES: Final = 20


def faults_of(plan: "Plan") -> Iterator[InvalidPlan]:
    """Find all that is wrong with a plan; nothing when it can be priced."""
    if not plan.name.strip() or len(plan.name) > MAX_NAME:
        yield errors.NoName(most=MAX_NAME)
    sound = True
    for fault in _steps(plan.steps):
        sound = False
        yield fault
    yield from _fee(plan.fixed_fee)
    yield from _penalties(plan.penalties)
    for fault in _levies(plan.levies, len(plan.steps)):
        sound = False
        yield fault
    if sound and plan.tax_inclusive:
        yield from _inclusive(plan)
    yield from _limits(plan.limits)


def notes_of(plan: "Plan") -> Iterator[BandNeverReached]:
    """Find what is odd about a plan, though it can be priced: penalty bands no purchase reaches."""
    end = plan.steps[-1].end if plan.steps else None
    if end is None or not end.is_finite():
        return
    for row, band in enumerate(plan.penalties, 1):
        if band.low.is_finite() and band.low >= end:
            yield errors.BandNeverReached(row=row, end=end)


@dataclass(frozen=True, slots=True)
class _Chain:
    """How a chain of (low, high] rows is called, and its faults."""

    part: str
    low: str
    high: str
    end: type[InvalidPlan]
    gap: type[InvalidPlan]
    overlap: type[InvalidPlan]
    after_open: type[InvalidPlan]


_STEPS: Final = _Chain(
    "steps", "start", "end",
    errors.StepEnd, errors.StepGap, errors.StepOverlap, errors.StepAfterOpen,
)  # fmt: skip
_BANDS: Final = _Chain(
    "penalties", "low", "high",
    errors.BandEnd, errors.BandGap, errors.BandOverlap, errors.BandAfterOpen,
)  # fmt: skip


def _decimals(
    value: Decimal | None, quantum: Decimal, part: str, row: int | None, name: str
) -> Iterator[InvalidPlan]:
    if value is not None and not fits(value, quantum):
        places = -int(quantum.as_tuple().exponent)
        yield errors.TooManyDecimals(value=value, decimals=places, part=part, row=row, name=name)


def _money(minor: int | None, part: str, row: int | None, name: str) -> Iterator[InvalidPlan]:
    if minor is not None and not 0 <= minor < MAX_MINOR:
        yield errors.AmountOutOfRange(most=MAX_MINOR - 1, part=part, row=row, name=name)


def _chain(rows: Sequence[tuple[Decimal, Decimal | None]], names: _Chain) -> Iterator[InvalidPlan]:
    """Each row ends above its start, which is where the row before it ends."""
    for row, (low, high) in enumerate(rows, 1):
        odd = [
            *_decimals(low, GRID, names.part, row, names.low),
            *_decimals(high, GRID, names.part, row, names.high),
        ]
        yield from odd
        if odd:
            continue
        if high is not None and high <= low:
            yield names.end(row=row, start=low, end=high)
        if row == 1:
            continue
        before = rows[row - 2][1]
        if before is None:
            yield names.after_open(row=row)
        elif before.is_finite() and low != before:
            error = names.gap if low > before else names.overlap
            yield error(row=row, start=low, end=before)


def _steps(steps: Sequence["Step"]) -> Iterator[InvalidPlan]:
    if not steps:
        yield errors.NoSteps()
        return
    if len(steps) > MAX_STEPS:
        yield errors.TooManySteps(most=MAX_STEPS, count=len(steps))
    if steps[0].start.is_finite() and steps[0].start != 0:
        yield errors.StepsNotFromZero(row=1, start=steps[0].start)
    yield from _chain([(step.start, step.end) for step in steps], _STEPS)
    for row, step in enumerate(steps, 1):
        if odd := [*_decimals(step.price, PRICE_QUANTUM, "steps", row, "price")]:
            yield from odd
        elif step.price < 0:
            yield errors.NegativePrice(row=row)
        if odd := [*_decimals(step.tax_percent, TAX_QUANTUM, "steps", row, "tax_percent")]:
            yield from odd
        elif not 0 <= step.tax_percent <= 100:
            yield errors.TaxOutOfRange(row=row, tax=step.tax_percent)


def _fee(fee: "FixedFee | None") -> Iterator[InvalidPlan]:
    if fee is None:
        return
    if fee.amount_minor < 0:
        yield errors.NegativeFee()
    else:
        yield from _money(fee.amount_minor, "fixed_fee", None, "amount")
    if fee.max_periods is not None and fee.max_periods < 1:
        yield errors.FeePeriods()
    if odd := [*_decimals(fee.arrears_share, TAX_QUANTUM, "fixed_fee", None, "arrears_share")]:
        yield from odd
    elif not 0 < fee.arrears_share <= 100:
        yield errors.ArrearsShare(share=fee.arrears_share)


def _penalties(bands: Sequence["Penalty"]) -> Iterator[InvalidPlan]:
    if len(bands) > MAX_BANDS:
        yield errors.TooManyBands(most=MAX_BANDS, count=len(bands))
    if bands and bands[0].low.is_finite() and bands[0].low < 0:
        yield errors.BandStart(row=1, start=bands[0].low)
    yield from _chain([(band.low, band.high) for band in bands], _BANDS)
    highest = 0
    for row, band in enumerate(bands, 1):
        if band.fine_minor < 0:
            yield errors.NegativeFine(row=row)
        elif band.fine_minor < highest:
            yield errors.FallingFine(row=row)
        else:
            yield from _money(band.fine_minor, "penalties", row, "fine")
        highest = max(highest, band.fine_minor)


def _levies(levies: Sequence[Levy], steps: int) -> Iterator[InvalidPlan]:
    if len(levies) > MAX_LEVIES:
        yield errors.TooManyLevies(most=MAX_LEVIES, count=len(levies))
    before: dict[str, Levy] = {}
    for row, levy in enumerate(levies, 1):
        if not levy.name.strip() or len(levy.name) > MAX_NAME or levy.name in before:
            yield errors.LevyName(row=row)
        yield from _levy(levy, row, before, steps)
        before[levy.name] = levy
    percents = [levy.rate for levy in levies if isinstance(levy, PercentLevy) and of_tender(levy)]
    taken = sum((rate for rate in percents if rate.is_finite()), Decimal(0))
    if taken >= 100:
        yield errors.LeviesTakeAll(percent=Decimal(f"{taken.normalize():f}"))


def _levy(levy: Levy, row: int, before: dict[str, Levy], steps: int) -> Iterator[InvalidPlan]:
    if isinstance(levy, FlatLevy):
        yield from _money(levy.amount_minor, "levies", row, "rate")
    else:
        percent = isinstance(levy, PercentLevy)
        if odd := [
            *_decimals(levy.rate, TAX_QUANTUM if percent else PRICE_QUANTUM, "levies", row, "rate")
        ]:
            yield from odd
        elif levy.rate < 0 or (percent and levy.rate > 100):
            yield errors.LevyRate(row=row, name=levy.name)
    for step in levy.steps:
        if not 1 <= step <= steps:
            yield errors.LevySteps(row=row, name=levy.name, step=step)
    if isinstance(levy, PercentLevy):
        yield from _base(levy, row, before)


def _base(levy: PercentLevy, row: int, before: dict[str, Levy]) -> Iterator[InvalidPlan]:
    if not levy.base and not levy.of_levies:
        yield errors.LevyWithoutBase(row=row, name=levy.name)
    if of_tender(levy) and (len(levy.base) > 1 or levy.of_levies or levy.steps):
        yield errors.LevyOfTender(row=row, name=levy.name)
    for other in levy.of_levies:
        if other not in before:
            yield errors.LevyOfUnknown(row=row, name=levy.name, other=other)
        elif of_tender(before[other]):
            yield errors.LevyOfTenderLevy(row=row, name=levy.name, other=other)


def _inclusive(plan: "Plan") -> Iterator[InvalidPlan]:
    """A price holds at least the levies per unit that it includes."""
    for row, net in enumerate(net_prices(plan), 1):
        if net < 0:
            yield errors.InclusiveTooLow(row=row)


def _limits(limits: "Limits") -> Iterator[InvalidPlan]:
    figures = [limits.smallest_units, *(most.units for most in limits.most)]
    odd = [fault for f in figures for fault in _decimals(f, GRID, "limits", None, "units")]
    yield from odd
    if odd:
        return
    units = limits.smallest_units
    minor = limits.smallest_minor
    low = (units is not None and units <= 0) or (minor is not None and minor <= 0)
    short = any(
        (most.units is not None and most.units < (units or GRID))
        or (most.minor is not None and most.minor < (minor or 1))
        for most in limits.most
    )
    twice = len({most.span for most in limits.most}) < len(limits.most)
    if low or short or twice:
        yield errors.PurchaseLimits()
