"""The columns of a kind of sheet: found by their headings in any language, cleaned row by row.

Columns may stand in any order. What is not known is left out and named. Every fault of a
row is told, never only the first; a sentence is put together where the reader is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, NamedTuple

from vmsapp.errors import N_, InvalidInput
from vmsapp.services.sheets.cleaners import Cleaner
from vmsapp.services.sheets.errors import UnreadableFile
from vmsapp.services.sheets.faults import FAULTS
from vmsapp.services.sheets.names import Words, loose_key
from vmsapp.services.sheets.parts import column_letters
from vmsapp.services.sheets.reading import Odd, Read, Row

_NEW: Final = object()
_REMEMBERED: Final = 1_000
"""Texts of a column whose values are kept: of most columns few differ, and cleaning takes long."""


class UnknownHeadings(UnreadableFile):
    """Not one heading is known: another sheet, or none at all."""

    code = "unknown_headings"
    message = N_(
        "No heading in row %(row)s is known. The first row must name the columns, "
        "as in the template."
    )


class MissingColumns(UnreadableFile):
    """Columns that must be there are not."""

    code = "missing_columns"
    message = N_("These columns are missing: %(columns)s.")


class DoubledColumn(UnreadableFile):
    """Two headings name one column."""

    code = "doubled_column"
    message = N_("The columns %(first)s and %(second)s both say “%(heading)s”. Remove one.")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a kind of sheet.

    Attributes:
        name: Under which its value is handed on.
        heading: English text of its heading, marked for translation.
        clean: Makes the value of a cell.
        required: It must be there, and no cell of it empty.
        empty: The value of an empty cell; one that is required has none.
        note: English text of its rule, for the template.
        width: Characters, in the template.
        example: What the template's example shows.
        choices: What the template offers.
        keep_text: The template keeps it as text, so that leading zeros survive.
        once: English text of the heading that older files have.
        told: It stands in files that were exported and is not imported; the template has none.
    """

    name: str
    heading: str
    clean: Cleaner
    required: bool = False
    empty: object = None
    note: str = ""
    width: int = 18
    example: str = ""
    choices: Sequence[str] = ()
    keep_text: bool = False
    told: bool = False
    once: str = ""


def told_columns(headings: Mapping[str, str]) -> list[Column]:
    """Columns that only tell how things are, by their names; whatever stands there is left."""
    return [Column(name, heading, lambda _: None, told=True) for name, heading in headings.items()]


Planned = tuple[int, Column, dict[object, object]]
"""The place of a known column, and the values of texts that stood there before."""


class Fault(NamedTuple):
    """One thing that is wrong with a row.

    Attributes:
        row: As Excel shows it.
        column: The column's name.
        heading: As the file has it.
        code: Of the sentence in ``FAULTS``, or of another error.
        params: Values for the sentence.
    """

    row: int
    column: str
    heading: str
    code: str
    params: Mapping[str, object]


@dataclass(slots=True)
class Cleaned:
    """A row.

    Attributes:
        number: As Excel shows it.
        values: Clean values by column name, of the cells without faults.
        faults: All that is wrong; without any the row is good.
        cells: As they were read.
    """

    number: int
    values: dict[str, object]
    faults: list[Fault]
    cells: list[Read]


@dataclass(slots=True)
class Layout:
    """How a file's columns lie.

    Attributes:
        headings: All, as the file has them.
        found: The index of each known column that is there.
        ignored: Headings that are not known.
        told: Headings of columns that are known and not imported.
        absent: Columns that may be missing, and are.
        examples: Rows left out so far, because they are the template's example.
    """

    headings: list[str]
    found: dict[str, int]
    ignored: list[str]
    absent: list[str]
    told: list[str] = field(default_factory=list)
    _plan: list[Planned] = field(default_factory=list)
    examples: int = 0

    def clean(self, rows: Iterable[Row]) -> Iterator[Cleaned]:
        """Clean the rows after the headings."""
        width, is_example = len(self.headings), self._example()
        for number, cells in rows:
            if len(cells) < width:
                cells.extend([""] * (width - len(cells)))
            if is_example(cells):
                self.examples += 1
                continue
            yield self._clean(number, cells)

    def _clean(self, number: int, cells: list[Read]) -> Cleaned:
        values: dict[str, object] = {}
        faults: list[Fault] = []
        for index, column, before in self._plan:
            value = before.get(cells[index], _NEW)
            if value is _NEW:
                self._clean_cell(number, index, column, before, cells[index], values, faults)
            else:
                values[column.name] = value
        return Cleaned(number, values, faults, cells)

    def _clean_cell(
        self, number: int, index: int, column: Column, before: dict[object, object], read: Read,
        values: dict[str, object], faults: list[Fault],
    ) -> None:  # fmt: skip
        cell: Any = read.strip() if type(read) is str else read
        if cell == "" and column.required:
            faults.append(self._fault(number, index, column, "required", {}))
        elif cell == "":
            values[column.name] = column.empty
        elif type(cell) is Odd:
            faults.append(self._fault(number, index, column, *_odd_fault(cell)))
        else:
            try:
                values[column.name] = column.clean(cell)
            except InvalidInput as error:
                faults.append(self._fault(number, index, column, error.code, error.params))
            else:
                # texts alone: 1.0 and True would be taken for one another
                if type(read) is str and len(before) < _REMEMBERED:
                    before[read] = values[column.name]

    def _fault(
        self, number: int, index: int, column: Column, code: str, params: Mapping[str, object]
    ) -> Fault:
        return Fault(number, column.name, self.headings[index], code, params)

    def _example(self) -> Callable[[list[Read]], bool]:
        """Whether cells are the template's example; one cell alone would not do."""
        shown = {index: column.example for index, column, _ in self._plan
                 if column.example and not column.choices}  # fmt: skip
        if len(shown) < 2:
            return lambda _cells: False
        picked, wanted = itemgetter(*shown), tuple(shown.values())
        return lambda cells: picked(cells) == wanted


_ODD_CODES: Final = {
    "error": "cell_error",
    "formula": "formula_without_value",
    "time": "time_of_day",
}
assert set(_ODD_CODES.values()) <= set(FAULTS)


def _odd_fault(cell: Odd) -> tuple[str, dict[str, object]]:
    return _ODD_CODES[cell.kind], {"shown": cell.shown} if cell.shown else {}


def lay_out(heading_row: Row, columns: Sequence[Column], words: Words, language: str) -> Layout:
    """Find the columns by their headings.

    Args:
        heading_row: The first row.
        columns: Those of this kind of sheet.
        words: Their headings in every language.
        language: In which missing ones are named.

    Raises:
        UnknownHeadings: None is known.
        MissingColumns: One that is required is not there.
        DoubledColumn: One is there twice.
    """
    row, cells = heading_row
    headings = [" ".join(str(cell).split()) for cell in cells]
    by_key = {
        loose_key(text): column
        for column in columns
        for heading in filter(None, (column.once, column.heading))
        for text in (heading, *words.get(heading, {}).values())
    }
    found: dict[str, int] = {}
    plan: list[Planned] = []
    ignored: list[str] = []
    told: list[str] = []
    for index, heading in enumerate(headings):
        column = by_key.get(loose_key(heading))
        if column is None:
            ignored += [heading] if heading else []
            continue
        if column.name in found:
            raise DoubledColumn(
                first=column_letters(found[column.name]),
                second=column_letters(index),
                heading=heading,
            )
        found[column.name] = index
        plan.append((index, column, {}))
        told += [heading] if column.told else []
    absent = [column for column in columns if column.name not in found and not column.told]
    if len(told) == len(found):
        raise UnknownHeadings(row=row)
    if missing := [spoken(column.heading, words, language) for column in absent if column.required]:
        raise MissingColumns(columns=", ".join(missing))
    return Layout(headings, found, ignored, [column.name for column in absent], told, plan)


def spoken(text: str, words: Words, language: str) -> str:
    """A text in a language."""
    return words.get(text, {}).get(language) or text
