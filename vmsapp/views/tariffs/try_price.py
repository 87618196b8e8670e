"""Trying a price: what plans cost, for any purchase, before anybody buys under them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from flask import request
from flask_appbuilder import expose, has_access, permission_name
from wtforms import DateField, Field, Form, RadioField, SelectField, ValidationError
from wtforms.validators import Optional, StopValidation

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import InvalidInput, VmsError
from vmsapp.i18n import _, _l, day_text, isolated, money_text, price_text, units_text
from vmsapp.models import Setup, TariffPlan
from vmsapp.security import TARIFFS
from vmsapp.services.explanations import explain
from vmsapp.services.setup import NotSetUp, currency_of
from vmsapp.services.tariffs.trial import (
    Choice,
    Fees,
    Imagined,
    Trial,
    choices,
    plan_with_tariff,
    trial_of,
)
from vmsapp.services.vending.calculation import calculation_of, carried
from vmsapp.tariffs.cost import counted_before
from vmsapp.tariffs.engine import Quote
from vmsapp.tariffs.figures import GRID
from vmsapp.views.base import OfficeView, sentence, session, utility
from vmsapp.views.counter.why_words import Row, rows
from vmsapp.views.forms import EARLIEST, LATEST, NumberField, OfficeForm, put_error, too_fine
from vmsapp.views.numbers import row_number
from vmsapp.views.tariffs.cost_chart import chart_of
from vmsapp.views.words import UNITS

USUAL: Final = tuple(Decimal(units) for units in (10, 50, 100, 200, 500, 1000))
"""Quantities that the table prices besides the ends of steps."""

MOST_ROWS: Final = 14


def _needed_since(form: Form, field: Field) -> None:
    """A day must be said where the fee is unpaid since one, and means nothing elsewhere."""
    unpaid, said = form["fees"].data == Fees.SINCE, any(field.raw_data or ())
    if unpaid and not said:
        raise StopValidation(_("Say since when the fee is unpaid."))
    if said and not unpaid:
        raise StopValidation(
            _("Choose “Unpaid since a day” as the fixed fee, or leave this day empty.")
        )


class TrialForm(OfficeForm):
    """A plan, another beside it, and a purchase."""

    class Meta(OfficeForm.Meta):
        """It changes nothing, and its address can be kept."""

        csrf = False

    plan = SelectField(_l("Plan"), validate_choice=False)
    beside = SelectField(_l("Beside it"), validate_choice=False)
    mode = RadioField(
        _l("Buy"), default="quantity", validate_choice=False,
        choices=lambda: [("quantity", _("By quantity")), ("amount", _("By amount"))],
    )  # fmt: skip
    value = NumberField(_l("How much"))
    before = NumberField(
        _l("Units bought before"), places=1,
        description=_l("In the period that the plan’s steps count."),
    )  # fmt: skip
    on = DateField(_l("Day of the purchase"), [Optional()])
    fees = SelectField(_l("Fixed fee"), default="due", choices=lambda: [
        ("due", _("Due for the current period")), ("paid", _("Already paid")),
        ("since", _("Unpaid since a day")),
    ])  # fmt: skip
    since = DateField(
        _l("Unpaid since"),
        [_needed_since, Optional()],
        description=_l("For fees that were missed."),
    )

    def validate_before(self, field: NumberField) -> None:
        """Nobody bought less than nothing."""
        if field.data is not None and field.data < 0:
            raise ValidationError(_("The number cannot be below 0."))

    def validate_on(self, field: DateField) -> None:
        """A day that a calendar of this product has."""
        if field.data and not EARLIEST <= field.data <= LATEST:
            raise ValidationError(_("Choose a day from 1993 to 2199."))

    def validate_since(self, field: DateField) -> None:
        """A day not after the purchase."""
        if field.data is None or self.fees.data != Fees.SINCE:
            return
        if self.on.data and field.data > self.on.data:
            raise ValidationError(_("This day must not be after the purchase."))
        if field.data < EARLIEST:
            raise ValidationError(_("Choose a day from 1993 to 2199."))

    def imagined(self, today: date) -> Imagined:
        """The service point that the form describes."""
        return Imagined(
            on=self.on.data or today,
            before=Decimal(self.before.data or 0),
            fees=Fees(self.fees.data) if self.fees.data in set(Fees) else Fees.DUE,
            since=self.since.data,
        )


@dataclass(frozen=True, slots=True)
class Priced:
    """What one plan makes of the purchase: a quote with its explanation, or a refusal."""

    name: str
    quote: Quote | None
    lines: Sequence[dict[str, Any]]
    carried: Decimal
    explained: Sequence[Row]
    refusal: str


TARIFF_DEEDS: Final = (
    "can_list", "can_show", "can_add", "can_edit", "can_delete", "can_export", "can_look_up",
    "can_plan", "can_try", "can_simulate",
)  # fmt: skip
"""The permissions of tariffs, whichever view asks for them: the framework takes away all others."""


class TryPrice(OfficeView):
    """For who sees tariffs."""

    route_base = "/try-a-price"
    default_view = "show"
    class_permission_name = TARIFFS
    base_permissions = TARIFF_DEEDS

    @expose("/")
    @has_access
    @permission_name("try")
    def show(self) -> str | tuple[str, int]:
        """Show the form as the address has it, with the price, the curves and the table."""
        try:
            settings = utility()
        except NotSetUp as missing:
            return self.page("tariffs/try.html", form=None, missing=sentence(missing))
        offered = choices(session())
        if not offered:
            return self.page("tariffs/try.html", form=None, missing="")
        return self._answer(settings, offered)

    def _answer(self, settings: Setup, offered: Sequence[Choice]) -> str | tuple[str, int]:
        today = business_day(now_utc(), settings.time_zone)
        form = TrialForm(request.args)
        _fill(form, offered, today)
        valid = form.validate() if request.args else True
        chosen = _chosen(form)
        if not valid or not chosen:
            return self._page(form, settings, []), 422
        try:
            trials = [trial_of(row, settings, form.imagined(today)) for row in chosen]
        except InvalidInput as refusal:
            put_error(form, refusal)
            return self._page(form, settings, []), 422
        wish = _wish(form, settings)
        if form.errors:
            return self._page(form, settings, trials), 422
        priced = [_price(trial, form.mode.data, wish) for trial in trials] if wish else []
        if priced and priced[0].refusal:
            form.value.errors = [*form.value.errors, priced[0].refusal]
        return self._page(form, settings, trials, priced), 422 if form.errors else 200

    def _page(
        self,
        form: TrialForm,
        settings: Setup,
        trials: Sequence[Trial],
        priced: Sequence[Priced] = (),
    ) -> str:
        currency = currency_of(settings)
        at = priced[0].quote.units if priced and priced[0].quote else None
        kind = trials[0].row.tariff.meter_type if trials else "electricity"
        named = [(_name(trial.row), trial) for trial in trials]
        return self.page(
            "tariffs/try.html",
            form=form,
            trials=named,
            priced=priced,
            currency=currency,
            unit=_(UNITS[kind]),
            chart=chart_of(
                [(name, trial.terms) for name, trial in named],
                [trial.standing for trial in trials],
                at,
            ) if trials else None,
            table=list(_table(trials, settings)) if trials else [],
            difference=_difference(priced, settings, _(UNITS[kind])),
        )  # fmt: skip


def _fill(form: TrialForm, offered: Sequence[Choice], today: date) -> None:
    """Offer the plans under their tariffs, and set what the address leaves open."""
    grouped = {
        tariff: [(str(one.id), _("%(plan)s, from %(day)s", plan=isolated(one.plan),
                                 day=day_text(one.effective_on.isoformat()))) for one in plans]
        for tariff, plans in groupby(offered, key=lambda one: one.tariff)
    }  # fmt: skip
    form.plan.choices = grouped
    form.beside.choices = {"": [("", _("None"))]} | grouped
    form.plan.data = form.plan.data or str(offered[0].id)
    form.on.data = form.on.data if form.on.errors or form.on.raw_data else today
    form.mode.data = "amount" if form.mode.data == "amount" else "quantity"


def _chosen(form: TrialForm) -> list[TariffPlan]:
    """Fetch the plan and the one beside it; says what is wrong with either."""
    first = _plan(form.plan)
    second = _plan(form.beside) if form.beside.data else None
    if first and second and first.tariff.meter_type != second.tariff.meter_type:
        form.beside.errors = [_("Choose a plan for the same kind of meter.")]
    if form.plan.errors or form.beside.errors or first is None:
        return []
    return [first, second] if second else [first]


def _plan(field: SelectField) -> TariffPlan | None:
    try:
        row = plan_with_tariff(session(), row_number(field.data))
    except ValueError:
        row = None
    if row is None:
        field.errors = [*field.errors, _("This one is not there any more. Choose another.")]
    return row


def _wish(form: TrialForm, settings: Setup) -> dict[str, Any]:
    """Read what is bought; nothing while nothing is typed."""
    if form.value.data is None:
        return {}
    number = Decimal(form.value.data)
    if form.mode.data == "quantity":
        return {"units": number}
    exponent = settings.exponent
    minor = number.scaleb(exponent)
    if minor != minor.to_integral_value():
        form.value.errors = [too_fine(exponent)]
    return {"tender_minor": int(minor)}


def _price(trial: Trial, mode: str, wish: dict[str, Any]) -> Priced:
    name = _name(trial.row)
    try:
        quote = trial.quote(**wish)
    except VmsError as refusal:
        return Priced(name, None, [], Decimal(0), [], sentence(refusal))
    stored = calculation_of(quote, trial.row)
    currency = trial.terms.currency
    why = explain(
        stored, currency=currency.code, exponent=currency.exponent,
        meter_type=trial.row.tariff.meter_type, mode=mode, carried=carried(quote.units),
    )  # fmt: skip
    return Priced(name, quote, stored["lines"], why.carried, list(rows(why)), "")


def _difference(priced: Sequence[Priced], settings: Setup, unit: str) -> str:
    """Say how the second plan differs; nothing without two quotes."""
    quotes = [one.quote for one in priced if one.quote]
    if len(quotes) < 2:
        return ""
    first, second = quotes
    if first.units != second.units:
        more = second.units - first.units
        said = {"units": units_text(abs(more)), "unit": unit}
        if more > 0:
            return str(_("The second plan gives %(units)s %(unit)s more.", **said))
        return str(_("The second plan gives %(units)s %(unit)s less.", **said))
    minor = second.charged_minor - first.charged_minor
    if not minor:
        return str(_("Both plans cost the same."))
    amount = money_text(abs(minor), settings.currency, settings.exponent)
    if minor > 0:
        return str(_("The second plan costs %(amount)s more.", amount=amount))
    return str(_("The second plan costs %(amount)s less.", amount=amount))


@dataclass(frozen=True, slots=True)
class Compared:
    """A line of the table: what a quantity costs, and how much a unit, under each plan."""

    units: str
    costs: Sequence[tuple[str, str] | None]
    difference: str


def _table(trials: Sequence[Trial], settings: Setup) -> Iterator[Compared]:
    for units in _quantities(trials):
        charged = [trial.charged(units) for trial in trials]
        known = [minor for minor in charged if minor is not None]
        apart = known[1] - known[0] if len(known) == 2 else None
        yield Compared(
            units_text(units),
            [None if minor is None else _cost(minor, units, settings) for minor in charged],
            "" if apart is None else _money(apart, settings),
        )


def _quantities(trials: Sequence[Trial]) -> list[Decimal]:
    """Choose what the table prices: usual quantities, and where steps and bands end."""
    ends = {end for trial in trials for end in _ends(trial) if end > 0}
    room = MOST_ROWS - len(set(USUAL) - ends)
    return sorted({*USUAL, *sorted(ends)[:room]})


def _ends(trial: Trial) -> Iterator[Decimal]:
    """List the quantities with which a purchase reaches the end of a step or a band."""
    plan, counted = trial.terms.plan, counted_before(trial.terms.plan, trial.standing) * GRID
    yield from (step.end - counted for step in plan.steps if step.end is not None)
    yield from (band.high for band in plan.penalties if band.high is not None)


def _cost(minor: int, units: Decimal, settings: Setup) -> tuple[str, str]:
    each = Decimal(minor).scaleb(-settings.exponent) / units
    return _money(minor, settings), price_text(round(each, 4))


def _money(minor: int, settings: Setup) -> str:
    return money_text(minor, settings.currency, settings.exponent, symbol=False)


def _name(row: TariffPlan) -> str:
    return f"{row.tariff.name} · {row.name}" if row.name != row.tariff.name else row.name
