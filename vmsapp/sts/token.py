"""The token as the customer types it: 66 bits written as 20 decimal digits.

The two class bits take the place of bits 28 and 27 of the block; what stood there moves to
bits 65 and 64, on top. So the class can be read before anything is decrypted.

Source: IEC 62055-41:2018, 6.4.2 "Transposition of the Class bits"; IEC 62055-51.

>>> token = join_class(0x6543210987654321, token_class=1)
>>> f"{token:018X}"
'00654321098F654321'
>>> format_token(to_digits(token))
'0729 6712 1462 1453 5969'
"""

import re
from typing import Final

from vmsapp.sts.errors import FormatError
from vmsapp.sts.fields import BLOCK_BITS, CLASS_BITS, TOKEN_BITS, TOKEN_DIGITS, require_bits

CLASS_SHIFT: Final = 27
"""Where the class bits stand in a token: bits 28 and 27."""

_CLASS_MASK: Final = (1 << CLASS_BITS) - 1


def join_class(block64: int, token_class: int) -> int:
    """Insert the class into a block, encrypted or not, giving the 66-bit token.

    Raises:
        FieldRangeError: ``block64`` does not fit 64 bits, or ``token_class`` 2.
    """
    require_bits("block", block64, BLOCK_BITS)
    require_bits("Class", token_class, CLASS_BITS)
    displaced = block64 >> CLASS_SHIFT & _CLASS_MASK
    rest = block64 & ~(_CLASS_MASK << CLASS_SHIFT)
    return displaced << BLOCK_BITS | rest | token_class << CLASS_SHIFT


def split_class(token66: int) -> tuple[int, int]:
    """Undo ``join_class``: give the 64-bit block and the class.

    Raises:
        FieldRangeError: ``token66`` does not fit 66 bits.
    """
    require_bits("token", token66, TOKEN_BITS)
    token_class = token66 >> CLASS_SHIFT & _CLASS_MASK
    displaced = token66 >> BLOCK_BITS
    rest = token66 & ((1 << BLOCK_BITS) - 1 ^ _CLASS_MASK << CLASS_SHIFT)
    return rest | displaced << CLASS_SHIFT, token_class


def to_digits(token66: int) -> str:
    """Write a 66-bit token as exactly 20 digits, leading zeros kept.

    Raises:
        FieldRangeError: ``token66`` does not fit 66 bits.
    """
    return f"{require_bits('token', token66, TOKEN_BITS):0{TOKEN_DIGITS}d}"


def from_digits(text: str) -> int:
    """Read 20 digits, spaces and hyphens between them allowed, as a 66-bit token.

    Raises:
        FormatError: Not 20 digits, or more than 66 bits can hold. The digits are not shown.
    """
    digits = compact_token(text)
    if not re.fullmatch(f"[0-9]{{{TOKEN_DIGITS}}}", digits):
        raise FormatError("token", None, f"is not {TOKEN_DIGITS} digits")
    if (token66 := int(digits)) >> TOKEN_BITS:
        raise FormatError("token", None, f"is above the largest of {TOKEN_BITS} bits")
    return token66


def compact_token(text: str) -> str:
    """Strip what people put between digits: spaces and hyphens."""
    return re.sub(r"[\s-]", "", text)


def format_token(digits: str) -> str:
    """Group a token as it is printed: five times four digits.

    Raises:
        FormatError: Not a token's digits.
    """
    digits = to_digits(from_digits(digits))
    return " ".join(digits[start : start + 4] for start in range(0, TOKEN_DIGITS, 4))
