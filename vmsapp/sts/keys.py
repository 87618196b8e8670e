"""Keys, and what names them.

A vending key belongs to a supply group; a decoder key to one meter and is derived from it
(``dkga``). Both are secrets: they do not print, pickle or copy, and compare in constant time.
``KeyParameters`` is everything about a decoder key but the key.

Source: IEC 62055-41:2018, 6.1 "Data elements" and 6.5 "Keys".

>>> VendingKey("02", bytes.fromhex("ab" * 8))
VendingKey(…)
>>> DecoderKey(EncryptionAlgorithm.STA, bytes(7))
Traceback (most recent call last):
vmsapp.sts.errors.KeyLengthError: decoder key's length in bytes 7 is not 8
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from vmsapp.sts import identifiers
from vmsapp.sts.errors import KeyLengthError, KeyParityError
from vmsapp.sts.identifiers import BaseDate, Dkga, EncryptionAlgorithm, KeyType
from vmsapp.sts.secret import SecretBytes


class VendingKey(SecretBytes):
    """A vending key for one derivation algorithm.

    Attributes:
        dkga: Which algorithm.
        prepared: Kept by ``dkga`` between derivations; as secret as the key.

    Raises:
        UnsupportedAlgorithm: The algorithm is not offered.
        KeyLengthError: Not 8 bytes for DKGA02, 20 for DKGA04.
        KeyParityError: A byte of a DKGA02 key, which is a DES key, has even parity.
    """

    __slots__ = ("dkga", "prepared")

    def __init__(self, dkga: int | str, value: bytes | bytearray) -> None:
        self.dkga = identifiers.dkga.validate(dkga)
        _require_length("vending key", value, self.dkga.key_bytes)
        if self.dkga is Dkga.DES and (place := first_even_byte(value)) is not None:
            raise KeyParityError("vending key's byte", place, "does not have odd parity")
        super().__init__(value)
        self.prepared: object = None

    def wipe(self) -> None:
        """Overwrite the key and let go of what was prepared of it."""
        super().wipe()
        self.prepared = None


class DecoderKey(SecretBytes):
    """A meter's key for one cipher, most significant byte first.

    Raises:
        UnsupportedAlgorithm: The cipher is not offered.
        KeyLengthError: Not 8 bytes for EA 07, 16 for EA 11.
    """

    __slots__ = ("ea",)

    def __init__(self, ea: int | str, value: bytes | bytearray) -> None:
        self.ea = ea = identifiers.ea.validate(ea)
        _require_length("decoder key", value, ea.key_bytes)
        super().__init__(value)

    def number(self) -> int:
        """Give the key as one number, for a cipher."""
        return int.from_bytes(self.reveal(), "big")


def normalise(record: object, fields: Iterable[str]) -> None:
    """Check fields named for their identifiers, and put each in its one form.

    Raises:
        StsError: As the identifier's ``validate`` says.
    """
    for field in fields:
        given = getattr(record, field)
        valid = _VALIDATORS[field](given)
        if valid is not given:
            object.__setattr__(record, field, valid)


_PARAMETERS: Final = ("meter_pan", "sgc", "krn", "ti", "kt", "base_date", "ken", "dkga", "ea")
_VALIDATORS: Final[dict[str, Callable[[Any], object]]] = {
    name: getattr(identifiers, name).validate for name in _PARAMETERS
}


@dataclass(frozen=True, slots=True)
class KeyParameters:
    """All that makes a decoder key, but the vending key itself.

    Attributes:
        meter_pan: MeterPAN, 18 digits.
        sgc: Supply group code, 6 digits.
        krn: Key revision number, 1 to 9.
        ti: Tariff index, 2 digits.
        kt: Key type.
        base_date: Base date of the vending key.
        ken: Key expiry number, 0 to 255; no part of the derivation.
        dkga: Derivation algorithm.
        ea: Cipher of the meter.

    Raises:
        FormatError, CheckDigitError, FieldRangeError: A field is wrong.
        UnsupportedAlgorithm: Algorithms that are not offered, or not together.
    """

    meter_pan: str
    sgc: str
    krn: int
    ti: str
    kt: KeyType = KeyType.DUTK
    base_date: BaseDate = BaseDate.Y2014
    ken: int = identifiers.ken.MAX
    dkga: Dkga = Dkga.HMAC
    ea: EncryptionAlgorithm = EncryptionAlgorithm.STA

    def __post_init__(self) -> None:
        normalise(self, _PARAMETERS)
        self.dkga.check_pair(self.ea)


def first_even_byte(key: bytes | bytearray) -> int | None:
    """Tell the first byte, counted from 1, with an even number of one bits; None for none.

    Each byte of a genuine DES key has an odd number.

    >>> first_even_byte(bytes.fromhex("abaa")), first_even_byte(bytes.fromhex("ab"))
    (2, None)
    """
    for place, byte in enumerate(key, start=1):
        if byte.bit_count() % 2 == 0:
            return place
    return None


def _require_length(what: str, value: bytes | bytearray, wanted: int) -> None:
    if type(value) is bytes and len(value) == wanted:
        return
    if not isinstance(value, bytes | bytearray):
        raise KeyLengthError(what, None, "is not bytes")
    if len(value) != wanted:
        raise KeyLengthError(f"{what}'s length in bytes", len(value), f"is not {wanted}")
