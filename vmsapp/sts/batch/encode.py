"""The digits of many tokens under many keys: ``codec.encode`` for a batch.

Checksum, cipher and the exchange of the class bits happen on bit planes, so a token is touched
by itself only twice: when its data are put together and when its digits are written.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from vmsapp.sts import ea07
from vmsapp.sts.batch.ciphers import crc_planes, misty_planes, sta_inverse_planes, sta_planes
from vmsapp.sts.batch.keys import DecoderKeys
from vmsapp.sts.batch.planes import BITS, Planes, from_planes, padded, to_planes
from vmsapp.sts.block import build_block, is_currency, with_crcs
from vmsapp.sts.codec import encrypt
from vmsapp.sts.errors import FieldRangeError, ReservedToken, RowRefused, StsError
from vmsapp.sts.fields import (
    BLOCK_BITS,
    CLASS_BITS,
    DATA_BITS,
    SUBCLASS_BITS,
    TokenClass,
    require_bits,
)
from vmsapp.sts.identifiers import EncryptionAlgorithm
from vmsapp.sts.token import CLASS_SHIFT, split_classes, written

FEW: Final = 192
"""Below so many rows, one at a time is faster (measured by ``benchmarks/sts.py``)."""

CHUNK: Final = 1 << 16
"""Rows done at once: planes of 8 KiB, all of a cipher's stay in the processor's cache."""

ENCRYPTED: Final = (TokenClass.CREDIT, TokenClass.MANAGEMENT)
"""The classes whose tokens are of one meter."""

_BLOCK_BYTES: Final = BLOCK_BITS // BITS
_BODY_BITS: Final = SUBCLASS_BITS + DATA_BITS


def encrypt_many(
    blocks: Sequence[int], keys: DecoderKeys, tables: ea07.TableSet = ea07.PRODUCTION
) -> list[int]:
    """Encrypt blocks of 64 bits, each under the key of its row.

    Raises:
        FieldRangeError: There are not as many keys as blocks.
        RowRefused: A block does not fit its bits.
    """
    require_keys(keys, len(blocks))
    require_column("block", blocks, BLOCK_BITS)
    if len(blocks) < FEW:
        return [encrypt(block, keys.key(row), tables) for row, block in enumerate(blocks)]
    found: list[int] = []
    for chunk, key_planes in _chunks(blocks, keys):
        planes, ones = _planes_of(chunk)
        cipher = _encrypted(planes, key_planes, ones, keys.ea, tables)
        found += _words(from_planes(cipher, padded(len(chunk))))[: len(chunk)]
    return found


def encode_many(
    token_class: TokenClass,
    subclass: int,
    data: Sequence[int],
    keys: DecoderKeys,
    tables: ea07.TableSet = ea07.PRODUCTION,
) -> list[str]:
    """Make the digits of tokens of one kind.

    Args:
        token_class: Credit or management; a test token is the same for every meter.
        subclass: Sub-class of all of them.
        data: The 44 data bits of each, which are not looked into.
        keys: As many decoder keys.
        tables: The tables of EA 07.

    Raises:
        FieldRangeError: There are not as many keys, or the sub-class does not fit.
        ReservedToken: Neither credit nor management.
        RowRefused: The data of a row do not fit 44 bits.
    """
    require_keys(keys, len(data))
    if token_class not in ENCRYPTED:
        raise ReservedToken("Class", token_class, "is not encrypted under a meter's key")
    require_bits("SubClass", subclass, SUBCLASS_BITS)
    require_column("data", data, DATA_BITS)
    if len(data) < FEW:
        return [
            written(encrypt(block, keys.key(row), tables), token_class)
            for row, block in enumerate(
                build_block(token_class=token_class, subclass=subclass, data=each) for each in data
            )
        ]
    digits: list[str] = []
    for chunk, key_planes in _chunks(data, keys):
        planes, ones = _planes_of(chunk)
        head = token_class << SUBCLASS_BITS | subclass
        body = planes[:DATA_BITS] + [
            ones if head >> bit & 1 else 0 for bit in range(SUBCLASS_BITS + CLASS_BITS)
        ]
        crc = crc_planes(body, ones, currency=is_currency(token_class, subclass))
        block = crc + body[:_BODY_BITS]
        cipher = _encrypted(block, key_planes, ones, keys.ea, tables)
        digits += _digits(cipher, ones, token_class, len(chunk))
    return digits


def read_back(
    token_class: TokenClass,
    subclass: int,
    data: Sequence[int],
    digits: Sequence[str],
    keys: DecoderKeys,
    tables: ea07.TableSet = ea07.PRODUCTION,
) -> bool:
    """Tell whether digits under EA 07 say what was to be said, each under the key of its row.

    They are decrypted by circuits of the inverse tables, and compared with checksum and data
    put together by tables: little of it is shared with what made them.
    """
    require_keys(keys, len(digits))
    assert keys.ea is EncryptionAlgorithm.STA, "EA 11 is read back one by one"
    ciphers, classes = split_classes(list(map(int, digits)))
    if not classes <= {token_class}:
        return False
    plain: list[int] = []
    for chunk, key_planes in _chunks(ciphers, keys):
        planes, ones = _planes_of(chunk)
        blocks = sta_inverse_planes(planes, key_planes, ones, tables)
        plain += _words(from_planes(blocks, padded(len(chunk))))[: len(chunk)]
    return plain == with_crcs(token_class, subclass, data)


def _encrypted(
    block: Planes, key: Planes, ones: int, ea: EncryptionAlgorithm, tables: ea07.TableSet
) -> Planes:
    if ea is EncryptionAlgorithm.STA:
        return sta_planes(block, key, ones, tables)
    return misty_planes(block, key, ones)


def _digits(cipher: Planes, ones: int, token_class: int, count: int) -> list[str]:
    """Exchange the class bits and write the numbers."""
    high = cipher[CLASS_SHIFT : CLASS_SHIFT + CLASS_BITS]
    for bit in range(CLASS_BITS):
        cipher[CLASS_SHIFT + bit] = ones if token_class >> bit & 1 else 0
    words = _words(from_planes(cipher, padded(count)))
    tops = from_planes(high + [0] * (BITS - CLASS_BITS), padded(count))
    above = [top << BLOCK_BITS for top in range(1 << CLASS_BITS)]
    return [f"{above[top] | word:020d}" for top, word in zip(tops[:count], words, strict=False)]


def _chunks(rows: Sequence[int], keys: DecoderKeys) -> Iterator[tuple[Sequence[int], Planes]]:
    """Part a batch into chunks, each with the planes of its keys."""
    size, all_keys = keys.ea.key_bytes, keys.reveal()
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        value = all_keys[start * size : (start + len(chunk)) * size]
        spare = bytes((padded(len(chunk)) - len(chunk)) * size)
        yield chunk, to_planes(_low_byte_first(value, size) + spare, size)


def _low_byte_first(keys: bytes, size: int) -> bytes:
    turned = bytearray(len(keys))
    for place in range(size):
        turned[place::size] = keys[size - 1 - place :: size]
    return bytes(turned)


def _planes_of(words: Sequence[int]) -> tuple[Planes, int]:
    """Turn words of 64 bits into planes, and give the plane of ones as wide as they."""
    count = padded(len(words))
    packed = struct.pack(f"<{len(words)}Q", *words)
    return to_planes(packed.ljust(count * _BLOCK_BYTES, b"\x00"), _BLOCK_BYTES), (1 << count) - 1


def _words(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // _BLOCK_BYTES}Q", packed)


def require_keys(keys: DecoderKeys, wanted: int) -> None:
    """Refuse more or fewer keys than rows.

    Raises:
        FieldRangeError: There are not ``wanted``.
    """
    if keys.count != wanted:
        raise FieldRangeError("number of keys", keys.count, f"is not {wanted}")


def require_column(field: str, values: Sequence[int], bits: int) -> None:
    """Check a column by its ends, and only if it is not sound look for the row.

    Raises:
        RowRefused: A value is not whole or does not fit its bits.
    """
    whole = set(map(type, values)) <= {int}
    if whole and (not values or (min(values) >= 0 and not max(values) >> bits)):
        return
    for row, value in enumerate(values):
        try:
            require_bits(field, value, bits)
        except StsError as error:
            raise RowRefused(row, error) from error
