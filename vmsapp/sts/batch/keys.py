"""Decoder keys of many meters of one supply group: ``dkga`` for a batch.

One vending key serves them all, so DKGA02 of the whole batch is one call of the cipher, and of
DKGA04 only what differs from meter to meter is hashed.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from typing import Final

from vmsapp.sts import dkga, identifiers
from vmsapp.sts.errors import FieldRangeError, KeyLengthError, RowRefused, StsError
from vmsapp.sts.identifiers import Dkga, luhn, meter_pan
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey
from vmsapp.sts.secret import SecretBytes

_LENGTH_BYTES: Final = 4
_LAST_DIGIT: Final = bytes(value % 10 for value in range(256))
_SHORT_ISSUER: Final = meter_pan.IIN_OF_SHORT_DRN.encode()
_ISSUER_SHARE: Final = bytes(
    sum(_SHORT_ISSUER[0::2].translate(luhn.PLAIN))
    + sum(_SHORT_ISSUER[1::2].translate(luhn.DOUBLED))
    if first == _SHORT_ISSUER[0]
    else 0
    for first in range(256)
)
"""What the issuer adds to the sum of its DRN's digits, by the first digit of a MeterPAN."""


class DecoderKeys(SecretBytes):
    """The decoder keys of a batch, one after another.

    Attributes:
        ea: The cipher of all of them.
        like: What they share, MeterPAN and TI apart; None where it is not known.
        tis: The TI each was derived with; None where all have that of ``like``.

    Raises:
        KeyLengthError: Not a whole number of keys.
    """

    __slots__ = ("ea", "like", "tis")

    def __init__(
        self,
        ea: int | str,
        value: bytes,
        like: KeyParameters | None = None,
        tis: Sequence[str] | None = None,
    ) -> None:
        self.ea = identifiers.ea.validate(ea)
        if not isinstance(value, bytes) or len(value) % self.ea.key_bytes:
            rule = f"are not keys of {self.ea.key_bytes} bytes each"
            raise KeyLengthError("decoder keys", None, rule)
        super().__init__(value)
        self.like = like
        self.tis = tis

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self) // self.ea.key_bytes

    def key(self, row: int) -> DecoderKey:
        """Give the key of one row, counted from 0."""
        size = self.ea.key_bytes
        return DecoderKey(self.ea, self.reveal(row * size, (row + 1) * size))


def derive_many(
    vending_key: VendingKey,
    like: KeyParameters,
    meter_pans: Sequence[str],
    tis: Sequence[str] | None = None,
) -> DecoderKeys:
    """Derive the keys of many meters.

    Args:
        vending_key: The supply group's key.
        like: What all meters share; its own MeterPAN, and its TI if ``tis`` is given, count not.
        meter_pans: MeterPANs, 18 bare digits each.
        tis: Tariff indices, 2 digits, one a meter.

    Raises:
        UnsupportedAlgorithm: As ``dkga.derive`` says.
        RowRefused: A MeterPAN or TI is wrong; it names the first.
        FieldRangeError: There are not as many TIs as MeterPANs.
    """
    dkga.require_derivable(vending_key, like.dkga, like.kt)
    joined = _joined(meter_pans)
    chosen = repeat(like.ti, len(meter_pans)) if tis is None else checked_tis(tis, len(meter_pans))
    make = _dkga02 if like.dkga is Dkga.DES else _dkga04
    value = make(vending_key, like, joined, list(chosen))
    return DecoderKeys(like.ea, value, like, None if tis is None else tuple(tis))


def checked_tis(tis: Sequence[str], wanted: int) -> Sequence[str]:
    """Hand back tariff indices, one a meter.

    Raises:
        FieldRangeError: There are more or fewer than ``wanted``.
        RowRefused: One is not two bare digits.
    """
    if len(tis) != wanted:
        raise FieldRangeError("number of TIs", len(tis), f"is not {wanted}")
    sound: set[str] = set()
    for row, ti in enumerate(tis):
        if isinstance(ti, str) and ti in sound:
            continue
        try:
            if identifiers.ti.validate(ti) != ti:
                raise FieldRangeError("TI", ti, "is not bare digits")
        except StsError as error:
            raise RowRefused(row, error) from error
        sound.add(ti)
    return tis


def _dkga02(vending_key: VendingKey, like: KeyParameters, pans: str, tis: list[str]) -> bytes:
    if not tis:
        return b""
    blocks = {ti: dkga.control_block(like.kt, like.sgc, ti, like.krn) for ti in set(tis)}
    starts = range(1, len(pans), meter_pan.DIGITS)
    pan_blocks = bytes.fromhex("".join([pans[at : at + dkga.BLOCK_DIGITS] for at in starts]))
    controls = b"".join([blocks[ti] for ti in tis])
    size = len(pan_blocks)
    number = int.from_bytes(pan_blocks, "big") ^ int.from_bytes(controls, "big")
    cipher = dkga.des(vending_key).cipher.encrypt(number.to_bytes(size, "big"))
    number ^= int.from_bytes(cipher, "big")
    number ^= int.from_bytes(vending_key.reveal() * len(tis), "big")
    return number.to_bytes(size, "big")


def _dkga04(vending_key: VendingKey, like: KeyParameters, pans: str, tis: list[str]) -> bytes:
    inner_state, outer_state = dkga.hmac_states(vending_key)
    tail = meter_pan.DIGITS + _LENGTH_BYTES
    end, starts = dkga.message(like)[-_LENGTH_BYTES:], {}
    for ti in set(tis):
        starts[ti] = inner_state.copy()
        starts[ti].update(dkga.message(replace(like, ti=ti))[:-tail])
    text, size = pans.encode(), like.ea.key_bytes
    keys = []
    for at, ti in zip(range(0, len(text), meter_pan.DIGITS), tis, strict=True):
        inner, outer = starts[ti].copy(), outer_state.copy()
        inner.update(text[at : at + meter_pan.DIGITS] + end)
        outer.update(inner.digest())
        keys.append(outer.digest()[:size])
    return b"".join(keys)


def _joined(meter_pans: Sequence[str]) -> str:
    """Check all MeterPANs at once and join them; if one is wrong, look for which."""
    if not all(isinstance(pan, str) for pan in meter_pans):
        _name_the_first(meter_pans)
    joined = "".join(meter_pans)
    sound = (
        set(map(len, meter_pans)) <= {meter_pan.DIGITS}
        and (not joined or (joined.isascii() and joined.isdigit()))
        and all(pan.startswith(meter_pan.IINS) for pan in meter_pans)
        and _checks(joined.encode())
    )
    if not sound:
        _name_the_first(meter_pans)
    return joined


def _checks(joined: bytes) -> bool:
    """Check both check digits of every MeterPAN, a column of digits at a time.

    A column is one long number with a byte a meter, so adding columns adds for all meters.
    """
    columns = [joined[place :: meter_pan.DIGITS] for place in range(meter_pan.DIGITS)]
    plain = [_number(column.translate(luhn.PLAIN)) for column in columns]
    doubled = [_number(column.translate(luhn.DOUBLED)) for column in columns]
    count = len(columns[0])
    of_pan = sum(doubled[0:17:2]) + sum(plain[1::2])
    # The DRN's own formula doubles the other digits. The issuer's, which do not belong in it,
    # are taken off again: those of 0000 are nothing.
    of_drn = sum(plain[0:17:2]) + sum(doubled[1:17:2])
    of_drn -= _number(columns[0].translate(_ISSUER_SHARE))
    return all(
        total.to_bytes(count, "little").translate(_LAST_DIGIT) == bytes(count)
        for total in (of_pan, of_drn)
    )


def _number(column: bytes) -> int:
    """Add bytes as one number: no sum of 18 digits overflows its byte."""
    return int.from_bytes(column, "little")


def _name_the_first(meter_pans: Sequence[str]) -> None:
    for row, pan in enumerate(meter_pans):
        try:
            bare = identifiers.meter_pan.validate(pan)
            if bare != pan:
                raise FieldRangeError("MeterPAN", pan, "is not bare digits")
        except StsError as error:
            raise RowRefused(row, error) from error
