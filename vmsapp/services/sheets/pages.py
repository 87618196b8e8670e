"""Tables as PDF files: A4, upright or lying, as many pages as it takes, each under the heading.

Rows are drawn as they come: none is kept but the first, by which the columns are measured. The
fonts come with the product and are taken up once a text needs them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import IO, Any, Final, Literal

from fpdf import FPDF
from fpdf.fonts import TTFFont

from vmsapp.i18n import labelled
from vmsapp.services.sheets.text import Cell
from vmsapp.services.sheets.wrapping import lines_of
from vmsapp.services.slips.typeface import (
    ARABIC,
    FONTS_OF,
    LATIN,
    UNSEEN,
    HeldPages,
    drawable,
    fallbacks_for,
)

Style = Literal["", "B"]

SIDE: Final = 10.0
"""Millimetres of margin all around."""
SIZES: Final = (8.0, 7.0, 6.0)
"""Of letters in points: the largest at which a row fits without being folded, or the smallest."""
POINT: Final = 25.4 / 72
LINE: Final = 1.35
BASELINE: Final = 0.72
"""Where letters stand, as a part of the height of a line."""
GAP: Final = 2.0
"""Millimetres between columns."""
WIDEST: Final = 70.0
"""Millimetres that a column asks for at most; what is longer is folded."""
NARROWEST: Final = 6.0
THIN: Final = 0.1
"""Of the line below a row, which is grey; other lines are black."""
SAMPLE: Final = 200
"""Rows looked at for the widths of the columns."""
MOST_LINES: Final = 6
"""Of one cell; what is longer ends in dots."""
TOTAL_PAGES: Final = "{nb}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and whether figures stand in it."""

    name: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands around a table on paper, and how its cells are put into words.

    Attributes:
        heading: The utility's name.
        asked: What the report was asked: names and values.
        made: When it was made, as a sentence.
        made_at: The same as a moment.
        say: Writes a cell the reader's way.
    """

    title: str
    heading: str
    asked: Sequence[tuple[str, str]]
    made: str
    made_at: datetime
    language: str
    rtl: bool
    say: Callable[[Cell], str]
    totals: Sequence[Sequence[Cell]] = ()
    empty: str = ""


def write_pages(
    file: IO[bytes], sheet: Sheet, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]
) -> None:
    """Write a table as a PDF file.

    Args:
        file: Where to.
        sheet: What stands around it.
        columns: Their headings.
        rows: One cell for each column; a row of one cell alone runs across all of them.
    """
    with closing(_Writer(sheet, columns)) as writer:
        writer.write(rows)
        file.write(writer.file())


class _Pages(HeldPages):
    """Pages that say at their foot which they are of how many."""

    heads: Callable[[], None] | None = None
    foots: Callable[[], None] | None = None

    def header(self) -> None:
        """Repeat the headings of the columns."""
        if self.heads:
            self.heads()

    def footer(self) -> None:
        """Number the page."""
        if self.foots:
            self.foots()


class _Writer:
    """Draws one table."""

    def __init__(self, sheet: Sheet, columns: Sequence[Column]) -> None:
        self.sheet, self.columns = sheet, columns
        self.pdf = pdf = _Pages(unit="mm", format="A4")
        pdf.set_margins(SIDE, SIDE)
        pdf.c_margin = 0
        pdf.set_auto_page_break(False, SIDE)  # noqa: FBT003 - the library's
        pdf.set_creation_date(sheet.made_at)
        pdf.set_title(sheet.title)
        pdf.set_lang(sheet.language)
        self._fonts = [LATIN]
        for style, path in FONTS_OF[LATIN].items():
            pdf.add_font(LATIN, style, path)
        self._shaping = False
        self._style: Style = ""
        self._advances = {style: _Advances(pdf, style) for style in ("", "B")}
        self.size, self.widths = SIZES[0], [0.0 for _one in columns]
        self.filled = False
        """Whether a page has something below its headings."""

    def close(self) -> None:
        """Close the fonts' files, which the library leaves open."""
        for font in self.pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def file(self) -> bytes:
        """The file's bytes."""
        return bytes(self.pdf.output())

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Draw heading, rows and totals."""
        told = ([self._said(cell) for cell in row] for row in rows)
        totals = [[self._said(cell) for cell in row] for row in self.sheet.totals]
        sample = list(islice(told, SAMPLE))
        lying = self._measure([*sample, *totals])
        self.pdf.add_page(orientation="L" if lying else "P")
        self._heading()
        self.pdf.heads, self.pdf.foots = self._heads, self._foot
        self._heads()
        for row in chain(sample, told):
            self._row(row)
        if not sample and self.sheet.empty:
            self._row([self.sheet.empty])
        for row in totals:
            self._row(row, "B")

    def _said(self, cell: Cell) -> str:
        text = drawable(self.sheet.say(cell))
        for name in fallbacks_for(text):
            if name not in self._fonts:
                self._fonts.append(name)
                for style, path in FONTS_OF[name].items():
                    self.pdf.add_font(name, style, path)
                self.pdf.set_fallback_fonts(self._fonts[1:], exact_match=False)
        return text

    # measuring

    def _measure(self, sample: Sequence[Sequence[str]]) -> bool:
        """Choose the size of letters and the widths of columns; tell whether the page lies."""
        whole = self._asked_for(sample)
        for lying in (False, True):
            room = (297.0 if lying else 210.0) - 2 * SIDE - GAP * (len(self.columns) - 1)
            for size in SIZES if lying else SIZES[:1]:
                widths = [width * size / SIZES[0] for width in whole]
                if sum(widths) <= room:
                    self.size = size
                    spare = room - sum(widths)
                    share = min(spare / len(widths), 8.0) if widths else 0
                    self.widths = [width + share for width in widths]
                    return lying
        self.size = SIZES[-1]
        self.widths = _squeezed([width * self.size / SIZES[0] for width in whole], room)
        return True

    def _asked_for(self, sample: Sequence[Sequence[str]]) -> list[float]:
        """How wide each column would be."""
        found = []
        for place, column in enumerate(self.columns):
            self._font("B", SIZES[0])
            words = drawable(column.name).split() or [""]
            width = max(self._width(word) for word in words)
            width = max(width, min(self._width(drawable(column.name)), WIDEST / 3))
            self._font("", SIZES[0])
            texts = {row[place] for row in sample if len(row) == len(self.columns)}
            longest = max((self._width(text) for text in texts), default=0.0)
            found.append(max(min(longest, WIDEST), width, NARROWEST) + 0.5)
        return found

    def _width(self, text: str) -> float:
        """How wide a text is in the font that holds; of plain letters it is added up at once."""
        if _plain(text):
            known = self._advances[self.pdf.font_style]
            return sum(map(known.__getitem__, text)) * self.pdf.font_size_pt
        self._shape(text)
        return float(self.pdf.get_string_width(text))

    # drawing

    def _font(self, style: Style, size: float) -> None:
        self._style = style
        self.pdf.set_font(LATIN, style, size)

    def _shape(self, text: str) -> None:
        """Let letters join and marks of directions be followed; others need no such work."""
        joined = not text.isascii() and (
            ARABIC in fallbacks_for(text) or not UNSEEN.isdisjoint(text)
        )
        if joined or self._shaping:
            direction = "rtl" if self.sheet.rtl else "ltr"
            self.pdf.set_text_shaping(use_shaping_engine=joined, direction=direction)
            self._shaping = joined

    def _heading(self) -> None:
        sheet = self.sheet
        align = "R" if sheet.rtl else "L"
        for text, size, style in (
            (sheet.heading, 10.0, ""), (sheet.title, 14.0, "B"),
            *((labelled(name, value), 8.0, "") for name, value in sheet.asked),
            (sheet.made, 8.0, ""),
        ):  # fmt: skip
            self._across(self._said(text), style, size, align)  # type: ignore[arg-type]
        self.pdf.set_y(self.pdf.get_y() + 3)

    def _across(self, text: str, style: Style, size: float, align: str) -> None:
        """Write a text over the whole width, folded if need be."""
        pdf = self.pdf
        self._font(style, size)
        height = size * POINT * LINE
        for line in lines_of(text, pdf.epw, self._width, MOST_LINES):
            self._put(line, SIDE, pdf.get_y(), pdf.epw, align)
            pdf.set_y(pdf.get_y() + height)

    def _put(self, text: str, left: float, top: float, width: float, align: str) -> None:
        """Write one line; plain letters without what the library does for others."""
        pdf, height = self.pdf, self.pdf.font_size_pt * POINT * LINE
        if _plain(text):
            indent = width - self._width(text) if align == "R" else 0.0
            pdf.text(left + indent, top + height * BASELINE, text)
            return
        self._shape(text)
        pdf.hold(self._style, pdf.font_size_pt)
        pdf.set_xy(left, top)
        pdf.cell(width, height, text, align=align)

    def _heads(self) -> None:
        self.filled = False
        self._cells([drawable(column.name) for column in self.columns], "B", rule=0.4)

    def _foot(self) -> None:
        self._shape("")
        self._font("", SIZES[-1])
        self.pdf.set_y(-SIDE)
        self.pdf.cell(0, 4, f"{self.pdf.page_no()} / {TOTAL_PAGES}", align="C")

    def _row(self, row: Sequence[str], style: Style = "") -> None:
        if len(row) == len(self.columns):
            self._cells(row, style)
            return
        if self._low(self._line):
            self.pdf.add_page(same=True)
        self._across(" ".join(row), style, self.size, "R" if self.sheet.rtl else "L")

    @property
    def _line(self) -> float:
        return self.size * POINT * LINE

    def _low(self, height: float) -> bool:
        return bool(self.pdf.get_y() + height > self.pdf.h - 1.5 * SIDE)

    def _cells(self, row: Sequence[str], style: Style, rule: float = THIN) -> None:
        pdf = self.pdf
        self._font(style, self.size)
        cells = [
            lines_of(text, width, self._width, MOST_LINES)
            for text, width in zip(row, self.widths, strict=True)
        ]
        height = max(map(len, cells)) * self._line + 1.0
        if self.filled and self._low(height):
            pdf.add_page(same=True)
            self._font(style, self.size)
        top = pdf.get_y()
        for (left, width), column, lines in zip(
            self._places(), self.columns, cells, strict=True
        ):  # fmt: skip
            align = "R" if column.number != self.sheet.rtl else "L"
            for place, line in enumerate(lines):
                if line:
                    self._put(line, left, top + 0.5 + place * self._line, width, align)
        pdf.set_y(top + height)
        pdf.set_draw_color(0 if rule > THIN else 190)
        pdf.set_line_width(rule)
        pdf.line(SIDE, top + height, pdf.w - SIDE, top + height)
        self.filled = True

    def _places(self) -> Iterator[tuple[float, float]]:
        """Where each column begins, and how wide it is."""
        left, end = SIDE, self.pdf.w - SIDE
        for width in self.widths:
            yield (end - width if self.sheet.rtl else left), width
            left, end = left + width + GAP, end - width - GAP


class _Advances(dict[str, float]):
    """How far each letter of a style takes one on, in millimetres for each point of its size."""

    def __init__(self, pdf: FPDF, style: str) -> None:
        super().__init__()
        self._font: Any = pdf.fonts[f"{LATIN.lower()}{style}"]

    def __missing__(self, letter: str) -> float:
        _count, width = self._font.get_text_width(letter, 1.0, None)
        self[letter] = found = float(width) * POINT
        return found


def _plain(text: str) -> bool:
    """Tell whether a text is drawn letter by letter, in one font."""
    return text.isascii() or not (fallbacks_for(text) or UNSEEN.intersection(text))


def _squeezed(widths: Sequence[float], room: float) -> list[float]:
    """Take from the widest columns what there is no room for."""
    low, high = NARROWEST, max(widths)
    for _step in range(30):
        most = (low + high) / 2
        if sum(min(width, most) for width in widths) > room:
            high = most
        else:
            low = most
    fitting = [min(width, low) for width in widths]
    scale = min(1.0, room / sum(fitting))
    return [width * scale for width in fitting]
