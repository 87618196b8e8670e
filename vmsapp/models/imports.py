"""Imports: a file somebody handed in, and what became of its rows."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.consumer import Consumer
from vmsapp.models.job import Job
from vmsapp.models.mixins import OwnScoped
from vmsapp.models.types import BigId, Code, Id, Moment, Text, UtcDateTime
from vmsapp.models.user import OfficeUser


class BatchState(StrEnum):
    """How far an import is.

    ``rejected`` has rows with errors, or is no file that can be read; ``cancelled`` was left
    before the end, with whatever rows were applied until then.
    """

    UPLOADED = "uploaded"
    VALIDATING = "validating"
    VALIDATED = "validated"
    REJECTED = "rejected"
    APPLYING = "applying"
    APPLIED = "applied"
    CANCELLED = "cancelled"
    UNDOING = "undoing"
    UNDONE = "undone"


class RowState(StrEnum):
    """What became of a row of a file; rows without one of these are good and not applied."""

    FAULTY = "faulty"
    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"
    UNDONE = "undone"
    KEPT = "kept"


class ImportBatch(OwnScoped, Model):
    """One file.

    Attributes:
        kind: Which kind of sheet it is.
        file_name: What its owner calls it.
        stored: Random name under which it lies in the folder of uploads, until it is removed.
        sha256: Of its bytes, in hexadecimal digits.
        size: Bytes.
        language: Of its owner, for what is written without a reader.
        update_existing: Rows whose number is on record change it; else they are faulty.
        good_only: The rows without errors were applied though others have some.
        about: What was noticed of the file as a whole: ``headings``, ``ignored``, ``others``,
            ``hidden``, ``merged``, ``examples``, ``empty``.
        problem: Why it cannot be read at all, as ``Job.problem``.
        rows, faulty: Rows of the file, and those with errors.
        applied, kept: Rows applied, and those an undo left as they were.
        job_id: The job that works on it now, or did last.
        consumer_id: To whom the meters of the file are bound; the id of somebody who may be
            deleted meanwhile, as those in ``ImportRow``.
        consumer: Nobody, too, where the consumer is out of the asker's sight.
    """

    __tablename__ = "import_batch"
    __table_args__ = (
        CheckConstraint(
            "state IN ('uploaded', 'validating', 'validated', 'rejected', 'applying', 'applied', "
            "'cancelled', 'undoing', 'undone')",
            name="ck_import_batch_state",
        ),
    )

    id: Mapped[Id]
    kind: Mapped[Code]
    state: Mapped[str] = mapped_column(String(10), default=BatchState.UPLOADED)
    file_name: Mapped[Text]
    stored: Mapped[str | None] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    language: Mapped[str] = mapped_column(String(8), default="en")
    update_existing: Mapped[bool] = mapped_column(default=False)
    good_only: Mapped[bool] = mapped_column(default=False)
    about: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    rows: Mapped[int] = mapped_column(default=0)
    faulty: Mapped[int] = mapped_column(default=0)
    applied: Mapped[int] = mapped_column(default=0)
    kept: Mapped[int] = mapped_column(default=0)
    made_at: Mapped[Moment]
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"), index=True)
    consumer_id: Mapped[int | None] = mapped_column(BigInteger)

    actor: Mapped[OfficeUser | None] = relationship(lazy="raise_on_sql")
    job: Mapped[Job | None] = relationship(lazy="raise_on_sql")
    consumer: Mapped[Consumer | None] = relationship(
        primaryjoin=lambda: foreign(ImportBatch.consumer_id) == Consumer.id,
        viewonly=True, lazy="raise_on_sql",
    )  # fmt: skip

    @property
    def good(self) -> int:
        """Rows without errors."""
        return self.rows - self.faulty

    def __repr__(self) -> str:
        return f"ImportBatch({self.id})"


class ImportRow(Model):
    """What became of one row; the key lets no row be applied twice.

    Attributes:
        row: As the spreadsheet shows it.
        errors: Each with ``column`` (its place among the headings, or -1), ``code``,
            ``message`` (English message id) and ``params``.
        subject_id: The record that was added or changed.
        before: What a changed record held, for the undo; emptied when files are removed.
        version: The record's version after this row.
    """

    __tablename__ = "import_row"
    __table_args__ = (
        CheckConstraint(
            "state IN ('faulty', 'added', 'changed', 'same', 'undone', 'kept')",
            name="ck_import_row_state",
        ),
    )

    batch_id: Mapped[int] = mapped_column(BigId, ForeignKey("import_batch.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(8))
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    version: Mapped[int | None]
