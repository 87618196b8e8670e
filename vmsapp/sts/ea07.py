"""EncryptionAlgorithm 07, the Standard Transfer Algorithm (STA): a 64-bit block cipher.

The round key is the complement of the decoder key, turned 12 bits right. Each of 16 rounds

1. substitutes every nibble by one of two tables: bit 3 of the same nibble of the round key
   chooses the second;
2. permutes: bit ``i`` moves to ``permutation[i]``;
3. turns the round key one bit left.

Decryption walks back by the inverse tables. For speed both steps of a round are joined: as a
permutation moves each bit by itself, what a byte becomes in a round is known from its value,
its place and the two key bits of its nibbles. A round is then eight look-ups.

Source: IEC 62055-41:2018, "EA07: STA encryption"; the sample tables are printed there for tests,
the production tables are published in several meters' and vendors' implementations.

>>> cipher = encrypt(0x0B19EB230100C207, 0x0ABC12DEF3456789, SAMPLE)
>>> f"{cipher:016X}"
'C45ED1619406DF95'
>>> f"{decrypt(cipher, 0x0ABC12DEF3456789, SAMPLE):016X}"
'0B19EB230100C207'
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from vmsapp.sts.errors import FieldRangeError, FormatError
from vmsapp.sts.fields import BLOCK_BITS, require_bits

ROUNDS: Final = 16
KEY_TURN: Final = 12

_MASK: Final = (1 << BLOCK_BITS) - 1
_LOW_BIT_OF_NIBBLES: Final = 0x1111111111111111
_LOW_TWO_OF_BYTES: Final = 0x0303030303030303

Nibbles = tuple[int, ...]
"""What each of the 16 nibbles becomes."""

RoundTables = tuple[tuple[tuple[int, ...], ...], ...]
"""``[place of the byte][choice for its two nibbles][byte]``: its share of the next block."""


@dataclass(frozen=True)
class TableSet:
    """The tables of one variant of the algorithm.

    Attributes:
        name: What it is called, beside the security module and on tokens.
        substitution1: Where the key bit is 0: 16 nibbles, each once.
        substitution2: Where the key bit is 1: 16 nibbles, each once.
        permutation: Where each of the 64 bits goes, each place once.

    Raises:
        FormatError: A table does not hold each of its values exactly once.
    """

    name: str
    substitution1: Nibbles
    substitution2: Nibbles
    permutation: tuple[int, ...]

    def __post_init__(self) -> None:
        for field, table, size in (
            ("substitution table 1", self.substitution1, 16),
            ("substitution table 2", self.substitution2, 16),
            ("permutation table", self.permutation, BLOCK_BITS),
        ):
            if sorted(table) != list(range(size)):
                rule = f"does not hold each of 0 to {size - 1} once"
                raise FormatError(field, self.name, rule)

    @cached_property
    def forward(self) -> RoundTables:
        """Substitution, then permutation."""
        return _round_tables(self.substitution1, self.substitution2, self.permutation)

    @cached_property
    def backward(self) -> RoundTables:
        """Inverse substitution, then inverse permutation."""
        inverses = _inverse(self.substitution1), _inverse(self.substitution2)
        return _round_tables(*inverses, _inverse(self.permutation))


def _inverse(table: Sequence[int]) -> tuple[int, ...]:
    return tuple(table.index(value) for value in range(len(table)))


def _permute(block: int, permutation: Sequence[int]) -> int:
    return sum((block >> source & 1) << target for source, target in enumerate(permutation))


def _round_tables(zero: Nibbles, one: Nibbles, permutation: tuple[int, ...]) -> RoundTables:
    def share(place: int, choice: int, byte: int) -> int:
        low = (one if choice & 1 else zero)[byte & 0xF]
        high = (one if choice & 2 else zero)[byte >> 4]
        return _permute((high << 4 | low) << 8 * place, permutation)

    return tuple(
        tuple(tuple(share(place, choice, byte) for byte in range(256)) for choice in range(4))
        for place in range(8)
    )


PRODUCTION: Final = TableSet(
    name="production",
    substitution1=(14, 10, 7, 9, 12, 3, 2, 5, 13, 0, 15, 1, 4, 8, 6, 11),
    substitution2=(12, 8, 2, 13, 7, 6, 1, 3, 11, 5, 9, 15, 0, 4, 10, 14),
    permutation=(
        *(55, 42, 10, 18, 24, 21, 44, 35, 2, 22, 56, 43, 27, 58, 9, 50),
        *(6, 36, 12, 61, 37, 38, 53, 16, 62, 3, 7, 4, 32, 20, 63, 25),
        *(51, 52, 54, 33, 49, 19, 46, 29, 48, 31, 23, 30, 41, 28, 13, 5),
        *(40, 60, 39, 11, 15, 17, 1, 0, 57, 34, 59, 8, 47, 14, 45, 26),
    ),
)
"""What real meters are built with."""

SAMPLE: Final = TableSet(
    name="sample",
    substitution1=(12, 10, 8, 4, 3, 15, 0, 2, 14, 1, 5, 13, 6, 9, 7, 11),
    substitution2=(6, 9, 7, 4, 3, 10, 12, 14, 2, 13, 1, 15, 0, 11, 8, 5),
    permutation=(
        *(29, 27, 34, 9, 16, 62, 55, 2, 40, 49, 38, 25, 33, 61, 30, 23),
        *(1, 41, 21, 57, 42, 15, 5, 58, 19, 53, 22, 17, 48, 28, 24, 39),
        *(3, 60, 36, 14, 11, 52, 54, 12, 31, 51, 10, 26, 0, 45, 37, 43),
        *(44, 6, 59, 4, 7, 35, 56, 50, 13, 18, 32, 47, 46, 63, 20, 8),
    ),
)
"""For tests only: no real meter takes a token made with them."""

TABLE_SETS: Final[dict[str, TableSet]] = {tables.name: tables for tables in (PRODUCTION, SAMPLE)}


def encrypt(block: int, key: int, tables: TableSet = PRODUCTION) -> int:
    """Encrypt one block of 64 bits.

    Args:
        block: 64 bits.
        key: The decoder key, 64 bits; most significant byte first where it was bytes.
        tables: The variant.

    Raises:
        FieldRangeError: Block or key does not fit 64 bits; the key is not shown.
    """
    require_bits("block", block, BLOCK_BITS)
    for choices in _round_choices(key):
        block = _round(block, choices, tables.forward)
    return block


def decrypt(block: int, key: int, tables: TableSet = PRODUCTION) -> int:
    """Undo ``encrypt``; same arguments, same errors.

    An encrypting round ends with the permutation, the joined tables begin with substitution.
    So the last permutation is undone first, and the one undone too much is done again.
    """
    require_bits("block", block, BLOCK_BITS)
    block = _permute(block, _inverse(tables.permutation))
    for choices in reversed(_round_choices(key)):
        block = _round(block, choices, tables.backward)
    return _permute(block, tables.permutation)


def _round_choices(key: int) -> list[bytes]:
    """For each round, for each byte from the low end: bits 0 and 1 choose for its nibbles."""
    if not 0 <= key <= _MASK:
        raise FieldRangeError("decoder key", None, f"does not fit {BLOCK_BITS} bits")
    inverted = ~key & _MASK
    first = (inverted >> KEY_TURN | inverted << BLOCK_BITS - KEY_TURN) & _MASK
    twice = first << BLOCK_BITS | first  # a turn left is then a look further down
    choices = []
    for turn in range(ROUNDS):
        bit_3_of_nibbles = twice >> BLOCK_BITS - turn + 3 & _LOW_BIT_OF_NIBBLES
        pairs = (bit_3_of_nibbles | bit_3_of_nibbles >> 3) & _LOW_TWO_OF_BYTES
        choices.append(pairs.to_bytes(8, "little"))
    return choices


def _round(block: int, choices: bytes, tables: RoundTables) -> int:
    result = 0
    for table, choice, byte in zip(tables, choices, block.to_bytes(8, "little"), strict=True):
        result |= table[choice][byte]
    return result
