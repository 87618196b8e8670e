"""EA: encryption algorithm, the block cipher a meter is built with.

== ============================== ==============
EA cipher                         decoder key
== ============================== ==============
07 STA                            64 bits
09 DEA, withdrawn                 refused
11 MISTY1                         128 bits
== ============================== ==============

Source: IEC 62055-41:2018, "EA: EncryptionAlgorithm".

>>> format(validate("07"))
'07'
>>> validate(11).key_bytes
16
"""

from enum import IntEnum
from typing import Final, Self

from vmsapp.sts.errors import UnsupportedAlgorithm
from vmsapp.sts.identifiers import shape

CODE_MAX: Final = 99
REFUSED: Final = {9: "was withdrawn"}


class EncryptionAlgorithm(IntEnum):
    """The block cipher a meter is built with (EA)."""

    STA = 7, 8
    MISTY1 = 11, 16

    key_bytes: int
    """Length of a decoder key in bytes."""

    def __new__(cls, code: int, key_bytes: int) -> Self:
        """Make a member that is its code."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.key_bytes = key_bytes
        return member


_OFFERED: Final = {int(ea): ea for ea in EncryptionAlgorithm}


compact = shape.strip


def validate(value: int | str) -> EncryptionAlgorithm:
    """Hand back the encryption algorithm.

    Raises:
        NotDigits, LengthError, FieldRangeError: It is no code of two digits.
        UnsupportedAlgorithm: It is one this engine does not offer.
    """
    if isinstance(value, EncryptionAlgorithm):
        return value
    code = shape.number("EA", value, 0, CODE_MAX)
    if code in _OFFERED:
        return _OFFERED[code]
    raise UnsupportedAlgorithm("EA", f"{code:02d}", REFUSED.get(code, "is unknown"))


def format(value: int | str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write its two digits."""
    return f"{validate(value):02d}"
