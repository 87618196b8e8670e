"""Chapters of the manual, read from Markdown.

A chapter is ``docs/manual/<language>/<name>.md``: a title, and sections whose headings end in the
name by which pages and links know them. Names of sections are unique in the whole manual, and the
same in every language:

    # The counter
    ## Find the meter {#find}

A language that lacks a chapter has it in English. HTML in a chapter is text; pictures and links
lead within the manual.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from config import ROOT

FOLDER: Final = ROOT / "docs" / "manual"
FIGURES: Final = FOLDER / "figures"
SHOWN_AT: Final = "/help"
"""Where the product shows it."""
WRITTEN_FIRST: Final = "en"
"""The language in which every chapter is written."""

CHAPTERS: Final = (
    "about", "first-start", "signing-in", "counter", "registration", "tariffs", "setup",
    "engineering", "reports", "audit", "keyboard", "trouble",
)  # fmt: skip
"""Their names, in the order of the book."""

OPENS: Final = "heading_open"
CUT: Final = ("h1", "h2")
BREAKS: Final = ("softbreak", "hardbreak")
NAMED: Final = re.compile(r"\s*\{#([a-z0-9-]+)\}$")
CHAPTER: Final = re.compile(r"(?:(?:\.\./en/)?([a-z-]+)\.md)?(?:#([a-z0-9-]+))?")
"""How a chapter names another, or that it is there in English alone."""
SIZE: Final = struct.Struct(">II")
"""Where a PNG keeps its size: width and height, from byte 16."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a chapter.

    Attributes:
        name: Its anchor.
        html: What stands below its heading, ready to be shown.
        text: The same without marks, for the search.
    """

    name: str
    title: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter in a language; ``language`` is the one it is written in."""

    name: str
    language: str
    title: str
    lead: str
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True)
class _Part:
    """A heading, and what stands below it."""

    name: str
    title: str
    tokens: Sequence[Token]


def is_written(name: str, language: str) -> bool:
    """Whether a chapter is there in a language."""
    return name in CHAPTERS and _file(name, language).is_file()


@cache
def chapter(name: str, language: str) -> Chapter:
    """Read a chapter, in English where the language lacks it.

    Raises:
        LookupError: There is no such chapter.
    """
    if name not in CHAPTERS:
        raise LookupError(name)
    spoken = language if is_written(name, language) else WRITTEN_FIRST
    tokens = _markdown().parse(_file(name, spoken).read_text(encoding="utf-8"))
    head, *parts = _parted(_shown(tokens, language))
    sections = [
        Section(part.name, part.title, _html(part.tokens), _text(part.tokens)) for part in parts
    ]
    return Chapter(name, spoken, head.title, _html(head.tokens), sections)


def whole(language: str) -> list[Chapter]:
    """All chapters, in the order of the book."""
    return [chapter(name, language) for name in CHAPTERS]


def figure(name: str, language: str) -> Path | None:
    """The file of a picture in a language, else in English; none where none was made."""
    places = (FIGURES / spoken / f"{name}.png" for spoken in (language, WRITTEN_FIRST))
    return next((path for path in places if path.is_file()), None)


def _file(name: str, language: str) -> Path:
    return FOLDER / language / f"{name}.md"


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _parted(tokens: Sequence[Token]) -> list[_Part]:
    """Cut a chapter at its headings of the first two levels."""
    parts: list[_Part] = []
    heads = [at for at, token in enumerate(tokens) if token.type == OPENS and token.tag in CUT]
    for start, end in pairwise([*heads, len(tokens)]):
        heading = tokens[start]
        below = tokens[start + 3 : end]  # the heading opens, says something, closes
        parts.append(_Part(str(heading.attrGet("id")), tokens[start + 1].content, below))
    return parts


def _shown(tokens: list[Token], language: str) -> list[Token]:
    """Name the headings, lead the links to pages, and make figures of pictures."""
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _address(str(child.attrGet("href"))))
    shown: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.type == OPENS and (found := NAMED.search(tokens[at + 1].content)):
            token.attrSet("id", found[1])
            _unname(tokens[at + 1])
        picture = _picture(tokens, at)
        if picture is None:
            shown.append(token)
            at += 1
        else:
            shown += _figure(picture, language)
            at += 3
    return shown


def _unname(heading: Token) -> None:
    heading.content = NAMED.sub("", heading.content)
    last = (heading.children or [])[-1]
    last.content = NAMED.sub("", last.content)


def _address(target: str) -> str:
    """The address of a place in the manual; others stay."""
    found = CHAPTER.fullmatch(target)
    if found is None:
        return target
    name, section = found.groups()
    return (f"{SHOWN_AT}/{name}" if name else "") + (f"#{section}" if section else "")


def _picture(tokens: Sequence[Token], at: int) -> Token | None:
    """The picture of a paragraph that is nothing else."""
    if tokens[at].type != "paragraph_open":
        return None
    children = tokens[at + 1].children or []
    return children[0] if len(children) == 1 and children[0].type == "image" else None


def _figure(picture: Token, language: str) -> Iterator[Token]:
    """A picture with its words below; nothing where the picture was not made."""
    name = Path(str(picture.attrGet("src"))).stem
    file = figure(name, language)
    if file is None:
        return
    width, height = SIZE.unpack_from(file.read_bytes(), 16)
    yield Token("figure_open", "figure", 1)
    yield Token("img", "img", 0, {
        "src": f"{SHOWN_AT}/figures/{file.parent.name}/{file.name}", "alt": "",
        "width": width, "height": height,
    })  # fmt: skip
    yield Token("figcaption_open", "figcaption", 1)
    yield Token("inline", "", 0, children=picture.children, content=picture.content)
    yield Token("figcaption_close", "figcaption", -1)
    yield Token("figure_close", "figure", -1)


def _html(tokens: Sequence[Token]) -> str:
    markdown = _markdown()
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _text(tokens: Sequence[Token]) -> str:
    """Its words, one paragraph after the other."""
    said = (
        "".join(" " if child.type in BREAKS else child.content for child in token.children or ())
        for token in tokens if token.type == "inline"
    )  # fmt: skip
    return " ".join(" ".join(said).split())
