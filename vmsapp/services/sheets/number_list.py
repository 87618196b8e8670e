"""A list of meter numbers that was handed in: a column of a workbook or a CSV file.

The column under a heading that says so in one of the product's languages, else the first. What
stands in it is given as it was written; what is no meter's number, the reader of the list says.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import IO, Final

from config import Settings
from vmsapp.errors import N_
from vmsapp.services import stored_files
from vmsapp.services.sheets.cleaners import one_spelling, western
from vmsapp.services.sheets.errors import UnreadableFile
from vmsapp.services.sheets.names import loose_key
from vmsapp.services.sheets.reading import Odd, Read, Row, limits_from, reading
from vmsapp.services.stored_files import UPLOADS

LONGEST: Final = 40
"""Signs of a number that are kept."""
LEAST_DIGITS: Final = 6
"""A first cell with so many digits is a number, not a heading."""


class NoNumbers(UnreadableFile):
    """The column is empty."""

    code = "no_numbers"
    message = N_("There is no meter number in the file. Put them into its first column.")


def numbers_in(
    settings: Settings, source: IO[bytes], name: str, headings: Collection[str]
) -> list[str]:
    """Read a list of numbers, in its order; the file is not kept.

    Args:
        settings: Of the installation, which say how large a file may be.
        source: What was handed in.
        name: What its owner calls it.
        headings: Names of the column, in any language.

    Raises:
        UnreadableFile: Why it cannot be read.
        NoNumbers: Nothing stands in the column.
    """
    stored = stored_files.store(settings, source)
    try:
        path = stored_files.path_of(settings, UPLOADS, stored.name)
        with reading(path, name, limits_from(settings)) as sheet:
            found = list(_column(sheet.rows(), {loose_key(one) for one in headings}))
    finally:
        stored_files.remove(settings, UPLOADS, stored.name)
    if not found:
        raise NoNumbers
    return found


def _column(rows: Iterator[Row], headings: Collection[str]) -> Iterator[str]:
    first = next(rows, None)
    if first is None:
        return
    names = [loose_key(_text(cell)) for cell in first[1]]
    place = next((place for place, name in enumerate(names) if name in headings), 0)
    if sum(map(str.isdigit, _at(first[1], place))) >= LEAST_DIGITS:
        yield _at(first[1], place)
    for _number, cells in rows:
        if text := _at(cells, place):
            yield text


def _at(cells: Sequence[Read], place: int) -> str:
    return _text(cells[place])[:LONGEST] if place < len(cells) else ""


def _text(cell: Read) -> str:
    match cell:
        case str():
            return western(one_spelling(cell))
        case float() if cell.is_integer():
            return f"{cell:.0f}"
        case Odd():
            return one_spelling(cell.shown)
        case _:
            return str(cell)
