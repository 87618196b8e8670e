"""Searching by a part of a text, among a million rows: one place for both databases.

PostgreSQL finds by the trigrams of ``pg_trgm``, SQLite by an FTS5 table of trigrams that
triggers keep; both find candidates alone, and the text itself decides. What is shorter than a
trigram is found at the beginning of a text only; where a PostgreSQL server has no ``pg_trgm``,
everything is. The tables searched so stand in ``SEARCHED``, their indexes in revision 0020.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from vmsapp.models.consumer import Consumer
from vmsapp.models.folding import MARK, searched
from vmsapp.models.meter import Meter
from vmsapp.scope import current_sight

TRIGRAM: Final = 3
LONGEST_NUMBER: Final = 13

FEW: Final = 20_000
"""Rows that are compared one by one quicker than a common text is looked up."""

SUFFIX: Final = "_search"
"""Ends the name of what finds: on SQLite the table beside a table, on PostgreSQL the index."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a table is searched by.

    Attributes:
        column: Its one column.
        texts: How many texts the column joins, as ``search_key`` does; 0 for digits as they are.
    """

    column: InstrumentedAttribute[str]
    texts: int = 0

    @property
    def index(self) -> str:
        """The name of what finds."""
        own: Table = self.column.class_.__table__
        return own.name + SUFFIX

    def narrow(
        self, session: Session, statement: Select[Any], typed: str, *, walking: bool | None = None
    ) -> Select[Any]:
        """Narrow a statement to the rows that hold a text somebody typed.

        Args:
            session: Tells the database.
            statement: Of the model.
            typed: Not empty.
            walking: Compare row after row, in whatever order they are read: for what so many
                rows hold that a page of them is soon together. Where it is not said, SQLite does
                so for who sees few rows.
        """
        needle = self._needle(typed)
        if not needle:
            return statement.where(false())
        if not has_trigrams(session) or len(needle) < TRIGRAM:
            return statement.where(or_(*(self._beginnings(needle))))
        if session.get_bind().dialect.name == "postgresql":
            # joined with nothing the column is no longer what the index is made of
            compared = self.column.concat("") if walking else self.column
            # stated in the statement itself, so that none is planned for texts of any kind
            pattern = bindparam(None, f"%{_escaped(needle)}%", String, literal_execute=True)
            return statement.where(compared.like(pattern, escape="/"))
        held = statement.where(func.instr(self.column, needle) > 0)
        if walking is None:
            walking = self._few_seen(session)
        return held if walking else self._with_candidates(held, needle)

    def _needle(self, typed: str) -> str:
        """What is looked for inside the column; nothing for what no row can hold."""
        if not self.texts:
            return typed if typed.isascii() and typed.isdigit() else ""
        key = searched(typed)
        return key if len(key) >= TRIGRAM or not key else MARK + key

    def _beginnings(self, needle: str) -> Sequence[ColumnElement[bool]]:
        """State with what a text begins, of digits so that any index on them serves."""
        if not self.texts:
            return [self.column.between(needle, needle.ljust(LONGEST_NUMBER, "9"))]
        key = needle.removeprefix(MARK)
        return [part.startswith(key, autoescape=True) for part in self.parts()]

    def parts(self) -> Sequence[ColumnElement[str]]:
        """The joined texts one by one, as PostgreSQL takes them apart."""
        mark: ColumnElement[str] = literal_column(f"'{MARK}'")
        return [
            func.split_part(self.column, mark, literal_column(str(at + 2)))
            for at in range(self.texts)
        ]

    def _few_seen(self, session: Session) -> bool:
        """Tell whether the asker sees so few rows that SQLite had better read these."""
        if current_sight().everything:
            return False
        seen = select(self.column.class_.id).limit(FEW + 1).subquery()
        return (session.scalar(select(func.count()).select_from(seen)) or 0) <= FEW

    def _with_candidates(self, statement: Select[Any], needle: str) -> Select[Any]:
        """Have SQLite read the rows that hold every trigram of a text, wherever, and no others.

        The sign keeps it from asking the index once for each row of the table.
        """
        starts = range(len(needle) - TRIGRAM + 1)
        trigrams = dict.fromkeys(needle[at : at + TRIGRAM] for at in starts)
        wanted = " ".join('"' + one.replace('"', '""') + '"' for one in trigrams)
        key: InstrumentedAttribute[int] = self.column.class_.id
        joined = statement.join(table(self.index), key == literal_column(f"+{self.index}.rowid"))
        return joined.where(literal_column(self.index).op("MATCH")(wanted))


def _escaped(text: str) -> str:
    return "".join(f"/{sign}" if sign in "/%_" else sign for sign in text)


SEARCHED: Final[dict[Any, Searched]] = {
    Consumer: Searched(Consumer.search_key, texts=3),
    Meter: Searched(Meter.drn),
}
"""The tables of which there may be a million rows."""


def indexes_of(model: Any) -> Sequence[Sequence[str]]:  # noqa: ANN401 - a mapped class
    """The columns of a table's indexes, of those that hold every row."""
    table: Table = model.__table__
    unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    whole = [one for one in table.indexes if one.dialect_options["sqlite"]["where"] is None]
    columns = [*(one.columns for one in unique), *(one.columns for one in whole)]
    return [[column.key for column in some] for some in columns]


def has_trigrams(session: Session) -> bool:
    """Tell whether any part of a text is found; a PostgreSQL server is asked once."""
    bind = session.get_bind()
    engine = bind.engine if isinstance(bind, Connection) else bind
    if engine.dialect.name != "postgresql":
        return True
    if engine not in _KNOWN:
        wanted = text("SELECT count(to_regclass(name)) FROM unnest(CAST(:names AS text[])) AS name")
        names = [searched.index for searched in SEARCHED.values()]
        _KNOWN[engine] = session.scalar(wanted, {"names": names}) == len(names)
    return _KNOWN[engine]


_KNOWN: Final[WeakKeyDictionary[Engine, bool]] = WeakKeyDictionary()
