"""Workbooks to fill in: headings with their rules as notes, lists to choose from, an example.

They are small, so openpyxl makes them.
"""

from collections.abc import Sequence
from typing import IO, Final

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from vmsapp.services.sheets.columns import Column, spoken
from vmsapp.services.sheets.names import Words
from vmsapp.services.sheets.parts import ROWS, column_letters, sheet_name

LISTS: Final = "_"
"""Name of the hidden sheet that holds what the lists offer."""
_NOTE_SIZE: Final = 120, 280
_HEADING: Final = Font(bold=True)
_REQUIRED: Final = PatternFill("solid", fgColor="FFFFF2CC")
_EXAMPLE: Final = Font(italic=True, color="FF7F7F7F")


def write_template(
    file: IO[bytes], title: str, columns: Sequence[Column], words: Words, language: str,
    *, rtl: bool = False,
) -> None:  # fmt: skip
    """Write a workbook to fill in.

    Args:
        file: Where to.
        title: The sheet's name.
        columns: Its columns, in this order.
        words: Headings and notes in every language.
        language: Of the reader.
        rtl: Columns run from right to left.
    """
    book = Workbook()
    sheet = book.active
    sheet.title = sheet_name(title)
    sheet.freeze_panes = "A2"
    sheet.sheet_view.rightToLeft = rtl
    lists = book.create_sheet(LISTS)
    lists.sheet_state = "hidden"
    for index, column in enumerate(columns):
        _heading(sheet, index, column, words, language)
        _example(sheet, index, column)
        if column.choices:
            _offer(book, sheet, lists, index, column.choices)
    book.properties.title, book.properties.creator = title, "VMS"
    book.save(file)


def _heading(sheet: Worksheet, index: int, column: Column, words: Words, language: str) -> None:
    cell = sheet.cell(1, index + 1)
    _put(cell, spoken(column.heading, words, language))
    cell.font = _HEADING
    if column.required:
        cell.fill = _REQUIRED
    if column.note:
        height, width = _NOTE_SIZE
        cell.comment = Comment(
            spoken(column.note, words, language), "VMS", height=height, width=width
        )
    shape = sheet.column_dimensions[column_letters(index)]
    shape.width = column.width
    if column.keep_text:
        shape.number_format = "@"


def _example(sheet: Worksheet, index: int, column: Column) -> None:
    cell = sheet.cell(2, index + 1)
    shown = column.example or next(iter(column.choices), "")
    if shown:
        _put(cell, shown)
    cell.font = _EXAMPLE
    if column.keep_text:
        cell.number_format = "@"


def _put(cell: object, text: str) -> None:
    cell.value = text  # type: ignore[attr-defined]
    cell.data_type = "s"  # type: ignore[attr-defined]  # whatever it begins with


def _offer(
    book: Workbook, sheet: Worksheet, lists: Worksheet, index: int, choices: Sequence[str]
) -> None:
    """Let a column choose from a list; another value is warned of, and checked when it comes."""
    letters = column_letters(index)
    for number, choice in enumerate(choices, 1):
        _put(lists[f"{letters}{number}"], choice)
    area = f"'{LISTS}'!${letters}$1:${letters}${len(choices)}"
    name = f"list_{index + 1}"
    book.defined_names[name] = DefinedName(name, attr_text=area)
    offered = DataValidation("list", formula1=name, allow_blank=True, errorStyle="warning")
    offered.showErrorMessage = True
    offered.add(f"{letters}2:{letters}{ROWS}")
    sheet.add_data_validation(offered)
