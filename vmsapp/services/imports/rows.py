"""The rows of an import's file, cleaned, a chunk at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from config import Settings
from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.i18n import in_every_language
from vmsapp.models import ImportBatch
from vmsapp.services import stored_files
from vmsapp.services.chunk_size import ChunkSize
from vmsapp.services.imports.kinds import SheetKind
from vmsapp.services.problems import kept, problem_of
from vmsapp.services.sheets.columns import Cleaned, Fault, Layout, lay_out
from vmsapp.services.sheets.errors import NoSheet
from vmsapp.services.sheets.faults import FAULTS
from vmsapp.services.sheets.marked import NO_COLUMN
from vmsapp.services.sheets.names import Words, loose_key
from vmsapp.services.sheets.reading import Row, Sheet, decimal_sign, limits_from, reading
from vmsapp.services.sheets.templates import LISTS
from vmsapp.services.stored_files import UPLOADS

CHUNK: Final = 500
"""Rows of one transaction at most: just after a checkpoint PostgreSQL writes every page of an index
whole that a row touches, and each row of a consumer touches a dozen."""

WRONG: Final = N_("What is wrong")
"""Heading of the column in which a marked workbook says it."""


@dataclass(slots=True)
class Open:
    """A file that is being read: its columns, its rows as they come, and how many at a time."""

    sheet: Sheet
    layout: Layout
    rows: Iterator[Row]
    size: ChunkSize = field(default_factory=lambda: ChunkSize(CHUNK))

    def chunks(self) -> Iterator[Sequence[Cleaned]]:
        """The cleaned rows, as many at a time as ``size`` says."""
        rows = self.layout.clean(self.rows)
        while chunk := list(islice(rows, self.size.rows)):
            yield chunk

    def total(self) -> int | None:
        """About how many rows there are, before all were read."""
        height = self.sheet.about.get("height")
        return height if isinstance(height, int) and height > 0 else None

    def about(self) -> dict[str, Any]:
        """What is to be said of the file as a whole."""
        noticed = {
            name: self.sheet.about[name]
            for name in ("sheet", "others", "merged", "merged_count", "encoding")
            if self.sheet.about.get(name)
        }
        noticed["hidden"] = [one for one in self.sheet.about.get("hidden", []) if one != LISTS]
        return noticed | {
            "headings": self.layout.headings, "ignored": _not_ours(self.layout.ignored),
            "told": self.layout.told, "absent": self.layout.absent,
            "examples": self.layout.examples, "empty": self.sheet.empty or 0,
        }  # fmt: skip


def _not_ours(headings: Sequence[str]) -> list[str]:
    """Leave out the column in which a marked workbook says what is wrong."""
    ours = {loose_key(one) for one in in_every_language([WRONG])[WRONG].values()}
    return [one for one in headings if loose_key(one) not in ours]


@contextmanager
def opened(
    session: Session, settings: Settings, kind: SheetKind, batch: ImportBatch, language: str
) -> Iterator[Open]:
    """Read an import's file in a process of its own.

    Raises:
        FileGone: It is not kept any more.
        UnreadableFile: It cannot be read, or is of another template.
    """
    words = in_every_language(kind.texts())
    with reading(_path(settings, batch), batch.file_name, limits_from(settings)) as sheet:
        rows = sheet.rows()
        first = next(rows, None)
        if first is None:
            raise NoSheet
        columns = kind.columns(session, words, language, decimal_sign(sheet.about))
        yield Open(sheet, lay_out(first, columns, words, language), rows)


@contextmanager
def raw(settings: Settings, batch: ImportBatch) -> Iterator[Iterator[Row]]:
    """Read an import's file as it is, the headings first."""
    with reading(_path(settings, batch), batch.file_name, limits_from(settings)) as sheet:
        yield sheet.rows()


def words_of(kind: SheetKind) -> Words:
    """The texts of a kind of sheet in every language."""
    return in_every_language(kind.texts())


def kept_fault(layout: Layout, fault: Fault) -> dict[str, Any]:
    """Write a fault of a cell as it is kept."""
    column = layout.found.get(fault.column, NO_COLUMN)
    return {"column": column, **kept(fault.code, _sentence(fault.code), fault.params)}


def kept_error(layout: Layout, column: str, error: VmsError) -> dict[str, Any]:
    """Write what a service found as it is kept."""
    return {"column": layout.found.get(column, NO_COLUMN), **problem_of(error)}


def _sentence(code: str) -> str:
    """The sentence of a fault: the sheets' own, or of an error that a cleaner raised."""
    return FAULTS.get(code) or _other_sentences()[code]


@cache
def _other_sentences() -> dict[str, str]:
    found, waiting = {}, [InvalidInput]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind.message
        waiting += kind.__subclasses__()
    return found


def _path(settings: Settings, batch: ImportBatch) -> Path:
    return stored_files.path_of(settings, UPLOADS, batch.stored)
