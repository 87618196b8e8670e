"""How many text messages a text takes: by its characters, seven bits or sixteen each.

One character outside the default alphabet makes all of them cost sixteen bits, so spaces that
only look different are made plain ones.

Source: 3GPP TS 23.038, 6.2.1 "GSM 7 bit Default Alphabet" and 6.2.1.1 "GSM 7 bit default alphabet
extension table"; 3GPP TS 23.040, 9.2.3.24.1 "Concatenated Short Messages".

>>> segments("Token 1234"), segments("a" * 160), segments("a" * 161)
(1, 1, 2)
>>> segments("充" * 70), segments("充" * 71)
(1, 2)
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from vmsapp.errors import N_, Refused

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Each takes the place of two."""

ALONE: Final = {7: 160, 16: 70}
"""Characters of one message, by bits; a character of sixteen may be half of a sign."""
IN_PARTS: Final = {7: 153, 16: 67}
"""Characters of each part of a longer one."""

MOST_SEGMENTS: Final = 6
"""Parts that one receipt may take: a credit and four tokens of a key change, in Arabic."""

ISOLATES: Final = "\u2068\u2069"
PLAIN: Final = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "·": "-"} | dict.fromkeys(ISOLATES)
)
"""Isolates are left out: plain telephones show a box for each, and a line has one amount."""


class SmsTooLong(Refused):
    """It would take more messages than a receipt may."""

    code = "sms_too_long"
    message = N_(
        "This receipt would take %(count)s text messages, and at most %(most)s are sent. Send it by"
        " e-mail or print it."
    )


def plain(text: str) -> str:
    r"""Write a text with plain spaces, hyphens and quotes, and without isolates.

    >>> plain("\u20685.00\u00a0USD\u2069")
    '5.00 USD'
    """
    return text.translate(PLAIN)


def segments(text: str) -> int:
    """Count the messages that a text takes."""
    if all(mark in BASIC or mark in EXTENDED for mark in text):
        bits, length = 7, len(text) + sum(mark in EXTENDED for mark in text)
    else:
        bits, length = 16, len(text.encode("utf-16-le")) // 2
    return 1 if length <= ALONE[bits] else ceil(length / IN_PARTS[bits])


def sms_of(lines: Sequence[str]) -> str:
    """Write lines as one text.

    Raises:
        SmsTooLong: It would take too many messages.
    """
    text = plain("\n".join(line for line in lines if line))
    count = segments(text)
    if count > MOST_SEGMENTS:
        raise SmsTooLong(count=count, most=MOST_SEGMENTS)
    return text
