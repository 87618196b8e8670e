"""Circuits: a table of a cipher as ANDs and XORs, so that it works on planes.

Each output bit of a table is a sum (xor) of products (and) of input bits, its algebraic normal
form. Products and sums that several outputs share are made once: the pair that most sums hold
is joined first, again and again. That is not the smallest circuit, but near it.

>>> circuit = circuit_of([[3, 1, 2, 0]], 2)   # two bits in, the table's two bits out
>>> circuit.run([0b1010, 0b1100], 0b1111) == [0b0011, 0b0101]
True
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import and_, xor
from typing import Final

Gate = tuple[Callable[[int, int], int], int, int]
"""What is done to which two wires."""

ONES_WIRE: Final = 0
"""The wire that is one in every word; the inputs follow it, then each gate adds its own."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """Gates in the order they are done.

    Attributes:
        gates: Each reads wires that are there by then.
        outputs: The wire of each output; None for one that is always 0.
    """

    gates: tuple[Gate, ...]
    outputs: tuple[int | None, ...]

    def run(self, inputs: Sequence[int], ones: int) -> list[int]:
        """Compute the outputs, lowest bit first, of all words at once.

        Args:
            inputs: A plane an input bit, lowest first.
            ones: The plane that is one in every word.
        """
        wires = [ones, *inputs]
        append = wires.append
        for gate, left, right in self.gates:
            append(gate(wires[left], wires[right]))
        return [0 if wire is None else wires[wire] for wire in self.outputs]


def circuit_of(tables: Sequence[Sequence[int]], bits: int) -> Circuit:
    """Make one circuit that looks up several tables at the same place.

    Args:
        tables: Each of ``2**bits`` values of ``bits`` bits.
        bits: How many bits go in.

    Returns:
        A circuit whose outputs are the bits of the first table, then of the second, and so on.
    """
    sums = [_normal_form(table, bit, bits) for table in tables for bit in range(bits)]
    builder = _Builder(bits)
    rows = [{builder.product(monomial) for monomial in sum_} for sum_ in sums]
    return Circuit(*builder.join(rows))


@dataclass
class _Builder:
    """Collects gates; ``wire_of`` tells the wire of each product, a set of input bits."""

    bits: int
    gates: list[Gate] = field(default_factory=list)
    wire_of: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wire_of = {0: ONES_WIRE} | {1 << bit: bit + 1 for bit in range(self.bits)}

    def product(self, monomial: int) -> int:
        """Give the wire of a product of input bits, from two smaller ones where it is new."""
        if monomial not in self.wire_of:
            lowest = monomial & -monomial
            parts = next(
                (
                    (known, monomial ^ known)
                    for known in self.wire_of
                    if known and known & monomial == known and monomial ^ known in self.wire_of
                ),
                (lowest, monomial ^ lowest),
            )
            left, right = map(self.product, parts)
            self.wire_of[monomial] = self._add(and_, left, right)
        return self.wire_of[monomial]

    def join(self, rows: list[set[int]]) -> tuple[tuple[Gate, ...], tuple[int | None, ...]]:
        """Add up each row of wires, sharing what rows have in common."""
        while any(len(row) > 1 for row in rows):
            pairs: Counter[tuple[int, int]] = Counter()
            for row in rows:
                pairs.update(combinations(sorted(row), 2))
            (pair, _), *_rest = pairs.most_common(1)
            wire = self._add(xor, *pair)
            for row in rows:
                if row.issuperset(pair):
                    row.difference_update(pair)
                    row.add(wire)
        return tuple(self.gates), tuple(next(iter(row), None) for row in rows)

    def _add(self, gate: Callable[[int, int], int], left: int, right: int) -> int:
        self.gates.append((gate, left, right))
        return self.bits + len(self.gates)


def _normal_form(table: Sequence[int], output: int, bits: int) -> list[int]:
    """Tell which products one output bit is the sum of, small ones first.

    A product is written as a number: bit ``i`` set says that input ``i`` is in it.
    """
    holds = [value >> output & 1 for value in table]
    for bit in range(bits):
        for place in range(1 << bits):
            if place >> bit & 1:
                holds[place] ^= holds[place ^ 1 << bit]
    return sorted(
        (place for place in range(1 << bits) if holds[place]), key=int.bit_count
    )  # fmt: skip
