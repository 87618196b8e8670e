"""The digits of many tokens under many keys: ``codec.encode`` for a batch.

Checksum, cipher and the exchange of the class bits happen on bit planes, so a token is touched
by itself only twice: when its data are put together and when its digits are written.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import repeat
from typing import Final

from vmsapp.sts import ea07, ea11, keychange
from vmsapp.sts.batch.ciphers import crc_planes, misty_planes, sta_planes
from vmsapp.sts.batch.keys import DecoderKeys, checked_tis
from vmsapp.sts.batch.planes import BITS, Planes, from_planes, padded, to_planes
from vmsapp.sts.block import build_block, is_currency
from vmsapp.sts.credit import Service
from vmsapp.sts.errors import (
    FieldRangeError,
    KeyRuleError,
    RowRefused,
    StsError,
    TidRangeError,
)
from vmsapp.sts.fields import (
    AMOUNT_BITS,
    BLOCK_BITS,
    CLASS_BITS,
    DATA_BITS,
    RND_BITS,
    SUBCLASS_BITS,
    TID_BITS,
    TokenClass,
    require_bits,
    with_tid,
)
from vmsapp.sts.identifiers import EncryptionAlgorithm
from vmsapp.sts.keychange import KeyTerms
from vmsapp.sts.keys import KeyParameters
from vmsapp.sts.tid import is_reserved
from vmsapp.sts.token import CLASS_SHIFT, written

FEW: Final = 192
"""Below so many rows, one at a time is faster (measured by ``benchmarks/sts.py``)."""

CHUNK: Final = 1 << 16
"""Rows done at once: planes of 8 KiB, all of a cipher's stay in the processor's cache."""

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
    _require_keys(keys, len(blocks))
    _require_column("block", blocks, BLOCK_BITS)
    if len(blocks) < FEW:
        return [_encrypt_one(block, keys, row, tables) for row, block in enumerate(blocks)]
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
        RowRefused: The data of a row do not fit 44 bits.
    """
    _require_keys(keys, len(data))
    require_bits("SubClass", subclass, SUBCLASS_BITS)
    _require_column("data", data, DATA_BITS)
    if len(data) < FEW:
        return [
            written(_encrypt_one(block, keys, row, tables), token_class)
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


def credit_many(
    service: Service,
    amount_fields: Sequence[int],
    tids: Sequence[int],
    rnds: Sequence[int],
    keys: DecoderKeys,
    tables: ea07.TableSet = ea07.PRODUCTION,
) -> list[str]:
    """Make credit tokens in units, a row each: coded amount, TID, RND.

    Raises:
        FieldRangeError: The columns are not of one length.
        RowRefused: A value does not fit, or a TID is reserved.
    """
    for name, column in (("TIDs", tids), ("RNDs", rnds)):
        if len(column) != len(amount_fields):
            raise FieldRangeError(f"number of {name}", len(column), f"is not {len(amount_fields)}")
    _require_column("amount field", amount_fields, AMOUNT_BITS)
    _require_column("TID", tids, TID_BITS)
    _require_column("RND", rnds, RND_BITS)
    for row, tid in enumerate(tids):
        if is_reserved(tid):
            raise RowRefused(row, TidRangeError("TID", tid, "is reserved: it falls on 00:01"))
    data = list(map(with_tid, rnds, tids, amount_fields))
    return encode_many(TokenClass.CREDIT, service, data, keys, tables)


def change_many(
    old_keys: DecoderKeys,
    new_keys: DecoderKeys,
    old: KeyParameters,
    new: KeyParameters,
    tis: Sequence[str] | None = None,
    *,
    moment: datetime | None = None,
    three_tokens: bool = False,
    tables: ea07.TableSet = ea07.PRODUCTION,
) -> list[tuple[str, ...]]:
    """Make the key change tokens of many meters that go from one supply group to another.

    Args:
        old_keys: The meters' present keys.
        new_keys: Their new ones.
        old: Parameters of the present keys; MeterPAN and TI in them count not.
        new: Parameters of the new keys, in the same way.
        tis: New tariff indices, one a meter; None for that of ``new``.
        moment: Aware time of issue; None where it is not known.
        three_tokens: Send the supply group code of a 64-bit key too.
        tables: The tables of EA 07.

    Returns:
        Two, three or four tokens a meter, in the order of their numbers.

    Raises:
        KeyRuleError: As ``keychange.require_change`` says.
        FieldRangeError: The columns are not of one length, or three tokens for 128-bit keys.
        RowRefused: The base date changes and a meter's key does not.
    """
    count = new_keys.count
    _require_keys(old_keys, count)
    new = replace(new, meter_pan=old.meter_pan)
    keychange.require_change(old, new, moment)
    roll_over = old.base_date is not new.base_date
    if roll_over:
        _require_other_keys(old_keys, new_keys)
    columns = _section_columns(new_keys, new, tis, roll_over=roll_over, three_tokens=three_tokens)
    tokens = [
        encode_many(TokenClass.MANAGEMENT, subclass, data, old_keys, tables)
        for subclass, data in columns
    ]
    return list(zip(*tokens, strict=True))


def _section_columns(
    new_keys: DecoderKeys,
    new: KeyParameters,
    tis: Sequence[str] | None,
    *,
    roll_over: bool,
    three_tokens: bool,
) -> list[tuple[int, list[int]]]:
    """The data bits of each section for all meters, with its sub-class.

    The sections of a key of zeros hold what all have in common; the words of each meter's key,
    and its TI, are put into them.
    """
    count, width = new_keys.count, new_keys.ea.key_bytes // keychange.KEY_PART_BYTES
    blank = replace(KeyTerms.of(new), ti="00")
    common = keychange.sections(
        DecoderKeys(new_keys.ea, bytes(new_keys.ea.key_bytes)).key(0),
        blank,
        roll_over=roll_over,
        three_tokens=three_tokens,
    )
    words = struct.unpack(f">{count * width}I", new_keys.reveal())
    of_key: dict[int, Sequence[int]] = {3: words[0::width], 4: words[width - 1 :: width]}
    if width > 2:
        of_key |= {8: words[1::width], 9: words[2::width]}
    tis = [new.ti] * count if tis is None else checked_tis(tis, count)
    columns = []
    for section in common:
        in_all = section.data
        data = [in_all | word for word in of_key.get(section.subclass, repeat(0, count))]
        if isinstance(section, keychange.SecondSection):
            data = [
                one | int(ti) << keychange.KEY_PART_BITS for one, ti in zip(data, tis, strict=True)
            ]
        columns.append((section.subclass, data))
    return columns


def _require_other_keys(old_keys: DecoderKeys, new_keys: DecoderKeys) -> None:
    size = new_keys.ea.key_bytes
    old, new = old_keys.reveal(), new_keys.reveal()
    for row, at in enumerate(range(0, len(new), size)):
        if old[at : at + size] == new[at : at + size]:
            error = KeyRuleError(
                "roll-over", None, "needs another key: give the new one another KRN"
            )
            raise RowRefused(row, error)


def _encrypt_one(block: int, keys: DecoderKeys, row: int, tables: ea07.TableSet) -> int:
    number = keys.key(row).number()
    if keys.ea is EncryptionAlgorithm.STA:
        return ea07.encrypt(block, number, tables)
    return ea11.encrypt(block, number)


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


def _require_keys(keys: DecoderKeys, wanted: int) -> None:
    if keys.count != wanted:
        raise FieldRangeError("number of keys", keys.count, f"is not {wanted}")


def _require_column(field: str, values: Sequence[int], bits: int) -> None:
    """Check a column by its ends, and only if it is not sound look for the row."""
    whole = set(map(type, values)) <= {int}
    if whole and (not values or (min(values) >= 0 and not max(values) >> bits)):
        return
    for row, value in enumerate(values):
        try:
            require_bits(field, value, bits)
        except StsError as error:
            raise RowRefused(row, error) from error
