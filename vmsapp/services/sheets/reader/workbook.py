"""An Excel workbook as rows: the first sheet that can be seen, values and not formulas.

The cells are read by calamine, which is quick but says of an error, and of a formula
without its value, only that nothing is there. Where a sheet has any, they are looked for in
its own text and put back.

Source: ECMA-376-1:2016, 18.2.19 "sheet (Sheet Information)", 18.3.1.4 "c (Cell)".
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import IO, Any, Final, NamedTuple
from xml.etree.ElementTree import Element, ParseError, fromstring

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from vmsapp.services.sheets.errors import NoSheet, TooManyColumns, UnreadableFile
from vmsapp.services.sheets.parts import ROWS, column_letters
from vmsapp.services.sheets.reader.frames import Row
from vmsapp.services.sheets.reader.package import Parts, parts_of, rebuilt

_MERGED: Final = 20
"""Merged areas that are named; the others are counted."""

_TOKEN: Final = re.compile(rb"<(?:\w+:)?(row|c|f|v)(?![\w:])([^<>]*)>([^<]*)")
"""Beginnings of rows, cells, formulas and values; no byte is looked at twice."""
_ATTRIBUTE_R: Final = re.compile(rb"""\sr\s*=\s*["']([A-Z]*)(\d+)["']""")
_IS_ERROR: Final = re.compile(rb"""\st\s*=\s*["']e["']""")
_SIGNS: Final = tuple(map(re.compile, (rb"""t=["']e["']""", rb"<f[ />]", rb":f[ />]")))
"""Whether there are any at all: three searches that begin with letters are quick."""
_TOO_WIDE: Final = re.compile(rb'r="[A-Z]{3}\d')
"""Three letters: such a column is beyond every limit, and would be built with all before it."""

Odd = Mapping[int, Mapping[int, dict[str, str]]]
"""What calamine leaves out: by row and column, both from 0."""


class Sheet(NamedTuple):
    """A sheet of the workbook: its name, its part, whether it can be seen."""

    name: str
    part: str
    visible: bool


def open_workbook(
    file: IO[bytes], unpacked_limit: int, columns_limit: int
) -> tuple[dict[str, Any], Iterator[Row]]:
    """Open a workbook: what is to be said of it, and its rows, empty ones among them.

    Raises:
        UnreadableFile: Of any kind.
    """
    parts = parts_of(file, unpacked_limit)
    sheets = sheets_of(parts)
    chosen = next((sheet for sheet in sheets if sheet.visible), None)
    if chosen is None:
        raise NoSheet
    only = {name: data for name, data in parts.items()
            if name == chosen.part or not _is_sheet(name)}  # fmt: skip
    odd = _odd_cells(parts[chosen.part], columns_limit)
    parts.clear()
    archive = rebuilt(only)
    only.clear()
    try:
        book = CalamineWorkbook.from_filelike(archive)
        archive.close()  # it has a copy of its own
        sheet = book.get_sheet_by_name(chosen.name)
        merged = sheet.merged_cell_ranges or []
        rows = sheet.iter_rows()
    except (CalamineError, PasswordError, ValueError) as error:
        raise UnreadableFile from error
    start, end = sheet.start, sheet.end
    if end and end[1] >= columns_limit:
        raise TooManyColumns(limit=columns_limit)
    head = {
        "kind": "xlsx",
        "height": end[0] if end else 0,
        "sheet": chosen.name,
        "others": [other.name for other in sheets if other.visible][1:],
        "hidden": [other.name for other in sheets if not other.visible],
        "merged": [_area(*area) for area in merged[:_MERGED]],
        "merged_count": len(merged),
    }
    return head, _rows(rows, start[1] if start else 0, odd)


def sheets_of(parts: Parts) -> list[Sheet]:
    """List the sheets of cells in the workbook's order; charts are none.

    Raises:
        UnreadableFile: The workbook does not say what it consists of.
    """
    try:
        book, relations = (
            fromstring(parts[name])  # noqa: S314 - definitions were refused
            for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")
        )
    except (KeyError, ParseError) as error:
        raise UnreadableFile from error
    targets = {
        relation.get("Id"): posixpath.normpath(posixpath.join("/xl", relation.get("Target", "")))[
            1:
        ]
        for relation in relations
        if relation.get("Type", "").endswith("/worksheet")
    }
    found = [
        Sheet(sheet.get("name", ""), targets[_relation(sheet)],
              sheet.get("state", "visible") == "visible")
        for sheet in book.iter() if sheet.tag.endswith("}sheet") and _relation(sheet) in targets
    ]  # fmt: skip
    if any(sheet.part not in parts for sheet in found):
        raise UnreadableFile
    return found


def _relation(sheet: Element) -> str | None:
    return next((value for name, value in sheet.items() if name.endswith("}id")), None)


def _is_sheet(part: str) -> bool:
    return part.startswith("xl/worksheets/") and part.endswith(".xml")


def _rows(rows: Iterator[list[Any]], offset: int, odd: Odd) -> Iterator[Row]:
    """Number the rows as Excel does, and put back what is odd."""
    before, left = [""] * offset, dict(odd)
    for number, cells in enumerate(rows):
        if offset:
            cells[:0] = before
        yield number + 1, _with(cells, left.pop(number)) if number in left else cells
    for number in sorted(left):
        yield number + 1, _with([], left[number])


def _with(cells: list[Any], words: Mapping[int, dict[str, str]]) -> list[Any]:
    for column, word in words.items():
        cells.extend([""] * (column + 1 - len(cells)))
        cells[column] = word
    return cells


def _odd_cells(sheet: bytes, columns_limit: int) -> Odd:
    """Find the errors of a sheet, and its formulas without a value."""
    if _TOO_WIDE.search(sheet):
        raise TooManyColumns(limit=columns_limit)
    if not any(sign.search(sheet) for sign in _SIGNS):
        return {}
    found: dict[int, dict[int, dict[str, str]]] = defaultdict(dict)
    for row, column, word in _odd_words(sheet):
        if 0 <= row < ROWS and 0 <= column < columns_limit:
            found[row][column] = word
    return found


def _odd_words(sheet: bytes) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Go through the cells: a formula or an error is told when the next one begins."""
    row = column = -1
    attributes, formula, value = b"", False, b""
    for token in chain(_TOKEN.finditer(sheet), [None]):
        name, more, text = token.groups() if token else (b"c", b"", b"")
        if name == b"f":
            formula = True
        elif name == b"v":
            value = text
        else:
            word = _odd_word(attributes, value, formula=formula)
            if word:
                yield row, column, word
            attributes, formula, value = more if name == b"c" else b"", False, b""
            named = _ATTRIBUTE_R.search(more)
            if name == b"c":
                column = _column(named[1]) if named else column + 1
            else:
                row, column = int(named[2]) - 1 if named else row + 1, -1


def _odd_word(attributes: bytes, value: bytes, *, formula: bool) -> dict[str, str] | None:
    if (b'"e"' in attributes or b"'e'" in attributes) and _IS_ERROR.search(attributes):
        return {"error": value.decode("utf-8", "replace")}
    return {"formula": ""} if formula and not value else None


def _column(letters: bytes) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + letter - 64
    return index - 1


def _area(first: tuple[int, int], last: tuple[int, int]) -> str:
    return ":".join(f"{column_letters(column)}{row + 1}" for row, column in (first, last))
