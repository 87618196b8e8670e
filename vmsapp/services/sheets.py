"""Tables as files: CSV and Excel, written row by row, text as text and never as formulas."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

Cell = str | int | Decimal | datetime | None

LONGEST_CELL: Final = 32_767
"""Characters a cell of Excel holds."""

BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would take for a formula."""


def write_csv(file: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a table as CSV in UTF-8, with the mark that tells Excel so.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    writer.writerow([_in_csv(name) for name in header])
    writer.writerows([_in_csv(cell) for cell in row] for row in rows)
    text.flush()
    text.detach()


def write_xlsx(
    file: IO[bytes], title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> None:
    """Write a table as an Excel workbook of one sheet; its rows are not kept in memory."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_name(title))
    sheet.freeze_panes = "A2"

    def cell(value: Cell) -> WriteOnlyCell:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return WriteOnlyCell(sheet, value)
        made = WriteOnlyCell(sheet, _clean(value))
        made.data_type = "s"  # whatever it begins with
        return made

    sheet.append([cell(name) for name in header])
    for row in rows:
        sheet.append([cell(value) for value in row])
    book.save(file)


def _text(value: Cell) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return "" if value is None else str(value)


def _in_csv(value: Cell) -> str:
    text = _text(value)
    guarded = isinstance(value, str) and text.startswith(BEGINS_FORMULA)
    return f"'{text}" if guarded else text


def _clean(value: Cell) -> str:
    return str(ILLEGAL_CHARACTERS_RE.sub("", _text(value)))[:LONGEST_CELL]


def _sheet_name(title: str) -> str:
    """A sheet's name: at most 31 characters, and none that Excel refuses."""
    return "".join(" " if sign in r"[]:*?/\\" else sign for sign in title)[:31].strip() or "1"
