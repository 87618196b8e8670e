"""TCT: token carrier type, how a token reaches the meter.

Source: IEC 62055-41:2018, "TCT: TokenCarrierType".

>>> format(validate("2"))
'02'
"""

from enum import IntEnum

from vmsapp.sts.identifiers import shape


class TokenCarrier(IntEnum):
    """How a token reaches the meter (TCT)."""

    MAGNETIC = 1
    NUMERIC = 2


compact = shape.strip


def validate(value: int | str) -> TokenCarrier:
    """Hand back the token carrier type.

    Raises:
        NotDigits, LengthError: Text that is no number.
        FieldRangeError: It is neither 1 nor 2.
    """
    if isinstance(value, TokenCarrier):
        return value
    return TokenCarrier(shape.number("TCT", value, min(TokenCarrier), max(TokenCarrier)))


def format(value: int | str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write its two digits."""
    return f"{validate(value):02d}"
