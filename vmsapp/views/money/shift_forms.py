"""What is typed around shifts: the float, cash moved, the count, a reason."""

import re
from collections.abc import Mapping
from typing import Final

from wtforms import SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length, Optional

from vmsapp.errors import N_, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import CashReason
from vmsapp.money import MAX_MINOR
from vmsapp.services.setup import currency_of
from vmsapp.views.approvals.deeds import DeedForm
from vmsapp.views.base import sentence, utility
from vmsapp.views.forms import MoneyField
from vmsapp.views.numbers import ascii_digits, read_number, row_number
from vmsapp.views.office.setup_forms import worded

REASONS: Final[Mapping[str, str]] = {
    CashReason.BANK: N_("Taken to the bank"),
    CashReason.CHANGE: N_("Money for change"),
    CashReason.OTHER: N_("Other reason"),
}
WAYS: Final[Mapping[str, str]] = {"out": N_("Taken out"), "in": N_("Put in")}
PIECES: Final = re.compile(r"\s*(\S+)\s*[x×*]\s*([0-9]{1,7})\s*", re.IGNORECASE)
"""Worth, and how many: ``50 x 4``."""


class OpenForm(DeedForm):
    """What lies in the drawer as a shift begins."""

    vending_point = SelectField(_l("Vending point"), coerce=lambda value: row_number(value or "0"))
    amount = MoneyField(
        _l("Cash in the drawer"), [InputRequired(_l("Count the drawer; type 0 if it is empty."))],
        description=_l("Count it before you sell. Type 0 if the drawer is empty."),
    )  # fmt: skip


class CashForm(DeedForm):
    """Cash put into a drawer or taken out of it."""

    way = SelectField(_l("Way"), choices=worded(WAYS))
    amount = MoneyField(_l("Amount"), [InputRequired(_l("Enter an amount above zero."))])
    reason = SelectField(_l("Reason"), choices=worded(REASONS))
    note = StringField(
        _l("Note"), [Length(max=255)],
        description=_l(
            "Such as the number of the bank's slip. Needed where the reason is “Other reason”."
        ),
    )  # fmt: skip


class CountForm(DeedForm):
    """What was counted; the coins and notes alone will do, and so will the total."""

    pieces = TextAreaField(
        _l("Coins and notes"), [Optional(), Length(max=1000)],
        description=_l("A line for each worth, such as 50 × 4. The total is then added up."),
        render_kw={"rows": 5, "dir": "ltr", "autocomplete": "off"},
    )  # fmt: skip
    amount = MoneyField(
        _l("Total counted"), [],
        description=_l("All cash in the drawer. What was expected is shown once you have counted."),
    )  # fmt: skip

    def validate_pieces(self, field: TextAreaField) -> None:
        """Read each line."""
        self.read = _pieces(field.data or "")

    def validate_amount(self, field: MoneyField) -> None:
        """Take the sum of the pieces for a total that was left out."""
        if field.data is None:
            if not self.counted:
                raise ValidationError(_("Count the drawer; type 0 if it is empty."))
            field.data = sum(worth * number for worth, number in self.counted.items())

    @property
    def counted(self) -> Mapping[int, int]:
        """How many pieces of each worth in minor units."""
        found: Mapping[int, int] = getattr(self, "read", {})
        return found


class ReasonForm(DeedForm):
    """Why the drawer held more or less than was expected."""

    note = StringField(
        _l("Where the difference comes from"), [Length(max=255)],
        description=_l("It stands on the shift with your name."),
    )  # fmt: skip


def _no_piece(line: str) -> ValidationError:
    return ValidationError(_("“%(line)s” is no worth and number, such as 50 × 4.", line=line))


def _pieces(text: str) -> dict[int, int]:
    """Read lines of worth and number.

    Raises:
        ValidationError: One of them cannot be read; names it.
    """
    found: dict[int, int] = {}
    exponent = currency_of(utility()).exponent
    for line in ascii_digits(text).splitlines():
        if not line.strip():
            continue
        parts = PIECES.fullmatch(line)
        if parts is None:
            raise _no_piece(line)
        try:
            minor = read_number(parts[1]).scaleb(exponent)
        except VmsError as error:
            raise ValidationError(sentence(error)) from error
        if minor != int(minor) or not 0 < minor <= MAX_MINOR:
            raise _no_piece(line)
        found[int(minor)] = found.get(int(minor), 0) + int(parts[2])
    return found
