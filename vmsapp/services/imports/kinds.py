"""What a kind of sheet must bring along to be imported; the kinds there are, by code."""

# ruff: noqa: PLC0415 - the kinds import this

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.models import ImportBatch
from vmsapp.scope import Actor
from vmsapp.services.sheets.columns import Column
from vmsapp.services.sheets.names import Words

Values = Mapping[str, object]
"""Clean values of a row by column name; those of faulty cells and missing columns are absent."""

RowFault = tuple[int, str, VmsError]
"""Place of a row among those asked about, column name, and what is wrong."""


class TwiceInFile(InvalidInput):
    """Two rows of one file would be one record."""

    code = "twice_in_file"
    message = N_("%(shown)s stands in row %(row)s too.")

    def __init__(self, *, shown: str, row: int) -> None:
        super().__init__(shown=shown, row=row)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a row asks for.

    Attributes:
        draft: The record as it is to be, of the kind's own type.
        existing_id: The record that is to be changed into it; ``None`` adds one.
        left: That record is as the row says, and stays as it is.
        refused: Why nothing can be done with the row.
    """

    draft: Any
    existing_id: int | None = None
    left: bool = False
    refused: VmsError | None = None

    @property
    def asked(self) -> bool:
        """Whether there is anything to do."""
        return not self.left and self.refused is None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a row.

    Attributes:
        state: ``added``, ``changed`` or ``same``.
        subject_id: The record.
        before: What a changed record held, as JSON.
        version: The record's version now.
    """

    state: str
    subject_id: int
    before: dict[str, Any] | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Undoable:
    """A row to be undone, as ``Done`` told of it."""

    row: int
    state: str
    subject_id: int
    before: dict[str, Any] | None
    version: int | None


def refusals(wanted: Sequence[Wanted], column: str) -> list[RowFault]:
    """Tell of the rows with which nothing can be done, at a column."""
    return [
        (place, column, one.refused) for place, one in enumerate(wanted) if one.refused is not None
    ]


class SheetKind(Protocol):
    """A kind of sheet."""

    code: str
    title: str
    """English name, marked for translation."""
    key_column: str
    """The column whose value no two rows may share."""
    updates: bool
    """Rows may change records that are there."""
    people: bool
    """Rows tell of people, so what stays for ever names neither file nor cell."""

    def texts(self) -> Sequence[str]:
        """Every English text of its headings, notes and choices."""

    def columns(
        self, session: Session, words: Words, language: str, sign: str | None = None
    ) -> list[Column]:
        """The columns, with cleaners that know what is there in the session's scope.

        Args:
            session: In the actor's scope.
            words: The kind's texts in every language.
            language: In which choices are offered.
            sign: The decimal sign of a file's texts, where it is known.
        """

    def key(self, values: Values) -> str | None:
        """What makes a row's record the only one of its kind; nothing where none is given."""

    def wanted(self, session: Session, rows: Sequence[Values], *, update: bool) -> list[Wanted]:
        """Make drafts of rows; with ``update`` those whose key is on record change it."""

    def admit(self, session: Session, count: int) -> None:
        """Refuse more new records than the licence lets in, in the caller's transaction."""

    def check(self, session: Session, actor: Actor, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Find all that is wrong, but for two rows with one key."""

    def apply(
        self, session: Session, actor: Actor, wanted: Sequence[Wanted], batch_id: int
    ) -> tuple[list[Done | None], list[RowFault]]:
        """Write rows, in the caller's transaction; those with faults are left out."""

    def undo(
        self, session: Session, actor: Actor, rows: Sequence[Undoable], batch_id: int
    ) -> dict[int, VmsError]:
        """Take rows back, in the caller's transaction; tell by row why one must stay."""


class UnknownKind(InvalidInput):
    """No such sheet is imported."""

    code = "unknown_kind"
    message = N_("There is no import of that kind.")


def kind_of(code: str) -> SheetKind:
    """Find a kind.

    Raises:
        UnknownKind: There is none.
    """
    kinds = all_kinds()
    if code not in kinds:
        raise UnknownKind
    return kinds[code]


def kind_for(batch: ImportBatch) -> SheetKind:
    """Find the kind of an import, which may be for one consumer.

    Raises:
        UnknownKind: There is none.
    """
    from vmsapp.services.imports.meters_of_consumer import MetersOfConsumer

    kind, consumer_id = kind_of(batch.kind), batch.consumer_id
    return kind if consumer_id is None else MetersOfConsumer(consumer_id)


def all_kinds() -> dict[str, SheetKind]:
    """The kinds there are, in the order in which they are offered."""
    from vmsapp.services.imports.consumers import CONSUMERS
    from vmsapp.services.imports.meters import METERS
    from vmsapp.services.imports.meters_with_consumers import METERS_WITH_CONSUMERS
    from vmsapp.services.imports.opening_figures import OPENING_FIGURES

    kinds = (CONSUMERS, METERS, METERS_WITH_CONSUMERS, OPENING_FIGURES)
    return {kind.code: kind for kind in kinds}
