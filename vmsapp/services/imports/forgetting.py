"""Forgetting a person: what files, and rows about files, hold of somebody who is anonymised.

Of files that were handed in, those go in which the person stands: that the rows say, or the
file itself, which is read again. Of files that were made all go that may show consumers, for
they can be made again. Names of files and searches that tell the person's name lose it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.errors import N_, Conflict, VmsError
from vmsapp.extensions import end_reading
from vmsapp.models import (
    BatchState,
    Consumer,
    ImportBatch,
    ImportRow,
    Job,
    JobState,
    MeterInstallation,
)
from vmsapp.scope import unscoped
from vmsapp.services import stored_files
from vmsapp.services.imports.batches import BUSY, KINDS, move
from vmsapp.services.imports.consumers import CONSUMERS
from vmsapp.services.imports.kinds import all_kinds
from vmsapp.services.imports.meters_with_consumers import METERS_WITH_CONSUMERS
from vmsapp.services.imports.rows import raw
from vmsapp.services.rows import parts
from vmsapp.services.stored_files import DOWNLOADS, UPLOADS, FileGone

EXPORT: Final = "export"
"""The kind of the jobs that make files of lists."""

WITH_PEOPLE: Final = tuple(code for code, kind in all_kinds().items() if kind.people)

SHORTEST: Final = 3
"""Characters from which on a part of a name tells anything."""

SIGNS: Final = frozenset(" -+()/.\u00a0")
"""What people put between the digits of a number, or do not."""

WHOSEVER: Final = "what is held of a person is found wherever it is"


class FilesUnderway(Conflict):
    """What is written just now would hold the person again."""

    code = "anonymise_files_underway"
    message = N_(
        "An import or an export is under way that may hold this consumer. Try again when it has"
        " ended."
    )


@dataclass(frozen=True, slots=True)
class Person:
    """What tells who a consumer is, as it may stand in a cell."""

    consumer_id: int
    values: frozenset[str]

    @classmethod
    def of(cls, row: Consumer) -> "Person":
        """Read it from the record."""
        told = (row.name, row.id_number, row.email, row.phone)
        return cls(row.id, frozenset(_plain(value) for value in told if value))

    def stands_in(self, cells: Iterable[object]) -> bool:
        """Tell whether a row of a file is about the person."""
        return any(_plain(cell) in self.values for cell in cells if cell != "")

    def is_in(self, text: object) -> bool:
        """Tell whether a text holds one of the values."""
        said = _plain(text)
        return any(len(value) >= SHORTEST and value in said for value in self.values)

    def is_sought_by(self, text: str) -> bool:
        """Tell whether a search is for the person, by a value or a part of one."""
        said = _plain(text)
        return self.is_in(text) or (
            len(said) >= SHORTEST and any(said in value for value in self.values)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What was read of files.

    Attributes:
        rows: Imports in whose files a person stands, with the rows there.
        read: All imports whose files were read.
    """

    rows: Mapping[int, Sequence[int]]
    read: frozenset[int]


@dataclass(slots=True)
class Files:
    """Stored files that stand in no row any more, to be removed after the commit."""

    uploads: list[str] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)

    def remove(self, settings: Settings) -> None:
        """Remove them; what a dead process leaves, the night's clearing finds."""
        for folder, names in ((UPLOADS, self.uploads), (DOWNLOADS, self.downloads)):
            for name in names:
                stored_files.remove(settings, folder, name)


def find(session: Session, settings: Settings, person: Person) -> Found:
    """Read the files in which people stand, and find the person; no transaction is open."""
    with unscoped(WHOSEVER):
        batches = session.scalars(_with_files().where(ImportBatch.state.not_in(BUSY))).all()
        applied = _applied_to(session, person.consumer_id)
    end_reading(session)
    read = {batch.id: list(_rows_in(settings, batch, person)) for batch in batches}
    standing = {key: rows for key, rows in read.items() if rows or key in applied}
    return Found(standing, frozenset(read))


def forget(session: Session, person: Person, found: Found, nobody: str) -> Files:
    """Clear what rows hold of the person, and let go of the files, in the caller's transaction.

    Raises:
        FilesUnderway: Something is being written that would hold the person again.
    """
    with unscoped(WHOSEVER):
        _refuse_underway(session, found)
        files = Files()
        for batch in _locked(session, list(found.rows)):
            _forget_import(session, batch, found.rows[batch.id], files)
        _forget_names(session, person, list(found.rows), nobody)
        _clear_before(session, person.consumer_id)
        _clear_errors(session, person)
        _forget_exports(session, person, files, nobody)
    return files


def _with_files() -> Select[ImportBatch]:
    """Imports with files, of whatever kind: an export of meters names whose they are."""
    return select(ImportBatch).where(ImportBatch.stored.is_not(None)).order_by(ImportBatch.id)


def _rows_in(settings: Settings, batch: ImportBatch, person: Person) -> Iterator[int]:
    """Find the rows of a file in which a person stands; a file nobody can read holds none."""
    try:
        with raw(settings, batch) as rows:
            yield from (number for number, cells in rows if person.stands_in(cells))
    except (FileGone, VmsError):
        return


def _applied_to(session: Session, consumer_id: int) -> set[int]:
    """Find the imports that registered or changed a consumer, or one of the meters."""
    meters = select(MeterInstallation.meter_id).where(MeterInstallation.consumer_id == consumer_id)
    subject = or_(
        (ImportBatch.kind == CONSUMERS.code) & (ImportRow.subject_id == consumer_id),
        (ImportBatch.kind == METERS_WITH_CONSUMERS.code) & ImportRow.subject_id.in_(meters),
    )
    wanted = (
        select(ImportRow.batch_id).join(ImportBatch, ImportBatch.id == ImportRow.batch_id)
        .where(ImportBatch.stored.is_not(None), subject).distinct()
    )  # fmt: skip
    return set(session.scalars(wanted))


def _refuse_underway(session: Session, found: Found) -> None:
    """Refuse while files are made or read, or came since those that stand in ``found``."""
    importing = select(ImportBatch.id).where(ImportBatch.state.in_(BUSY))
    came = _with_files().with_only_columns(ImportBatch.id).order_by(None)
    exporting = select(Job.id).where(
        Job.kind == EXPORT, Job.state.in_([JobState.WAITING, JobState.RUNNING])
    )
    for statement in (importing, exporting):
        if session.scalar(statement.limit(1)) is not None:
            raise FilesUnderway
    if not found.read.issuperset(session.scalars(came)):
        raise FilesUnderway


def _locked(session: Session, batch_ids: Sequence[int]) -> Sequence[ImportBatch]:
    return session.scalars(
        select(ImportBatch).where(ImportBatch.id.in_(batch_ids)).order_by(ImportBatch.id)
        .with_for_update().execution_options(populate_existing=True)
    ).all()  # fmt: skip


def _forget_import(session: Session, batch: ImportBatch, rows: Sequence[int], files: Files) -> None:
    """Let go of a file, and of what is wrong with the person's rows in it."""
    if batch.stored:
        files.uploads.append(batch.stored)
    batch.stored = None
    if batch.state in {BatchState.VALIDATED, BatchState.REJECTED}:
        move(batch, BatchState.CANCELLED)
    for some in parts(rows):
        _clear_errors_of(session, batch.id, some)


def _forget_names(session: Session, person: Person, batch_ids: Sequence[int], nobody: str) -> None:
    """Rename files that their owners called by the person."""
    named: list[ImportBatch | Job] = [*_locked(session, batch_ids)]
    jobs = session.scalars(select(Job).where(Job.kind.in_(KINDS), Job.file_name != ""))
    named += [job for job in jobs if job.params.get("batch_id") in batch_ids]
    for row in named:
        if person.is_in(row.file_name):
            row.file_name = nobody


def _clear_errors(session: Session, person: Person) -> None:
    """Clear what is wrong with rows that show the person, of files that are gone already too."""
    wrong = (
        select(ImportRow.batch_id, ImportRow.row, ImportRow.errors)
        .join(ImportBatch, ImportBatch.id == ImportRow.batch_id)
        .where(ImportBatch.kind.in_(WITH_PEOPLE), ImportRow.errors.is_not(None))
    )
    showing = [
        (batch_id, row)
        for batch_id, row, errors in session.execute(wrong)
        if any(person.is_in(value) for error in errors for value in error["params"].values())
    ]
    for batch_id, row in showing:
        _clear_errors_of(session, batch_id, [row])


def _clear_errors_of(session: Session, batch_id: int, rows: Sequence[int]) -> None:
    session.execute(
        update(ImportRow)
        .where(ImportRow.batch_id == batch_id, ImportRow.row.in_(rows))
        .values(errors=None)
        .execution_options(synchronize_session=False)
    )


def _clear_before(session: Session, consumer_id: int) -> None:
    """Clear what changed records of the consumer held before."""
    of_consumers = select(ImportBatch.id).where(ImportBatch.kind == CONSUMERS.code)
    session.execute(
        update(ImportRow)
        .where(ImportRow.batch_id.in_(of_consumers), ImportRow.subject_id == consumer_id)
        .values(before=None)
        .execution_options(synchronize_session=False)
    )


def _forget_exports(session: Session, person: Person, files: Files, nobody: str) -> None:
    for job in session.scalars(select(Job).where(Job.kind == EXPORT).with_for_update()):
        if job.stored:
            files.downloads.append(job.stored)
            job.stored = None
        pairs = parse_qsl(job.params.get("query", ""), keep_blank_values=True)
        if any(person.is_sought_by(value) for _, value in pairs):
            kept = [(name, nobody if person.is_sought_by(value) else value)
                    for name, value in pairs]  # fmt: skip
            job.params = {**job.params, "query": urlencode(kept)}


def _plain(value: object) -> str:
    """A value as it is compared: without spaces and signs between digits, large or small."""
    text = f"{value:.0f}" if isinstance(value, float) else str(value)
    return "".join(sign for sign in text.casefold() if sign not in SIGNS)
