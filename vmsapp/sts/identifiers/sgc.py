"""SGC: supply group code, the group of meters one vending key serves.

Source: IEC 62055-41:2018, "SGC: SupplyGroupCode".

>>> validate("123456")
'123456'
"""

from typing import Final

from vmsapp.sts.identifiers import shape

DIGITS: Final = 6


compact = shape.strip


def validate(text: str) -> str:
    """Hand back the bare digits.

    Raises:
        NotDigits, LengthError: Not 6 digits.
    """
    return shape.digits("SGC", text, DIGITS)


def format(text: str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write it for reading: as it is."""
    return validate(text)
