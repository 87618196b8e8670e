"""A receipt as a PDF file: on a page as wide as the paper, and as long as it needs to be.

The layout is the screen's (``templates/counter/_slip.html``): the same things in the same
order, the token in one line and larger than all else.
"""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Literal
from unicodedata import bidirectional

import segno
from fpdf.enums import Align, MethodReturnValue
from fpdf.fonts import TTFFont

from vmsapp.models import PaperSize
from vmsapp.services.slips.content import Amount, Fact, Slip, TokenBlock
from vmsapp.services.slips.typeface import HeldPages, drawable, take_up

log = logging.getLogger(__name__)

Style = Literal["", "B"]

GROUP_GAP: Final = 0.28
"""Between groups of digits, as a part of the size of the digits."""
LINE: Final = 1.35
"""Height of a line, as a part of the size of its letters."""
POINT: Final = 25.4 / 72
"""A point in millimetres."""
LOGO_HEIGHT: Final = 18.0
BETWEEN: Final = 1.5
"""At least so many millimetres lie between a label and its value."""
ROOM: Final = 0.3
"""What a text needs besides its width, so that rounding does not fold it."""
LABELS: Final = 0.5
"""The part of the width that a label may take before it is folded, if its value is long."""
MEASURED: Final = 3000.0
"""A page long enough for any receipt, to find out how long this one is."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What a paper asks for: millimetres, and sizes of letters in points.

    Attributes:
        width, side, ends: Of the page, its margins at the sides and at top and bottom.
        height: Of the page; none is as long as the receipt.
        qr: Width of the code.
        text, name, units: Sizes of letters; the token takes what the width gives, up to ``token``.
    """

    width: float
    side: float
    ends: float
    height: float | None
    qr: float
    text: float
    name: float
    units: float
    token: float


PAPERS: Final = {
    PaperSize.ROLL_80: Paper(80, 4, 4, None, 26, 8.5, 10.5, 11, 16),
    PaperSize.ROLL_58: Paper(58, 5, 4, None, 24, 7, 8.5, 9, 11.5),
    PaperSize.A4: Paper(210, 15, 15, 297, 34, 11, 15, 15, 30),
}
"""Thermal printers leave 4 and 5 mm at the sides of their rolls blank."""


def write_pdf(slip: Slip, logo: bytes | None = None) -> bytes:
    """Write a receipt as a PDF file.

    Args:
        slip: What it says.
        logo: The utility's picture: PNG, JPEG or GIF. One that cannot be drawn is left out.
    """
    paper = PAPERS[PaperSize(slip.paper)]
    length = paper.height
    if length is None:
        with closing(_Writer(slip, paper, MEASURED, logo)) as measured:
            length = measured.length()
    with closing(_Writer(slip, paper, length, logo)) as written:
        return written.file()


class _Pages(HeldPages):
    """Pages of a receipt."""

    @property
    def line_height(self) -> float:
        """Height of a line in the font that holds."""
        return float(self.font_size_pt) * POINT * LINE


class _Writer:
    """Writes one receipt on a page from top to bottom."""

    def __init__(self, slip: Slip, paper: Paper, height: float, logo: bytes | None) -> None:
        self.slip, self.paper, self.logo = slip, paper, logo
        self.width = paper.width - 2 * paper.side
        self.pdf = pdf = _Pages(unit="mm", format=(paper.width, height))
        pdf.set_margins(paper.side, paper.ends)
        pdf.c_margin = 0
        pdf.set_auto_page_break(paper.height is not None, paper.ends)
        pdf.set_creation_date(slip.sold_at)
        pdf.set_title(slip.number)
        pdf.set_lang(slip.language)
        take_up(pdf, _texts(slip))
        pdf.set_text_shaping(use_shaping_engine=True, direction=slip.direction)
        pdf.add_page()
        pdf.set_draw_color(0)
        self._write()

    def length(self) -> float:
        """How long the paper must be."""
        return float(self.pdf.get_y()) + self.paper.ends

    def close(self) -> None:
        """Close the fonts' files, which the library leaves open."""
        for font in self.pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def file(self) -> bytes:
        """The file's bytes."""
        return bytes(self.pdf.output())

    def _write(self) -> None:
        slip, paper = self.slip, self.paper
        self._picture()
        self._centred(slip.utility, paper.name, "B")
        for line in (*slip.heading, slip.header):
            self._centred(line, paper.text, direction=_direction_of(line))
        for mark in slip.marks:
            self._framed(mark)
        for line in slip.steps:
            self._centred(line, paper.text)
        for token in slip.tokens:
            self._token(token)
        self._centred(slip.units, paper.units, "B")
        self._gap(2)
        for fact in slip.facts:
            self._pair(fact.label, fact.value, ltr=fact.ltr)
        if slip.lines or slip.sums:
            self._rule()
            self._amounts(slip.lines)
            self._rule()
            self._amounts(slip.sums)
        self._rule(dashed=True)
        for line in slip.closing:
            self._centred(line, paper.text)
        self._centred(slip.footer, paper.text, direction=_direction_of(slip.footer))

    def _picture(self) -> None:
        if self.logo is None:
            return
        picture = BytesIO(self.logo)
        try:
            self.pdf.image(picture, x=Align.C, w=self.width, h=LOGO_HEIGHT, keep_aspect_ratio=True)
        except Exception as error:  # noqa: BLE001 - no token is withheld for a picture's sake
            log.warning("logo %.12s of a slip cannot be drawn: %r", self.slip.logo, error)
            return
        self.pdf.set_y(self.paper.ends + LOGO_HEIGHT + 1)

    def _token(self, token: TokenBlock) -> None:
        self._gap(2)
        if self.slip.many and self.paper.height is not None:
            self._keep_together()
        self._centred(token.title, self.paper.text)
        self._digits(token.groups)
        self._code(token.digits)

    def _keep_together(self) -> None:
        """Begin a new page where a token and its code do not fit on this one."""
        if self.pdf.will_page_break(self.paper.qr + 2 * self.paper.token * POINT * LINE):
            self.pdf.add_page()

    def _digits(self, groups: Sequence[str]) -> None:
        """Write the groups in one line, as large as the width allows."""
        pdf = self.pdf
        pdf.hold("B", 10)
        each = pdf.get_string_width("0" * len(groups[0])) / 10
        gaps = GROUP_GAP * POINT * (len(groups) - 1)
        size = min(self.paper.token, self.width / (each * len(groups) + gaps))
        pdf.hold("B", size)
        step, left = (each + GROUP_GAP * POINT) * size, self.paper.side
        left += (self.width - (each * len(groups) + gaps) * size) / 2
        for at, group in enumerate(groups):
            pdf.set_x(left + at * step)
            pdf.cell(each * size, size * POINT * LINE, group)
        pdf.ln(size * POINT * LINE)

    def _code(self, digits: str) -> None:
        """Draw the QR code of twenty digits, and of nothing else."""
        matrix = segno.make(digits, error="m", micro=False).matrix
        side = self.paper.qr / (len(matrix) + 4)
        left, top = (self.paper.width - side * len(matrix)) / 2, self.pdf.get_y() + 2 * side
        self.pdf.set_fill_color(0)
        for y, row in enumerate(matrix):
            for x, dark in enumerate(row):
                if dark:
                    self.pdf.rect(left + x * side, top + y * side, side, side, "F")
        self.pdf.set_y(top + (len(matrix) + 2) * side)

    def _framed(self, text: str) -> None:
        self._gap(1.5)
        top = self.pdf.get_y()
        self.pdf.set_y(top + 1)
        self._centred(text, self.paper.units, "B")
        self.pdf.set_line_width(0.5)
        self.pdf.rect(self.paper.side, top, self.width, self.pdf.get_y() + 1 - top)
        self.pdf.set_y(self.pdf.get_y() + 1)

    def _centred(self, text: str, size: float, style: Style = "", *, direction: str = "") -> None:
        if not text:
            return
        self.pdf.hold(style, size)
        where = (self.paper.side, self.width, Align.C)
        lines = self._put(drawable(text), *where, direction=direction)
        self._gap(lines * self.pdf.line_height)

    def _amounts(self, amounts: Sequence[Amount]) -> None:
        for amount in amounts:
            self._pair(amount.label, amount.value, "B" if amount.total else "")

    def _pair(self, label: str, value: str, style: Style = "", *, ltr: bool = False) -> None:
        """Write a label where lines begin and its value where they end; both may be folded."""
        pdf, size = self.pdf, self.paper.text
        pdf.hold(style, size)
        label, value = drawable(label), drawable(value)
        whole = self.width - BETWEEN
        left = min(pdf.get_string_width(label) + ROOM, whole * LABELS)
        right = min(pdf.get_string_width(value) + ROOM, whole - left)
        begin, end = self.paper.side, self.paper.side + self.width
        ends = ((begin, Align.L), (end, Align.R))
        of_label, of_value = reversed(ends) if self.slip.direction == "rtl" else ends
        if pdf.will_page_break(pdf.line_height):
            pdf.add_page()
        lines = max(
            self._put(label, *_box(of_label, whole - right)),
            self._put(value, *_box(of_value, right), direction="ltr" if ltr else ""),
        )
        self._gap(lines * pdf.line_height)

    def _put(
        self, text: str, left: float, width: float, align: Align, *, direction: str = ""
    ) -> int:
        """Write a text from here on within a width, folded if need be; gives how many lines."""
        pdf, (x, y) = self.pdf, (self.pdf.get_x(), self.pdf.get_y())
        pdf.set_text_shaping(
            use_shaping_engine=True,
            direction=direction or self.slip.direction,
        )
        pdf.set_xy(left, y)
        lines = 1
        if "\n" not in text and pdf.get_string_width(text) <= width:
            pdf.cell(width, pdf.line_height, text, align=align)
        else:
            height = pdf.multi_cell(
                width, pdf.line_height, text, align=align, output=MethodReturnValue.HEIGHT
            )
            lines = round(float(height) / pdf.line_height)  # type: ignore[arg-type]
        pdf.set_xy(x, y)
        return lines

    def _rule(self, *, dashed: bool = False) -> None:
        self._gap(1)
        pdf, end = self.pdf, self.paper.side + self.width
        pdf.set_line_width(0.2)
        pdf.set_dash_pattern(*((1, 1) if dashed else (0, 0)))
        pdf.line(self.paper.side, pdf.get_y(), end, pdf.get_y())
        pdf.set_dash_pattern()
        self._gap(1)

    def _gap(self, millimetres: float) -> None:
        self.pdf.set_y(self.pdf.get_y() + millimetres)


def _box(where: tuple[float, Align], width: float) -> tuple[float, float, Align]:
    """Where a text begins that hangs at one of the sides, how wide it is, at which side."""
    at, align = where
    return (at if align is Align.L else at - width), width, align


def _direction_of(text: str) -> str:
    """Which way a text of the utility's own runs: as its first letter does; without one, nothing.

    Source: Unicode Standard Annex 9, rules P2 and P3; ``dir="auto"`` of pages is the same.
    """
    for letter in text:
        kind = bidirectional(letter)
        if kind in {"L", "R", "AL"}:
            return "ltr" if kind == "L" else "rtl"
    return ""


def _texts(slip: Slip) -> str:
    """Everything that is written, to know which characters there are."""
    pairs: list[Fact | Amount] = [*slip.facts, *slip.lines, *slip.sums]
    return "".join([
        slip.utility, slip.header, slip.footer, slip.units,
        *slip.heading, *slip.marks, *slip.steps, *slip.closing,
        *(token.title for token in slip.tokens),
        *(f"{pair.label}{pair.value}" for pair in pairs),
    ])  # fmt: skip
