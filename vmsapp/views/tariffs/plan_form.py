"""The form of a tariff plan: its rows, what was typed into them, and all that is wrong with it.

A plan is typed row by row, and a rule may concern several rows. So the form makes of what was
typed a plan that may still break rules, has ``tariffs.checks`` find all of them, and puts
each sentence beside its figure. What cannot be read as a number is no number to the rules.
"""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, Final, TypeVar, cast

from wtforms import DateField, Field, FieldList, FormField, SelectField, StringField
from wtforms.validators import DataRequired, Length, Optional

from vmsapp.errors import VmsError
from vmsapp.i18n import _, _l
from vmsapp.services.setup import currency_of
from vmsapp.tariffs.checks import MAX_BANDS, MAX_LEVIES, MAX_NAME, MAX_STEPS, faults_of
from vmsapp.tariffs.document import RECOVERED
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
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.views.base import sentence, utility
from vmsapp.views.forms import MoneyField, OfficeForm, tidy, too_fine
from vmsapp.views.office.setup_forms import worded
from vmsapp.views.tariffs.plan_rows import (
    TAX_PLACES,
    UNIT_PLACES,
    BandRow,
    Count,
    Figure,
    LevyRow,
    StepRow,
)
from vmsapp.views.tariffs.plan_words import BASES, COUNTED, INCLUSIVE, PERIODS

Word = TypeVar("Word", bound=StrEnum)
NOT_A_NUMBER: Final = Decimal("NaN")

MOST_ROWS: Final = {"steps": MAX_STEPS, "penalties": MAX_BANDS, "levies": MAX_LEVIES}
"""Parts of a plan that have rows, and how many."""

COLUMNS: Final = {
    ("steps", "tax_percent"): "tax",
    ("fixed_fee", "amount"): "fee_amount",
    ("fixed_fee", "max_periods"): "fee_periods",
    ("fixed_fee", "arrears_share"): "fee_share",
}
"""Fields that are not called what a plan calls its figures."""


class PlanForm(OfficeForm):
    """All of a plan, and from when it is in force."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=MAX_NAME)])
    effective_on = DateField(
        _l("In force from"), [DataRequired(_l("Enter a date."))],
        description=_l("From the first minute of this day, in the utility's time zone."),
    )  # fmt: skip
    steps = FieldList(FormField(StepRow))
    penalties = FieldList(FormField(BandRow))
    fee_amount = MoneyField(
        _l("Fixed fee"), [Optional()], description=_l("Leave it empty for none.")
    )
    fee_period = SelectField(_l("Charged once each"), choices=worded(PERIODS), default="month")
    fee_missed = SelectField(_l("Missed fees are charged later"), choices=list, default="usual")
    fee_periods = Count(
        _l("Most fees at once"),
        [Optional()],
        description=_l("Older ones lapse. Empty is no limit."),
    )
    fee_share = Figure(
        _l("Share of the money for missed fees, in percent"), [Optional()], places=TAX_PLACES,
        description=_l("Empty is 100: all that is owed is asked for at once."),
    )  # fmt: skip
    accumulation = SelectField(_l("The steps count"), choices=worded(COUNTED), default="month")
    inclusive = SelectField(_l("Prices are written"), choices=worded(INCLUSIVE), default="no")
    levies = FieldList(FormField(LevyRow))
    smallest_units = Figure(_l("Smallest purchase, in units"), [Optional()], places=UNIT_PLACES)
    smallest_minor = MoneyField(_l("Smallest purchase, in money"), [Optional()])
    sale_units = Figure(_l("Largest purchase, in units"), [Optional()], places=UNIT_PLACES)
    sale_minor = MoneyField(_l("Largest purchase, in money"), [Optional()])
    day_units = Figure(_l("Most in a day, in units"), [Optional()], places=UNIT_PLACES)
    day_minor = MoneyField(_l("Most in a day, in money"), [Optional()])
    month_units = Figure(_l("Most in a month, in units"), [Optional()], places=UNIT_PLACES)
    month_minor = MoneyField(_l("Most in a month, in money"), [Optional()])

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.part_errors: dict[str, list[str]] = {}
        """What is wrong with a part as a whole."""
        self.missing: set[str] = set()
        """Ids of fields that must be typed and are not yet."""
        self.fee_missed.choices = [
            ("usual", _("As is usual: for months and years")), ("yes", _("Yes")), ("no", _("No")),
        ]  # fmt: skip
        steps = [(number, str(number)) for number in range(1, len(self.steps) + 1)]
        for number, levy in enumerate(self.levies, 1):
            levy.steps.choices = steps
            chosen = set(levy.of_levies.data or ())
            levy.of_levies.choices = [
                (other, row.form.name.data or _("Tax or levy %(row)s", row=other))
                for other, row in enumerate(self.levies, 1)
                if other < number or (other in chosen and other != number)
            ]

    def validate(self, extra_validators: Any = None) -> bool:  # noqa: ANN401 - the library's
        """Read all fields, then hold the plan they make against the rules of plans."""
        tidy(self)
        for row in self.levies:
            tidy(row.form)
        super().validate(extra_validators)
        self._note_missing()
        if len(self.steps) and all(len(self[part]) <= 4 * most for part, most in MOST_ROWS.items()):
            faults = faults_of(cast("Plan", self.draft()))
        else:
            faults = iter(())
        for fault in faults:
            self.put(fault)
        self.missing |= {row.form["name"].id for row in self.levies if _is_blank(row.form["name"])}
        return not self.wrong and not self.part_errors and not self.form_errors

    def forgive_missing(self) -> None:
        """Take back what is said of fields that nobody has come to yet."""
        for field in self.wrong:
            if field.id in self.missing:
                field.errors = []

    @property
    def wrong(self) -> list[Field]:
        """The fields with errors, from top to bottom."""
        return [field for field in self.all_fields() if field.errors]

    def called(self, field: Field) -> str:
        """Say which field it is; of one in a row, in which."""
        part, _hyphen, rest = str(field.id).partition("-")
        if part not in MOST_ROWS:
            return str(field.label.text)
        number = int(rest.partition("-")[0]) + 1
        words = {
            "steps": _("Step %(row)s", row=number),
            "penalties": _("Penalty band %(row)s", row=number),
            "levies": _("Tax or levy %(row)s", row=number),
        }
        return str(_("%(row)s, %(field)s", row=words[part], field=field.label.text))

    def all_fields(self) -> Iterator[Field]:
        """Every field that is typed into, those of the rows in their places."""
        for field in self:
            if isinstance(field, FieldList):
                for row in field:
                    yield from row.form
            elif field.type not in {"HiddenField", "CSRFTokenField"}:
                yield field

    def put(self, fault: VmsError) -> None:
        """Show what is wrong beside its field; what a field says already is not said twice."""
        part = getattr(fault, "field", None) or ""
        field = self._place_of(fault, part)
        if field is not None:
            field.errors = field.errors or [sentence(fault)]
        elif part in {*MOST_ROWS, "limits"}:
            self.part_errors.setdefault(part, []).append(sentence(fault))
        else:
            self.form_errors.append(sentence(fault))

    def draft(self) -> SimpleNamespace:
        """Make what was typed into what may be a plan."""
        return SimpleNamespace(
            name=self.name.data or "",
            steps=tuple(self._steps()),
            fixed_fee=self._fee(),
            penalties=tuple(self._bands()),
            accumulation=_one_of(Accumulation, self.accumulation, Accumulation.MONTH),
            levies=tuple(self._levies()),
            tax_inclusive=self.inclusive.data == "yes",
            limits=self._limits(),
        )

    def plan(self) -> Plan:
        """The plan, once nothing is wrong with it."""
        return Plan(**vars(self.draft()))

    def _note_missing(self) -> None:
        """Ask for the figures a row cannot do without."""
        for part, column in (("steps", "price"), ("penalties", "fine"), ("levies", "rate")):
            for row in self[part]:
                field = row.form[column]
                if not field.errors and _is_blank(field):
                    field.errors = [_("Enter a number.")]
        self.missing = {field.id for field in self.wrong if _is_blank(field)}

    def _place_of(self, fault: VmsError, part: str) -> Field | None:
        """Find the field of a figure; ``None`` for what concerns a part as a whole."""
        column, row = "", None
        if isinstance(fault, InvalidPlan):
            column, row = fault.column or "", fault.row
        name = COLUMNS.get((part, column), column or part)
        if part not in MOST_ROWS:
            return self[name] if name in self else None  # noqa: SIM401 - no dict
        if row is None or row > len(self[part]) or not column:
            return None
        found: Field = self[part][row - 1].form[name]
        return found

    def _steps(self) -> Iterator[Step]:
        before: Decimal | None = Decimal(0)
        for row in self.steps:
            form = row.form
            start = _figure(form.start, before or Decimal(0))
            before = None if _is_blank(form.end) else _figure(form.end, Decimal(0))
            yield Step(
                start, before, _figure(form.price, NOT_A_NUMBER), _figure(form.tax, Decimal(0))
            )

    def _bands(self) -> Iterator[Penalty]:
        before: Decimal | None = Decimal(0)
        for row in self.penalties:
            form = row.form
            low = _figure(form.low, before or Decimal(0))
            before = None if _is_blank(form.high) else _figure(form.high, Decimal(0))
            yield Penalty(low, before, int(form.fine.data or 0))

    def _fee(self) -> FixedFee | None:
        if self.fee_amount.data is None:
            return None
        period = _one_of(FeePeriod, self.fee_period, FeePeriod.MONTH)
        usual, chosen = period in RECOVERED, self.fee_missed.data
        return FixedFee(
            amount_minor=int(self.fee_amount.data),
            period=period,
            recover_missed=usual if chosen not in {"yes", "no"} else chosen == "yes",
            max_periods=None if self.fee_periods.data is None else int(self.fee_periods.data),
            arrears_share=_figure(self.fee_share, FULL_SHARE),
        )

    def _levies(self) -> Iterator[Levy]:
        names = [row.form.name.data or "" for row in self.levies]
        for row in self.levies:
            form = row.form
            name, steps = form.name.data or "", tuple(sorted(form.steps.data or ()))
            rate = _figure(form.rate, NOT_A_NUMBER)
            if form.kind.data == "flat":
                yield FlatLevy(name, self._flat(form.rate, rate), steps)
            elif form.kind.data == "per_unit":
                yield UnitLevy(name, rate, steps)
            else:
                base = frozenset(Base(code) for code in form.base.data or () if code in BASES)
                others = [one for one in form.of_levies.data or () if 1 <= one <= len(names)]
                of = tuple(names[one - 1] for one in sorted(others))
                yield PercentLevy(name, rate, base, of, steps)

    def _flat(self, field: Field, rate: Decimal) -> int:
        """Bring a flat sum to minor units; what is no sum of money says so."""
        if not rate.is_finite():
            return 0
        exponent = currency_of(utility()).exponent
        minor = rate.scaleb(exponent)
        if minor != int(minor) and not field.errors:
            field.errors = [too_fine(exponent)]
        return int(minor)

    def _limits(self) -> Limits:
        most = (
            Most(span, self._limit(f"{span.value}_units"), self._sum(f"{span.value}_minor"))
            for span in Span
        )
        return Limits(
            smallest_units=self._limit("smallest_units"),
            smallest_minor=self._sum("smallest_minor"),
            most=tuple(one for one in most if one.units is not None or one.minor is not None),
        )

    def _limit(self, name: str) -> Decimal | None:
        return None if self[name].data is None else Decimal(self[name].data)

    def _sum(self, name: str) -> int | None:
        return None if self[name].data is None else int(self[name].data)


def _is_blank(field: Field) -> bool:
    """Tell whether nothing was typed."""
    if field.raw_data:
        return not str(field.raw_data[0]).strip()
    return field.data is None or field.data == ""


def _figure(field: Field, missing: Decimal) -> Decimal:
    """Give a figure as the rules take it: what could not be read is no number."""
    if field.process_errors:
        return NOT_A_NUMBER
    return missing if field.data is None else Decimal(field.data)


def _one_of(words: type[Word], field: Field, other: Word) -> Word:
    """Give a chosen word; a forged one is refused by its field."""
    return words(field.data) if field.data in list(words) else other
