"""A calculation as a sale stores it: all that explains its price, years later, by itself.

To the price engine's figures and lines come the plan, what was counted and since when, and
with each line what it was for: the fee's period, the fine's band, the step's bounds, what a
percent is of. Sales made before this was written have less; whoever reads takes what is there.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from vmsapp.models import TariffPlan
from vmsapp.services.tariffs.reading import version_of
from vmsapp.services.vending.history import LENGTHS
from vmsapp.sts.amount import decode_units, encode_units
from vmsapp.tariffs.arrears import period_start
from vmsapp.tariffs.engine import LineKind, Quote
from vmsapp.tariffs.levies import PercentLevy
from vmsapp.tariffs.plan import Accumulation, Plan

Stored = dict[str, Any]
"""A line as JSON: numbers are ints or text."""


def calculation_of(quote: Quote, row: TariffPlan, owed_after: Sequence[int] = ()) -> Stored:
    """Write the whole calculation of a quote, with the plan it was made by.

    Args:
        quote: With its lines.
        row: The plan.
        owed_after: Of each debt it takes of, in their order, what is owed after it.
    """
    plan, stored = quote.terms.plan, quote.as_dict()
    return stored | {
        "plan": row.name,
        "plan_id": row.id,
        "plan_since": row.effective_on.isoformat(),
        "plan_version": version_of(row),
        "settlement": quote.terms.settlement.value,
        "accumulation": plan.accumulation.value,
        "counted_since": _day(_counted_since(plan, quote.standing.today)),
        "tax_inclusive": plan.tax_inclusive,
        "units_carried": _plain(carried(quote.units)),
        "lines": list(_lines(quote, owed_after)),
    }


def carried(units: Decimal) -> Decimal:
    """Tell the units a token will really carry: never less than were sold."""
    return decode_units(encode_units(units))


def _counted_since(plan: Plan, today: date) -> date | None:
    """Give the first day that steps count from; none where there is no such day."""
    if plan.accumulation in {Accumulation.SALE, Accumulation.EVER}:
        return None
    return period_start(today, LENGTHS[plan.accumulation])


def _lines(quote: Quote, owed_after: Sequence[int]) -> Iterator[Stored]:
    """Add to each line what it was for."""
    plan = quote.terms.plan
    fees, owed = iter(quote.fees), iter(owed_after)
    for line in quote.lines:
        stored: Stored = line.as_dict()
        if line.kind in {LineKind.FEE, LineKind.FEE_ARREARS}:
            stored["period"] = next(fees).period.value
        elif line.kind is LineKind.DEBT:
            stored["balance_minor"] = next(owed, None)
        elif line.kind is LineKind.PENALTY:
            stored |= _band(plan, quote.units)
        elif line.kind is LineKind.ENERGY and line.step is not None:
            step = plan.steps[line.step - 1]
            stored |= {"low": _plain(step.start), "high": _plain(step.end)}
        elif line.kind is LineKind.LEVY and line.is_percent:
            stored |= _base(plan, line.name)
        yield stored


def _band(plan: Plan, units: Decimal) -> Stored:
    band = next(
        band
        for band in plan.penalties
        if band.low < units and (band.high is None or units <= band.high)
    )
    return {"low": _plain(band.low), "high": _plain(band.high)}


def _base(plan: Plan, name: str | None) -> Stored:
    levy = next(levy for levy in plan.levies if levy.name == name)
    assert isinstance(levy, PercentLevy), "only a percent is of something"
    return {
        "of": sorted(base.value for base in levy.base),
        "of_levies": list(levy.of_levies),
        "of_steps": list(levy.steps),
    }


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
