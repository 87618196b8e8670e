"""The forms of the utility's settings."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from flask import current_app
from flask_wtf.file import FileField
from markupsafe import Markup
from werkzeug.datastructures import FileStorage
from wtforms import (
    BooleanField,
    DateTimeLocalField,
    Field,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import (
    DataRequired,
    Email,
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
)
from wtforms.widgets import FileInput, TextInput

from vmsapp.i18n import _, _l
from vmsapp.models import Setup
from vmsapp.services.mail import MailPortRefused, check_port, mail_key, sealed_password
from vmsapp.services.pictures import MAX_BYTES, MAX_PIXELS, read_picture
from vmsapp.services.setup import currency_of
from vmsapp.services.setup_rules import MAIL_DOOR, NAMES
from vmsapp.services.vending.errors import NumberUnreadable
from vmsapp.services.world import CODE, COMMON, currencies, decimals_of, zones, zones_fitting
from vmsapp.views.base import sentence, utility
from vmsapp.views.forms import (
    EARLIEST,
    LATEST,
    MoneyField,
    NumberField,
    OfficeForm,
    UnitsField,
    WholeField,
)
from vmsapp.views.numbers import number_typed, read_number
from vmsapp.views.office.setup_words import LABELS, SECURITIES, SETTLEMENTS, language

OWN: Final = "own"
"""Chosen where the currency is none of the world's."""
MOST_DECIMALS: Final = 4
MOST_COPIES: Final = 5
MOST_REVERSAL_HOURS: Final = 31 * 24
MOST_AMOUNTS: Final = 6
MOST_NAMED: Final = 5
"""Time zones that a refusal names."""


class Suggested(TextInput):
    """A text that suggests what fits while it is typed; works without script."""

    def __init__(self, choices: Callable[[], Sequence[str]]) -> None:
        super().__init__()
        self.choices = choices

    def __call__(self, field: Field, **attributes: Any) -> Markup:  # noqa: ANN401
        """Draw the field and its suggestions."""
        list_id = f"{field.id}-choices"
        options = Markup("").join(
            Markup('<option value="{}">').format(choice) for choice in self.choices()
        )
        drawn = super().__call__(field, list=list_id, autocomplete="off", **attributes)
        return Markup('{}<datalist id="{}">{}</datalist>').format(drawn, list_id, options)


def worded(words: Mapping[str, str]) -> Callable[[], list[tuple[str, str]]]:
    """Offer codes under their words, translated when the form is made."""
    return lambda: [(code, _(word)) for code, word in words.items()]


class Number(NumberField):
    """A number above zero."""

    def read(self, text: str) -> Decimal | int:
        """Read it."""
        return above_zero(super().read(text))


class Amount(MoneyField):
    """Money above zero."""

    def read(self, text: str) -> int:
        """Read it."""
        return int(above_zero(super().read(text)))


class Quantity(UnitsField):
    """Units above zero."""

    def written(self) -> str:
        """Without idle zeros."""
        return f"{Decimal(self.data or 0).normalize():f}"

    def read(self, text: str) -> Decimal | int:
        """Read it."""
        return above_zero(super().read(text))


class AmountsField(StringField):
    """A few amounts of money, typed with a space between; kept as decimals in that order."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read them.

        Raises:
            ValueError: One is no amount, or there are too many.
        """
        if not valuelist:
            return
        self.data = valuelist[0].strip()
        amounts = [self._amount(text) for text in valuelist[0].split()]
        if len(amounts) > MOST_AMOUNTS:
            raise ValueError(_("These are too many: at most %(most)s.", most=MOST_AMOUNTS))
        self.data = " ".join(f"{amount.normalize():f}" for amount in amounts)

    def _value(self) -> str:
        """As they are typed; what was typed wrong stands as it was."""
        if self.errors or self.process_errors:
            return str(self.data or "")
        return " ".join(number_typed(Decimal(text)) for text in (self.data or "").split())

    @staticmethod
    def _amount(text: str) -> Decimal:
        try:
            number = read_number(text)
        except NumberUnreadable as error:
            raise ValueError(sentence(error)) from None
        above_zero(number)
        if number != round(number, utility().exponent):
            raise ValueError(_("The currency has no amount that small."))
        return number


def above_zero(number: Decimal | int) -> Decimal | int:
    """Refuse zero and less: a limit that is not wanted is left empty."""
    if number <= 0:
        raise ValueError(_("This must be more than zero."))
    return number


def whole(least: int, most: int) -> NumberRange:
    """Make a validator of whole numbers."""
    return NumberRange(least, most, _l("Between %(min)s and %(max)s."))


class SectionForm(OfficeForm):
    """A part of the settings, and when they begin."""

    starts_at = DateTimeLocalField(
        _l("In force from"), [Optional()], format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        description=_l("Leave it empty for now. Otherwise the utility's time counts."),
    )  # fmt: skip

    def validate_starts_at(self, field: DateTimeLocalField) -> None:
        """A day that a calendar of this product has."""
        if field.data is not None and not EARLIEST <= field.data.date() <= LATEST:
            raise ValidationError(_("Choose a day from 1993 to 2199."))

    def values(self) -> dict[str, Any]:
        """What was typed, as it is stored."""
        return {name: self[name].data for name in NAMES if name in self}


class UtilityForm(SectionForm):
    """Who the utility is, and whose clock it keeps."""

    utility_name = StringField(LABELS["utility_name"], [DataRequired(), Length(max=120)])
    utility_address = StringField(LABELS["utility_address"], [Length(max=255)])
    tax_number = StringField(LABELS["tax_number"], [Length(max=60)])
    time_zone = StringField(
        LABELS["time_zone"], [DataRequired()], widget=Suggested(lambda: list(zones().values())),
        description=_l("Type a part of its name, such as Nairobi. It cannot change after the"
                       " first sale."),
    )  # fmt: skip
    logo = FileField(
        LABELS["logo"], widget=FileInput(),
        description=_l("PNG, JPEG or GIF for the head of receipts, at most %(kilobytes)s kB and"
                       " %(pixels)s pixels in width and height.",
                       kilobytes=MAX_BYTES // 1024, pixels=MAX_PIXELS),
    )  # fmt: skip
    remove_logo = BooleanField(_l("Remove the logo"))

    def validate_time_zone(self, field: Field) -> None:
        """Take the only zone that fits what was typed."""
        fitting = zones_fitting(field.data or "")
        if not fitting:
            raise ValidationError(_("There is no such time zone. Choose one of the list."))
        if len(fitting) > 1:
            some = ", ".join(fitting[:MOST_NAMED])
            raise ValidationError(_("More than one time zone fits, such as %(zones)s.", zones=some))
        field.data = fitting[0]

    def values(self) -> dict[str, Any]:
        """A new picture is read; without one the old stays."""
        values = super().values()
        if isinstance(self.logo.data, FileStorage):
            values["logo"] = read_picture(self.logo.data.stream.read(MAX_BYTES + 1))
        elif self.remove_logo.data:
            values["logo"] = None
        else:
            del values["logo"]
        return values


class CurrencyForm(SectionForm):
    """The money it takes, and how sales are rounded."""

    currency = SelectField(
        LABELS["currency"], choices=list, description=_l("It cannot change after the first sale.")
    )
    own_currency = StringField(
        _l("Code of a currency of your own"), [Optional(), Length(max=3)],
        description=_l("Three letters; only where the list above has none that fits."),
    )  # fmt: skip
    currency_symbol = StringField(
        LABELS["currency_symbol"], [Optional(), Length(max=8)],
        description=_l("Written in place of the code, such as KSh. Empty writes the code."),
    )  # fmt: skip
    exponent = SelectField(LABELS["exponent"], choices=list)
    coin = Number(
        LABELS["coin_minor"], places=MOST_DECIMALS,
        description=_l("The smallest amount people can pay, such as 0.05. Empty means the smallest"
                       " the decimals allow."),
    )  # fmt: skip
    settlement = SelectField(LABELS["settlement"], choices=worded(SETTLEMENTS))

    def __init__(self, *args: Any, obj: Setup | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, obj=obj, **options)
        offered = currencies(language())
        known = {code for code, _name in offered}
        named = [(code, f"{code} – {name}") for code, name in offered]
        self.currency.choices = {
            _("Common"): named[: len(COMMON)],
            _("All"): named[len(COMMON) :],
            _("Other"): [(OWN, _("Another: its code stands below"))],
        }
        self.exponent.choices = [
            ("", _("As is usual for the currency")),
            *((str(count), str(count)) for count in range(MOST_DECIMALS + 1)),
        ]
        if obj is not None and not self.is_submitted():
            self._fill(obj, known)

    def _fill(self, row: Setup, known: set[str]) -> None:
        usual = row.exponent == decimals_of(row.currency)
        self.exponent.data = "" if usual else str(row.exponent)
        if row.coin_minor > 1:
            self.coin.data = currency_of(row).decimal(row.coin_minor)
        if row.currency not in known:
            self.currency.data, self.own_currency.data = OWN, row.currency

    @property
    def code(self) -> str:
        """The code that was chosen or typed."""
        own = self.currency.data == OWN
        return (self.own_currency.data or "").upper() if own else str(self.currency.data)

    @property
    def decimals(self) -> int | None:
        """The decimals chosen, or those that are usual."""
        return int(self.exponent.data) if self.exponent.data else decimals_of(self.code)

    def validate_own_currency(self, field: Field) -> None:
        """It is needed only where none of the list was chosen."""
        if self.currency.data == OWN and not CODE.fullmatch(self.code):
            raise ValidationError(_("A currency's code has three letters, such as USD."))

    def validate_exponent(self, field: Field) -> None:
        """Nothing is usual for a currency that the world does not know."""
        if self.decimals is None:
            raise ValidationError(_("Choose how many decimals this currency has."))

    def validate_coin(self, field: Field) -> None:
        """The coin is whole in the smallest part of the currency."""
        if field.data is None or self.decimals is None:
            return
        minor = Decimal(field.data).scaleb(self.decimals)
        if minor != int(minor):
            raise ValidationError(_("The currency has no amount that small."))

    def values(self) -> dict[str, Any]:
        """Code and decimals, and the coin in minor units."""
        exponent = self.decimals or 0
        coin = Decimal(self.coin.data).scaleb(exponent) if self.coin.data is not None else 1
        return super().values() | {
            "currency": self.code, "exponent": exponent, "coin_minor": int(coin),
        }  # fmt: skip


class BeginForm(UtilityForm, CurrencyForm):
    """What a new instance must know before anything is sold."""


class ReceiptsForm(SectionForm):
    """What the customer takes home."""

    receipt_header = TextAreaField(
        LABELS["receipt_header"], [Length(max=255)],
        description=_l("Under name and address, such as a telephone number."),
    )  # fmt: skip
    receipt_footer = TextAreaField(
        LABELS["receipt_footer"], [Length(max=255)],
        description=_l("Printed as it is typed, whatever the language of the receipt."),
    )  # fmt: skip
    receipt_copies = SelectField(
        LABELS["receipt_copies"], coerce=int,
        choices=lambda: [(count, str(count)) for count in range(1, MOST_COPIES + 1)],
    )  # fmt: skip


class ShiftsForm(SectionForm):
    """How operators hand over."""

    shifts_used = BooleanField(
        LABELS["shifts_used"],
        description=_l("Without the tick shifts may be opened, but nobody must."),
    )  # fmt: skip
    shift_hours = WholeField(
        LABELS["shift_hours"], [DataRequired(), whole(1, 48)],
        description=_l("Where sales need a shift, nothing is sold in one that lasted longer."),
    )  # fmt: skip
    cash_counted = BooleanField(LABELS["cash_counted"])
    shift_tolerance_minor = MoneyField(
        LABELS["shift_tolerance_minor"], [Optional()],
        description=_l("If more is missing or too much, the operator says why. Empty is zero."),
    )  # fmt: skip

    def values(self) -> dict[str, Any]:
        """An empty tolerance is none."""
        typed = super().values()
        return typed | {"shift_tolerance_minor": typed["shift_tolerance_minor"] or 0}


class LimitsForm(SectionForm):
    """How little and how much is sold at once."""

    smallest_minor = Amount(LABELS["smallest_minor"])
    largest_minor = Amount(LABELS["largest_minor"])
    smallest_units = Quantity(LABELS["smallest_units"], unit=_l("units"), places=1)
    largest_units = Quantity(LABELS["largest_units"], unit=_l("units"), places=1)
    tokens_a_day = WholeField(LABELS["tokens_a_day"], [Optional(), whole(1, 1000)])
    quick_amounts = AmountsField(
        LABELS["quick_amounts"], [Length(max=120)],
        description=_l("Up to six, with a space between: the counter offers each at one press."),
    )  # fmt: skip


class PuttingRightForm(SectionForm):
    """How long a mistake at the counter may be put right there."""

    reversal_hours = WholeField(
        LABELS["reversal_hours"], [InputRequired(), whole(0, MOST_REVERSAL_HOURS)],
        description=_l("Counted from the sale. Both people must be done by then; zero is never."),
    )  # fmt: skip


class FreeTokensForm(SectionForm):
    """How much may be given without money."""

    free_units_a_month = Quantity(
        LABELS["free_units_a_month"], unit=_l("units"), places=1,
        description=_l("Free and compensation tokens together. Empty is no limit."),
    )  # fmt: skip
    free_value_a_month = Amount(
        LABELS["free_value_a_month"],
        description=_l("What they are worth at the meters' prices, without fees and taxes."),
    )  # fmt: skip
    free_tokens_a_day = WholeField(
        LABELS["free_tokens_a_day"], [Optional(), whole(1, 1000)],
        description=_l("A second person approves each of them, whatever the limits."),
    )  # fmt: skip


def kept_mail_key() -> bytes:
    """The key under which the mail password is kept here."""
    return mail_key(str(current_app.config["SECRET_KEY"]))


def mail_ports() -> frozenset[int]:
    """The ports on which mail may be handed in here."""
    ports: frozenset[int] = current_app.extensions["vms_settings"].ports_for_mail
    return ports


class MailForm(SectionForm):
    """The server that sends the utility's mail."""

    mail_host = StringField(
        LABELS["mail_host"],
        [Optional(), Length(max=120), Regexp(r"[A-Za-z0-9.:_-]+\Z", 0, _l("This is no server."))],
        description=_l("Such as mail.example.org. Leave it empty and no mail is sent."),
    )  # fmt: skip
    mail_port = WholeField(LABELS["mail_port"], [DataRequired(), whole(1, 65535)])
    mail_security = SelectField(LABELS["mail_security"], choices=worded(SECURITIES))
    mail_user = StringField(
        LABELS["mail_user"], [Length(max=120)], render_kw={"autocomplete": "off"}
    )
    mail_password = PasswordField(
        LABELS["mail_password"], [Length(max=120)],
        description=_l("It is kept encrypted and never shown. Empty means that it stays."),
    )  # fmt: skip
    mail_sender = StringField(
        LABELS["mail_sender"],
        [Optional(), Email(_l("This is no e-mail address.")), Length(max=120)],
    )  # fmt: skip

    def validate_mail_port(self, field: WholeField) -> None:
        """Say at once that mail could not be handed in there."""
        try:
            if self.mail_host.data and field.data:
                check_port(field.data, mail_ports())
        except MailPortRefused as error:
            raise ValidationError(sentence(error)) from None

    def sealed(self, key: bytes) -> dict[str, Any]:
        """What was typed, the password sealed; without one the old stays."""
        values = self.values()
        password = values.pop("mail_password")
        if password:
            door = Setup(**{name: values[name] for name in MAIL_DOOR})
            values["mail_password"] = sealed_password(key, door, password)
        return values


class TestMailForm(OfficeForm):
    """Where a test mail goes."""

    to = StringField(
        _l("Send a test mail to"),
        [DataRequired(), Email(_l("This is no e-mail address.")), Length(max=120)],
    )  # fmt: skip


FORMS: Final[Mapping[str, type[SectionForm]]] = {
    "utility": UtilityForm,
    "currency": CurrencyForm,
    "receipts": ReceiptsForm,
    "shifts": ShiftsForm,
    "limits": LimitsForm,
    "putting_right": PuttingRightForm,
    "free_tokens": FreeTokensForm,
    "mail": MailForm,
}
COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "utility": ("utility_name", "utility_address", "tax_number", "time_zone", "logo",
                "remove_logo"),
    "currency": ("currency", "own_currency", "currency_symbol", "exponent", "coin", "settlement"),
    "receipts": ("receipt_header", "receipt_footer", "receipt_copies"),
    "shifts": ("shifts_used", "shift_hours", "cash_counted", "shift_tolerance_minor"),
    "limits": ("smallest_minor", "largest_minor", "smallest_units", "largest_units",
               "tokens_a_day", "quick_amounts"),
    "putting_right": ("reversal_hours",),
    "free_tokens": ("free_units_a_month", "free_value_a_month", "free_tokens_a_day"),
    "mail": ("mail_host", "mail_port", "mail_security", "mail_user", "mail_password",
             "mail_sender"),
}  # fmt: skip
"""The fields of each form, in their order."""
