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

from vmsapp.sts.crc import token_crc
from vmsapp.sts.errors import CrcError
from vmsapp.sts.fields import (
    BLOCK_BITS,
    CLASS_BITS,
    CRC_BITS,
    DATA_BITS,
    SUBCLASS_BITS,
    require_bits,
)


def build_block(*, token_class: int, subclass: int, data: int) -> int:
    """Put sub-class, 44 data bits and their checksum together.

    Raises:
        FieldRangeError: A part does not fit its bits.
    """
    checked = _checked(token_class, subclass, require_bits("data", data, DATA_BITS))
    body = subclass << DATA_BITS | data
    return body << CRC_BITS | token_crc(checked)


def split_block(block: int, *, token_class: int) -> tuple[int, int]:
    """Check a plain block and take it apart.

    Returns:
        Sub-class and the 44 data bits.

    Raises:
        FieldRangeError: ``block`` does not fit 64 bits, or ``token_class`` 2.
        CrcError: The checksum is wrong.
    """
    body = require_bits("block", block, BLOCK_BITS) >> CRC_BITS
    subclass, data = body >> DATA_BITS, body & (1 << DATA_BITS) - 1
    if token_crc(_checked(token_class, subclass, data)) != block & (1 << CRC_BITS) - 1:
        raise CrcError("token", None, "fails its checksum")
    return subclass, data


def _checked(token_class: int, subclass: int, data: int) -> int:
    require_bits("Class", token_class, CLASS_BITS)
    require_bits("SubClass", subclass, SUBCLASS_BITS)
    return (token_class << SUBCLASS_BITS | subclass) << DATA_BITS | data
