"""Texts as they are compared and searched: the same on every database."""

import unicodedata
from typing import Final

MARK: Final = "ᚠᚠ"
"""Begins each text of a key: with it even one letter at a beginning is a trigram.

A letter that nobody types, twice: PostgreSQL makes trigrams of letters and digits alone.
"""


def folded(text: str) -> str:
    """Write a text without regard to capitals and spaces."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def searched(text: str) -> str:
    """Write a text as one is searched."""
    return folded(text).replace(MARK[0], "")


def search_key(*texts: str | None) -> str:
    """Join the texts by which a row is found; nothing that is typed holds the mark between them."""
    return "".join(MARK + searched(text or "") + "\n" for text in texts)
