"""Imports as rows: taken in, confirmed, taken back; a worker does the work.

What may follow what stands in ``MOVES``; a move that does not raises.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import IO, Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import BatchState, ImportBatch, ImportRow, Job, JobState, OfficeUser, RowState
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit, job_runs, stored_files
from vmsapp.services.imports.kinds import SheetKind, kind_for
from vmsapp.services.stored_files import DOWNLOADS, UPLOADS

CHECK: Final = "import.check"
APPLY: Final = "import.apply"
UNDO: Final = "import.undo"
KINDS: Final = (CHECK, APPLY, UNDO)
"""The jobs of an import."""

S = BatchState
MOVES: Final[frozenset[tuple[str, str]]] = frozenset(
    {
        (S.UPLOADED, S.VALIDATING), (S.UPLOADED, S.CANCELLED),
        (S.VALIDATING, S.VALIDATED), (S.VALIDATING, S.REJECTED), (S.VALIDATING, S.CANCELLED),
        (S.VALIDATING, S.VALIDATING),
        (S.VALIDATED, S.APPLYING), (S.VALIDATED, S.CANCELLED),
        (S.REJECTED, S.APPLYING), (S.REJECTED, S.CANCELLED), (S.REJECTED, S.VALIDATING),
        (S.APPLYING, S.APPLYING), (S.APPLYING, S.APPLIED), (S.APPLYING, S.CANCELLED),
        (S.CANCELLED, S.VALIDATING), (S.CANCELLED, S.APPLYING), (S.CANCELLED, S.UNDOING),
        (S.APPLIED, S.UNDOING),
        (S.UNDOING, S.UNDOING), (S.UNDOING, S.UNDONE), (S.UNDOING, S.CANCELLED),
    }
)  # fmt: skip
"""Pairs of states, the first of which the second may follow."""


BUSY: Final = (S.VALIDATING, S.APPLYING, S.UNDOING)
"""States in which a job works on it, or is about to."""


class NoSuchMove(Conflict):
    """The import is not in a state in which this can be done."""

    code = "import_state"
    message = N_("This import has moved on meanwhile. Look at it as it is now.")


class StillFaulty(Refused):
    """Rows have errors, and it was not said to leave them out."""

    code = "still_faulty"
    message = N_(
        "Rows with errors: %(count)s. Put them right and hand the file in again, or choose to "
        "apply the good rows alone."
    )


class NothingToApply(Refused):
    """Not one row is good."""

    code = "nothing_to_apply"
    message = N_("No row of the file can be applied.")


class SameFile(Conflict):
    """The same bytes were handed in before, by whomever, and it was not said to go on."""

    code = "same_file"
    message = N_(
        "The same file was handed in already, by %(who)s on %(at)s. Tick “Import it all the same” "
        "if that is meant."
    )


class SameFileOfOthers(SameFile):
    """The same, by somebody whom the asker does not see, and so is not told of."""

    message = N_(
        "The same file was handed in already, on %(at)s. Tick “Import it all the same” if that is "
        "meant."
    )


def stage(
    session: Session,
    actor: Actor,
    settings: Settings,
    kind: SheetKind,
    source: IO[bytes],
    *,
    file_name: str,
    language: str,
    update_existing: bool,
    although_same: bool,
    consumer_id: int | None = None,
) -> ImportBatch:
    """Take a file in and ask for its check; the door sends the job's message afterwards.

    Args:
        session: In the actor's scope.
        actor: Who hands it in.
        settings: Of the installation.
        kind: Of the sheet.
        source: The file.
        file_name: What its owner calls it.
        language: The owner's.
        update_existing: Rows may change records that are there.
        although_same: Take it though the same bytes were handed in.
        consumer_id: To whom the meters of the file are bound, if to one.

    Raises:
        UnreadableFile: It is empty or too large.
        SameFile: Somebody handed the same one in, and it was not taken back.
    """
    stored = stored_files.store(settings, source)
    name = stored_files.safe_name(file_name, "file")
    try:
        with atomic(session):
            if not although_same:
                _refuse_same(session, kind, stored.sha256)
            batch = ImportBatch(
                kind=kind.code, state=S.UPLOADED, file_name=name, stored=stored.name,
                sha256=stored.sha256, size=stored.size, language=language,
                update_existing=update_existing, actor_id=actor.user_id, made_at=now_utc(),
                about={}, rows=0, faulty=0, applied=0, kept=0, good_only=False,
                consumer_id=consumer_id,
            )  # fmt: skip
            session.add(batch)
            session.flush()
            of_people = kind.people or consumer_id is not None
            whose: dict[str, Any] = {} if consumer_id is None else {"consumer": consumer_id}
            audit.record(
                session, actor, "import.uploaded", "import_batch", batch.id, kind=kind.code,
                file=None if of_people else name, sha256=stored.sha256, size=stored.size,
                update=update_existing, **whose,
            )  # fmt: skip
            _begin(session, actor, batch, CHECK, S.VALIDATING, language)
            return batch
    except BaseException:
        stored_files.remove(settings, UPLOADS, stored.name)
        raise


def confirm(
    session: Session, actor: Actor, batch_id: int, *, good_only: bool, language: str
) -> ImportBatch:
    """Have a checked import applied, or one that was stopped half way go on.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NoSuchMove: It cannot be applied as it is.
        StillFaulty: Rows have errors and ``good_only`` was not chosen.
        NothingToApply: No row is good.
    """
    with atomic(session):
        batch = locked(session, batch_id)
        if batch.stored is None or (batch.state == S.CANCELLED and not batch.rows):
            raise NoSuchMove  # it is checked again first
        if batch.faulty and not (good_only or batch.good_only):
            raise StillFaulty(count=batch.faulty)
        if batch.problem or not batch.good:
            raise NothingToApply
        if not batch.update_existing:
            kind_for(batch).admit(session, batch.good - batch.applied)
        batch.good_only = batch.good_only or bool(batch.faulty)
        audit.record(
            session, actor, "import.confirmed", "import_batch", batch.id, kind=batch.kind,
            rows=batch.rows, faulty=batch.faulty,
        )  # fmt: skip
        _begin(session, actor, batch, APPLY, S.APPLYING, language, total=batch.rows)
        return batch


def check_again(session: Session, actor: Actor, batch_id: int, *, language: str) -> ImportBatch:
    """Have a file checked anew whose check was left."""
    with atomic(session):
        batch = locked(session, batch_id)
        if batch.applied or batch.stored is None or batch.state != S.CANCELLED:
            raise NoSuchMove
        audit.record(session, actor, "import.checked_again", "import_batch", batch.id,
                     kind=batch.kind)  # fmt: skip
        _begin(session, actor, batch, CHECK, S.VALIDATING, language)
        return batch


def take_back(session: Session, actor: Actor, batch_id: int, *, language: str) -> ImportBatch:
    """Have all applied rows undone that nothing was done to since.

    Raises:
        NotFound: There is none, as far as the actor sees.
        NoSuchMove: Nothing was applied, or it was undone already.
    """
    with atomic(session):
        batch = locked(session, batch_id)
        if not batch.applied:
            raise NoSuchMove
        audit.record(session, actor, "import.undo_asked", "import_batch", batch.id,
                     kind=batch.kind, applied=batch.applied)  # fmt: skip
        _begin(session, actor, batch, UNDO, S.UNDOING, language, total=batch.applied)
        return batch


def discard(session: Session, actor: Actor, settings: Settings, batch_id: int) -> ImportBatch:
    """Leave a checked import and remove its file."""
    with atomic(session):
        batch = locked(session, batch_id)
        if batch.state not in {S.VALIDATED, S.REJECTED}:
            raise NoSuchMove
        move(batch, S.CANCELLED)
        stored, batch.stored = batch.stored, None
        audit.record(session, actor, "import.discarded", "import_batch", batch.id, kind=batch.kind)
    stored_files.remove(settings, UPLOADS, stored)
    return batch


def move(batch: ImportBatch, state: BatchState) -> None:
    """Move to another state.

    Raises:
        NoSuchMove: It does not follow.
    """
    if (batch.state, state) not in MOVES:
        raise NoSuchMove
    batch.state = state


def locked(session: Session, batch_id: int) -> ImportBatch:
    """Fetch an import as it is now, in the caller's transaction.

    Raises:
        NotFound: There is none, as far as the actor sees.
    """
    batch = session.scalars(
        select(ImportBatch).where(ImportBatch.id == batch_id)
        .with_for_update().execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if batch is None:
        raise NotFound
    return batch


def resume(session: Session, job: Job) -> None:
    """Put an import into the state in which a job that is tried again can go on, if it is one."""
    if job.kind not in KINDS:
        return
    batch = locked(session, job.params["batch_id"])
    if batch.job_id != job.id:
        raise NoSuchMove
    move(batch, {CHECK: S.VALIDATING, APPLY: S.APPLYING, UNDO: S.UNDOING}[job.kind])


def left(session: Session, job_id: int) -> None:
    """Free an import whose job ended before its end, whatever ended it."""
    with unscoped("an import is freed whoever's it is"), atomic(session):
        found = session.execute(
            select(ImportBatch, Job.state).join(Job, Job.id == ImportBatch.job_id)
            .where(Job.id == job_id, Job.state.in_([JobState.FAILED, JobState.CANCELLED]))
            .where(ImportBatch.state.in_(BUSY)).with_for_update(of=ImportBatch)
            .execution_options(populate_existing=True)
        ).first()  # fmt: skip
        if found:
            move(found[0], S.CANCELLED)


def faulty_rows(session: Session, batch_id: int, limit: int) -> Sequence[ImportRow]:
    """The first rows with errors, or that an undo left."""
    wanted = select(ImportRow).where(
        ImportRow.batch_id == batch_id, ImportRow.state.in_([RowState.FAULTY, RowState.KEPT])
    )
    return session.scalars(wanted.order_by(ImportRow.row).limit(limit)).all()


def _begin(
    session: Session, actor: Actor, batch: ImportBatch, kind: str, state: BatchState,
    language: str, total: int | None = None,
) -> None:  # fmt: skip
    move(batch, state)
    job = job_runs.ask(
        session, actor, kind,
        {"batch_id": batch.id, "sheet": batch.kind, "consumer_id": batch.consumer_id},
        locale=language, file_name=batch.file_name, total=total,
    )  # fmt: skip
    batch.job_id = job.id


def _refuse_same(session: Session, kind: SheetKind, sha256: str) -> None:
    """Warn where the same bytes were handed in; of whose region they are it tells nothing."""
    with unscoped("two people importing one file are warned wherever they work"):
        same = session.execute(
            select(ImportBatch.made_at, ImportBatch.actor_id)
            .where(ImportBatch.sha256 == sha256, ImportBatch.kind == kind.code)
            .where(ImportBatch.state.in_([S.APPLYING, S.APPLIED, S.VALIDATING, S.VALIDATED]))
            .order_by(ImportBatch.id.desc()).limit(1)
        ).first()  # fmt: skip
    if same is None:
        return
    who = session.scalar(select(OfficeUser.username).where(OfficeUser.id == same.actor_id))
    raise SameFileOfOthers(at=same.made_at) if who is None else SameFile(who=who, at=same.made_at)


def remove_old_files(session: Session, settings: Settings) -> int:
    """Remove files of imports and exports after their days, and what rows held before."""
    before, gone = now_utc() - timedelta(days=settings.file_days), 0
    with unscoped("files are removed whoever's they are"):
        with atomic(session, durable=True):
            old = list(session.scalars(
                select(ImportBatch).where(ImportBatch.made_at < before)
                .where(ImportBatch.stored.is_not(None), ImportBatch.state.not_in(BUSY))
            ))  # fmt: skip
            for batch in old:
                stored_files.remove(settings, UPLOADS, batch.stored)
                batch.stored = None
                session.execute(
                    update(ImportRow).where(ImportRow.batch_id == batch.id).values(before=None)
                )
            jobs = list(session.scalars(
                select(Job).where(Job.stored.is_not(None), Job.finished_at < before)
            ))  # fmt: skip
            for job in jobs:
                stored_files.remove(settings, DOWNLOADS, job.stored)
                job.stored = None
            gone = len(old) + len(jobs)
        for folder, column in ((UPLOADS, ImportBatch.stored), (DOWNLOADS, Job.stored)):
            known = {name for name in session.scalars(select(column)) if name}
            gone += stored_files.remove_strays(settings, folder, known)
    return gone
