"""The tax report: of each tax and rate what it was taken of, what was taken, what went back.

Bases and rates stand in the calculation that each sale stored; the ledger has of a tax what its
lines add up to. A base is rounded to money in each sale, so that it is the same sum whatever the
report is told apart by. A tax per unit is of units, a flat one of purchases: they have no base.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import LedgerTransfer, Sale
from vmsapp.services.reports.calculated import moved, stored_lines
from vmsapp.services.reports.lines import Answer, answered
from vmsapp.services.reports.narrowing import TYPES, key_of
from vmsapp.services.reports.question import Figures, Key, Question
from vmsapp.sts.credit import CURRENCY

PERCENT, UNIT, FLAT = "percent", "unit", "flat"
TAXES: Final = ("tax", "levy")
"""Kinds of lines that are taxes."""
NOT_KNOWN: Final = Decimal(-1)
"""The rate of a flat tax, which is a sum."""


class Tax(NamedTuple):
    """A tax at one rate.

    Attributes:
        name: As the plan calls it; empty for the tax of a step's energy.
        how: ``percent``, ``unit`` or ``flat``.
        rate: Percent, or the currency's units per unit.
        meter_type: Of a tax per unit alone, for whose units are counted.
    """

    name: str
    how: str
    rate: Decimal
    meter_type: str

    @property
    def terms(self) -> tuple[str, Decimal]:
        """How it is worked out."""
        return self.how, self.rate


@dataclass(frozen=True, slots=True)
class TaxFigures(Figures):
    """What was taken for a tax.

    Attributes:
        sold, reversed: Purchases that paid it, and those taken back.
        base_minor, units: What it is of, less what went back.
    """

    sold: int = 0
    reversed: int = 0
    base_minor: int = 0
    units: Decimal = Decimal(0)
    charged_minor: int = 0
    back_minor: int = 0

    @property
    def net_minor(self) -> int:
        """What is owed to whom the tax belongs."""
        return self.charged_minor - self.back_minor


def tax_report(session: Session, question: Question) -> Answer[TaxFigures]:
    """Answer a question about taxes, as far as the asker sees the sales."""
    return answered(session, question, _found)


def _found(session: Session, question: Question) -> Iterator[tuple[Key, Tax, TaxFigures]]:
    line = stored_lines(session)
    statement = moved(
        select(
            key_of(question, LedgerTransfer.business_date), LedgerTransfer.id,
            LedgerTransfer.kind, Sale.subclass, line["name"].as_string(),
            line["rate"].as_string(), line["is_percent"].as_boolean(),
            line["base_minor_exact"].as_string(), line["units"].as_string(),
            line["amount_minor"].as_integer(),
        ),
        question,
    ).where(line["kind"].as_string().in_(TAXES))  # fmt: skip
    sums: dict[tuple[Key, Tax], list[Any]] = {}
    seen: set[tuple[int, Tax]] = set()
    for key, transfer, kind, subclass, name, rate, percent, base, units, minor in session.execute(
        statement
    ):
        tax = _tax(name, rate, subclass, bool(percent))
        mine = sums.setdefault((key, tax), [0, 0, 0, Decimal(0), 0, 0])
        back, sign = (1, -1) if kind == "reversal" else (0, 1)
        if (transfer, tax) not in seen:  # steps of one rate are lines of one purchase
            seen.add((transfer, tax))
            mine[back] += 1
        if tax.how == PERCENT and base:
            mine[2] += sign * rounded(base)
        elif tax.how == UNIT:
            mine[3] += sign * Decimal(units)
        mine[4 + back] += minor
    for (key, tax), mine in sums.items():
        yield key, tax, TaxFigures(*mine)


@cache
def _tax(name: str | None, rate: str | None, subclass: int, is_percent: bool) -> Tax:  # noqa: FBT001 - read so
    if rate is None:
        return Tax(name or "", FLAT, NOT_KNOWN, "")
    if is_percent:
        return Tax(name or "", PERCENT, Decimal(rate), "")
    return Tax(name or "", UNIT, Decimal(rate), TYPES[subclass % CURRENCY].value)


def rounded(exact: str) -> int:
    """Round an exact amount as it is stored, half-up to the minor unit.

    >>> rounded("25/2"), rounded("12"), rounded("37/3"), rounded("12.5")
    (13, 12, 12, 13)
    """
    whole, _slash, parts = exact.partition("/")
    if not parts and "." in whole:
        numerator, denominator = Decimal(whole).as_integer_ratio()
    else:
        numerator, denominator = int(whole), int(parts or 1)
    return (2 * numerator + denominator) // (2 * denominator)


def owed(found: Any) -> int:  # noqa: ANN401 - lines of totals
    """Add up what is owed of all taxes."""
    return sum(line.figures.net_minor for line in found)
