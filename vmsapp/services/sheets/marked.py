"""A workbook that says what is wrong: the rows as they were read, each beside its faults."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

from vmsapp.i18n import labelled
from vmsapp.services.sheets.reading import Odd, Read
from vmsapp.services.sheets.text import Cell
from vmsapp.services.sheets.xlsx import Look, Marked, write_xlsx

Told = tuple[Sequence[Read], Mapping[int, str]]
"""A row's cells, and by index of the column a sentence; those at ``NO_COLUMN`` mark none."""

NO_COLUMN = -1
"""Where a sentence stands that is about the row as a whole."""


def write_marked(
    file: IO[bytes], title: str, headings: Sequence[str], fault_heading: str,
    rows: Iterable[Told], *, rtl: bool = False,
) -> None:  # fmt: skip
    """Write rows with their faults: the cells in colour, the sentences in a last column.

    Put right, the file can be handed in again as it is: the last column is not known, so
    it is left out, and text stays text when it is edited.

    Args:
        file: Where to.
        title: The sheet's name.
        headings: As the file has them.
        fault_heading: Heading of the last column.
        rows: The rows and what is wrong with them, in the reader's language.
        rtl: Columns run from right to left.
    """
    lines = _lines(rows, headings)
    write_xlsx(file, title, [*headings, fault_heading], lines, Look(rtl=rtl, keep_text=True))


def _lines(rows: Iterable[Told], headings: Sequence[str]) -> Iterator[list[Cell | Marked]]:
    width = len(headings)
    for cells, faults in rows:
        line: list[Cell | Marked] = [
            cell.shown if isinstance(cell, Odd) else cell for cell in cells[:width]
        ]
        line.extend([None] * (width - len(line)))
        told = []
        for column, sentence in sorted(faults.items()):
            if column == NO_COLUMN:
                told.append(sentence)
            else:
                line[column] = Marked(line[column])  # type: ignore[arg-type]
                told.append(labelled(headings[column], sentence))
        yield [*line, " ".join(told)]
