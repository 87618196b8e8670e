"""How each of the utility's settings is called and written."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from babel.numbers import get_currency_name
from flask import url_for
from flask_babel import get_locale
from markupsafe import Markup

from vmsapp.errors import N_
from vmsapp.i18n import _, _l, money_text, units_text, written_as
from vmsapp.services.setup_rules import IN_MINOR_UNITS
from vmsapp.services.world import decimals_of

SETTLEMENTS: Final = {
    "down": N_("Down: units that fit the money; the rest is change"),
    "up": N_("Up: the money is taken whole, units are rounded up"),
    "nearest": N_("Nearest: the money is taken whole, units are rounded to the nearest"),
}
SECURITIES: Final = {"starttls": "STARTTLS", "tls": "TLS", "none": N_("None")}

LABELS: Final[Mapping[str, Any]] = {
    "utility_name": _l("Name"),
    "utility_address": _l("Address"),
    "tax_number": _l("Tax number"),
    "time_zone": _l("Time zone"),
    "logo": _l("Logo"),
    "currency": _l("Currency"),
    "currency_symbol": _l("Symbol"),
    "exponent": _l("Decimals"),
    "coin_minor": _l("Smallest coin"),
    "settlement": _l("Settlement"),
    "receipt_header": _l("Text at the head"),
    "receipt_footer": _l("Text at the foot"),
    "receipt_copies": _l("Copies"),
    "shifts_used": _l("Sales need an open shift"),
    "shift_hours": _l("Longest shift, in hours"),
    "cash_counted": _l("Cash is counted when a shift ends"),
    "shift_tolerance_minor": _l("Largest difference without a reason"),
    "smallest_minor": _l("Smallest purchase, in money"),
    "largest_minor": _l("Largest purchase, in money"),
    "smallest_units": _l("Smallest purchase, in units"),
    "largest_units": _l("Largest purchase, in units"),
    "tokens_a_day": _l("Most tokens a day for one meter"),
    "reversal_hours": _l("A sale may be taken back for, in hours"),
    "free_units_a_month": _l("Most free units a month for one meter"),
    "free_value_a_month": _l("Most that a vending point gives in a month, in money"),
    "free_tokens_a_day": _l("Most tokens that a vending point gives in a day"),
    "quick_amounts": _l("Amounts to choose from"),
    "mail_host": _l("Server"),
    "mail_port": _l("Port"),
    "mail_security": _l("Encryption"),
    "mail_user": _l("User"),
    "mail_password": _l("Password"),
    "mail_sender": _l("Sent from"),
}


def language() -> str:
    """The reader's language."""
    locale = get_locale()
    return str(locale.language) if locale else "en"


def said(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever was recorded
    """Write a setting the reader's way, from how the audit trail keeps it."""
    return value if value is None else WRITERS.get(name, lambda same: same)(value)


def _money(recorded: str) -> str:
    number, code = recorded.split(" ")
    places = max(0, -int(Decimal(number).as_tuple().exponent))
    return money_text(int(Decimal(number).scaleb(places)), code, places)


def _units(recorded: str) -> str:
    return units_text(Decimal(recorded))


def _currency(code: str) -> str:
    known = decimals_of(code) is not None
    return f"{code} – {get_currency_name(code, locale=written_as())}" if known else code


def _logo(digest: str) -> Markup:
    source = url_for("UtilitySetup.logo", digest=digest)
    return Markup('<img class="slip-logo" src="{}" alt="{}">').format(source, _("Logo"))


WRITERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "settlement": lambda code: _(SETTLEMENTS[code]),
    "mail_security": lambda code: _(SECURITIES[code]),
    "mail_password": lambda kept: _("kept, never shown") if kept else None,
    "logo": _logo,
    "currency": _currency,
    "smallest_units": _units,
    "largest_units": _units,
    "free_units_a_month": _units,
    **dict.fromkeys(IN_MINOR_UNITS, _money),
}
"""How settings are written that are neither words nor plain numbers."""
