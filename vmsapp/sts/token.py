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

from collections.abc import Sequence
from typing import Final, Protocol

from vmsapp.sts.errors import TokenRangeError
from vmsapp.sts.fields import (
    BLOCK_BITS,
    CLASS_BITS,
    TOKEN_BITS,
    TOKEN_DIGITS,
    TokenClass,
    require_bits,
    require_block,
)
from vmsapp.sts.identifiers import shape

CLASS_SHIFT: Final = 27
"""Where the class bits stand in a token: bits 28 and 27."""

_CLASS_MASK: Final = (1 << CLASS_BITS) - 1


class Token(Protocol):
    """What every token says of itself."""

    @property
    def token_class(self) -> TokenClass:
        """Class, 0 to 2."""

    @property
    def subclass(self) -> int:
        """Sub-class, 0 to 15."""

    @property
    def data(self) -> int:
        """44 data bits."""

    @property
    def tid(self) -> int | None:
        """Token identifier; None for tokens without one."""


def join_class(block64: int, token_class: int) -> int:
    """Insert the class into a block, encrypted or not, giving the 66-bit token.

    Raises:
        FieldRangeError: ``block64`` does not fit 64 bits, or ``token_class`` 2.
    """
    require_block(block64)
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


def split_classes(tokens66: Sequence[int]) -> tuple[list[int], set[int]]:
    """Undo ``join_class`` for many tokens: give the blocks, and which classes they are of.

    Raises:
        FieldRangeError: One does not fit 66 bits.
    """
    for token in (min(tokens66, default=0), max(tokens66, default=0)):
        require_bits("token", token, TOKEN_BITS)
    keep = (1 << BLOCK_BITS) - 1 ^ _CLASS_MASK << CLASS_SHIFT
    blocks = [token & keep | token >> BLOCK_BITS << CLASS_SHIFT for token in tokens66]
    return blocks, {token >> CLASS_SHIFT & _CLASS_MASK for token in tokens66}


def to_digits(token66: int) -> str:
    """Write a 66-bit token as exactly 20 digits, leading zeros kept.

    Raises:
        FieldRangeError: ``token66`` does not fit 66 bits.
    """
    return f"{require_bits('token', token66, TOKEN_BITS):0{TOKEN_DIGITS}d}"


def written(block64: int, token_class: int) -> str:
    """Write a token's digits from a block and a class that are known to fit.

    >>> written(0x6543210987654321, 1) == to_digits(join_class(0x6543210987654321, 1))
    True
    """
    displaced = block64 >> CLASS_SHIFT & _CLASS_MASK
    rest = block64 ^ (displaced ^ token_class) << CLASS_SHIFT
    return f"{displaced << BLOCK_BITS | rest:020d}"


def from_digits(text: str) -> int:
    """Read 20 digits, spaces and hyphens between them allowed, as a 66-bit token.

    Raises:
        FormatError: It is not text.
        NotDigits: Something else stands among the digits.
        LengthError: There are more or fewer than 20.
        TokenRangeError: The number is more than 66 bits can hold.
    """
    token66 = int(shape.digits("token", text, TOKEN_DIGITS))
    if token66 >> TOKEN_BITS:
        rule = f"(its first digits) is above the largest number of {TOKEN_BITS} bits"
        raise TokenRangeError("token", compact_token(text)[:4], rule)
    return token66


def compact_token(text: str) -> str:
    """Strip what people put between digits: spaces and hyphens."""
    return shape.strip(text)


def format_token(digits: str) -> str:
    """Group a token as it is printed: five times four digits.

    Raises:
        FormatError: Not a token's digits; ``from_digits`` tells the kinds apart.
    """
    digits = to_digits(from_digits(digits))
    return " ".join(digits[start : start + 4] for start in range(0, TOKEN_DIGITS, 4))
