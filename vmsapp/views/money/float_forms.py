"""The forms of floats: money that moves, and the terms of a vending point."""

from wtforms import BooleanField, DateField, HiddenField, StringField
from wtforms.validators import DataRequired, Length, Optional

from vmsapp.i18n import _l
from vmsapp.views.approvals.deeds import DeedForm
from vmsapp.views.forms import MoneyField


class MoveForm(DeedForm):
    """Money that moves, on which paper."""

    amount = MoneyField(
        _l("Amount"), [DataRequired(_l("Enter an amount above zero."))],
        description=_l("The amount the slip bears."),
    )  # fmt: skip
    reference = StringField(
        _l("Reference"), [DataRequired(), Length(max=120)],
        description=_l("Number of the deposit slip, transfer or voucher."),
    )  # fmt: skip
    paid_on = DateField(
        _l("Date on the slip"), [DataRequired(_l("Enter a date."))],
        description=_l("The day the slip bears: today or before."),
    )  # fmt: skip
    again = BooleanField(_l("This is another slip"))


class TermsForm(DeedForm):
    """How a vending point sells."""

    was = HiddenField(validators=[DataRequired()])
    limited = BooleanField(
        _l("Sells only from its float"),
        description=_l("Without the tick it sells without limit and owes its cash."),
    )
    credit_limit = MoneyField(
        _l("Credit limit"), [Optional()],
        description=_l("How far below zero the float may go. Empty is zero."),
    )  # fmt: skip
