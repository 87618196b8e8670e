"""A plan as a document: what is stored, exported, imported, and priced from a file.

Money and figures are text in currency units and units, so nothing depends on how a reader
treats numbers. What is left out has the value a new plan has.

>>> from vmsapp.money import Currency
>>> usd = Currency("USD", 2)
>>> plan = read_rules(parse('{"name": "Home", "steps": [{"price": "0.10"}]}'), usd)
>>> rules_of(plan, usd)["steps"]
[{'start': '0', 'end': None, 'price': '0.10', 'tax_percent': '0'}]
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from vmsapp.money import Currency
from vmsapp.tariffs.levies import Base, FlatLevy, Levy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import (
    FULL_SHARE,
    Accumulation,
    FeePeriod,
    FixedFee,
    Limits,
    Most,
    Penalty,
    Plan,
    Span,
    Step,
)
from vmsapp.tariffs.reader import Reader, parse

__all__ = ["RECOVERED", "parse", "read_parts", "read_rules", "rules_of"]

RECOVERED: Final = frozenset({FeePeriod.MONTH, FeePeriod.YEAR})
"""Fees whose missed periods are recovered unless a plan says otherwise."""


class LevyKind(StrEnum):
    """How a tax or levy is worked out, as documents call it."""

    PERCENT = "percent"
    PER_UNIT = "per_unit"
    FLAT = "flat"


def rules_of(plan: Plan, currency: Currency) -> dict[str, Any]:
    """Write a plan's rules as JSON values, money in the currency's units."""
    fee = plan.fixed_fee
    return {
        "name": plan.name,
        "accumulation": plan.accumulation.value,
        "tax_inclusive": plan.tax_inclusive,
        "fixed_fee": None
        if fee is None
        else {
            "amount": _money(fee.amount_minor, currency),
            "period": fee.period.value,
            "recover_missed": fee.recover_missed,
            "max_periods": fee.max_periods,
            "arrears_share": _text(fee.arrears_share),
        },
        "steps": [
            {
                "start": _text(step.start),
                "end": _text(step.end),
                "price": _text(step.price),
                "tax_percent": _text(step.tax_percent),
            }
            for step in plan.steps
        ],
        "penalties": [
            {
                "low": _text(band.low),
                "high": _text(band.high),
                "fine": _money(band.fine_minor, currency),
            }
            for band in plan.penalties
        ],
        "levies": [_levy(levy, currency) for levy in plan.levies],
        "limits": _limits(plan.limits, currency),
    }


def _levy(levy: Levy, currency: Currency) -> dict[str, Any]:
    common = {"name": levy.name, "steps": list(levy.steps)}
    if isinstance(levy, UnitLevy):
        return common | {"kind": "per_unit", "rate": _text(levy.rate)}
    if isinstance(levy, FlatLevy):
        return common | {"kind": "flat", "amount": _money(levy.amount_minor, currency)}
    return common | {
        "kind": "percent",
        "rate": _text(levy.rate),
        "base": sorted(levy.base),
        "of_levies": list(levy.of_levies),
    }


def _limits(limits: Limits, currency: Currency) -> dict[str, Any]:
    written: dict[str, Any] = {
        "smallest_units": _text(limits.smallest_units),
        "smallest_amount": _money(limits.smallest_minor, currency),
    }
    for most in limits.most:
        written[most.span.value] = {
            "units": _text(most.units),
            "amount": _money(most.minor, currency),
        }
    return written


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _money(minor: int | None, currency: Currency) -> str | None:
    return None if minor is None else f"{currency.decimal(minor):f}"


def read_rules(rules: Reader, currency: Currency) -> Plan:
    """Read a plan's rules; takes every key, so that nothing misspelt is passed over.

    Raises:
        InvalidDocument: Not what a plan looks like, with its place.
        InvalidPlan: A plan that breaks a rule, with its sentence.
    """
    return Plan(**read_parts(rules, currency))


def read_parts(rules: Reader, currency: Currency) -> dict[str, Any]:
    """Read what a plan is made of, which may still break its rules.

    Raises:
        InvalidDocument: Not what a plan looks like, with its place.
    """
    parts = {
        "name": rules.text("name"),
        "steps": tuple(_read_steps(rules)),
        "fixed_fee": _read_fee(rules, currency),
        "penalties": tuple(_read_band(row, currency) for row in rules.rows("penalties")),
        "accumulation": rules.word("accumulation", Accumulation, Accumulation.MONTH),
        "levies": tuple(_read_levy(row, currency) for row in rules.rows("levies")),
        "tax_inclusive": rules.flag("tax_inclusive", default=False),
        "limits": _read_limits(rules, currency),
    }
    rules.finish()
    return parts


def _read_band(row: Reader, currency: Currency) -> Penalty:
    return Penalty(row.decimal("low"), row.decimal_or_none("high"), row.money("fine", currency))


def _read_steps(rules: Reader) -> list[Step]:
    """Read the steps; one without a start begins where the one before it ends."""
    steps: list[Step] = []
    for row in rules.rows("steps"):
        before = steps[-1].end if steps else Decimal(0)
        steps.append(
            Step(
                start=row.decimal("start") if row.has("start") or before is None else before,
                end=row.decimal_or_none("end"),
                price=row.decimal("price"),
                tax_percent=row.decimal_or_none("tax_percent") or Decimal(0),
            )
        )
    return steps


def _read_fee(rules: Reader, currency: Currency) -> FixedFee | None:
    part = rules.part("fixed_fee")
    if part is None:
        return None
    period = part.word("period", FeePeriod)
    share = part.decimal_or_none("arrears_share")
    fee = FixedFee(
        amount_minor=part.money("amount", currency),
        period=period,
        recover_missed=part.flag("recover_missed", default=period in RECOVERED),
        max_periods=part.whole_or_none("max_periods"),
        arrears_share=FULL_SHARE if share is None else share,
    )
    part.finish()
    return fee


def _read_levy(row: Reader, currency: Currency) -> Levy:
    name, kind, steps = row.text("name"), row.word("kind", LevyKind), row.wholes("steps")
    if kind is LevyKind.PER_UNIT:
        return UnitLevy(name, row.decimal("rate"), steps)
    if kind is LevyKind.FLAT:
        return FlatLevy(name, row.money("amount", currency), steps)
    of_levies = row.texts("of_levies")
    plain = frozenset[Base]() if of_levies else frozenset({Base.ENERGY})
    base = row.words("base", Base, plain)
    return PercentLevy(name, row.decimal("rate"), base, of_levies, steps)


def _read_limits(rules: Reader, currency: Currency) -> Limits:
    part = rules.part("limits")
    if part is None:
        return Limits()
    most = []
    for span in Span:
        if (row := part.part(span.value)) is not None:
            limit = Most(span, row.decimal_or_none("units"), row.money_or_none("amount", currency))
            row.finish()
            if limit.units is not None or limit.minor is not None:
                most.append(limit)
    limits = Limits(
        smallest_units=part.decimal_or_none("smallest_units"),
        smallest_minor=part.money_or_none("smallest_amount", currency),
        most=tuple(most),
    )
    part.finish()
    return limits
