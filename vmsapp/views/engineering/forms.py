"""The form of an engineering token: its fields are those its function takes."""

from decimal import Decimal
from typing import Final

from flask_babel import gettext
from wtforms import SelectField, StringField

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import Meter
from vmsapp.services.engineering.functions import (
    DATA_MAX,
    FUNCTIONS,
    INDEX_MAX,
    Function,
    own_register,
)
from vmsapp.services.engineering.making import REGISTER_NAMES
from vmsapp.services.engineering.wish import ASKED_DIGITS, REASON_MAX, Wish
from vmsapp.sts.mse import Register
from vmsapp.views.approvals.deeds import DeedForm
from vmsapp.views.forms import NumberField, of_length
from vmsapp.views.look import number_text
from vmsapp.views.numbers import ascii_digits

LABELS: Final = {
    Function.POWER_LIMIT: N_("Maximum power"),
    Function.PHASE_UNBALANCE: N_("Phase unbalance limit"),
    Function.TARIFF_RATE: N_("Tariff rate"),
    Function.WATER_FACTOR: N_("Water meter factor"),
    Function.EXTENDED: N_("Value"),
}


class WholeField(NumberField):
    """A whole number with a unit behind it."""

    _unit = ""

    @property
    def unit(self) -> str:
        """What stands after the number."""
        return self._unit


class MakeForm(DeedForm):
    """What a meter is told."""

    register = SelectField(_l("Balance"), choices=list, validate_choice=False)
    index = WholeField(_l("Index"), places=0)
    value = WholeField(_l("Value"), places=0)
    last_digits = StringField(
        _l("Last four digits of the meter number"), validators=[of_length(0, 20)],
        description=_l("Read them from the meter itself, so that no other meter gets this token."),
    )  # fmt: skip
    reason = StringField(
        _l("Reason"), validators=[of_length(0, REASON_MAX)],
        description=_l("It is kept with the token."),
    )  # fmt: skip

    def of_function(self, function: Function, meter: Meter) -> list[str]:
        """Shape the form for a function; gives the names of its fields, in their order."""
        spec, names = FUNCTIONS[function], []
        if function is Function.CLEAR_CREDIT:
            own = own_register(meter)
            self.register.choices = [
                (str(int(each)), gettext(REGISTER_NAMES[each])) for each in (own, Register.ALL)
            ]
            names.append("register")
        elif spec.takes_value:
            names += ["index", "value"] if function is Function.EXTENDED else ["value"]
            self.value.label.text = gettext(LABELS[function])
            self.value._unit = gettext(spec.unit) if spec.unit else ""  # noqa: SLF001 - this form's own field
            most = DATA_MAX if function is Function.EXTENDED else spec.most
            self.value.description = limits(spec.least, most)
            self.index.description = limits(0, INDEX_MAX)
        if spec.asks_number:
            names.append("last_digits")
        for name in (*names, "reason"):
            self[name].flags.required = True
        return [*names, "reason"]

    def wish(self, function: Function, meter: Meter, table_set: str) -> Wish:
        """What was typed, for the services; nothing typed is no value."""
        value = _whole(self.value.data)
        if function is Function.CLEAR_CREDIT:
            typed = self.register.data or ""
            value = int(typed) if typed.isascii() and typed.isdigit() else -1
        elif not FUNCTIONS[function].takes_value:
            value = 0
        index = _whole(self.index.data) if function is Function.EXTENDED else 0
        typed = ascii_digits(self.last_digits.data or "")
        return Wish(
            meter_id=meter.id, function=function.value, value=value, index=index,
            reason=self.reason.data or "", table_set=table_set,
            last_digits="".join(mark for mark in typed if mark.isdigit()),
        )  # fmt: skip


def limits(least: int, most: int) -> str:
    """Say between what a value lies."""
    return str(
        _("A whole number from %(least)s to %(most)s.", least=number_text(least),
          most=number_text(most))
    )  # fmt: skip


def _whole(typed: Decimal | int | None) -> int:
    return -1 if typed is None else int(typed)


assert ASKED_DIGITS == 4, "the form's words say so"
