"""Searching by a part of a text, among a million rows: one place for both databases.

PostgreSQL finds by the trigrams of ``pg_trgm``, SQLite by an FTS5 table of trigrams that
triggers keep; both find candidates alone, and the text itself decides. What is shorter than a
trigram is found at the beginning of a text only; where a PostgreSQL server has no ``pg_trgm``,
everything is. The tables searched so stand in ``SEARCHED``, their indexes in revision 0019.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    column,
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

TRIGRAM: Final = 3
LONGEST_NUMBER: Final = 13

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

    def holding(
        self, session: Session, typed: str, *, walking: bool = False
    ) -> ColumnElement[bool]:
        """State which rows hold a text that somebody typed.

        Args:
            session: Tells the database.
            typed: Not empty.
            walking: Compare row after row, in whatever order they are read: for what so many
                rows hold that a page of them is soon together.
        """
        if not self.texts:
            return self._number(session, typed, walking=walking)
        key = searched(typed)
        if not key:
            return false()
        if not has_trigrams(session):
            return or_(*(part.startswith(key, autoescape=True) for part in self.parts()))
        needle = key if len(key) >= TRIGRAM else MARK + key
        return self._inside(session, needle, walking=walking)

    def parts(self) -> Sequence[ColumnElement[str]]:
        """The joined texts one by one, as PostgreSQL takes them apart."""
        places = (literal_column(str(at + 2)) for at in range(self.texts))
        return [func.split_part(self.column, literal_column(f"'{MARK}'"), at) for at in places]

    def _number(self, session: Session, typed: str, *, walking: bool) -> ColumnElement[bool]:
        if not (typed.isascii() and typed.isdigit()):
            return false()
        if len(typed) >= TRIGRAM and has_trigrams(session):
            return self._inside(session, typed, walking=walking)
        return self.column.between(typed, typed.ljust(LONGEST_NUMBER, "9"))

    def _inside(self, session: Session, needle: str, *, walking: bool) -> ColumnElement[bool]:
        if session.get_bind().dialect.name == "postgresql":
            # joined with nothing the column is no longer what the index is made of
            compared = self.column.concat("") if walking else self.column
            # stated in the statement itself, so that none is planned for texts of any kind
            return compared.like(
                bindparam(None, f"%{_escaped(needle)}%", String, literal_execute=True), escape="/"
            )
        there: ColumnElement[bool] = func.instr(self.column, needle) > 0
        return there if walking else self._candidates(needle) & there

    def _candidates(self, needle: str) -> ColumnElement[bool]:
        """Rows that hold every trigram of a text, wherever."""
        starts = range(len(needle) - TRIGRAM + 1)
        trigrams = dict.fromkeys(needle[at : at + TRIGRAM] for at in starts)
        wanted = " ".join('"' + one.replace('"', '""') + '"' for one in trigrams)
        found = table(self.index, column("rowid")).c.rowid
        rows = select(found).where(literal_column(self.index).op("MATCH")(wanted))
        key: InstrumentedAttribute[int] = self.column.class_.id
        return key.in_(rows)


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
    return [[column.key for column in one.columns] for one in (*unique, *whole)]


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
