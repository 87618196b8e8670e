"""Checking an import: every error of every row is kept, and nothing else is written."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import BatchState, ImportBatch, ImportRow, RowState
from vmsapp.scope import Actor
from vmsapp.services.imports import batches
from vmsapp.services.imports.kinds import SheetKind, TwiceInFile, kind_for
from vmsapp.services.imports.rows import Open, kept_error, kept_fault, opened
from vmsapp.services.job_runs import Cancelled, Work
from vmsapp.services.problems import problem_of
from vmsapp.services.rows import insert_rows
from vmsapp.services.sheets.columns import Cleaned
from vmsapp.services.sheets.errors import UnreadableFile
from vmsapp.services.stored_files import FileGone


def check(session: Session, actor: Actor, settings: Settings, work: Work) -> None:
    """Check an import from its beginning; a file that cannot be read is rejected as a whole."""
    batch_id = int(work.params["batch_id"])
    batch = _begun(session, work, batch_id)
    try:
        with opened(session, settings, kind_for(batch), batch, work.locale) as file:
            run = _Check(session, actor, batch, file)
            for chunk in file.chunks():
                work.stop_if_asked(session)
                run.chunk(work, chunk)
    except Cancelled:
        _end(session, work, batch_id, BatchState.CANCELLED)
        raise
    except (UnreadableFile, FileGone) as error:
        _end(session, work, batch_id, BatchState.REJECTED, problem=problem_of(error))
        raise
    state = BatchState.REJECTED if run.faulty or not run.rows else BatchState.VALIDATED
    _end(
        session, work, batch_id, state, rows=run.rows, faulty=run.faulty, about=file.about(),
    )  # fmt: skip


class _Check:
    """A check under way; numbers of records are remembered over all chunks."""

    def __init__(self, session: Session, actor: Actor, batch: ImportBatch, file: Open) -> None:
        self.session, self.actor, self.batch = session, actor, batch
        self.kind: SheetKind = kind_for(batch)
        self.layout, self.total, self._size = file.layout, file.total(), file.size
        self.rows = self.faulty = 0
        self.keys: dict[str, int] = {}

    def chunk(self, work: Work, chunk: Sequence[Cleaned]) -> None:
        """Check some rows, keep what is wrong with them, and tell how far it is."""
        end_reading(self.session)
        errors = errors_of(self.session, self.actor, self.kind, self.batch, self.layout, chunk)
        for row in chunk:
            self._same_key(row, errors)
        self.rows += len(chunk)
        self.faulty += len(errors)
        with self._size.timed(), atomic(self.session, durable=True):
            insert_rows(self.session, ImportRow, [
                {"batch_id": self.batch.id, "row": row, "state": RowState.FAULTY,
                 "errors": found}
                for row, found in errors.items()
            ])  # fmt: skip
            work.advance(self.session, self.rows, max(self.total or 0, self.rows))

    def _same_key(self, row: Cleaned, errors: dict[int, list[dict[str, Any]]]) -> None:
        key = self.kind.key(row.values)
        if key is None:
            return
        first = self.keys.setdefault(key, row.number)
        if first != row.number:
            error = TwiceInFile(shown=key, row=first)
            kept = kept_error(self.layout, self.kind.key_column, error)
            errors.setdefault(row.number, []).append(kept)


def errors_of(
    session: Session, actor: Actor, kind: SheetKind, batch: ImportBatch, layout: Any,  # noqa: ANN401
    chunk: Sequence[Cleaned],
) -> dict[int, list[dict[str, Any]]]:  # fmt: skip
    """All that is wrong with rows, by row, but for two rows with one key.

    Of a cell that could not be read nothing more is said.
    """
    errors = {row.number: [kept_fault(layout, fault) for fault in row.faults]
              for row in chunk if row.faults}  # fmt: skip
    said = {(row.number, fault.column) for row in chunk for fault in row.faults}
    wanted = kind.wanted(session, [row.values for row in chunk], update=batch.update_existing)
    for place, column, error in kind.check(session, actor, wanted):
        number = chunk[place].number
        if (number, column) not in said:
            errors.setdefault(number, []).append(kept_error(layout, column, error))
    return errors


def _begun(session: Session, work: Work, batch_id: int) -> ImportBatch:
    """Begin anew: what a run before this one kept is forgotten."""
    with atomic(session, durable=True):
        batch = batches.locked(session, batch_id)
        batches.move(batch, BatchState.VALIDATING)
        session.execute(delete(ImportRow).where(ImportRow.batch_id == batch_id))
        batch.rows = batch.faulty = 0
        batch.problem = None
        work.advance(session, 0)
    return batch


def _end(
    session: Session, work: Work, batch_id: int, state: BatchState, **values: object
) -> None:  # fmt: skip
    session.rollback()
    with atomic(session, durable=True):
        batch = batches.locked(session, batch_id)
        batches.move(batch, state)
        for name, value in values.items():
            setattr(batch, name, value)
        if state in {BatchState.VALIDATED, BatchState.REJECTED} and batch.rows:
            work.advance(session, batch.rows, batch.rows)
