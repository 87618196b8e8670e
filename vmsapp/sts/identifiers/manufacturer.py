"""MfrCode: manufacturer code, 2 digits in an 11-digit DRN, 4 digits in a 13-digit one.

Tests that any meter obeys carry code zero; a proprietary one carries the maker's own.

Source: IEC 62055-41:2018, "MfrCode: ManufacturerCode".

>>> validate("07"), format(7), format(1234)
(7, '07', '1234')
"""

from typing import Final

from vmsapp.sts.identifiers import shape

SHORT_MAX: Final = 99
MAX: Final = 9999


compact = shape.strip


def validate(value: int | str) -> int:
    """Hand back the number.

    Raises:
        NotDigits, LengthError: Text that is no number.
        FieldRangeError: It is not 0 to 9999.
    """
    return shape.number("MfrCode", value, 0, MAX)


def format(value: int | str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write its two digits, or four where two do not do."""
    code = validate(value)
    return f"{code:02d}" if code <= SHORT_MAX else f"{code:04d}"
