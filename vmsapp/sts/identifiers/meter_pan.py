"""MeterPAN: the meter's number with its issuer, 18 digits, what keys are derived for.

=================== ====== ========= ===========
MeterPAN, big end   IIN    DRN       check digit
=================== ====== ========= ===========
2-digit code        600727 11 digits 1
4-digit code        0000   13 digits 1
=================== ====== ========= ===========

Source: IEC 62055-41:2018, "MeterPAN: MeterPrimaryAccountNumber".

>>> of_drn("5592792749674")
'000055927927496743'
>>> drn_of("000055927927496743")
'5592792749674'
"""

from typing import Final

from vmsapp.sts.errors import CheckDigitError, FormatError
from vmsapp.sts.identifiers import drn as drns
from vmsapp.sts.identifiers import luhn, shape

DIGITS: Final = 18
IIN_OF_SHORT_DRN: Final = "600727"
IIN_OF_LONG_DRN: Final = "0000"
IINS: Final = (IIN_OF_SHORT_DRN, IIN_OF_LONG_DRN)


compact = shape.strip


def validate(text: str) -> str:
    """Check a MeterPAN, the DRN inside it included, and hand back its bare digits.

    Raises:
        NotDigits, LengthError: Not 18 digits.
        FormatError: Of an unknown issuer.
        CheckDigitError: One of its two check digits is wrong.
    """
    pan = shape.digits("MeterPAN", text, DIGITS)
    if not luhn.is_valid(pan):
        raise CheckDigitError("MeterPAN", pan, "has a wrong check digit")
    if not luhn.is_valid(pan[len(iin(pan)) : -1]):
        raise CheckDigitError("MeterPAN", pan, "holds a DRN with a wrong check digit")
    return pan


def format(text: str) -> str:  # noqa: A001 - the shape all identifiers share
    """Part issuer, DRN and check digit for reading; check digits are not looked at.

    Raises:
        NotDigits, LengthError, FormatError: Not 18 digits of a known issuer.

    >>> format("600727000000000009")
    '600727 00000000000 9'
    """
    pan = shape.digits("MeterPAN", text, DIGITS)
    issuer = iin(pan)
    return f"{issuer} {pan[len(issuer) : -1]} {pan[-1]}"


def of_drn(drn: str) -> str:
    """Build the MeterPAN of a DRN.

    Raises:
        NotDigits, LengthError: Not 11 or 13 digits.
        CheckDigitError: The last digit of the DRN does not check the others.
    """
    bare = drns.validate(drn)
    body = (IIN_OF_SHORT_DRN if len(bare) == drns.SHORT else IIN_OF_LONG_DRN) + bare
    return body + luhn.check_digit(body)


def drn_of(pan: str) -> str:
    """Take the DRN, 11 or 13 digits, out of a MeterPAN; errors are those of ``validate``."""
    bare = validate(pan)
    return bare[len(iin(bare)) : -1]


def iin(pan: str) -> str:
    """Tell the issuer of 18 bare digits, whose check digits are not looked at.

    Raises:
        FormatError: Of an unknown issuer.
    """
    for known in IINS:
        if pan.startswith(known):
            return known
    raise FormatError("MeterPAN", pan, f"starts with neither {' nor '.join(IINS)}")
