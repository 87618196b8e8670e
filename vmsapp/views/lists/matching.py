"""Words that somebody typed, found in the names of pages, also with a slip of the finger.

Letters count without their accents and capitals. A word matches the name's beginning, a word of
it whole, at its beginning, inside it, or with one letter too many, too few, wrong, or swapped
with the next.

>>> distance("tarif new", "New tariff")
2
>>> distance("mteer", "Meters")
4
>>> distance("printer", "Meters") is None
True
"""

import unicodedata
from itertools import takewhile
from typing import Final

FIRST, WHOLE, BEGINNING, INSIDE, SLIPPED = range(5)

LEAST_SLIPPED: Final = 4
"""Letters of a word in which a slip is forgiven; shorter ones are too many words at once."""


def folded(text: str) -> str:
    """Leave accents and capitals out, and letters of other widths."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(mark for mark in apart if not unicodedata.combining(mark)).casefold()


def distance(typed: str, *names: str) -> int | None:
    """Tell how far a typed text is from a thing's names, the first being the one shown.

    Returns:
        0 where the first name begins with what was typed; ``None`` where a word is in no name.
    """
    far = 0
    named = [folded(name) for name in names]
    for word in folded(typed).split():
        found = [_near(word, name) for name in named]
        matched = [near + place for place, near in enumerate(found) if near is not None]
        if not matched:
            return None
        far += min(matched)
    return far


def _near(word: str, name: str) -> int | None:
    if name.startswith(word):
        return FIRST
    words = name.split()
    if word in words:
        return WHOLE
    if any(one.startswith(word) for one in words):
        return BEGINNING
    if word in name:
        return INSIDE
    if len(word) >= LEAST_SLIPPED and any(_slipped(word, one) for one in words):
        return SLIPPED
    return None


def _slipped(word: str, name: str) -> bool:
    """Tell whether a word begins like a name but for one letter."""
    shared = zip(word, name, strict=False)
    at = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], shared))
    rest, meant = word[at:], name[at:]
    swapped = len(meant) > 1 and rest[:2] == meant[1::-1] and meant[2:].startswith(rest[2:])
    return (
        swapped
        or meant.startswith(rest[1:])  # one too many
        or meant[1:].startswith(rest)  # one too few
        or meant[1:].startswith(rest[1:])  # another one
    )
