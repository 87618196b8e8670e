"""TI: tariff index, which of the utility's tariffs a meter is on.

Source: IEC 62055-41:2018, "TI: TariffIndex".

>>> validate("07")
'07'
"""

from typing import Final

from vmsapp.sts.identifiers import shape

DIGITS: Final = 2


compact = shape.strip


def validate(text: str) -> str:
    """Hand back the bare digits.

    Raises:
        NotDigits, LengthError: Not 2 digits.
    """
    return shape.digits("TI", text, DIGITS)


def format(text: str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write it for reading: as it is."""
    return validate(text)
