"""The rows of a tariff plan's form, and a plan as the form shows it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from wtforms import Form, SelectField, SelectMultipleField, StringField
from wtforms.validators import Length, Optional

from vmsapp.i18n import _, _l
from vmsapp.services.setup import currency_of
from vmsapp.tariffs.checks import MAX_NAME
from vmsapp.tariffs.document import RECOVERED
from vmsapp.tariffs.levies import FlatLevy, Levy, UnitLevy
from vmsapp.tariffs.plan import FULL_SHARE, Plan, Span
from vmsapp.views.base import utility
from vmsapp.views.forms import Checkboxes, MoneyField, NumberField
from vmsapp.views.office.setup_forms import worded
from vmsapp.views.tariffs.plan_words import BASES, KINDS

UNIT_PLACES: Final = 1
PRICE_PLACES: Final = 6
TAX_PLACES: Final = 4
MOST_PERIODS: Final = 1000


class Figure(NumberField):
    """A number without idle zeros."""

    def written(self) -> str:
        """The number, plainly."""
        plain = Decimal(self.data or 0)
        return f"{plain.normalize() + 0:f}"


class Count(Figure):
    """A whole number above zero."""

    def read(self, text: str) -> int:
        """Read it."""
        number = NumberField.read(self, text)
        if number != int(number) or not 1 <= number <= MOST_PERIODS:
            raise ValueError(_("Enter a whole number from 1 to %(most)s.", most=MOST_PERIODS))
        return int(number)


class Sum(MoneyField):
    """Money in a row, whose currency stands in the column's head."""

    @property
    def unit(self) -> str:
        """Nothing beside the field itself."""
        return ""


class StepRow(Form):
    """A step: from where to where, at which price."""

    start = Figure(_l("From"), [Optional()], places=UNIT_PLACES)
    end = Figure(_l("To"), [Optional()], places=UNIT_PLACES)
    price = Figure(_l("Price"), places=PRICE_PLACES)
    tax = Figure(_l("Tax"), [Optional()], places=TAX_PLACES)


class BandRow(Form):
    """A band of the penalty: from where to where, which fine."""

    low = Figure(_l("From"), [Optional()], places=UNIT_PLACES)
    high = Figure(_l("To"), [Optional()], places=UNIT_PLACES)
    fine = Sum(_l("Fine"))


class LevyRow(Form):
    """A tax or levy beside the steps' own."""

    name = StringField(_l("Name"), [Length(max=MAX_NAME)])
    kind = SelectField(_l("Kind"), choices=worded(KINDS))
    rate = Figure(_l("Rate or amount"), places=PRICE_PLACES)
    base = SelectMultipleField(
        _l("Percent of"), choices=worded(BASES), default=["energy"], widget=Checkboxes()
    )
    of_levies = SelectMultipleField(
        _l("Percent of these, too"), choices=list, coerce=int, widget=Checkboxes()
    )
    steps = SelectMultipleField(
        _l("On these steps alone"), choices=list, coerce=int, widget=Checkboxes()
    )


def typed_of(plan: Plan, effective_on: date | None) -> dict[str, Any]:
    """Write a plan as the form shows it."""
    fee, limits = plan.fixed_fee, plan.limits
    spans = {most.span: most for most in limits.most}
    typed: dict[str, Any] = {
        "name": plan.name,
        "effective_on": effective_on,
        "steps": [
            {"start": step.start, "end": step.end, "price": step.price, "tax": step.tax_percent}
            for step in plan.steps
        ],
        "penalties": [
            {"low": band.low, "high": band.high, "fine": band.fine_minor} for band in plan.penalties
        ],
        "accumulation": plan.accumulation.value,
        "inclusive": "yes" if plan.tax_inclusive else "no",
        "levies": [_levy_typed(levy, plan.levies) for levy in plan.levies],
        "smallest_units": limits.smallest_units,
        "smallest_minor": limits.smallest_minor,
    }
    for span in Span:
        most = spans.get(span)
        typed[f"{span.value}_units"] = most and most.units
        typed[f"{span.value}_minor"] = most and most.minor
    if fee is not None:
        usual = fee.recover_missed == (fee.period in RECOVERED)
        typed |= {
            "fee_amount": fee.amount_minor, "fee_period": fee.period.value,
            "fee_missed": "usual" if usual else "yes" if fee.recover_missed else "no",
            "fee_periods": fee.max_periods,
            "fee_share": None if fee.arrears_share == FULL_SHARE else fee.arrears_share,
        }  # fmt: skip
    return typed


def _levy_typed(levy: Levy, levies: Sequence[Levy]) -> dict[str, Any]:
    typed: dict[str, Any] = {"name": levy.name, "steps": list(levy.steps), "base": []}
    if isinstance(levy, FlatLevy):
        rate = Decimal(levy.amount_minor).scaleb(-currency_of(utility()).exponent)
        return typed | {"kind": "flat", "rate": rate}
    if isinstance(levy, UnitLevy):
        return typed | {"kind": "per_unit", "rate": levy.rate}
    places = {other.name: number for number, other in enumerate(levies, 1)}
    return typed | {
        "kind": "percent", "rate": levy.rate, "base": sorted(levy.base),
        "of_levies": [places[name] for name in levy.of_levies],
    }  # fmt: skip
