"""KEN: key expiry number, the last value of TID bits 23 to 16 a key may be used with.

Source: IEC 62055-41:2018, "KEN: KeyExpiryNumber".

>>> validate("255")
255
"""

from typing import Final

from vmsapp.sts.identifiers import shape

MIN: Final = 0
MAX: Final = 255


compact = shape.strip


def validate(value: int | str) -> int:
    """Hand back the number.

    Raises:
        NotDigits, LengthError: Text that is no number.
        FieldRangeError: It is not 0 to 255.
    """
    return shape.number("KEN", value, MIN, MAX)


def format(value: int | str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write it for reading: as it is."""
    return str(validate(value))
