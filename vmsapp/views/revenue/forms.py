"""The forms of revenue protection: what is written, what was behind it, a rule's thresholds."""

from collections.abc import Mapping
from typing import Final

from flask_babel import gettext
from wtforms import BooleanField, DateField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from vmsapp.i18n import _, _l
from vmsapp.models import RevenueFinding
from vmsapp.services.revenue_protection.setting import Setting, thresholds
from vmsapp.services.revenue_protection.working import LONGEST, outcomes_of
from vmsapp.views.forms import OfficeForm, WholeField
from vmsapp.views.revenue.words import OUTCOMES

ACTIVE: Final = "active"
NUMBER: Final = "number_"
"""How the fields of thresholds begin: their names are also those of a form's own parts."""


class NoteForm(OfficeForm):
    """What somebody saw or did, and when somebody goes there."""

    text = StringField(
        _l("What you saw or did"), [DataRequired(), Length(max=LONGEST)],
        description=_l("It stands with the finding, under your name."),
    )  # fmt: skip
    visit_on = DateField(
        _l("Field visit on"), [Optional()],
        description=_l("The day somebody goes there, or was there."),
    )  # fmt: skip


class DecideForm(NoteForm):
    """What was behind a finding."""

    outcome = SelectField(_l("What was behind it"), [DataRequired()], choices=list)


def decide_form(row: RevenueFinding) -> DecideForm:
    """Make the form with the outcomes there are of such a finding."""
    form = DecideForm(obj=None, data={"visit_on": row.visit_on})
    words = [(code.value, gettext(OUTCOMES[code])) for code in outcomes_of(row)]
    form.outcome.choices = [("", _("Choose…")), *words]
    return form


def rule_form(setting: Setting) -> OfficeForm:
    """Make the form of a rule: whether it is asked, and its thresholds."""
    fields: dict[str, object] = {
        ACTIVE: BooleanField(
            _l("This rule is asked"),
            description=_l("Without the tick its open findings are closed at the next run."),
        )
    }
    for one in thresholds(setting.rule):
        between = _("Between %(min)s and %(max)s.", min=one.least, max=one.most)
        fields[NUMBER + one.name] = WholeField(
            gettext(one.word),
            [InputRequired(between), NumberRange(one.least, one.most, between)],
            description=_("%(between)s As made: %(default)s.", between=between,
                          default=one.default),
        )  # fmt: skip
    made = type("RuleForm", (OfficeForm,), fields)
    data = {NUMBER + name: number for name, number in setting.numbers.items()}
    form: OfficeForm = made(data={ACTIVE: setting.active, **data})
    return form


def numbers_typed(form: OfficeForm) -> Mapping[str, int]:
    """Read the thresholds by name."""
    return {
        name.removeprefix(NUMBER): int(value)
        for name, value in form.data.items() if name.startswith(NUMBER)
    }  # fmt: skip
