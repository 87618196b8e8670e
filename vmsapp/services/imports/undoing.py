"""Undoing an import: rows that nothing was done to since; the others stay, with the reason."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from vmsapp.extensions import atomic, end_reading
from vmsapp.models import BatchState, ImportBatch, ImportRow, RowState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.chunk_size import ChunkSize
from vmsapp.services.imports import batches
from vmsapp.services.imports.applying import APPLIED
from vmsapp.services.imports.kinds import Undoable, kind_for
from vmsapp.services.imports.rows import CHUNK
from vmsapp.services.job_runs import Cancelled, Work
from vmsapp.services.problems import problem_of
from vmsapp.services.sheets.marked import NO_COLUMN


def undo(session: Session, actor: Actor, work: Work) -> None:
    """Undo the applied rows of an import, the last ones first, from where it stopped."""
    batch_id = int(work.params["batch_id"])
    with atomic(session, durable=True):
        batch = batches.locked(session, batch_id)
        batches.move(batch, BatchState.UNDOING)
    done, left, size = work.done, True, ChunkSize(CHUNK)
    try:
        while left:
            work.stop_if_asked(session)
            left, count = _chunk(session, actor, work, batch, done, size)
            done += count
    except Cancelled:
        _end(session, actor, batch_id, BatchState.CANCELLED)
        raise
    _end(session, actor, batch_id, BatchState.UNDONE)


def _chunk(
    session: Session, actor: Actor, work: Work, batch: ImportBatch, done: int, size: ChunkSize
) -> tuple[bool, int]:
    end_reading(session)
    most = size.rows
    with size.timed(), atomic(session, durable=True):
        rows = _next(session, batch.id, most)
        touched = [row for row in rows if row.state != RowState.SAME]
        stays = kind_for(batch).undo(session, actor, touched, batch.id) if touched else {}
        gone = [row.row for row in rows if row.row not in stays]
        _mark(session, batch.id, gone)
        for number, error in stays.items():
            problem = {"column": NO_COLUMN, **problem_of(error)}
            session.execute(
                update(ImportRow)
                .where(ImportRow.batch_id == batch.id, ImportRow.row == number)
                .values(state=RowState.KEPT, errors=[problem])
                .execution_options(synchronize_session=False)
            )
        work.advance(session, done + len(rows))
    return len(rows) == most, len(rows)


def _next(session: Session, batch_id: int, most: int) -> list[Undoable]:
    wanted = (
        select(ImportRow.row, ImportRow.state, ImportRow.subject_id, ImportRow.before,
               ImportRow.version)
        .where(ImportRow.batch_id == batch_id, ImportRow.state.in_(APPLIED))
        .order_by(ImportRow.row.desc()).limit(most)
    )  # fmt: skip
    return [Undoable(*row) for row in session.execute(wanted)]


def _mark(session: Session, batch_id: int, rows: Sequence[int]) -> None:
    if rows:
        session.execute(
            update(ImportRow)
            .where(ImportRow.batch_id == batch_id, ImportRow.row.in_(rows))
            .values(state=RowState.UNDONE, before=None)
            .execution_options(synchronize_session=False)
        )


def _end(session: Session, actor: Actor, batch_id: int, state: BatchState) -> None:
    session.rollback()
    with atomic(session, durable=True):
        batch = batches.locked(session, batch_id)
        batches.move(batch, state)
        counted = session.execute(
            select(ImportRow.state, func.count())
            .where(ImportRow.batch_id == batch_id).group_by(ImportRow.state)
        )  # fmt: skip
        counts: dict[str, int] = {row[0]: row[1] for row in counted}
        batch.applied = sum(counts.get(one, 0) for one in APPLIED)
        batch.kept = counts.get(RowState.KEPT, 0)
        audit.record(
            session, actor, "import.undone" if state == BatchState.UNDONE else "import.cancelled",
            "import_batch", batch.id, kind=batch.kind, kept=batch.kept,
            undone=counts.get(RowState.UNDONE, 0),
        )  # fmt: skip
