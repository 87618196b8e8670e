"""Applying an import: chunk by chunk, each one transaction, each row once.

What a chunk writes, which rows it did and how far the job is, is kept in one transaction, so
a worker may die anywhere: the next one leaves out the rows that are done.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import BatchState, ImportBatch, ImportRow, RowState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.imports import batches
from vmsapp.services.imports.kinds import Done, SheetKind, kind_for
from vmsapp.services.imports.rows import Open, kept_error, kept_fault, opened
from vmsapp.services.job_runs import Cancelled, Work
from vmsapp.services.rows import insert_rows
from vmsapp.services.sheets.columns import Cleaned

APPLIED = (RowState.ADDED, RowState.CHANGED, RowState.SAME)


def apply(session: Session, actor: Actor, settings: Settings, work: Work) -> None:
    """Apply the good rows of a checked import, from where it stopped."""
    batch_id = int(work.params["batch_id"])
    with atomic(session, durable=True):
        batch = batches.locked(session, batch_id)
        batches.move(batch, BatchState.APPLYING)
    try:
        with opened(session, settings, kind_for(batch), batch, work.locale) as file:
            seen = 0
            for chunk in file.chunks():
                work.stop_if_asked(session)
                seen += len(chunk)
                _chunk(session, actor, work, batch, file, chunk, seen)
    except Cancelled:
        _end(session, actor, batch_id, BatchState.CANCELLED)
        raise
    _end(session, actor, batch_id, BatchState.APPLIED)


def _chunk(
    session: Session, actor: Actor, work: Work, batch: ImportBatch, file: Open,
    chunk: Sequence[Cleaned], seen: int,
) -> None:  # fmt: skip
    kind = kind_for(batch)
    end_reading(session)
    with file.size.timed(), atomic(session, durable=True):
        known = _known(session, batch.id, chunk)
        rows = [row for row in chunk if row.number not in known]
        if rows:
            _write(session, actor, kind, batch, file, rows)
        work.advance(session, seen, max(batch.rows, seen))


def _write(
    session: Session, actor: Actor, kind: SheetKind, batch: ImportBatch, file: Open,
    rows: Sequence[Cleaned],
) -> None:  # fmt: skip
    # what the check found good may be wrong by now: a region may be gone, a number taken
    errors = {row.number: [kept_fault(file.layout, fault) for fault in row.faults]
              for row in rows if row.faults}  # fmt: skip
    rows = [row for row in rows if not row.faults]
    wanted = kind.wanted(session, [row.values for row in rows], update=batch.update_existing)
    done, faults = kind.apply(session, actor, wanted, batch.id)
    for place, column, error in faults:
        errors.setdefault(rows[place].number, []).append(kept_error(file.layout, column, error))
    kept = [_row(batch.id, row.number, one) for row, one in zip(rows, done, strict=True) if one]
    insert_rows(session, ImportRow, [row for row in kept if "before" not in row])
    insert_rows(session, ImportRow, [row for row in kept if "before" in row])
    insert_rows(session, ImportRow, [
        {"batch_id": batch.id, "row": number, "state": RowState.FAULTY, "errors": found}
        for number, found in errors.items()
    ])  # fmt: skip
    session.execute(
        update(ImportBatch).where(ImportBatch.id == batch.id)
        .values(applied=ImportBatch.applied + len(kept),
                faulty=ImportBatch.faulty + len(errors))
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def _row(batch_id: int, number: int, done: Done) -> dict[str, Any]:
    row: dict[str, Any] = {"batch_id": batch_id, "row": number, "state": done.state,
                           "subject_id": done.subject_id, "version": done.version}  # fmt: skip
    return row if done.before is None else row | {"before": done.before}


def _known(session: Session, batch_id: int, chunk: Sequence[Cleaned]) -> set[int]:
    """Rows of a chunk that are done, or faulty."""
    return set(
        session.scalars(
            select(ImportRow.row).where(
                ImportRow.batch_id == batch_id,
                ImportRow.row.between(chunk[0].number, chunk[-1].number),
            )
        )
    )


def _end(session: Session, actor: Actor, batch_id: int, state: BatchState) -> None:
    session.rollback()
    with atomic(session, durable=True):
        batch = batches.locked(session, batch_id)
        batches.move(batch, state)
        batch.applied_at = now_utc()
        counted = session.execute(
            select(ImportRow.state, func.count())
            .where(ImportRow.batch_id == batch_id).group_by(ImportRow.state)
        )  # fmt: skip
        counts: dict[str, int] = {row[0]: row[1] for row in counted}
        batch.applied = sum(counts.get(one, 0) for one in APPLIED)
        audit.record(
            session, actor, "import.applied" if state == BatchState.APPLIED else "import.cancelled",
            "import_batch", batch.id, kind=batch.kind,
            added=counts.get(RowState.ADDED, 0), changed=counts.get(RowState.CHANGED, 0),
            faulty=batch.faulty,
        )  # fmt: skip
