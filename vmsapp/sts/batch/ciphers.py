"""The checksum and both ciphers on bit planes: ``crc``, ``ea07`` and ``ea11`` for many blocks.

Planes stand lowest bit first throughout. A turn or permutation costs nothing: planes change
places in a list. What each function computes, its namesake one level up says.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from vmsapp.sts import ea07, ea11
from vmsapp.sts.batch.circuit import Circuit, circuit_of
from vmsapp.sts.batch.planes import Planes
from vmsapp.sts.crc import CURRENCY_SUFFIX, POLYNOMIAL
from vmsapp.sts.fields import BLOCK_BITS, CRC_BITS

WORD: Final = ea11.WORD_BITS
_BYTE: Final = 8
_PADDING_BITS: Final = 6
"""The zeros before the 50 bits that are checked."""


def crc_planes(checked: Sequence[int], ones: int, *, currency: bool) -> Planes:
    """Compute the 16 planes of the checksum, as the token stores it, of 50 planes."""
    register = [ones] * CRC_BITS
    bits = [*checked, *[0] * _PADDING_BITS]
    message = [bits[start : start + _BYTE] for start in range(len(bits) - _BYTE, -1, -_BYTE)]
    if currency:
        suffix = CURRENCY_SUFFIX[0]
        message.append([ones if suffix >> bit & 1 else 0 for bit in range(_BYTE)])
    for byte in message:
        for bit in byte:
            fed_back = register[0] ^ bit
            register = [*register[1:], 0]
            for tap in range(CRC_BITS):
                if POLYNOMIAL >> tap & 1:
                    register[tap] ^= fed_back
    return register[_BYTE:] + register[:_BYTE]


def sta_planes(block: Planes, key: Planes, ones: int, tables: ea07.TableSet) -> Planes:
    """Encrypt 64 planes by EA 07 under 64 planes of key."""
    circuit = _sta_circuit(tables)
    turned = [plane ^ ones for plane in key]
    turned = turned[ea07.KEY_TURN :] + turned[: ea07.KEY_TURN]
    for _ in range(ea07.ROUNDS):
        permuted = [0] * BLOCK_BITS
        for low in range(0, BLOCK_BITS, 4):
            found = circuit.run(block[low : low + 4], ones)
            chooses = turned[low + 3]
            for bit in range(4):
                place = tables.permutation[low + bit]
                permuted[place] = found[bit] ^ chooses & found[4 + bit]
        block = permuted
        turned = turned[-1:] + turned[:-1]
    return block


def sta_inverse_planes(block: Planes, key: Planes, ones: int, tables: ea07.TableSet) -> Planes:
    """Decrypt 64 planes by EA 07: the rounds of ``sta_planes`` undone, the last one first."""
    circuit = _sta_inverse_circuit(tables)
    turned = [plane ^ ones for plane in key]
    last = ea07.KEY_TURN - (ea07.ROUNDS - 1)
    turned = turned[last:] + turned[:last]
    for _ in range(ea07.ROUNDS):
        before = [block[place] for place in tables.permutation]
        block = []
        for low in range(0, BLOCK_BITS, 4):
            chooses = turned[low + 3]
            block += circuit.run([*before[low : low + 4], chooses], ones)[:4]
        turned = turned[1:] + turned[:1]
    return block


@cache
def _sta_inverse_circuit(tables: ea07.TableSet) -> Circuit:
    """Look up what went into table 1, or into table 2 where the fifth bit says so."""
    inverse = [
        [table.index(value) for value in range(16)]
        for table in (tables.substitution1, tables.substitution2)
    ]
    return circuit_of([[*inverse[0], *inverse[1]]], 5)


@cache
def _sta_circuit(tables: ea07.TableSet) -> Circuit:
    """Look up table 1, and what table 2 has different."""
    first, second = tables.substitution1, tables.substitution2
    return circuit_of([first, [a ^ b for a, b in zip(first, second, strict=True)]], 4)


def misty_planes(block: Planes, key: Planes, ones: int) -> Planes:
    """Encrypt 64 planes by EA 11 under 128 planes of key."""
    k = [key[low : low + WORD] for low in range(len(key) - WORD, -1, -WORD)]
    e = [_fi(word, after, ones) for word, after in zip(k, k[1:] + k[:1], strict=True)]
    k, e = k * 2, e * 2
    left, right = block[32:], block[:32]
    for turn in range(0, ea11.ROUNDS, 2):
        left = _fl(left, *ea11.fl_order(k, e, turn))
        right = _fl(right, *ea11.fl_order(k, e, turn + 1))
        right = _xor(right, _fo(left, ea11.fo_order(k, e, turn), ones))
        left = _xor(left, _fo(right, ea11.fo_order(k, e, turn + 1), ones))
    left = _fl(left, *ea11.fl_order(k, e, ea11.ROUNDS))
    return left + _fl(right, *ea11.fl_order(k, e, ea11.ROUNDS + 1))


def _fo(half: Planes, keys: Sequence[Planes], ones: int) -> Planes:
    ko1, ki1, ko2, ki2, ko3, ki3, ko4 = keys
    low = half[:WORD]
    high = _xor(_fi(_xor(half[WORD:], ko1), ki1, ones), low)
    low = _xor(_fi(_xor(low, ko2), ki2, ones), high)
    return _xor(_fi(_xor(high, ko3), ki3, ones), low) + _xor(low, ko4)


def _fl(half: Planes, with_and: Planes, with_or: Planes) -> Planes:
    low = [a ^ b & c for a, b, c in zip(half[:WORD], half[WORD:], with_and, strict=True)]
    return low + [a ^ (b | c) for a, b, c in zip(half[WORD:], low, with_or, strict=True)]


def _fi(word: Planes, key: Planes, ones: int) -> Planes:
    s7, s9 = _misty_circuits()
    seven, nine = word[:7], word[7:]
    nine = _into(s9(nine, ones), seven)
    seven = _xor(s7(seven, ones), nine[:7])
    seven, nine = _xor(seven, key[9:]), _xor(nine, key[:9])
    return _into(s9(nine, ones), seven) + seven


@cache
def _misty_circuits() -> tuple[Callable[[Planes, int], Planes], Callable[[Planes, int], Planes]]:
    return circuit_of([ea11.S7], 7).run, circuit_of([ea11.S9], 9).run


def _xor(left: Planes, right: Planes) -> Planes:
    return [a ^ b for a, b in zip(left, right, strict=True)]


def _into(nine: Planes, seven: Planes) -> Planes:
    """Add 7 bits into the lower end of 9."""
    return _xor(nine[:7], seven) + nine[7:]
