"""The workbook that repeats an import's rows and colours what is wrong."""

from collections.abc import Callable, Iterator
from typing import IO, Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.models import ImportBatch, ImportRow, RowState
from vmsapp.services.imports.rows import CHUNK, raw
from vmsapp.services.problems import KeptError, error_of
from vmsapp.services.sheets.marked import Told, write_marked
from vmsapp.services.sheets.reading import Row

GAP: Final = 1_000
"""Empty rows that are kept in one place, so that rows have the numbers that are told of them."""

Say = Callable[[KeptError], str]
"""Puts an error into the reader's language."""


def write_report(
    session: Session,
    settings: Settings,
    batch: ImportBatch,
    file: IO[bytes],
    say: Say,
    *,
    title: str,
    fault_heading: str,
    rtl: bool,
) -> None:
    """Write the workbook.

    Of an import that was not applied it has all rows, so that it can be handed in again when
    it is put right; else those alone that were left out.

    Raises:
        FileGone: The import's file is not kept any more.
    """
    headings = [str(one) for one in batch.about["headings"]]
    with raw(settings, batch) as rows:
        told = _told(session, batch, rows, say, only_faulty=batch.applied > 0)
        write_marked(file, title, headings, fault_heading, told, rtl=rtl)


def _told(
    session: Session, batch: ImportBatch, rows: Iterator[Row], say: Say, *, only_faulty: bool
) -> Iterator[Told]:
    errors = _errors(session, batch.id)
    number, found = next(errors, (None, []))
    last, _ = next(rows, (1, []))
    for row, cells in rows:
        if not only_faulty and row - last <= GAP:
            yield from ([([], {})] * (row - last - 1))
        last = row
        while number is not None and number < row:
            number, found = next(errors, (None, []))
        if row == number:
            yield cells, sentences(found, say)
        elif not only_faulty:
            yield cells, {}


def sentences(errors: list[dict[str, Any]], say: Say) -> dict[int, str]:
    """The sentences of a row by place among the headings."""
    told: dict[int, list[str]] = {}
    for error in errors:
        told.setdefault(int(error["column"]), []).append(say(error_of(error)))
    return {column: " ".join(said) for column, said in told.items()}


def _errors(session: Session, batch_id: int) -> Iterator[tuple[int | None, list[dict[str, Any]]]]:
    """Rows with errors in their order, some at a time."""
    last = 0
    while True:
        found = session.execute(
            select(ImportRow.row, ImportRow.errors)
            .where(ImportRow.batch_id == batch_id, ImportRow.row > last)
            .where(ImportRow.state.in_([RowState.FAULTY, RowState.KEPT]))
            .order_by(ImportRow.row).limit(CHUNK)
        ).all()  # fmt: skip
        for row, errors in found:
            yield row, errors or []
        if len(found) < CHUNK:
            return
        last = found[-1].row
