"""What was typed at the desk: twenty digits as people paste them, and a meter's number.

>>> digits_of("2905 4347-1393 0985\u00a01356")
'29054347139309851356'
>>> digits_of("2905")
Traceback (most recent call last):
vmsapp.services.token_desk.errors.TokenLength: A token has 20 digits; 4 were entered.
"""

import unicodedata
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.models import Meter
from vmsapp.services.registration.meter_numbers import number_of
from vmsapp.services.registration.number_errors import CheckDigitWrong
from vmsapp.services.token_desk import errors as wrong
from vmsapp.sts import identifiers
from vmsapp.sts.errors import StsError, TokenRangeError
from vmsapp.sts.fields import TOKEN_DIGITS
from vmsapp.sts.token import from_digits

BETWEEN: Final = frozenset({"Zs", "Zl", "Zp", "Pd", "Cc", "Cf"})
"""Categories of the marks that stand between digits: blanks, hyphens, what turns direction."""


def bare(text: str) -> str:
    """Leave out what stands between digits."""
    return "".join(mark for mark in text if unicodedata.category(mark) not in BETWEEN)


def digits_of(text: str) -> str:
    """Read twenty digits, in ASCII, whatever stands between them.

    Raises:
        TokenMissing, TokenNotDigits, TokenLength, TokenTooLarge: Each with its sentence.
    """
    digits = bare(text)
    if not digits:
        raise wrong.TokenMissing
    if not (digits.isascii() and digits.isdigit()):
        raise wrong.TokenNotDigits
    if len(digits) != TOKEN_DIGITS:
        raise wrong.TokenLength(count=len(digits))
    try:
        from_digits(digits)
    except TokenRangeError:
        raise wrong.TokenTooLarge from None
    return digits


def meter_of(session: Session, text: str) -> Meter | None:
    """Find the meter of a number or MeterPAN, in the asker's scope; None where none is typed.

    Raises:
        InvalidInput: It is no meter number.
        MeterUnknown: No meter of this number may be seen.
    """
    number = bare(text)
    if not number:
        return None
    if len(number) == identifiers.meter_pan.DIGITS:
        try:
            named = Meter.meter_pan == identifiers.meter_pan.validate(number)
        except StsError:
            raise CheckDigitWrong(number=number) from None
    else:
        read = number_of(number)
        if isinstance(read, VmsError):
            raise read
        named = Meter.drn == read
    meter = session.scalars(select(Meter).where(named)).first()
    if meter is None:
        raise wrong.MeterUnknown
    return meter
