"""One page of a list: filtered, sorted, counted up to a limit, turned by keys.

A page is found by the id of the row before it, not by a number of rows to skip, so the
thousandth page costs what the first does and rows added meanwhile move nothing. Rows
with equal sort values follow by id; rows without a value come last, going up.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from vmsapp.models.base import Model

COUNT_LIMIT: Final = 10_000
"""Rows are counted up to here; beyond it a list says "more than"."""

CHUNK: Final = 1_000
"""Rows read at once where a whole list is wanted."""

SIZES: Final = (10, 25, 50, 100)
"""Rows a page may have."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted.

    Attributes:
        column: The column sorted by.
        key: The primary key, which decides between equals.
        descending: From the largest down.
    """

    column: InstrumentedAttribute[Any]
    key: InstrumentedAttribute[int]
    descending: bool = False

    def reversed(self) -> "Order":
        """The same order from its end."""
        return Order(self.column, self.key, not self.descending)

    def clauses(self) -> list[ColumnElement[Any]]:
        """What ``ORDER BY`` says; the same on every database."""
        column, key = self.column, self.key
        if self.column is self.key:
            return [key.desc() if self.descending else key.asc()]
        if self.descending:
            return [column.desc().nulls_first(), key.desc()]
        return [column.asc().nulls_last(), key.asc()]

    def beyond(self, value: object, key: int) -> ColumnElement[bool]:
        """State which rows follow the one with this value and key."""
        further: ColumnElement[bool] = self.key < key if self.descending else self.key > key
        if self.column is self.key:
            return further
        if value is None:
            later: ColumnElement[bool] = self.column.is_not(None) if self.descending else false()
            return or_(and_(self.column.is_(None), further), later)
        if self.descending:
            return or_(self.column < value, and_(self.column == value, further))
        later = or_(self.column > value, self.column.is_(None))
        return or_(later, and_(self.column == value, further))


@dataclass(frozen=True, slots=True)
class Place:
    """Which page is wanted: the first, the last, or the one next to a row."""

    after: int | None = None
    before: int | None = None
    last: bool = False

    @property
    def backwards(self) -> bool:
        """Whether the page is read from its end."""
        return self.last or self.before is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and what lies around them.

    Attributes:
        count: Rows in the whole list, up to ``COUNT_LIMIT``.
        more: There are more than ``count``.
        has_previous, has_next: Whether there are rows before and after these.
    """

    rows: Sequence[Any]
    count: int
    more: bool
    has_previous: bool
    has_next: bool


def read_page(
    session: Session, statement: Select[Any], order: Order, size: int, place: Place
) -> Page:
    """Read one page of a list in two statements.

    Args:
        session: In the asker's scope.
        statement: The list, filtered but not sorted.
        order: How to sort it.
        size: Rows a page.
        place: Which page; next to a row that is gone, or beyond the last row, the first.
    """
    beside = place.before if place.before is not None else place.after
    count, more, edge = _count(session, statement.with_only_columns(order.key), order, beside)
    if edge is None and not place.last:
        place = Place()
    direction = order.reversed() if place.backwards else order
    rows, further = _rows(session, statement, direction, size, edge)
    if edge is not None and not rows:
        edge, place = None, Place()
        rows, further = _rows(session, statement, order, size, edge)
    if place.backwards:
        return Page(rows[::-1], count, more, further, has_next=edge is not None)
    return Page(rows, count, more, has_previous=edge is not None, has_next=further)


def chunks_in_order(
    session: Session, statement: Select[Any], order: Order, limit: int | None
) -> Generator[Sequence[Any]]:
    """Read a list from its beginning in one statement, a chunk at a time, so that none is whole.

    Args:
        session: In the asker's scope; its transaction must stay open meanwhile.
        statement: The list, filtered but not sorted: whole rows, or some of their columns.
        order: How to sort it.
        limit: Rows at most, if there is a limit.
    """
    wanted = statement.order_by(*order.clauses()).limit(limit)
    whole = len(statement.column_descriptions) == 1
    with session.execute(wanted.execution_options(yield_per=CHUNK)) as found:
        yield from found.scalars().partitions() if whole else found.partitions()


def _rows(
    session: Session, statement: Select[Any], order: Order, size: int, edge: tuple[Any, int] | None
) -> tuple[list[Any], bool]:
    """Read the rows that follow an edge, or the first; and whether there are more."""
    wanted = statement.order_by(*order.clauses()).limit(size + 1)
    if edge is not None:
        wanted = wanted.where(order.beyond(*edge))
    rows = list(session.scalars(wanted).unique())
    return rows[:size], len(rows) > size


def _count(
    session: Session, keys: Select[Any], order: Order, beside: int | None
) -> tuple[int, bool, tuple[Any, int] | None]:
    """Count rows, and find the sort value of the one that a page lies beside.

    Both by attributes of a model: the scope sees no bare columns.
    """
    some = keys.limit(COUNT_LIMIT + 1).subquery()
    wanted: Select[Any] = select(func.count()).select_from(some)
    if beside is None or not holds(order.key, beside):
        count, edge = session.scalar(wanted) or 0, None
    else:
        value, key = (
            select(column).where(order.key == beside).scalar_subquery()
            for column in (order.column, order.key)
        )
        count, edge_value, edge_key = session.execute(wanted.add_columns(value, key)).one()
        edge = None if edge_key is None else (edge_value, edge_key)
    return min(count, COUNT_LIMIT), count > COUNT_LIMIT, edge


def row_of(session: Session, model: type[Model], key: int, *options: Any) -> Any:  # noqa: ANN401
    """Fetch a row as far as the asker sees it, or ``None``."""
    column: InstrumentedAttribute[int] = model.id  # type: ignore[attr-defined]
    if not holds(column, key):
        return None
    return session.scalars(select(model).where(column == key).options(*options)).unique().first()


def holds(column: InstrumentedAttribute[int], key: int) -> bool:
    """Tell whether an id can stand in a column; PostgreSQL compares it with no other."""
    return 0 < key < 1 << (63 if isinstance(column.type, BigInteger) else 31)
