"""Tables as Excel workbooks, written row by row: text is text, numbers and days are exact.

Text stands in the cells themselves, typed as text, so nothing is ever a formula and no
table of strings grows with the rows. The shape of a row, the kinds of its cells, is worked
out once and filled in for every row of that shape; what is odd about a single cell (signs
of XML, length, digits beyond a double) sends its row the slow way.

Source: ECMA-376-1:2016, 18.3.1.4 "c (Cell)", 18.18.11 "ST_CellType (Cell Type)".
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from math import isfinite
from operator import itemgetter
from types import NoneType
from typing import IO, Any, Final, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

from vmsapp.clock import now_utc
from vmsapp.services.sheets.parts import (
    COLUMNS,
    ILLEGAL,
    LONGEST_CELL,
    LOOKS_ESCAPED,
    ROWS,
    Area,
    Style,
    Styles,
    around,
    column_letters,
    cut,
    sheet_foot,
    sheet_head,
    sheet_name,
)
from vmsapp.services.sheets.text import Cell

DAY: Final = "yyyy\\-mm\\-dd"
MOMENT: Final = "yyyy\\-mm\\-dd hh:mm:ss"

_LEVEL: Final = 1
"""Of compression: 6 is a fifth smaller and takes twice as long."""
_CHUNK: Final = 1_000
"""Rows written at a time."""
_SAMPLE: Final = 100
"""Rows looked at for the width of the columns."""
_WIDTHS: Final = (8, 60)
_SHEET_BYTES: Final = 2_000_000_000
"""After so many a sheet ends: beyond 2 GiB the file would need an extension of ZIP."""
_EXACT: Final = 10**15
"""From here on Excel drops digits."""
_FIRST_DAY: Final = 61
"""The first of March 1900: before it Excel counts a day that never was."""
_MOST_PLACES: Final = 6
"""Decimals that a format shows; what has more is shown as it is."""
_ROW: Final = "\0"
"""Stands for the row's number in what is made of it; no text of XML holds it."""
_DAY_ZERO: Final = date(1899, 12, 30).toordinal()
_BEHIND: Final = LOOKS_ESCAPED.pattern.removeprefix("_")
_ODD: Final = re.compile(f"[<>&\r_{ILLEGAL.pattern[1:-1]}](?:(?<!_)|{_BEHIND})")
"""Signs of XML, what it cannot hold, and ``LOOKS_ESCAPED``: as one set of first signs, which is
four times as quick as each in turn."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A cell with a fault, shown in colour."""

    value: Cell


@dataclass(frozen=True, slots=True)
class Look:
    """How a table is laid out.

    Attributes:
        rtl: Columns run from right to left.
        keep_text: Text cells stay text when they are edited, and what is typed into cells with a
            fault is text: leading zeros survive.
    """

    rtl: bool = False
    keep_text: bool = False


class _Shape(NamedTuple):
    """How rows of one shape are written: their template, and what is asked of their cells."""

    template: str
    texts: Callable[[Any], tuple[str, ...]]
    others: tuple[tuple[int, Callable[[Any], object]], ...]


def write_xlsx(
    file: IO[bytes],
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Cell | Marked]],
    look: Look = Look(),
) -> None:
    """Write a table as an Excel workbook; its rows are not kept in memory.

    More rows than a sheet holds go on to a second one, under the same heading.
    """
    assert len(header) <= COLUMNS
    with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as book:
        rest, areas, styles = iter(rows), list[Area](), Styles()
        sheets = _Sheets(book, title, header, styles, look)
        while not areas or (sample := list(islice(rest, 1))):
            areas.append(sheets.write(len(areas) + 1, chain(sample if areas else (), rest)))
        for name, content in around(areas, styles, title, now_utc()).items():
            book.writestr(name, content)


@dataclass(slots=True)
class _Sheets:
    """The sheets of one workbook."""

    book: ZipFile
    title: str
    header: Sequence[str]
    styles: Styles
    look: Look
    shapes: dict[tuple[type, ...], _Shape] = field(default_factory=dict)
    formats: dict[int | str, int] = field(default_factory=dict)

    def write(self, number: int, rows: Iterator[Sequence[Cell | Marked]]) -> Area:
        """Write a sheet until it is full."""
        sample, count, size = list(islice(rows, min(_SAMPLE, ROWS - 1))), 1, 0
        rows, head = chain(sample, rows), Style(bold=True)
        with self.book.open(f"xl/worksheets/sheet{number}.xml", "w") as part:
            part.write(
                sheet_head(_widths(self.header, sample), rtl=self.look.rtl, first=number == 1)
                .encode()
            )  # fmt: skip
            part.write(self.slowly(1, self.header, head).encode())
            while size < _SHEET_BYTES:
                chunk = list(islice(rows, min(_CHUNK, ROWS - count)))
                if not chunk:
                    break
                lines = map(self.line, range(count + 1, count + 1 + len(chunk)), chunk)
                size += part.write("".join(lines).encode())
                count += len(chunk)
            area = Area(sheet_name(self.title, number), len(self.header), count)
            part.write(sheet_foot(area).encode())
        return area

    def line(self, number: int, row: Sequence[Cell | Marked]) -> str:
        """Write a row."""
        shape = self.shape_of(tuple(map(type, row)))
        texts = shape.texts(row)
        if "" in texts:
            shape = self.shape_of(tuple([NoneType if one == "" else type(one) for one in row]))
            texts = shape.texts(row)
        text = "".join(texts)
        if len(text) > LONGEST_CELL // 2 or _ODD.search(text):
            return self.slowly(number, row)
        values: list[Any] = list(row)
        for index, write in shape.others:
            written = write(values[index])
            if written is None:
                return self.slowly(number, row)
            values[index] = written
        return (shape.template % tuple(values)).replace(_ROW, str(number))

    def slowly(
        self, number: int, row: Sequence[Cell | Marked], style: Style = Style()  # noqa: B008
    ) -> str:  # fmt: skip
        """Write a row cell by cell."""
        return _row(self.cell(value, style) for value in row).replace(_ROW, str(number))

    def shape_of(self, kinds: tuple[type, ...]) -> _Shape:
        """Tell how rows of these kinds of cells are written; of each it is worked out once."""
        return self.shapes.get(kinds) or self.shapes.setdefault(kinds, self.shape(kinds))

    def shape(self, kinds: tuple[type, ...]) -> _Shape:
        """Work out how rows of these kinds of cells are written."""
        writers: dict[type, tuple[str, Callable[[Any], object]]] = {
            int: (_number_cell("%d"), _whole),
            Decimal: ("<c%s", self.decimal_rest),
            float: (_number_cell("%s"), _double),
            date: (_number_cell("%s", self.styles.number(Style(DAY))), _day),
            datetime: ("<c%s", self.moment_rest),
        }
        plain = {str: self.text_cell("%s"), type(None): "%.0s"}
        cells = [plain.get(kind) or writers.get(kind, ("%.0s", _never))[0] for kind in kinds]
        others = tuple(
            (index, writers.get(kind, ("", _never))[1])
            for index, kind in enumerate(kinds) if kind not in plain
        )  # fmt: skip
        texts = [index for index, kind in enumerate(kinds) if kind is str]
        return _Shape(_row(cells), _picker(texts), others)

    def cell(self, value: object, style: Style = Style()) -> str:  # noqa: B008 - a tuple
        """Write a cell, whatever is in it."""
        if isinstance(value, Marked):
            return self.cell(value.value, style._replace(faulty=True))
        retyped = "@" if self.look.keep_text and style.faulty else None
        if value is None or value == "":
            return f'<c s="{self.styles.number(style._replace(format=retyped))}"/>'
        if isinstance(value, bool):
            return f'<c s="{self.styles.number(style)}" t="b"><v>{value:d}</v></c>'
        found = _number(value)
        if found is None:
            return self.text_cell(_xml_text(str(value)), style)
        written, shown = found
        if retyped and isinstance(value, Decimal):
            shown = None
        return _number_cell(written, self.styles.number(style._replace(format=shown or retyped)))

    def decimal_rest(self, value: Decimal) -> str | None:
        """Write an exact number's cell but for its beginning: its decimals choose the format."""
        written = _exact(value)
        if written is None:
            return None
        number = self.formats.get(places := value.as_tuple().exponent)
        if number is None:
            number = self.formats[places] = self.styles.number(Style(format=_decimals(value)))
        return f' s="{number}"><v>{written}</v></c>' if number else f"><v>{written}</v></c>"

    def moment_rest(self, value: datetime) -> str | None:
        """Write a moment's cell but for its beginning, whose name is not known yet."""
        return self.cell(value).removeprefix("<c") if _moment(value) else None

    def text_cell(self, text: str, style: Style = Style()) -> str:  # noqa: B008 - a tuple
        """Write a text that is clean."""
        number = self.styles.number(style._replace(format="@") if self.look.keep_text else style)
        styled = f' s="{number}"' if number else ""
        return f'<c{styled} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _row(cells: Iterable[str]) -> str:
    """Join cells to a row, each under its name; empty ones are left out."""
    named = (
        cell if cell.startswith("%.0s") else f'<c r="{column_letters(index)}{_ROW}"{cell[2:]}'
        for index, cell in enumerate(cells)
    )
    return f'<row r="{_ROW}">{"".join(named)}</row>'


def _picker(indexes: Sequence[int]) -> Callable[[Any], tuple[str, ...]]:
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda row: tuple(row[index] for index in indexes)


def _number_cell(number: str, style: int = 0) -> str:
    return f'<c s="{style}"><v>{number}</v></c>' if style else f"<c><v>{number}</v></c>"


def _xml_text(text: str) -> str:
    clean = LOOKS_ESCAPED.sub("_x005F_", ILLEGAL.sub("", text))
    clean = cut(clean, LONGEST_CELL, "…")
    clean = clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return clean.replace("\r", "&#13;")


def _never(value: object) -> None:
    """Send the row the slow way."""


def _number(value: object) -> tuple[str, str | None] | None:
    """A number as it is written and the format it is shown in; nothing for what is text."""
    written: str | int | None = None
    match value:
        case int():
            written = _whole(value)
        case Decimal():
            exact = _exact(value)
            return (exact, _decimals(value)) if exact is not None else None
        case float():
            written = _double(value)
        case datetime():
            return _moment(value)
        case date():
            written = _day(value)
            return (written, DAY) if written else None
    return None if written is None else (str(written), None)


def _whole(value: int) -> int | None:
    return int(value) if -_EXACT < value < _EXACT else None


def _exact(value: Decimal) -> str | None:
    if not value.is_finite():
        return None
    written = str(value)
    return written if len(written) <= 15 or len(value.as_tuple().digits) <= 15 else None


def _decimals(value: Decimal) -> str | None:
    """The format that shows a number with the decimals it has: an amount with its currency's.

    Source: ECMA-376-1:2016, 18.8.31 "numFmts", of which "#,##0.00" is the fourth of all books.
    """
    places = -int(value.as_tuple().exponent)
    return f"#,##0.{'0' * places}" if 0 < places <= _MOST_PLACES else None


def _double(value: float) -> str | None:
    return repr(value) if isfinite(value) else None


def _day(value: date) -> str | None:
    days = value.toordinal() - _DAY_ZERO
    return str(days) if days >= _FIRST_DAY else None


def _moment(value: datetime) -> tuple[str, str] | None:
    """A moment as its zone's clock shows it; the format names the zone, which Excel has not."""
    day = _day(value)
    if day is None:
        return None
    zone = f'"{value:%z}"' if value.tzinfo else ""
    spent = (value.hour * 60 + value.minute) * 60 + value.second
    return repr(int(day) + spent / 86_400), f"{MOMENT}{zone}"


def _widths(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[int]:
    """How wide the columns are, in characters: as their first cells are."""
    least, most = _WIDTHS
    longest = [len(name) + 4 for name in header]
    for row in rows:
        for index, value in enumerate(row[: len(longest)]):
            shown = value.value if isinstance(value, Marked) else value
            size = 20 if isinstance(shown, datetime) else len(str(shown)) + 2
            longest[index] = max(longest[index], size)
    return [min(max(size, least), most) for size in longest]
