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

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from vmsapp.sts.errors import FieldRangeError, FormatError, UnsupportedAlgorithm
from vmsapp.sts.fields import BLOCK_BITS, require_block

ROUNDS: Final = 16
KEY_TURN: Final = 12

_MASK: Final = (1 << BLOCK_BITS) - 1
_CHOICES: Final = tuple(
    bytes(byte >> 3 - turn & 1 | (byte >> 7 - turn & 1) << 1 for byte in range(256))
    for turn in range(4)
)
"""For 0 to 3 turns left: which tables a byte of the key chooses for the nibbles of its byte."""

Nibbles = tuple[int, ...]
"""What each of the 16 nibbles becomes."""

ByteTables = tuple[tuple[int, ...], ...]
"""``[place of the byte][byte]``: its share of the permuted block."""

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
    def permuting(self) -> ByteTables:
        """The permutation alone."""
        return _byte_tables(self.permutation)

    @cached_property
    def unpermuting(self) -> ByteTables:
        """The permutation alone, undone."""
        return _byte_tables(_inverse(self.permutation))

    @cached_property
    def forward(self) -> RoundTables:
        """Substitution, then permutation."""
        return _round_tables(self.substitution1, self.substitution2, self.permuting)

    @cached_property
    def backward(self) -> RoundTables:
        """Inverse substitution, then inverse permutation."""
        inverses = _inverse(self.substitution1), _inverse(self.substitution2)
        return _round_tables(*inverses, self.unpermuting)


def _inverse(table: Sequence[int]) -> tuple[int, ...]:
    return tuple(table.index(value) for value in range(len(table)))


def _byte_tables(permutation: Sequence[int]) -> ByteTables:
    moved = [1 << place for place in permutation]

    def share(place: int, byte: int) -> int:
        return sum(moved[8 * place + bit] for bit in range(8) if byte >> bit & 1)

    return tuple(tuple(share(place, byte) for byte in range(256)) for place in range(8))


def _round_tables(zero: Nibbles, one: Nibbles, permuting: ByteTables) -> RoundTables:
    def substituted(choice: int, byte: int) -> int:
        low, high = (one if choice & bit else zero for bit in (1, 2))
        return high[byte >> 4] << 4 | low[byte & 0xF]

    bytes_ = [[substituted(choice, byte) for byte in range(256)] for choice in range(4)]
    return tuple(
        tuple(tuple(permuted[byte] for byte in chosen) for chosen in bytes_)
        for permuted in permuting
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


def table_set(name: str) -> TableSet:
    """Find a table set by its name.

    Raises:
        UnsupportedAlgorithm: There is none of that name.
    """
    if name not in TABLE_SETS:
        raise UnsupportedAlgorithm("table set", name, f"is not one of {', '.join(TABLE_SETS)}")
    return TABLE_SETS[name]


def read_table_set(text: str) -> TableSet:
    """Read a utility's own table set: a JSON object with the attributes of ``TableSet``.

    Raises:
        FormatError: It is no such object, takes the name of a set that ships with the engine,
            or a table does not hold each of its values once.

    >>> read_table_set('{"name": "own"}')
    Traceback (most recent call last):
    vmsapp.sts.errors.FormatError: table set does not hold exactly name, substitution1, \
substitution2, permutation
    """
    import json  # noqa: PLC0415 - few have tables of their own

    names = [field.name for field in dataclasses.fields(TableSet)]
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise FormatError("table set", None, "is not JSON") from None
    if not isinstance(found, dict) or set(found) != set(names):
        raise FormatError("table set", None, f"does not hold exactly {', '.join(names)}")
    name = found.pop("name")
    if not isinstance(name, str) or not name or name in TABLE_SETS:
        raise FormatError("table set's name", str(name), "is empty or taken")
    for field, values in found.items():
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            raise FormatError(f"{field} table", name, "is not a list of whole numbers")
    return TableSet(name, **{field: tuple(values) for field, values in found.items()})


def encrypt(block: int, key: int, tables: TableSet = PRODUCTION) -> int:
    """Encrypt one block of 64 bits.

    Args:
        block: 64 bits.
        key: The decoder key, 64 bits; most significant byte first where it was bytes.
        tables: The variant.

    Raises:
        FieldRangeError: Block or key does not fit 64 bits; the key is not shown.
    """
    require_block(block)
    return _rounds(block, _round_choices(key), tables.forward)


def decrypt(block: int, key: int, tables: TableSet = PRODUCTION) -> int:
    """Undo ``encrypt``; same arguments, same errors.

    An encrypting round ends with the permutation, the joined tables begin with substitution.
    So the last permutation is undone first, and the one undone too much is done again.
    """
    require_block(block)
    block = _looked_up(block, tables.unpermuting)
    block = _rounds(block, reversed(_round_choices(key)), tables.backward)
    return _looked_up(block, tables.permuting)


def _round_choices(key: int) -> tuple[bytes, ...]:
    """For each round, for each byte from the low end: bits 0 and 1 choose for its nibbles.

    They are bits 3 and 7 of the bytes of the turned key. Four turns left bring bits from
    within the same byte there; so one look-up a byte of the key and of the key turned by four
    gives the choices of eight rounds, and of the other eight with each byte one place up.
    """
    if type(key) is not int or key >> BLOCK_BITS:
        raise FieldRangeError("decoder key", None, f"does not fit {BLOCK_BITS} bits")
    inverted = key ^ _MASK
    low = (inverted >> KEY_TURN | inverted << BLOCK_BITS - KEY_TURN) & _MASK
    high = (low << 4 | low >> BLOCK_BITS - 4) & _MASK
    a, b = low.to_bytes(8, "little"), high.to_bytes(8, "little")
    c, d = a[-1:] + a[:-1], b[-1:] + b[:-1]
    none, one, two, three = _CHOICES
    return (
        a.translate(none), a.translate(one), a.translate(two), a.translate(three),
        b.translate(none), b.translate(one), b.translate(two), b.translate(three),
        c.translate(none), c.translate(one), c.translate(two), c.translate(three),
        d.translate(none), d.translate(one), d.translate(two), d.translate(three),
    )  # fmt: skip


def _looked_up(block: int, tables: ByteTables) -> int:
    result = 0
    for table, byte in zip(tables, block.to_bytes(8, "little"), strict=True):
        result |= table[byte]
    return result


def _rounds(block: int, rounds: Iterable[bytes], tables: RoundTables) -> int:
    """The hot loop of the engine, written out: a look-up for each byte of the block."""
    t0, t1, t2, t3, t4, t5, t6, t7 = tables
    for c0, c1, c2, c3, c4, c5, c6, c7 in rounds:
        b0, b1, b2, b3, b4, b5, b6, b7 = block.to_bytes(8, "little")
        block = (
            t0[c0][b0] | t1[c1][b1] | t2[c2][b2] | t3[c3][b3]
            | t4[c4][b4] | t5[c5][b5] | t6[c6][b6] | t7[c7][b7]
        )  # fmt: skip
    return block
