"""DKGA: decoder key generation algorithm, how a meter's key comes from a vending key.

==== =============================== =========== ===========
DKGA method                          vending key here
==== =============================== =========== ===========
01   DES, roles of key and data      8 bytes     refused
02   DES                             8 bytes     EA 07
03   triple DES, withdrawn           16 bytes    refused
04   HMAC-SHA-256                    20 bytes    EA 07 and 11
==== =============================== =========== ===========

Source: IEC 62055-41:2018, "DKGA: DecoderKeyGenerationAlgorithm".

>>> validate("2") is Dkga.DES
True
>>> Dkga.HMAC.key_bytes
20
"""

from enum import StrEnum
from typing import Final, Self

from vmsapp.sts.errors import UnsupportedAlgorithm
from vmsapp.sts.identifiers import shape
from vmsapp.sts.identifiers.ea import EncryptionAlgorithm

REFUSED: Final = {"01": "is a legacy method and not offered", "03": "was withdrawn"}


class Dkga(StrEnum):
    """The algorithms offered; the value is the two-digit code, as DKGA04 hashes it."""

    DES = "02", 8, (EncryptionAlgorithm.STA,)
    HMAC = "04", 20, tuple(EncryptionAlgorithm)

    key_bytes: int
    """Length of a vending key in bytes."""

    ciphers: tuple[EncryptionAlgorithm, ...]
    """The ciphers it makes keys for: the allowed pairs."""

    def __new__(cls, code: str, key_bytes: int, ciphers: tuple[EncryptionAlgorithm, ...]) -> Self:
        """Make a member that is its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.key_bytes = key_bytes
        member.ciphers = ciphers
        return member

    def check_pair(self, ea: EncryptionAlgorithm) -> None:
        """Refuse a cipher this algorithm makes no keys for.

        Raises:
            UnsupportedAlgorithm: It is not one of the allowed pairs.
        """
        if ea not in self.ciphers:
            rule = f"does not go with DKGA{self}, whose vending keys have {self.key_bytes} bytes"
            raise UnsupportedAlgorithm("EA", f"{ea:02d}", rule)


_OFFERED: Final = {str(dkga): dkga for dkga in Dkga}


compact = shape.strip


def validate(value: int | str) -> Dkga:
    """Hand back the algorithm.

    Raises:
        NotDigits, LengthError, FieldRangeError: It is no code of two digits.
        UnsupportedAlgorithm: It is one this engine does not offer.
    """
    if isinstance(value, Dkga):
        return value
    code = f"{shape.number('DKGA', value, 0, 99):02d}"
    if code in _OFFERED:
        return _OFFERED[code]
    raise UnsupportedAlgorithm("DKGA", code, REFUSED.get(code, "is unknown"))


def format(value: int | str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write its name."""
    return f"DKGA{validate(value)}"
