"""KRN: key revision number, which of a supply group's successive vending keys.

Source: IEC 62055-41:2018, "KRN: KeyRevisionNumber".

>>> validate("3")
3
"""

from typing import Final

from vmsapp.sts.identifiers import shape

MIN: Final = 1
MAX: Final = 9


compact = shape.strip


def validate(value: int | str) -> int:
    """Hand back the number.

    Raises:
        NotDigits, LengthError: Text that is no number.
        FieldRangeError: It is not 1 to 9.
    """
    return shape.number("KRN", value, MIN, MAX)


def format(value: int | str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write it for reading: as it is."""
    return str(validate(value))
