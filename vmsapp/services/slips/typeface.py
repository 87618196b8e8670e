"""The fonts of PDF files: which there are, and which a text needs.

They come with the product (``fonts/README.md``), so that a file reads the same wherever it is
opened. The Chinese one is large and is read only where a text has its characters.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal

from fontTools.ttLib import TTFont
from fpdf import FPDF

FONTS: Final = Path(__file__).parent / "fonts"
LATIN: Final = "NotoSans"
ARABIC: Final = "NotoSansArabic"
CHINESE: Final = "NotoSansSC"
FACES: Final = {LATIN: ("Regular", "Bold"), ARABIC: ("Regular", "Bold"), CHINESE: ("Regular",)}
UNKNOWN: Final = "?"
"""Stands for a character that no font has."""

UNSEEN: Final = frozenset("\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\n")
"""Characters that need no picture: joiners, directions, line ends."""


FONTS_OF: Final[Mapping[str, Mapping[str, Path]]] = {
    name: {"B" if weight == "Bold" else "": FONTS / f"{name}-{weight}.ttf" for weight in weights}
    for name, weights in FACES.items()
}
"""The file of each style of a font."""


class HeldPages(FPDF):
    """Pages on which a font holds from where it is set."""

    def hold(self, style: Literal["", "B"], size: float) -> None:
        """Set a font on the page itself.

        The library sets one with the first text, within that text's own brackets where it
        begins in a fallback's characters, or in a dry run; what follows would lack it.
        """
        self.set_font(LATIN, style, size)
        assert self.current_font is not None
        self._out(self._set_font_for_page(self.current_font, self.font_size_pt))


def take_up(pdf: FPDF, texts: str) -> None:
    """Give a file the fonts that its texts need; what one lacks comes from the next."""
    fallbacks = fallbacks_for(texts)
    for name in (LATIN, *fallbacks):
        for style, path in FONTS_OF[name].items():
            pdf.add_font(name, style, path)
    pdf.set_fallback_fonts(fallbacks, exact_match=False)


def fallbacks_for(text: str) -> list[str]:
    """Name the fonts that a text needs besides the Latin one."""
    if text.isascii():
        return []
    lacking = set(text) - _known(LATIN)
    return [name for name in (ARABIC, CHINESE) if not _marks(name).isdisjoint(lacking)]


def drawable(text: str) -> str:
    """Put a sign in the place of each character that no font has."""
    if _known(LATIN).issuperset(text):
        return text
    known = _known(LATIN, ARABIC, CHINESE)
    return "".join(mark if mark in known else UNKNOWN for mark in text)


@cache
def _known(*names: str) -> frozenset[str]:
    """The characters that some fonts have, and those that need none."""
    return UNSEEN.union(*map(_marks, names))


@cache
def _marks(name: str) -> frozenset[str]:
    """The characters that a font has."""
    with TTFont(FONTS / f"{name}-Regular.ttf", lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))
