"""Bit planes: many words of equal width, turned so that each bit has an integer of its own.

The words are laid out in eight runs, one for each bit of a byte: bit ``c`` of byte ``r`` of a
plane belongs to word ``c * rows + r``, where ``rows`` is an eighth of their number. So a plane
is made from eight strided slices by the three exchanges that transpose an 8 by 8 matrix of
bits, done for all rows at once.

>>> words = bytes([1, 2, 3, 4, 5, 6, 7, 255])
>>> ones = to_planes(words, 1)[0]
>>> [ones >> word & 1 for word in range(8)]
[1, 0, 1, 0, 1, 0, 1, 1]
>>> from_planes(to_planes(words, 1), 8) == words
True
"""

from collections.abc import Sequence
from typing import Final

BITS: Final = 8
EXCHANGES: Final = ((4, 0x0F), (2, 0x33), (1, 0x55))
"""How far apart the bits exchanged are, and which of a byte stay."""

Planes = list[int]


def padded(count: int) -> int:
    """Tell how many words ``count`` is rounded up to: a multiple of eight."""
    return -(-count // BITS) * BITS


def to_planes(words: bytes, width: int) -> Planes:
    """Turn words into planes.

    Args:
        words: The words one after another, their number a multiple of eight.
        width: Bytes in a word, the first of which has the lowest bits.

    Returns:
        ``8 * width`` planes, the lowest bit's first.
    """
    rows = len(words) // width // BITS
    planes: Planes = []
    for place in range(width):
        column = words[place::width]
        runs = (column[start : start + rows] for start in range(0, len(column), rows))
        planes += _transposed([int.from_bytes(run, "little") for run in runs], rows)
    return planes


def from_planes(planes: Sequence[int], count: int) -> bytes:
    """Undo ``to_planes``: give ``count`` words of as many bytes as there are eights of planes."""
    rows, width = count // BITS, len(planes) // BITS
    words = bytearray(width * count)
    for place in range(width):
        runs = _transposed(planes[BITS * place : BITS * (place + 1)], rows)
        words[place::width] = b"".join(run.to_bytes(rows, "little") for run in runs)
    return bytes(words)


def _transposed(matrix: Sequence[int], rows: int) -> Planes:
    """Transpose 8 by 8 bits in each of ``rows`` bytes; doing it twice undoes it."""
    turned = list(matrix)
    for distance, stay in EXCHANGES:
        mask = int.from_bytes(bytes([stay]) * rows, "little")
        for low in range(BITS):
            if not low & distance:
                high = low + distance
                moved = (turned[low] >> distance ^ turned[high]) & mask
                turned[high] ^= moved
                turned[low] ^= moved << distance
    return turned
