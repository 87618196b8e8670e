"""Numbers as people type them: digits of any script, the decimal sign of the language.

Nothing is guessed: a sign that might be a decimal comma or might group thousands is
refused where the page's language leaves it open, because the difference is money.
"""

import re
import unicodedata
from decimal import Decimal
from typing import Final

from vmsapp.i18n import units_text, written_as
from vmsapp.services.vending.errors import NumberUnreadable

MAX_LENGTH: Final = 24
NUMBER: Final = re.compile(r"-?\d+(?:[.,]\d+)?", re.ASCII)
GROUPED: Final = re.compile("-?\\d{1,3}(?:[ \u2009\u00a0\u202f]\\d{3})+(?:[.,]\\d+)?", re.ASCII)
"""Thousands apart by spaces, as some languages write them: no space is ever a decimal sign."""

ARABIC_POINT: Final = "٫"


def read_number(text: str) -> Decimal:
    """Read a decimal number written the page's way, or with a decimal point.

    Raises:
        NumberUnreadable: It is none, or might be two.
    """
    plain = ascii_digits(text.strip())
    if GROUPED.fullmatch(plain):
        plain = "".join(plain.split())
    readable = len(plain) <= MAX_LENGTH and NUMBER.fullmatch(plain)
    if not readable or ("," in plain and _decimal_sign() != ","):
        raise NumberUnreadable(text=text.strip()[:MAX_LENGTH], example=units_text(Decimal("20.5")))
    return Decimal(plain.replace(",", "."))


def number_typed(number: Decimal) -> str:
    """Write a number so that ``read_number`` reads it on this page, without idle zeros."""
    plain = f"{number.normalize():f}"
    return plain.replace(".", _decimal_sign())


def row_number(text: str) -> int:
    """Read the number of a row; one that no row can have is 0, which none has either.

    Raises:
        ValueError: It is no number.
    """
    number = int(text)
    return number if 0 < number < 1 << 63 else 0


def ascii_digits(text: str) -> str:
    """Write the digits of any script as 0 to 9 and leave the rest."""
    return "".join(_ascii(mark) for mark in text)


def _ascii(mark: str) -> str:
    if mark == ARABIC_POINT:
        return "."
    digit = unicodedata.decimal(mark, None)
    return mark if digit is None else str(digit)


def _decimal_sign() -> str:
    return str(written_as().number_symbols["latn"]["decimal"])
