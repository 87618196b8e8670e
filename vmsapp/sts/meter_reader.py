"""How a meter reads twenty digits: a second way from digits to fields, apart from the engine's.

Nothing here is shared with the modules that make tokens but the names of errors and key types,
so that one mistake there does not cancel out here. It is written to be compared with the
standard, not to be fast: bits are characters, tables are the inverse ones, the checksum goes
bit by bit, MISTY1's tables are computed from its equations.

Source: IEC 62055-41:2018, 6.4 "Token encoding" read backwards, 7.2 "Token decoding"; EA07 in
the form that begins with the key itself; RFC 2994 and M. Matsui, "New Block Encryption
Algorithm MISTY" (FSE 1997), for the equations.

>>> plain = read("29054347139309851356", bytes.fromhex("0abc12def3456789"))
>>> plain.token_class, plain.subclass, f"{plain.data:044b}"[-16:]
(0, 0, '0000000100000000')
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from vmsapp.sts.ea07 import TableSet
from vmsapp.sts.errors import CrcError, FormatError

STA_KEY_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class StaTables:
    """EA07 the way back: which nibble each came from, and which bit each place came from.

    Attributes:
        chosen: The inverse of the second table, and of the first, by the key's bit.
        origin: For each bit of the permuted block, the bit it was.
    """

    chosen: tuple[tuple[int, ...], tuple[int, ...]]
    origin: tuple[int, ...]

    @classmethod
    def inverse_of(cls, tables: TableSet) -> "StaTables":
        """Turn another table set round."""
        return cls(
            (_inverse(tables.substitution2), _inverse(tables.substitution1)),
            _inverse(tables.permutation),
        )


PRODUCTION: Final = StaTables(
    chosen=(
        (12, 6, 2, 7, 13, 9, 5, 4, 1, 10, 14, 8, 0, 3, 15, 11),
        (9, 11, 6, 5, 12, 7, 14, 2, 13, 3, 1, 15, 4, 8, 0, 10),
    ),
    origin=(
        *(55, 54, 8, 25, 27, 47, 16, 26, 59, 14, 2, 51, 18, 46, 61, 52),
        *(23, 53, 3, 37, 29, 5, 9, 42, 4, 31, 63, 12, 45, 39, 43, 41),
        *(28, 35, 57, 7, 17, 20, 21, 50, 48, 44, 1, 11, 6, 62, 38, 60),
        *(40, 36, 15, 32, 33, 22, 34, 0, 10, 56, 13, 58, 49, 19, 24, 30),
    ),
)
"""The set real meters are built with, written out from the meter's side."""

S7_EQUATIONS: Final = (
    "x 0 13 15 45 26 034 025 016 056 356",
    "x 6 02 04 34 15 06 36 245 236 146 056",
    "4 12 14 05 16 36 46 023 014 045 345 036 246",
    "x 0 1 03 24 26 56 012 145 136 046",
    "x 5 23 04 25 16 134 125 035 156 456",
    "0 1 2 03 14 05 35 06 012 123 024 015 256",
    "3 01 03 05 25 35 16 46 234 135 126 036 256",
)
"""What each output bit of S7 is, lowest first: ``034`` is input bits 0, 3 and 4 multiplied, ``x``
is one; all are added."""

S9_EQUATIONS: Final = (
    "x 04 05 15 16 26 27 37 38 48",
    "x 3 7 02 13 23 34 45 06 26 08 38 58",
    "4 8 01 13 04 24 34 45 06 56 17 37",
    "0 5 12 24 15 35 45 56 17 67 28 48",
    "1 6 03 23 05 35 26 46 56 67 28 78",
    "2 7 03 14 34 16 46 37 57 67 08 78",
    "x 3 8 01 14 25 45 27 57 08 48 68 78",
    "x 1 5 01 12 23 04 16 36 07 47 67 18",
    "x 0 4 01 12 05 25 36 56 07 08 38 68",
)
"""The same of S9."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A token as it stands before the meter asks what it means.

    Attributes:
        token_class: 0 to 3.
        subclass: 0 to 15.
        data: 44 bits.
    """

    token_class: int
    subclass: int
    data: int


def read(digits: str, key: bytes, tables: StaTables = PRODUCTION) -> Plain:
    """Read twenty digits under the meter's key; class 1 is not encrypted.

    Raises:
        FormatError: They are not twenty digits, or above 66 bits.
        CrcError: The checksum is wrong.
    """
    if not isinstance(digits, str):
        raise FormatError("token", None, "is not text")
    digits = "".join(character for character in digits if character not in " -\n")
    if len(digits) != 20 or any(character not in "0123456789" for character in digits):
        raise FormatError("token", None, "is not 20 digits")
    bits = f"{int(digits):066b}"
    if len(bits) > 66:
        raise FormatError("token", None, "is above 66 bits")
    # Bit 65 comes first; the class (``kind``) stands where bits 28 and 27 are.
    top, upper, kind, lower = bits[:2], bits[2:37], bits[37:39], bits[39:]
    block = upper + top + lower
    if kind != "01":
        block = _decrypted(block, key, tables)
    subclass, data, crc = block[:4], block[4:48], block[48:]
    currency = kind == "00" and subclass[0:2] == "01"
    if crc != checksum("000000" + kind + subclass + data, currency=currency):
        raise CrcError("token", None, "fails its checksum")
    return Plain(int(kind, 2), int(subclass, 2), int(data, 2))


def checksum(bits: str, *, currency: bool) -> str:
    """Divide bit by bit: the 16 bits of the CRC in the order a token has them."""
    octets = [bits[start : start + 8] for start in range(0, len(bits), 8)]
    register = [1] * 16  # the highest power first
    for octet in [*octets, "00000001"] if currency else octets:
        for bit in reversed(octet):  # the lowest bit of an octet is sent first
            carry = register.pop(0) ^ int(bit)
            register.append(carry)  # x^0
            register[0] ^= carry  # x^15
            register[13] ^= carry  # x^2
    low_first = "".join(map(str, register))
    # The remainder is sent reflected, and its octets change places.
    return low_first[7::-1] + low_first[:7:-1]


def _decrypted(block: str, key: bytes, tables: StaTables) -> str:
    if len(key) == STA_KEY_BYTES:
        return _sta(block, f"{int.from_bytes(key, 'big'):064b}", tables)
    return _misty(block, key)


def _sta(block: str, key: str, tables: StaTables) -> str:
    """Sixteen times: bits to where they came from, nibbles back, the key one turn right."""
    for _ in range(16):
        lowest_first = block[::-1]
        undone = ["0"] * 64
        for place, origin in enumerate(tables.origin):
            undone[origin] = lowest_first[place]
        block = "".join(reversed(undone))
        nibbles = []
        for start in range(0, 64, 4):
            chooses = int(key[start + 3])
            nibbles.append(f"{tables.chosen[chooses][int(block[start : start + 4], 2)]:04b}")
        block = "".join(nibbles)
        key = key[-1] + key[:-1]
    return block


def _misty(block: str, key: bytes) -> str:
    """RFC 2994, 2.3, "Data Randomizing Part", the decryption."""
    ek = [key[2 * i] * 256 + key[2 * i + 1] for i in range(8)]
    ek += [_fi(ek[i], ek[(i + 1) % 8]) for i in range(8)]
    d1 = _fl_inverse(int(block[:32], 2), 9, ek)
    d0 = _fl_inverse(int(block[32:], 2), 8, ek)
    for i in (7, 5, 3, 1):
        d0 ^= _fo(d1, i, ek)
        d1 ^= _fo(d0, i - 1, ek)
        d0, d1 = _fl_inverse(d0, i - 1, ek), _fl_inverse(d1, i, ek)
    return f"{d0:032b}{d1:032b}"


def _fo(value: int, k: int, ek: Sequence[int]) -> int:
    t0, t1 = divmod(value, 65536)
    for xored, inner in ((k, k + 5), (k + 2, k + 1), (k + 7, k + 3)):
        t0, t1 = t1, _fi(t0 ^ ek[xored % 8], ek[inner % 8 + 8]) ^ t1
    return (t0 ^ ek[(k + 4) % 8]) * 65536 + t1


def _fi(value: int, key: int) -> int:
    s7, s9 = _misty_tables()
    d9, d7 = divmod(value, 128)
    d9 = s9[d9] ^ d7
    d7 = s7[d7] ^ d9 % 128
    d7, d9 = d7 ^ key // 512, d9 ^ key % 512
    d9 = s9[d9] ^ d7
    return d7 * 512 + d9


def _fl_inverse(value: int, k: int, ek: Sequence[int]) -> int:
    d0, d1 = divmod(value, 65536)
    if k % 2 == 0:
        d0 ^= d1 | ek[(k // 2 + 6) % 8 + 8]
        d1 ^= d0 & ek[k // 2]
    else:
        d0 ^= d1 | ek[((k - 1) // 2 + 4) % 8]
        d1 ^= d0 & ek[((k - 1) // 2 + 2) % 8 + 8]
    return d0 * 65536 + d1


@cache
def _misty_tables() -> tuple[list[int], list[int]]:
    return _tabulated(S7_EQUATIONS), _tabulated(S9_EQUATIONS)


def _tabulated(equations: Sequence[str]) -> list[int]:
    """Compute a table from the sum of products each output bit is."""
    table = []
    for value in range(1 << len(equations)):
        output = 0
        for bit, equation in enumerate(equations):
            products = (
                all(value >> int(place) & 1 for place in product.strip("x"))
                for product in equation.split()
            )
            output |= sum(products) % 2 << bit
        table.append(output)
    return table


def _inverse(table: Sequence[int]) -> tuple[int, ...]:
    found = [0] * len(table)
    for place, value in enumerate(table):
        found[value] = place
    return tuple(found)
