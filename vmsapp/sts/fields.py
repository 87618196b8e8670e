"""Widths and ranges of the fields of a token, with the names the errors use.

The 66 bits of a token, big end first, and the 44 data bits of a class 0 credit:

======== ===== ==========================================
field    bits  meaning
======== ===== ==========================================
Class        2 0 credit, 1 test and display, 2 management
SubClass     4 kind within the class
data        44 RND 4, TID 24, amount 16 in a credit token
CRC         16 checksum of the 50 bits above
======== ===== ==========================================

Source: IEC 62055-41:2018, "Token format" and "Token data elements".
"""

from enum import IntEnum
from typing import Final

from vmsapp.sts.errors import FieldRangeError

CLASS_BITS: Final = 2
SUBCLASS_BITS: Final = 4
DATA_BITS: Final = 44
CRC_BITS: Final = 16
BLOCK_BITS: Final = SUBCLASS_BITS + DATA_BITS + CRC_BITS
TOKEN_BITS: Final = CLASS_BITS + BLOCK_BITS
TOKEN_DIGITS: Final = 20

RND_BITS: Final = 4
TID_BITS: Final = 24
AMOUNT_BITS: Final = 16
VALUE_BITS: Final = 16


_SHOWN_KINDS: Final = frozenset(("float", "bool", "NoneType", "Decimal"))


class TokenClass(IntEnum):
    """What a token is for; 3 is reserved."""

    CREDIT = 0
    TEST = 1
    MANAGEMENT = 2


def no_number(value: object) -> str:
    """Say what was given instead of a whole number; of text and bytes the type alone: a key?

    >>> no_number(1.5), no_number(None), no_number(b"secret")
    ('1.5', 'None', '(bytes)')
    """
    kind = type(value).__name__
    return str(value) if kind in _SHOWN_KINDS else f"({kind})"


def require_range(field: str, value: int, low: int, high: int) -> int:
    """Hand ``value`` back if it is whole and lies between ``low`` and ``high``, both included.

    Raises:
        FieldRangeError: It is not, or does not.

    >>> require_range("KRN", 9, 1, 9)
    9
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldRangeError(field, no_number(value), "is not a whole number")
    if not low <= value <= high:
        raise FieldRangeError(field, value, f"is not {low} to {high}")
    return value


def require_bits(field: str, value: int, bits: int) -> int:
    """Hand ``value`` back if it is whole and fits ``bits`` unsigned bits.

    Raises:
        FieldRangeError: It does not.

    >>> require_bits("RND", 15, RND_BITS)
    15
    """
    if type(value) is int and not value >> bits:
        return value
    return require_range(field, value, 0, (1 << bits) - 1)


def require_block(block: int) -> int:
    """Hand a block back if it fits 64 bits; it is not shown, for it may be a key.

    Raises:
        FieldRangeError: It does not.
    """
    if type(block) is int and not block >> BLOCK_BITS:
        return block
    raise FieldRangeError("block", None, f"is not a number of {BLOCK_BITS} bits")


def require_flag(field: str, value: bool) -> bool:  # noqa: FBT001 - it is what is checked
    """Hand ``value`` back if it is true or false: a number would spill into other fields.

    Raises:
        FieldRangeError: It is something else.
    """
    if not isinstance(value, bool):
        raise FieldRangeError(field, no_number(value), "is neither true nor false")
    return value


def with_tid(leading: int, tid: int, trailing: int) -> int:
    """Put the 44 data bits together that most tokens have: 4 bits, TID, 16 bits.

    >>> f"{with_tid(11, 0x19EB23, 256):011X}"
    'B19EB230100'
    """
    return (leading << TID_BITS | tid) << VALUE_BITS | trailing


def split_tid(data: int) -> tuple[int, int, int]:
    """Take apart what ``with_tid`` put together.

    >>> split_tid(0xB19EB230100) == (11, 0x19EB23, 256)
    True
    """
    tid = data >> VALUE_BITS & (1 << TID_BITS) - 1
    return data >> TID_BITS + VALUE_BITS, tid, data & (1 << VALUE_BITS) - 1
