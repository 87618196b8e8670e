"""The check digit of DRN and MeterPAN.

From the right, every other digit is doubled and its digits added; the check digit brings
the sum of all to a multiple of ten.

Source: ISO/IEC 7812-1, Annex B, "Luhn formula for computing modulus 10 check digit".

>>> check_digit("7992739871")
'3'
>>> is_valid("79927398713")
True
"""

from typing import Final

from vmsapp.sts.errors import NotDigits

PLAIN: Final = bytes(code - 0x30 if 0x30 <= code <= 0x39 else 0 for code in range(256))
"""What each digit, by its character code, is worth in its place."""

DOUBLED: Final = bytes(sum(divmod(2 * value, 10)) for value in PLAIN)
"""And in a doubled place."""


def check_digit(digits: str) -> str:
    """Compute the digit that belongs after ``digits``.

    Raises:
        NotDigits: Something else stands among them.
    """
    if not (isinstance(digits, str) and digits.isascii() and digits.isdigit()):
        raise NotDigits("number to check", None, "is not digits")
    codes = digits.encode()
    total = sum(codes[::-2].translate(DOUBLED)) + sum(codes[-2::-2].translate(PLAIN))
    return str(-total % 10)


def is_valid(digits: str) -> bool:
    """Tell whether the last of at least two digits checks the others.

    Raises:
        NotDigits: Something else stands among them, or there are fewer.
    """
    return check_digit(digits[:-1]) == digits[-1]
