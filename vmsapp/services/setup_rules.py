"""The utility's settings by what they are about, and which values can be and go together."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput, Refused
from vmsapp.models import LedgerTransfer, Sale, Setup, Shift, TariffPlan
from vmsapp.scope import unscoped
from vmsapp.services.vending.ground import hold_sales
from vmsapp.services.world import CODE, zones

SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "utility": ("utility_name", "utility_address", "tax_number", "time_zone", "logo"),
    "currency": ("currency", "currency_symbol", "exponent", "coin_minor", "settlement"),
    "receipts": ("receipt_header", "receipt_footer", "receipt_copies"),
    "shifts": ("shifts_used", "shift_hours", "cash_counted", "shift_tolerance_minor"),
    "limits": (
        "smallest_minor", "largest_minor", "smallest_units", "largest_units", "tokens_a_day",
        "quick_amounts",
    ),
    "putting_right": ("reversal_hours",),
    "free_tokens": ("free_units_a_month", "free_value_a_month", "free_tokens_a_day"),
    "mail": (
        "mail_host", "mail_port", "mail_security", "mail_user", "mail_password", "mail_sender",
    ),
}  # fmt: skip
"""The settings by what they are about."""

SYMBOL: Final = re.compile(r"([^\W\d_]|[./'\N{RIGHT SINGLE QUOTATION MARK}]|[\u20a0-\u20cf$¢-¥])*")
"""Letters with full stops, or signs of currencies."""

NAMES: Final = tuple(name for names in SECTIONS.values() for name in names)
FIXED: Final = ("time_zone", "currency", "exponent")
"""What amounts and days already written down are read by."""
IN_MINOR_UNITS: Final = (
    "coin_minor", "smallest_minor", "largest_minor", "shift_tolerance_minor",
    "free_value_a_month",
)  # fmt: skip
MAIL_DOOR: Final = ("mail_host", "mail_port", "mail_security", "mail_user")
"""What the mail password is bound to."""


class FixedBySales(Refused):
    """Sales and the ledger count in the currency and the days of the zone."""

    code = "fixed_by_sales"
    message = N_(
        "The currency, its decimals and the time zone cannot change any more: sales have been"
        " made in them."
    )


class FixedFromNow(Refused):
    """Before the first sale they change at once; until a later day sales may be made."""

    code = "fixed_from_now"
    message = N_(
        "The currency, its decimals and the time zone can only be changed from now on, and"
        " while nothing is planned. Withdraw what is planned, then change them."
    )


class DecimalsInUse(Refused):
    """Tariffs hold amounts whose decimals are those of the currency."""

    code = "decimals_in_use"
    message = N_(
        "Tariffs hold amounts with the present decimals. Keep the decimals, or remove the"
        " tariffs' plans first."
    )


class UnknownTimeZone(InvalidInput):
    """No zone of the IANA database."""

    code = "unknown_time_zone"
    message = N_("There is no such time zone. Choose one of the list, such as Africa/Nairobi.")
    field = "time_zone"


class InvalidCurrency(InvalidInput):
    """A currency is three capital letters."""

    code = "invalid_currency"
    message = N_("A currency's code has three letters, such as USD.")
    field = "currency"


class InvalidSymbol(InvalidInput):
    """It stands beside digits, and must not be taken for one."""

    code = "invalid_symbol"
    message = N_("A symbol has at most 8 characters and no digits, such as KSh.")
    field = "currency_symbol"


class LargestBelowSmallest(InvalidInput):
    """No amount would be left to sell."""

    code = "largest_below_smallest"
    message = N_("The largest purchase is below the smallest one.")
    field = "largest_minor"


class LargestUnitsBelowSmallest(LargestBelowSmallest):
    """The same in units."""

    field = "largest_units"


class ToleranceNegative(InvalidInput):
    """No difference is smaller than none."""

    code = "tolerance_negative"
    message = N_("This cannot be below zero.")
    field = "shift_tolerance_minor"


class SenderMissing(InvalidInput):
    """Mail needs an address it comes from."""

    code = "sender_missing"
    message = N_("Say which address mail is sent from.")
    field = "mail_sender"


class PasswordInClear(InvalidInput):
    """A password would cross the network for everybody to read."""

    code = "password_in_clear"
    message = N_("User and password are only sent encrypted. Choose STARTTLS or TLS.")
    field = "mail_security"


class PasswordWanted(InvalidInput):
    """A kept password goes to no other server than the one it was typed for."""

    code = "password_wanted"
    message = N_(
        "The kept password belongs to the former server, encryption and user. Type the password"
        " again."
    )
    field = "mail_password"


def is_fixed(session: Session) -> bool:
    """Tell whether money was taken, moved or counted, so that currency and zone stay."""
    with unscoped("the settings are one for all vending points"):
        there = (exists(Sale.id), exists(LedgerTransfer.id), exists(Shift.id))
        return bool(session.scalar(select(or_(*there))))


def check_fixed(session: Session, changes: Mapping[str, Any], *, waits: bool) -> None:
    """Refuse to change what amounts and days already written down are read by.

    Args:
        session: Inside the caller's ``atomic``.
        changes: New values by name.
        waits: They would begin later, or before something planned.
    """
    if not set(FIXED) & set(changes):
        return
    hold_sales(session)
    if is_fixed(session):
        raise FixedBySales
    if waits:
        raise FixedFromNow
    if "exponent" in changes and session.scalar(select(exists(TariffPlan.id))):
        raise DecimalsInUse


def check_password(former: Setup, made: Setup, changes: Mapping[str, Any]) -> None:
    """Let no kept password follow to another server."""
    moved = bool(set(MAIL_DOOR) & set(changes))
    if not made.mail_user or not made.mail_host:
        made.mail_password = None
    elif moved and former.mail_password is not None and "mail_password" not in changes:
        raise PasswordWanted


def check_values(row: Setup) -> None:
    """Refuse values that cannot be, or that do not go together."""
    if row.time_zone not in zones().values():
        raise UnknownTimeZone
    if not CODE.fullmatch(row.currency):
        raise InvalidCurrency
    if not SYMBOL.fullmatch(row.currency_symbol or ""):
        raise InvalidSymbol
    if _is_below(row.largest_minor, row.smallest_minor):
        raise LargestBelowSmallest
    if _is_below(row.largest_units, row.smallest_units):
        raise LargestUnitsBelowSmallest
    if (row.shift_tolerance_minor or 0) < 0:
        raise ToleranceNegative
    if row.mail_host and not row.mail_sender:
        raise SenderMissing
    if row.mail_user and row.mail_security == "none":
        raise PasswordInClear


def _is_below(largest: Any, smallest: Any) -> bool:  # noqa: ANN401 - money or units
    return largest is not None and smallest is not None and largest < smallest
