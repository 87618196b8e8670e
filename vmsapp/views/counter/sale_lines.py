"""What sales can be narrowed by that stands in their stored calculation: a tax, a tariff's step.

Figures of the reports on these lead to the list of sales by them. They are never typed: the
address says what the report's line is told apart by.
"""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from sqlalchemy import ColumnElement, Numeric, cast, func, literal_column, select, true

from vmsapp.i18n import _, _l, figure_text, labelled, percent_text, price_text
from vmsapp.models import Sale, Tariff, TariffPlan
from vmsapp.services.reports.calculated import stored_lines
from vmsapp.services.reports.steps import WITHOUT_END, Step
from vmsapp.services.reports.taxes import FLAT, NOT_KNOWN, PERCENT, TAXES, UNIT, Tax
from vmsapp.views.base import session
from vmsapp.views.lists.filters import Arguments, Filter
from vmsapp.views.look import number_text

LARGEST: Final = 10**15
DIGITS_MAX: Final = 30
"""Bounds of what a calculation may hold."""

ENDLESS: Final = "-"
"""In an address: a step without end."""


def tax_name(name: str) -> str:
    """Name a tax; that of a step's energy has no name of its own."""
    return name or str(_("Tax on energy"))


def terms_said(terms: tuple[str, Decimal]) -> str:
    """Say how a tax is worked out."""
    how, rate = terms
    if how == PERCENT:
        return percent_text(rate)
    if how == UNIT:
        return str(_("%(price)s a unit", price=price_text(rate)))
    return str(_("a fixed sum")) if how == FLAT else ""


def bounds_said(bounds: tuple[Decimal, Decimal]) -> str:
    """Say from where to where a step goes."""
    low, high = bounds
    if high == WITHOUT_END:
        return str(_("above %(low)s", low=figure_text(low)))
    return str(_("%(low)s to %(high)s", low=figure_text(low), high=figure_text(high)))


class _OfLine(Filter):
    """Sales with a certain line in their calculation; shown only where it is chosen."""

    kind = "told"

    def code(self, value: Any) -> str:  # noqa: ANN401 - each kind's own
        """Write it as it stands in an address."""
        raise NotImplementedError

    def rows(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        """Rows with such a line."""
        line = stored_lines(session())
        return select(true()).where(*self.conditions(line, value)).correlate(Sale).exists()

    def conditions(self, line: Any, value: Any) -> list[ColumnElement[bool]]:  # noqa: ANN401
        """State what such a line has."""
        raise NotImplementedError


class Taxed(_OfLine):
    """Sales that paid a tax at a rate."""

    def code(self, value: Tax) -> str:
        """Write how, how much, and of what name."""
        return f"{value.how}:{value.rate}:{value.name}"

    def read(self, arguments: Arguments) -> Tax | None:
        """Take what ``code`` wrote."""
        how, _colon, rest = arguments.get(self.name, "").partition(":")
        rate, colon, name = rest.partition(":")
        if not colon or how not in {PERCENT, UNIT, FLAT}:
            return None
        number = NOT_KNOWN if how == FLAT else _number(rate)
        return None if number is None else Tax(name, how, number, "")

    def said(self, value: Tax) -> str:
        """Its name and terms."""
        return labelled(tax_name(value.name), terms_said(value.terms))

    def conditions(self, line: Any, value: Tax) -> list[ColumnElement[bool]]:  # noqa: ANN401
        """A tax or levy of this name and rate."""
        percent = func.coalesce(line["is_percent"].as_boolean(), literal_column("false"))
        found = [
            line["kind"].as_string().in_(TAXES),
            func.coalesce(line["name"].as_string(), "") == value.name,
        ]
        if value.how == FLAT:
            return [*found, line["rate"].as_string().is_(None)]
        return [
            *found, percent if value.how == PERCENT else ~percent, _equal(line["rate"], value.rate)
        ]  # fmt: skip


class Stepped(_OfLine):
    """Sales that reached a step of a tariff at a price."""

    def code(self, value: Step) -> str:
        """Write the step, its bounds and price, and the tariff's name."""
        high = ENDLESS if value.high == WITHOUT_END else value.high
        return f"{value.number}:{value.low}:{high}:{value.price}:{value.tariff}"

    def read(self, arguments: Arguments) -> Step | None:
        """Take what ``code`` wrote."""
        parts = arguments.get(self.name, "").split(":", 4)
        if len(parts) < 5 or not (parts[0].isascii() and parts[0].isdigit()):
            return None
        low, price = _number(parts[1]), _number(parts[3])
        high = WITHOUT_END if parts[2] == ENDLESS else _number(parts[2])
        if low is None or high is None or price is None or len(parts[0]) > 4:
            return None
        return Step("", parts[4], int(parts[0]), low, high, price)

    def said(self, value: Step) -> str:
        """The tariff, the step's number, its bounds and price."""
        step = f"{value.tariff} {number_text(value.number)}"
        return labelled(step, f"{bounds_said(value.bounds)} × {price_text(value.price)}")

    def conditions(self, line: Any, value: Step) -> list[ColumnElement[bool]]:  # noqa: ANN401
        """Energy of this step, sold under a plan of this tariff."""
        plans = (
            select(TariffPlan.id)
            .join(Tariff, Tariff.id == TariffPlan.tariff_id)
            .where(Tariff.name == value.tariff)
        )
        high = line["high"]
        return [
            line["kind"].as_string() == "energy",
            line["step"].as_integer() == value.number,
            _equal(line["low"], value.low, missing="0"),
            high.as_string().is_(None) if value.high == WITHOUT_END else _equal(high, value.high),
            _equal(line["rate"], value.price),
            Sale.plan_id.in_(plans),
        ]


def _number(text: str) -> Decimal | None:
    """Read a number as a calculation may hold one; nothing of nonsense and of what is huge."""
    if len(text) > DIGITS_MAX:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    fits = number.is_finite() and 0 <= number < LARGEST and len(f"{number:f}") <= DIGITS_MAX
    return number if fits else None


def _equal(told: Any, number: Decimal, missing: str = "") -> ColumnElement[bool]:  # noqa: ANN401
    """Compare as numbers, for 15 and 15.0 are one rate: written out, so that none is a float."""
    text = told.as_string()
    text = func.coalesce(text, missing) if missing else text
    equal: ColumnElement[bool] = cast(text, Numeric) == literal_column(f"{number:f}")
    return equal


TAX: Final = Taxed(name="tax", label=_l("Tax"), column=Sale.calculation)
STEP: Final = Stepped(name="step", label=_l("Tariff step"), column=Sale.calculation)
