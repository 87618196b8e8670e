"""Looking for words in the manual."""

from dataclasses import dataclass
from typing import Final

from vmsapp.services.manual.book import Chapter, Section, whole

MOST: Final = 20
"""How many places are told."""
AROUND: Final = 80
"""How many letters are told on each side of the first word found."""


@dataclass(frozen=True, slots=True)
class Found:
    """A section in which all words stand, and how it reads around the first."""

    chapter: Chapter
    section: Section
    around: str


def find(text: str, language: str) -> list[Found]:
    """The sections that hold every word, those with words in their title first."""
    words = text.casefold().split()
    if not words:
        return []
    found = [
        (sum(word in section.title.casefold() for word in words), Found(
            chapter, section, _around(section.text, words[0])
        ))
        for chapter in whole(language)
        for section in chapter.sections
        if all(word in f"{section.title} {section.text}".casefold() for word in words)
    ]  # fmt: skip
    found.sort(key=lambda pair: -pair[0])
    return [one for _in_title, one in found[:MOST]]


def _around(text: str, word: str) -> str:
    """What stands around a word, cut at words; the beginning where it stands in the title alone."""
    at = max(text.casefold().find(word), 0)
    start, end = max(at - AROUND, 0), at + AROUND
    if start:
        start = text.find(" ", start, at) + 1 or start
    if end < len(text):
        end = text.rfind(" ", at + len(word), end) if " " in text[at + len(word) : end] else end
    return ("… " if start else "") + text[start:end] + (" …" if end < len(text) else "")
