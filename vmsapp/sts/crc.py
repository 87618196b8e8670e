"""The checksum of a token: CRC-16 over class, sub-class and data.

Reflected polynomial x^16 + x^15 + x^2 + 1 (A001h), start FFFFh, no final inversion, over the
50 bits left-padded with zeros to 7 bytes, most significant first. The token stores the two
bytes of the result swapped, and that is how they are returned here.

A CRC is affine: that of 7 bytes is the constant of 7 zero bytes, xor what each byte adds at its
place. One table a place holds those additions, so no step waits for the one before.

Source: IEC 62055-41:2018, "CRC: CyclicRedundancyCode".

>>> f"{token_crc(0x0B19EB230100):04X}"
'C207'
"""

from typing import Final

from vmsapp.sts.fields import CLASS_BITS, DATA_BITS, SUBCLASS_BITS, require_bits

CHECKED_BITS: Final = CLASS_BITS + SUBCLASS_BITS + DATA_BITS
CHECKED_BYTES: Final = 7

_POLYNOMIAL: Final = 0xA001
_START: Final = 0xFFFF


def _shift_in(register: int, message: bytes) -> int:
    for byte in message:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register


def _swapped(register: int) -> int:
    return (register & 0xFF) << 8 | register >> 8


def _table(place: int) -> tuple[int, ...]:
    """What each byte value adds to the CRC when it stands at ``place``, 0 the first byte."""
    zeros_after = bytes(CHECKED_BYTES - 1 - place)
    return tuple(_swapped(_shift_in(0, bytes([value]) + zeros_after)) for value in range(256))


_OF_ZEROS: Final = _swapped(_shift_in(_START, bytes(CHECKED_BYTES)))
_TABLES: Final = tuple(_table(place) for place in range(CHECKED_BYTES))


def token_crc(data: int) -> int:
    """Compute the 16 checksum bits of a token, in the order the token stores them.

    Args:
        data: Class, sub-class and data as one number of 50 bits, big end first.

    Raises:
        FieldRangeError: ``data`` does not fit 50 bits.
    """
    require_bits("checked data", data, CHECKED_BITS)
    crc = _OF_ZEROS
    for table, byte in zip(_TABLES, data.to_bytes(CHECKED_BYTES, "big"), strict=True):
        crc ^= table[byte]
    return crc
