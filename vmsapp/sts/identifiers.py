"""The numbers that name a meter and its key: DRN, MeterPAN, SGC, TI, KRN, KEN.

A DRN (decoder reference number) is the manufacturer's code, 8 digits of serial number and
a check digit: 11 digits with a 2-digit code, 13 with a 4-digit one. MeterPAN is the issuer's
number, the DRN and one more check digit: always 18.

=================== ====== ================= ===========
MeterPAN, big end   IIN    DRN               check digit
=================== ====== ================= ===========
2-digit code        600727 11 digits         1
4-digit code        0000   13 digits         1
=================== ====== ================= ===========

Source: IEC 62055-41:2018, "MeterPAN"; check digits as ISO/IEC 7812-1, Annex B.

>>> validate_drn("1234 5678 903")
'12345678903'
>>> meter_pan("5592792749674")
'000055927927496743'
>>> drn_of_pan("000055927927496743")
'5592792749674'
"""

import re
from enum import IntEnum
from typing import Final

from vmsapp.sts.errors import CheckDigitError, FormatError
from vmsapp.sts.fields import KEN_MAX, KRN_MAX, KRN_MIN, require_range

IIN_SHORT_DRN: Final = "600727"
IIN_LONG_DRN: Final = "0000"
DRN_SHORT: Final = 11
DRN_LONG: Final = 13
PAN_DIGITS: Final = 18


class KeyType(IntEnum):
    """What a key is for (KT): initialisation, default, unique to a meter, common to many."""

    DITK = 0
    DDTK = 1
    DUTK = 2
    DCTK = 3


class EncryptionAlgorithm(IntEnum):
    """The block cipher a meter is built with (EA)."""

    STA = 7
    MISTY1 = 11


class TokenCarrier(IntEnum):
    """How a token reaches the meter (TCT)."""

    MAGNETIC = 1
    NUMERIC = 2


def luhn_digit(digits: str) -> str:
    """Compute the check digit that belongs after ``digits``.

    From the right, every other digit is doubled and its digits added; the check digit
    brings the sum to a multiple of ten.

    >>> luhn_digit("7992739871")
    '3'
    """
    _require_digits("check digit of", digits)
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    plain = (int(digit) for digit in digits[-2::-2])
    return str(-(sum(doubled) + sum(plain)) % 10)


def compact_drn(text: str) -> str:
    """Strip what people put between digits: spaces and hyphens."""
    return re.sub(r"[\s-]", "", text)


def validate_drn(text: str) -> str:
    """Check a DRN and hand back its bare digits.

    Raises:
        FormatError: Not 11 or 13 digits.
        CheckDigitError: The last digit does not check the others.
    """
    drn = compact_drn(text)
    _require_digits("DRN", drn, DRN_SHORT, DRN_LONG)
    return _require_luhn("DRN", drn)


def format_drn(drn: str) -> str:
    """Group a DRN by fours for reading; its check digit is not looked at.

    Of 13 digits the groups are the manufacturer's code, the serial number and the check digit.

    Raises:
        FormatError: Not 11 or 13 digits.

    >>> format_drn("12345678903"), format_drn("5592792749674")
    ('1234 5678 903', '5592 7927 4967 4')
    """
    drn = _require_digits("DRN", compact_drn(drn), DRN_SHORT, DRN_LONG)
    return " ".join(drn[start : start + 4] for start in range(0, len(drn), 4))


def meter_pan(drn: str) -> str:
    """Build the 18-digit MeterPAN of a DRN.

    Raises:
        FormatError: Not 11 or 13 digits.
        CheckDigitError: The last digit of the DRN does not check the others.
    """
    drn = validate_drn(drn)
    body = (IIN_SHORT_DRN if len(drn) == DRN_SHORT else IIN_LONG_DRN) + drn
    return body + luhn_digit(body)


def validate_meter_pan(pan: str) -> str:
    """Check a MeterPAN, the DRN inside it included, and hand back its bare digits.

    Raises:
        FormatError: Not 18 digits, or of an unknown issuer.
        CheckDigitError: One of its two check digits is wrong.
    """
    pan = compact_drn(pan)
    _require_digits("MeterPAN", pan, PAN_DIGITS)
    _require_luhn("MeterPAN", pan)
    validate_drn(pan[len(_issuer(pan)) : -1])
    return pan


def drn_of_pan(pan: str) -> str:
    """Take the DRN, 11 or 13 digits, out of a MeterPAN.

    Raises:
        FormatError: Not 18 digits, or of an unknown issuer.
        CheckDigitError: One of its two check digits is wrong.
    """
    pan = validate_meter_pan(pan)
    return pan[len(_issuer(pan)) : -1]


def validate_sgc(sgc: str) -> str:
    """Hand back a supply group code if it is 6 digits, else raise ``FormatError``."""
    return _require_digits("SGC", sgc, 6)


def validate_ti(ti: str) -> str:
    """Hand back a tariff index if it is 2 digits, else raise ``FormatError``."""
    return _require_digits("TI", ti, 2)


def validate_krn(krn: int) -> int:
    """Hand back a key revision number if it is 1 to 9, else raise ``FieldRangeError``."""
    return require_range("KRN", krn, KRN_MIN, KRN_MAX)


def validate_key_type(kt: int) -> int:
    """Hand back a key type if it is 0 to 3, else raise ``FieldRangeError``."""
    return require_range("KT", kt, min(KeyType), max(KeyType))


def validate_ken(ken: int) -> int:
    """Hand back a key expiry number if it is 0 to 255, else raise ``FieldRangeError``."""
    return require_range("KEN", ken, 0, KEN_MAX)


def _issuer(pan: str) -> str:
    for iin in (IIN_SHORT_DRN, IIN_LONG_DRN):
        if pan.startswith(iin):
            return iin
    raise FormatError("MeterPAN", pan, f"starts with neither {IIN_SHORT_DRN} nor {IIN_LONG_DRN}")


def _require_digits(field: str, text: str, *lengths: int) -> str:
    if not re.fullmatch("[0-9]+", text) or (lengths and len(text) not in lengths):
        wanted = " or ".join(map(str, lengths)) or "only"
        raise FormatError(field, text, f"is not {wanted} digits")
    return text


def _require_luhn(field: str, number: str) -> str:
    if luhn_digit(number[:-1]) != number[-1]:
        raise CheckDigitError(field, number, "has a wrong check digit")
    return number
