"""What all identifiers have in common: how people write them, and how they are refused.

Every module of this package has the same three functions:

- ``compact(text)`` strips what people put between digits, and checks nothing;
- ``validate(value)`` hands back the one form the engine works with, or raises the error of
  the rule broken;
- ``format(value)`` writes it for people to read.
"""

import re
from typing import Final

from vmsapp.sts.errors import FormatError, LengthError, NotDigits
from vmsapp.sts.fields import require_range

_BETWEEN_DIGITS: Final = re.compile(r"[\s-]+")
_NOT_A_DIGIT: Final = re.compile(r"[^0-9]")


def strip(text: str) -> str:
    """Take spaces and hyphens out.

    Raises:
        FormatError: It is not text.

    >>> strip(" 1234-5678 903")
    '12345678903'
    """
    if not isinstance(text, str):
        raise FormatError("number", f"({type(text).__name__})", "is not text")
    return _BETWEEN_DIGITS.sub("", text)


def digits(field: str, text: str, *lengths: int) -> str:
    """Hand back the bare digits of a number of one of these lengths.

    Raises:
        FormatError: It is not text.
        NotDigits: It holds something else than digits.
        LengthError: It has another length.
    """
    if not isinstance(text, str):
        raise FormatError(field, f"({type(text).__name__})", "is not text")
    if len(text) in lengths and text.isascii() and text.isdigit():
        return text
    bare = strip(text)
    if stray := _NOT_A_DIGIT.search(bare):
        raise NotDigits(field, stray[0], "is not a digit")
    if len(bare) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise LengthError(f"{field} of length", len(bare), f"does not have {wanted} digits")
    return bare


def number(field: str, value: int | str, low: int, high: int) -> int:
    """Hand back a number that lies between ``low`` and ``high``, given as such or as digits.

    Raises:
        NotDigits: Text that holds something else than digits.
        LengthError: Empty text.
        FieldRangeError: It lies outside.

    >>> number("KRN", " 9", 1, 9)
    9
    """
    if isinstance(value, str):
        value = int(digits(field, value, *range(1, 10)))
    return require_range(field, value, low, high)
