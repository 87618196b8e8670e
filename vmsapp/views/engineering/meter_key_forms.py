"""The forms of key changes, and the words on their pages."""

from collections.abc import Sequence
from typing import Any, Final

from flask_babel import gettext
from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import Meter
from vmsapp.models.key_change import DKGAS
from vmsapp.services.key_changes.answers import (
    CREDIT_TAKEN,
    REASON_MAX,
    TEST_TOKENS,
    Refusal,
    Taken,
)
from vmsapp.services.key_changes.choosing import Choice
from vmsapp.services.key_changes.planning import LONG_KEY_EA, Warned, Wish
from vmsapp.views.approvals.deeds import MAX_KEY
from vmsapp.views.forms import OfficeForm, of_length
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.registration.meter_forms import key_code

TONES: Final = {"completed": "warn", "reserved": "warn", "confirmed": "good", "failed": "bad",
                "refused": "bad"}  # fmt: skip
PROOFS: Final = {
    TEST_TOKENS: N_("The meter showed the new KRN and TI after the test tokens"),
    CREDIT_TAKEN: N_("The meter took a credit under the new key that was sold on an earlier day"),
}
WARNINGS: Final = {
    Warned.OLDER_TOKENS: N_(
        "Older tokens that the customer still has are lost once the meter has the new key: they"
        " must be entered first. The slip says so."
    ),
    Warned.ROLL_OVER: N_(
        "The base date changes: the meter forgets which tokens it has taken, and there is no way"
        " back to the old key."
    ),
    Warned.NO_WAY_BACK: N_(
        "No tokens lead back to the old key. If the meter refuses the set, somebody must enter it"
        " at the meter and see it refused."
    ),
    Warned.NO_CREDIT: N_("Under the new key type no credit can be sold to this meter."),
    Warned.DEFAULT_KEY: N_(
        "This is a default key: every meter of the supply group that left the factory with it has"
        " it. Give the meter a key of its own as soon as it is installed."
    ),
    Warned.ENDS_SOON: N_(
        "The new key ends before long: meters that have it must then be given another."
    ),
    Warned.NO_DISPLAY: N_(
        "KRN and TI stay the same, so the meter's display will not tell whether it took the tokens."
        " Choose another TI too if you can."
    ),
}


class ChangeKeyForm(OfficeForm):
    """The key that a meter is to have."""

    key_of_form = HiddenField(validators=[DataRequired(), Length(max=MAX_KEY)])

    key = SelectField(_l("New vending key"), choices=list, validate_choice=False)
    ti = StringField(
        _l("New tariff index (TI)"), validators=[of_length(0, 5)], description=_l("2 digits.")
    )
    tokens = SelectField(
        _l("Tokens"), coerce=str, choices=list, validate_choice=False,
        description=_l("Three only if the meter shows supply group codes; most take two."),
    )  # fmt: skip
    reason = StringField(
        _l("Reason"), validators=[of_length(0, REASON_MAX)],
        description=_l("It is kept with the change."),
    )  # fmt: skip

    def offer(self, meter: Meter, choices: Sequence[Choice]) -> None:
        """Offer what this meter can be given; the first key is its own, for another TI."""
        self.keys = {
            code_of(one): one.key for one in choices if one.refusal is None
        }  # fmt: skip
        self.key.data = self.key.data or next(iter(self.keys), "")
        if meter.ea == LONG_KEY_EA:
            self.tokens.choices = [("4", "4")]
        else:
            self.tokens.choices = [
                ("2", "2"), ("3", str(_("3, with the supply group code"))),
            ]  # fmt: skip
        self.ti.flags.required = self.reason.flags.required = True

    def wish(self, meter: Meter) -> Wish:
        """What was chosen and typed, for the services."""
        key = self.keys.get(self.key.data or "")
        sgc, krn, kt, dkga = (key.sgc, key.krn, key.kt, key.dkga) if key else ("", 0, 0, "")
        return Wish(
            meter_id=meter.id, sgc=sgc, krn=krn, kt=kt, dkga=dkga,
            ti=ascii_digits(self.ti.data or ""), reason=self.reason.data or "",
            three_tokens=self.tokens.data == "3",
        )  # fmt: skip


def code_of(choice: Choice) -> str:
    """Name a key in the form."""
    return key_code(DKGAS[choice.key.dkga], choice.key)


class ShownForm(OfficeForm):
    """What a meter shows."""

    change = HiddenField()
    shown_krn = StringField(
        _l("KRN that the meter shows"), validators=[of_length(0, 5)], description=_l("1 to 9.")
    )
    shown_ti = StringField(
        _l("TI that the meter shows"), validators=[of_length(0, 5)], description=_l("2 digits.")
    )

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.shown_krn.flags.needed = self.shown_ti.flags.needed = True

    def shown(self) -> tuple[int | None, str]:
        """KRN and TI as typed; a KRN that is none is None."""
        krn = ascii_digits(self.shown_krn.data or "").strip()
        is_one = krn.isascii() and krn.isdecimal() and len(krn) < 3
        return int(krn) if is_one else None, ascii_digits(self.shown_ti.data or "").strip()


class ConfirmKeyForm(ShownForm):
    """What tells that the meter has the new key."""

    proof = SelectField(_l("What tells it"), choices=list, validate_choice=False)
    cleared = BooleanField(
        _l("Every slip with the refused tokens was entered at the meter or taken away")
    )

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.proof.choices = [("", str(_("Choose")))] + [
            (code, gettext(word)) for code, word in PROOFS.items()
        ]

    def taken(self) -> Taken:
        """What was typed, for the services."""
        krn, ti = self.shown()
        return Taken(self.proof.data or "", krn, ti, cleared=bool(self.cleared.data))


class RefuseKeyForm(ShownForm):
    """What tells that the meter did not take the set."""

    key_of_form = HiddenField(validators=[DataRequired(), Length(max=MAX_KEY)])

    entered = BooleanField(
        _l("All tokens of the set were entered at the meter, and I saw it refuse them")
    )
    reason = TextAreaField(
        _l("Reason"), validators=[of_length(0, REASON_MAX)],
        description=_l("What the meter answered, or why it never got the tokens."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.reason.flags.required = True

    def refusal(self) -> Refusal:
        """What was typed, for the services."""
        krn, ti = self.shown()
        return Refusal(krn, ti, self.reason.data or "", bool(self.entered.data))
