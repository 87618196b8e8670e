"""Tokens for a campaign: credit, or a change of keys, for many meters of one supply group."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import repeat

from vmsapp.sts import ea07, keychange
from vmsapp.sts.batch.encode import encode_many, require_column, require_keys
from vmsapp.sts.batch.keys import DecoderKeys
from vmsapp.sts.credit import CreditToken, Service
from vmsapp.sts.errors import (
    FieldRangeError,
    KeyExpired,
    KeyRuleError,
    RowRefused,
    TidRangeError,
)
from vmsapp.sts.fields import (
    AMOUNT_BITS,
    RND_BITS,
    TID_BITS,
    TokenClass,
    require_range,
    with_tid,
)
from vmsapp.sts.keychange import KeyTerms
from vmsapp.sts.keys import KeyParameters
from vmsapp.sts.rules import require_change, require_forward, require_usable
from vmsapp.sts.tid import is_reserved


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
        KeyTypeRefused: Keys of this type take no credit.
        RowRefused: A value does not fit, a TID is reserved, or past the keys' expiry.
    """
    require_range("SubClass", service, min(Service), max(Service))
    for name, column in (("TIDs", tids), ("RNDs", rnds)):
        if len(column) != len(amount_fields):
            raise FieldRangeError(f"number of {name}", len(column), f"is not {len(amount_fields)}")
    require_column("amount field", amount_fields, AMOUNT_BITS)
    require_column("TID", tids, TID_BITS)
    require_column("RND", rnds, RND_BITS)
    for row, tid in enumerate(tids):
        if is_reserved(tid):
            raise RowRefused(row, TidRangeError("TID", tid, "is reserved: it falls on 00:01"))
    if keys.like is not None and amount_fields:
        _require_all_usable(service, tids, keys.like)
    data = list(map(with_tid, rnds, tids, amount_fields))
    return encode_many(TokenClass.CREDIT, service, data, keys, tables)


def _require_all_usable(service: Service, tids: Sequence[int], like: KeyParameters) -> None:
    """Test key type and expiry on the latest TID, which is the first to be past it."""
    latest = max(range(len(tids)), key=tids.__getitem__)
    try:
        require_usable(CreditToken(service, 0, tids[latest], 0), like.kt, ken=like.ken)
    except KeyExpired as error:
        raise RowRefused(latest, error) from error


def change_many(
    old_keys: DecoderKeys,
    new_keys: DecoderKeys,
    *,
    moment: datetime | None = None,
    three_tokens: bool = False,
    tables: ea07.TableSet = ea07.PRODUCTION,
) -> list[tuple[str, ...]]:
    """Make the key change tokens of many meters that go from one supply group to another.

    What the tokens say of the new keys, TIs included, is what those were derived for.

    Args:
        old_keys: The meters' present keys, from ``derive_many``.
        new_keys: Their new ones, likewise, in the same order.
        moment: Aware time of issue; None where it is not known.
        three_tokens: Send the supply group code of a 64-bit key too.
        tables: The tables of EA 07.

    Returns:
        Two, three or four tokens a meter, in the order of their numbers.

    Raises:
        KeyRuleError: It goes back to an earlier base date, as ``rules.require_change`` says, or
            keys are not from ``derive_many``.
        FieldRangeError: There are not as many old keys, or three tokens for 128-bit keys.
        RowRefused: The base date changes and a meter's key does not.
    """
    columns = sections_many(old_keys, new_keys, moment=moment, three_tokens=three_tokens)
    tokens = [
        encode_many(TokenClass.MANAGEMENT, subclass, data, old_keys, tables)
        for subclass, data in columns
    ]
    return list(zip(*tokens, strict=True))


def sections_many(
    old_keys: DecoderKeys,
    new_keys: DecoderKeys,
    *,
    moment: datetime | None = None,
    three_tokens: bool = False,
) -> list[tuple[int, list[int]]]:
    """Part the new keys into what the tokens say, before it is encrypted; as ``change_many``.

    Returns:
        For each token of a set its sub-class, and the 44 data bits of each meter.
    """
    require_keys(old_keys, new_keys.count)
    old = _parameters(old_keys)
    new = replace(_parameters(new_keys), meter_pan=old.meter_pan)
    require_change(old, new, moment)
    require_forward(old, new)
    roll_over = old.base_date is not new.base_date
    if roll_over:
        _require_other_keys(old_keys, new_keys)
    return _section_columns(new_keys, new, roll_over=roll_over, three_tokens=three_tokens)


def _section_columns(
    new_keys: DecoderKeys,
    new: KeyParameters,
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
    tis = [new.ti] * count if new_keys.tis is None else new_keys.tis
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


def _parameters(keys: DecoderKeys) -> KeyParameters:
    if keys.like is None:
        raise KeyRuleError("decoder keys", None, "are of an unknown group: derive them")
    return keys.like


def _require_other_keys(old_keys: DecoderKeys, new_keys: DecoderKeys) -> None:
    size = new_keys.ea.key_bytes
    old, new = old_keys.reveal(), new_keys.reveal()
    for row, at in enumerate(range(0, len(new), size)):
        if old[at : at + size] == new[at : at + size]:
            error = KeyRuleError("roll-over", None, "needs another vending key, under another KRN")
            raise RowRefused(row, error)
