"""The checksum of a token: CRC-16 over class, sub-class and data.

Reflected polynomial x^16 + x^15 + x^2 + 1 (A001h), start FFFFh, no final inversion, over the
50 bits left-padded with zeros to 7 bytes, most significant first. The token stores the two
bytes of the result swapped, and that is how they are returned here. Currency credit has a
checksum of its own, so that no meter takes money for units: a byte 01h follows the seven.

A CRC is affine: that of 7 bytes is the constant of 7 zero bytes, xor what each byte adds at its
place. One table a place holds those additions, so no step waits for the one before.

Source: IEC 62055-41:2018, "CRC: CyclicRedundancyCode" and "CRC_C".

>>> f"{token_crc(0x0B19EB230100):04X}"
'C207'
"""

from collections.abc import Iterable
from functools import cache
from typing import Final

from vmsapp.sts.fields import CLASS_BITS, DATA_BITS, SUBCLASS_BITS, require_bits

CHECKED_BITS: Final = CLASS_BITS + SUBCLASS_BITS + DATA_BITS
CHECKED_BYTES: Final = 7
POLYNOMIAL: Final = 0xA001
START: Final = 0xFFFF
CURRENCY_SUFFIX: Final = b"\x01"

Tables = tuple[int, tuple[tuple[int, ...], ...]]
"""The CRC of zeros, and what each byte value adds to it at each place from the first."""


def token_crc(data: int, *, currency: bool = False) -> int:
    """Compute the 16 checksum bits of a token, in the order the token stores them.

    Args:
        data: Class, sub-class and data as one number of 50 bits, big end first.
        currency: Of a currency credit token (CRC_C).

    Raises:
        FieldRangeError: ``data`` does not fit 50 bits.
    """
    return checksum(require_bits("checked data", data, CHECKED_BITS), currency=currency)


def checksum(data: int, *, currency: bool) -> int:
    """Do what ``token_crc`` does with data that are known to fit, as a token's do."""
    crc, (t0, t1, t2, t3, t4, t5, t6) = _tables(CURRENCY_SUFFIX if currency else b"")
    b0, b1, b2, b3, b4, b5, b6 = data.to_bytes(CHECKED_BYTES, "big")
    return crc ^ t0[b0] ^ t1[b1] ^ t2[b2] ^ t3[b3] ^ t4[b4] ^ t5[b5] ^ t6[b6]


def checksums(column: Iterable[int], *, currency: bool) -> list[int]:
    """Do what ``checksum`` does for many."""
    crc, (t0, t1, t2, t3, t4, t5, t6) = _tables(CURRENCY_SUFFIX if currency else b"")
    return [
        crc ^ t0[b0] ^ t1[b1] ^ t2[b2] ^ t3[b3] ^ t4[b4] ^ t5[b5] ^ t6[b6]
        for b0, b1, b2, b3, b4, b5, b6 in (data.to_bytes(CHECKED_BYTES, "big") for data in column)
    ]


@cache
def _tables(suffix: bytes) -> Tables:
    """Tabulate on first use; ``suffix`` follows the seven bytes."""

    def additions(place: int) -> tuple[int, ...]:
        after = bytes(CHECKED_BYTES - 1 - place + len(suffix))
        return tuple(_swapped(_shift_in(0, bytes([value]) + after)) for value in range(256))

    of_zeros = _swapped(_shift_in(START, bytes(CHECKED_BYTES) + suffix))
    return of_zeros, tuple(map(additions, range(CHECKED_BYTES)))


def _shift_in(register: int, message: bytes) -> int:
    for byte in message:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
    return register


def _swapped(register: int) -> int:
    return (register & 0xFF) << 8 | register >> 8
