"""What a cell may hold, and tables as CSV: text as text and never as formulas."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Final

Cell = str | int | float | Decimal | date | datetime | None
"""A cell's value. An aware moment is shown in its own zone; true and false are ints."""

BEGINS_FORMULA: Final = re.compile(
    r"[\t\r\n]|[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]"
)
"""How a text begins that a spreadsheet would take for a formula.

Spaces, breaks and signs without a shape before the sign are dropped by one spreadsheet or
another, and the signs of full width count as their narrow ones in East Asian settings.
"""


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


GUARDED: Final = re.compile(f"'*(?:{BEGINS_FORMULA.pattern})")
"""How a text begins that gets an apostrophe in CSV: one that had some already, too, so that
whoever takes one away again is left with what there was."""


def _text(value: Cell) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return "" if value is None else str(value)


def _in_csv(value: Cell) -> str:
    text = _text(value)
    guarded = isinstance(value, str) and GUARDED.match(text)
    return f"'{text}" if guarded else text
