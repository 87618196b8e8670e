"""The 64-bit data block: what is encrypted.

======== ===== ==============================
field    bits  place
======== ===== ==============================
SubClass     4 63..60
data        44 59..16
CRC         16 15..0, over Class, SubClass and data
======== ===== ==============================

The class is checked by the CRC but not part of the block: it travels beside it.

Source: IEC 62055-41:2018, "Token format".

>>> block = build_block(token_class=0, subclass=0, data=0xB19EB230100)
>>> f"{block:016X}"
'0B19EB230100C207'
>>> split_block(block, token_class=0) == (0, 0xB19EB230100)
True
"""

from collections.abc import Sequence
from typing import Final

from vmsapp.sts.crc import checksum, checksums
from vmsapp.sts.errors import CrcError
from vmsapp.sts.fields import (
    CLASS_BITS,
    CRC_BITS,
    DATA_BITS,
    SUBCLASS_BITS,
    TokenClass,
    require_bits,
    require_block,
)

_CREDIT: Final = int(TokenClass.CREDIT)


def is_currency(token_class: int, subclass: int) -> bool:
    """Tell whether a token carries money, and so the checksum of currency tokens.

    >>> is_currency(0, 4), is_currency(0, 3), is_currency(2, 4)
    (True, False, False)
    """
    return token_class == _CREDIT and 4 <= subclass <= 7


def build_block(*, token_class: int, subclass: int, data: int) -> int:
    """Put sub-class, 44 data bits and their checksum together.

    Raises:
        FieldRangeError: A part does not fit its bits.
    """
    require_bits("Class", token_class, CLASS_BITS)
    require_bits("SubClass", subclass, SUBCLASS_BITS)
    return with_crc(token_class, subclass, require_bits("data", data, DATA_BITS))


def with_crc(token_class: int, subclass: int, data: int) -> int:
    """Do what ``build_block`` does with parts that are known to fit, as a token's do."""
    body = subclass << DATA_BITS | data
    checked = token_class << SUBCLASS_BITS + DATA_BITS | body
    return body << CRC_BITS | checksum(checked, currency=is_currency(token_class, subclass))


def with_crcs(token_class: int, subclass: int, column: Sequence[int]) -> list[int]:
    """Do what ``with_crc`` does for the data of many tokens of one kind."""
    above = token_class << SUBCLASS_BITS + DATA_BITS
    bodies = [subclass << DATA_BITS | data for data in column]
    crcs = checksums(map(above.__or__, bodies), currency=is_currency(token_class, subclass))
    return [body << CRC_BITS | crc for body, crc in zip(bodies, crcs, strict=True)]


def split_block(block: int, *, token_class: int) -> tuple[int, int]:
    """Check a plain block and take it apart.

    Returns:
        Sub-class and the 44 data bits.

    Raises:
        FieldRangeError: ``block`` does not fit 64 bits, or ``token_class`` 2.
        CrcError: The checksum is wrong.
    """
    body = require_block(block) >> CRC_BITS
    subclass, data = body >> DATA_BITS, body & (1 << DATA_BITS) - 1
    require_bits("Class", token_class, CLASS_BITS)
    if with_crc(token_class, subclass, data) != block:
        found = block & (1 << CRC_BITS) - 1
        rule = "is not that of the rest: another key, another meter or a slip in the digits"
        raise CrcError("CRC", f"{found:04X}", rule)
    return subclass, data
