"""DRN: decoder reference number, the number on a meter's face.

====================== ================= ====== ===========
DRN, big end first     manufacturer      serial check digit
====================== ================= ====== ===========
11 digits              2                 8      1
13 digits              4                 8      1
====================== ================= ====== ===========

Source: IEC 62055-41:2018, "DRN: DecoderReferenceNumber".

>>> validate("1234 5678 903")
'12345678903'
>>> format("12345678903"), format("5592792749674")
('1234 5678 903', '5592 7927 4967 4')
>>> manufacturer("12345678903"), manufacturer("5592792749674")
('12', '5592')
"""

from typing import Final

from vmsapp.sts.errors import CheckDigitError
from vmsapp.sts.identifiers import luhn, shape

SHORT: Final = 11
LONG: Final = 13
LENGTHS: Final = (SHORT, LONG)
SERIAL_DIGITS: Final = 8


compact = shape.strip


def validate(text: str) -> str:
    """Check a DRN and hand back its bare digits.

    Raises:
        NotDigits, LengthError: Not 11 or 13 digits.
        CheckDigitError: The last digit does not check the others.
    """
    drn = shape.digits("DRN", text, *LENGTHS)
    if not luhn.is_valid(drn):
        raise CheckDigitError("DRN", drn, "has a wrong check digit")
    return drn


def format(text: str) -> str:  # noqa: A001 - the shape all identifiers share
    """Group a DRN by fours for reading; its check digit is not looked at.

    Of 13 digits the groups are the manufacturer's code, the serial number and the check digit.

    Raises:
        NotDigits, LengthError: Not 11 or 13 digits.
    """
    drn = shape.digits("DRN", text, *LENGTHS)
    return " ".join(drn[start : start + 4] for start in range(0, len(drn), 4))


def manufacturer(drn: str) -> str:
    """Take the manufacturer's code, 2 or 4 digits, out of a valid DRN."""
    return validate(drn)[: -SERIAL_DIGITS - 1]
