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

CREDIT_CLASS: Final = 0
CREDIT_SUBCLASS_MAX: Final = 3
"""Highest credit sub-class whose amount is in units; 4 to 7 carry currency."""

KRN_MIN: Final = 1
KRN_MAX: Final = 9
KEN_MAX: Final = 255


def require_range(field: str, value: int, low: int, high: int) -> int:
    """Hand ``value`` back if it lies between ``low`` and ``high``, both included.

    Raises:
        FieldRangeError: It does not.

    >>> require_range("KRN", 9, 1, 9)
    9
    """
    if not low <= value <= high:
        raise FieldRangeError(field, value, f"is not {low} to {high}")
    return value


def require_bits(field: str, value: int, bits: int) -> int:
    """Hand ``value`` back if it fits ``bits`` unsigned bits.

    Raises:
        FieldRangeError: It does not.

    >>> require_bits("RND", 15, RND_BITS)
    15
    """
    return require_range(field, value, 0, (1 << bits) - 1)
