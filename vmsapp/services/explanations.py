"""Why a sale cost what it did, from the calculation it stored: nothing is priced again.

A sale made by an older version stored less; what it lacks is ``None`` here, or empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import NotFound
from vmsapp.models import Consumer, Meter, Sale, TariffPlan
from vmsapp.scope import unscoped

ITS_OWN: Final = "a sale one may see is seen whole, though its meter moved away"


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a calculation.

    Attributes:
        kind: As the price engine names it.
        amount_minor: What was charged, minor units.
        exact_minor: What it came to before rounding; ``None`` where nothing was.
        name: Of a levy or debt.
        units: That it is of.
        rate: Percent, or currency units per unit.
        is_percent: Which of the two.
        base_minor: What a percent is of, minor units.
        step: Number of the step, from 1.
        low: Where the step or the band begins, in units.
        high: Where it ends, ``None`` where it is open; see ``has_bounds``.
        has_bounds: Whether ``low`` and ``high`` were stored.
        counted: Units counted where this part of the energy begins.
        period: Kind of a fee's period.
        period_start: Its first day.
        of: Codes of what a levy's percent is of.
        of_levies: Names of the levies it is of, too.
        of_steps: Numbers of the steps it applies to; none for all.
    """

    kind: str
    amount_minor: int
    exact_minor: Fraction | None
    name: str | None
    units: Decimal | None
    rate: Decimal | None
    is_percent: bool
    base_minor: Fraction | None
    step: int | None
    low: Decimal | None
    high: Decimal | None
    has_bounds: bool
    counted: Decimal | None
    period: str | None
    period_start: str | None
    of: tuple[str, ...]
    of_levies: tuple[str, ...]
    of_steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A calculation, read.

    Attributes:
        parts: In the order money was taken.
        starts_at: Where the purchase began in the steps.
        accumulation: What steps counted, ``None`` where it was not stored.
        counted_since: First day of it.
        settlement: Which way was rounded.
        mode: ``amount`` or ``quantity``.
        credit_minor: Money on the token, for a meter that rates itself; ``units`` are none then.
        carried_minor: Money the meter adds, at least as much.
        plan_since: Day from which the plan was in force.
        version: Digest of the plan as it was.
    """

    parts: tuple[Part, ...]
    currency: str
    exponent: int
    meter_type: str
    mode: str
    units: Decimal
    carried: Decimal
    credit_minor: int | None
    carried_minor: int | None
    received_minor: int
    charged_minor: int
    change_minor: int
    bought_before: Decimal
    bought_after: Decimal
    starts_at: Decimal
    accumulation: str | None
    counted_since: str | None
    settlement: str | None
    tax_inclusive: bool
    plan: str
    plan_id: int | None
    plan_since: str | None
    version: str | None


def explained_sale(session: Session, sale_id: int) -> tuple[Sale, Meter, Explanation]:
    """Read a sale, its meter and its calculation, whatever became of it.

    Raises:
        NotFound: No such sale in the asker's scope.
    """
    sale = session.scalars(select(Sale).where(Sale.id == sale_id)).first()
    if sale is None:
        raise NotFound
    with unscoped(ITS_OWN):
        meter = session.scalars(select(Meter).where(Meter.id == sale.meter_id)).one()
    why = explain(
        sale.calculation,
        currency=sale.currency,
        exponent=sale.exponent,
        meter_type=meter.meter_type,
        mode=sale.mode,
        carried=sale.units_carried,
    )
    why = replace(why, received_minor=sale.received_minor, change_minor=sale.change_minor)
    return sale, meter, why


def consumer_named(session: Session, consumer_id: int) -> str:
    """Name whose purchase it was, though they moved out of sight since."""
    with unscoped(ITS_OWN):
        return session.scalar(select(Consumer.name).where(Consumer.id == consumer_id)) or ""


def tariff_of(session: Session, plan_id: int) -> int | None:
    """Tell which tariff a plan belongs to."""
    return session.scalar(select(TariffPlan.tariff_id).where(TariffPlan.id == plan_id))


def explain(
    stored: Mapping[str, Any],
    *,
    currency: str,
    exponent: int,
    meter_type: str,
    mode: str,
    carried: Decimal,
) -> Explanation:
    """Read a calculation as a sale stores it."""
    before = Decimal(stored["bought_before"])
    starts_at = Decimal(stored.get("starts_at", before))
    return Explanation(
        parts=_parts(stored["lines"], starts_at),
        currency=currency,
        exponent=exponent,
        meter_type=meter_type,
        mode=mode,
        units=Decimal(stored.get("units", 0)),
        carried=carried,
        credit_minor=stored.get("credit_minor"),
        carried_minor=stored.get("carried_minor"),
        received_minor=stored["received_minor"],
        charged_minor=stored["charged_minor"],
        change_minor=stored["change_minor"],
        bought_before=before,
        bought_after=Decimal(stored["bought_after"]),
        starts_at=starts_at,
        accumulation=stored.get("accumulation"),
        counted_since=stored.get("counted_since"),
        settlement=stored.get("settlement"),
        tax_inclusive=bool(stored.get("tax_inclusive")),
        plan=stored.get("plan", ""),
        plan_id=stored.get("plan_id"),
        plan_since=stored.get("plan_since"),
        version=stored.get("plan_version"),
    )


def _parts(lines: list[Mapping[str, Any]], starts_at: Decimal) -> tuple[Part, ...]:
    """Read the lines; where energy begins is counted on from where the purchase begins."""
    parts, counted = [], starts_at
    for line in lines:
        is_energy = line["kind"] == "energy"
        parts.append(_part(line, counted if is_energy else None))
        if is_energy:
            counted += Decimal(line["units"])
    return tuple(parts)


def _part(line: Mapping[str, Any], counted: Decimal | None) -> Part:
    base, rounding = line.get("base_minor_exact"), line.get("rounding_minor_exact")
    exact = None if rounding is None else line["amount_minor"] - Fraction(rounding)
    return Part(
        kind=line["kind"],
        amount_minor=line["amount_minor"],
        exact_minor=exact if base is not None else None,
        name=line.get("name"),
        units=_number(line.get("units")),
        rate=_number(line.get("rate")),
        # before it was stored, only the steps' taxes were percents
        is_percent=bool(line.get("is_percent", line["kind"] == "tax")),
        base_minor=None if base is None else Fraction(base),
        step=line.get("step"),
        low=_number(line.get("low")),
        high=_number(line.get("high")),
        has_bounds="low" in line,
        counted=counted,
        period=line.get("period"),
        period_start=line.get("period_start"),
        of=tuple(line.get("of", ())),
        of_levies=tuple(line.get("of_levies", ())),
        of_steps=tuple(line.get("of_steps", ())),
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
