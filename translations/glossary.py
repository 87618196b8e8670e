"""Find where a translation does not use the words of ``docs/glossary``.

The glossary's pages are read as they stand: tables of Markdown. ``README.md`` says in which
English texts a term is looked for, a language's page which words its translation then has,
which it has not, and in which texts a term means something else.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "glossary"
IN_ONE_PIECE = {"ar", "zh"}
"""Languages that write a word and what stands before it without a space."""
NOT_SAID = re.compile(r"%\(\w+\)[sd]|<[^>]+>")
"""Holes and marks: their names are no words."""
SAME = dict.fromkeys([0x640, *range(0x64B, 0x653)], "") | {ord("’"): "'"}
"""Signs that make no other word: Arabic vowels, and the two apostrophes."""


def rows(page: str, *names: str) -> Iterator[dict[str, str]]:
    """Give the rows of those tables of a page that have columns of these names."""
    header: list[str] = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells or not header:
            header = cells
        elif set(line) - set("|-: ") and set(names) <= set(header):
            yield dict(zip(header, cells, strict=True))


def listed(cell: str) -> list[str]:
    """Take a cell's list apart.

    >>> listed("sale, sales")
    ['sale', 'sales']
    """
    return [part.strip() for part in cell.split(",") if part.strip()]


def folded(text: str) -> str:
    """Take away what makes no other word."""
    return NOT_SAID.sub("…", text).lower().translate(SAME)


def pattern(stem: str, *, in_one_piece: bool) -> str:
    """Write a stem as a regular expression."""
    *words, last = folded(stem).removeprefix("-").split()
    before = "" if in_one_piece or stem.startswith("-") else r"\b"
    between = (r"(?:\w+\W+){0,3}" if word == "…" else re.escape(word) + r"\w*\W+" for word in words)
    return before + "".join(between) + re.escape(last)


class Stems:
    """Beginnings of words, one of which a text has.

    Each word of a stem may have an ending, and up to three more stand for ``…``. A stem that
    begins with a hyphen may stand within a word, and so may every stem where ``in_one_piece``.

    >>> Stems(["punto de venta"]).within("Los puntos de venta")
    True
    >>> Stems(["kundi … usambazaji", "-tengu"]).within("kundi hili la usambazaji")
    True
    """

    def __init__(self, stems: Sequence[str], *, in_one_piece: bool = False) -> None:
        patterns = (pattern(stem, in_one_piece=in_one_piece) for stem in stems)
        self._found = re.compile("|".join(patterns) or r"(?!)")

    def within(self, text: str) -> bool:
        """Whether the text has one of them."""
        return bool(self._found.search(folded(text)))


class Glossary:
    """What one language calls the field's terms."""

    def __init__(self, general: str, own: str, *, in_one_piece: bool = False) -> None:
        """Read the page of all languages and that of this one."""
        self._terms = {
            form: row["term"]
            for row in rows(general, "term", "in texts")
            for form in listed(row["in texts"])
        }
        longest_first = sorted(map(re.escape, self._terms), key=len, reverse=True)
        self._english = re.compile(rf"\b({'|'.join(longest_first)})(?:e?s)?\b")
        self._words, self._others = (
            {
                row["term"]: Stems(listed(row[column]), in_one_piece=in_one_piece)
                for row in rows(own, "term", "stems")
                if row["stems"]
            }
            for column in ("stems", "not")
        )
        self._exceptions = {
            (row["text"].strip("`"), row["term"])
            for page in (general, own)
            for row in rows(page, "text", "term", "why")
        }

    def terms(self, text: str) -> list[str]:
        """The terms that an English text has; of "user group", only the group."""
        found = self._english.findall(folded(text))
        return list(dict.fromkeys(self._terms[form] for form in found))

    def gaps(self, texts: Collection[str]) -> list[str]:
        """Say what the glossary itself lacks, or has too much, for these English texts."""
        unnamed = sorted(set(self._terms.values()) - set(self._words))
        unused = sorted({text for text, _ in self._exceptions} - set(texts))
        return [f"no stems in the glossary: {term!r}" for term in unnamed] + [
            f"in the glossary, and no text: {text!r}" for text in unused
        ]

    def faults(self, text: str, translations: Sequence[str]) -> Iterator[str]:
        """Say which terms a text's translations do not use, or call by another name."""
        for term in self.terms(text):
            if term not in self._words or (text, term) in self._exceptions:
                continue
            for said in translations:
                if not self._words[term].within(said):
                    yield f"without the word for {term!r}: {text!r}: {said!r}"
                if self._others[term].within(said):
                    yield f"another word for {term!r}: {text!r}: {said!r}"


def glossary(code: str) -> Glossary:
    """Read the glossary of a language; one that is only begun may have none."""
    general, own = FOLDER / "README.md", FOLDER / f"{code}.md"
    return Glossary(
        general.read_text(),
        own.read_text() if own.exists() else "",
        in_one_piece=code in IN_ONE_PIECE,
    )
