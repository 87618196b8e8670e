"""One page of a list: filtered, sorted, counted up to a limit, turned by keys.

A page is found by the id of the row before it, not by a number of rows to skip, so the
thousandth page costs what the first does and rows added meanwhile move nothing. Rows
with equal sort values follow by id; rows without a value come last, going up.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from vmsapp.models.base import Model

COUNT_LIMIT: Final = 10_000
"""Rows are counted up to here; beyond it a list says "more than"."""

WINDOW: Final = 40
"""Rows looked at for each wanted one, before all that fit are found and sorted."""

MOST_PARTS: Final = 64
"""Parts of a table that are read one beside the other and merged."""

CHUNK: Final = 1_000
"""Rows read at once where a whole list is wanted."""

SIZES: Final = (10, 25, 50, 100)
"""Rows a page may have."""

Edge = Sequence[Any]
"""The values by which a row is sorted, its key last."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted.

    Attributes:
        column: The column sorted by.
        key: The primary key, which decides between equals.
        descending: From the largest down.
        then: A column without gaps that decides before the key does, so that one index serves
            who narrows by the first and sorts by this.
    """

    column: InstrumentedAttribute[Any]
    key: InstrumentedAttribute[int]
    descending: bool = False
    then: InstrumentedAttribute[Any] | None = None

    @property
    def columns(self) -> list[InstrumentedAttribute[Any]]:
        """What is compared, one after the other, the key last."""
        found: list[InstrumentedAttribute[Any]] = []
        for column in (self.column, self.then, self.key):
            if column is not None and all(column is not one for one in found):
                found.append(column)
        return found

    @property
    def unseen(self) -> "Order":
        """The same of the bare table, past the scope: for what the scope is asked of afterwards."""
        table = self.key.class_.__table__.c
        then = None if self.then is None else table[self.then.key]
        return Order(table[self.column.key], table[self.key.key], self.descending, then)

    def reversed(self) -> "Order":
        """The same order from its end."""
        return replace(self, descending=not self.descending)

    def clauses(self, table: Any = None) -> list[ColumnElement[Any]]:  # noqa: ANN401
        """What ``ORDER BY`` says, of a model or a subquery; the same on every database.

        Where a column has gaps, they are last going up; where it has none, nothing is said of
        them, for SQLite would not use an index then.
        """
        found = []
        for column in self.columns:
            one = column if table is None else table.c[column.key]
            sorted_one = one.desc() if self.descending else one.asc()
            if _has_gaps(column):
                sorted_one = (
                    sorted_one.nulls_first() if self.descending else sorted_one.nulls_last()
                )
            found.append(sorted_one)
        return found

    def beyond(self, values: Sequence[Any]) -> list[ColumnElement[bool]]:
        """State which rows follow the one with these values of ``columns``: any of some cases.

        Each case is one range of an index, which all together would not be to PostgreSQL; where
        a few values are had by all rows it could not tell how many rows lie in it either.
        """
        (first, *others), (value, *rest) = self.columns, values
        if not others:
            return [first < value if self.descending else first > value]
        ties = _further(others, rest, descending=self.descending)
        if value is None:
            same = and_(first.is_(None), ties)
            return [same, first.is_not(None)] if self.descending else [same]
        cases = [and_(first == value, ties), first < value if self.descending else first > value]
        if _has_gaps(first) and not self.descending:
            cases.append(first.is_(None))
        return cases


def _has_gaps(column: InstrumentedAttribute[Any]) -> bool:
    return bool(column.expression.nullable)


def _further(
    columns: Sequence[InstrumentedAttribute[Any]], values: Sequence[Any], *, descending: bool
) -> ColumnElement[bool]:
    """Compare columns without gaps, one after the other."""
    typed = (literal(one, column.type) for column, one in zip(columns, values, strict=True))
    here, there = tuple_(*columns), tuple_(*typed)
    return here < there if descending else here > there


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts into which a list falls, in each of which an index has its rows in order.

    Attributes:
        column: Tells of a row in which part it is.
        keys: Which parts there are, in the asker's scope: one column.
    """

    column: InstrumentedAttribute[Any]
    keys: Select[Any]


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
    session: Session,
    statement: Select[Any],
    order: Order,
    size: int,
    place: Place,
    *,
    walked: Select[Any] | None = None,
    whole: Select[Any] | None = None,
    parts: Parts | None = None,
) -> Page:
    """Read one page of a list in two statements.

    How many rows there are decides how they are found. Few are all found and then sorted. Of
    many a page is soon together going along the index of the order, row by row; unless those
    wanted lie together far on, then they are found and sorted, too. Where the list falls into
    some parts, so many rows are met in each, and the first of all these are the page.

    Args:
        session: In the asker's scope.
        statement: The list, filtered but not sorted.
        order: How to sort it.
        size: Rows a page.
        place: Which page; next to a row that is gone, or beyond the last row, the first.
        walked: The same list, stated so that no index of a search is used; for a list that no
            index has in this order.
        whole: The list before it was filtered, for rows that are known to be in it.
        parts: What it falls into; left aside where these are many.
    """
    beside = place.before if place.before is not None else place.after
    count, more, edge, several = _count(
        session, statement.with_only_columns(order.key), order, beside, parts
    )
    if several > MOST_PARTS:
        parts = None
    if not count:
        return Page([], 0, more=False, has_previous=False, has_next=False)
    if edge is None and not place.last:
        place = Place()

    def read(direction: Order) -> tuple[list[Any], bool]:
        found: tuple[list[Any], bool] = ([], False)
        for keys in _ways(statement, walked, parts, direction, size, edge, more=more):
            found = _rows(session, statement if whole is None else whole, keys, direction, size)
            if found[1]:
                break
        return found

    rows, further = read(order.reversed() if place.backwards else order)
    if edge is not None and not rows:
        edge, place = None, Place()
        rows, further = read(order)
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
    session: Session, whole: Select[Any], keys: Select[Any], order: Order, size: int
) -> tuple[list[Any], bool]:
    """Read the rows with some keys, one more than wanted; and whether there is that one."""
    wanted = whole.where(order.key.in_(keys)).order_by(*order.clauses())
    rows = list(session.scalars(wanted).unique())
    return rows[:size], len(rows) > size


def _ways(
    statement: Select[Any],
    walked: Select[Any] | None,
    parts: Parts | None,
    order: Order,
    size: int,
    edge: Edge | None,
    *,
    more: bool,
) -> Iterator[Select[Any]]:
    """State the keys of a page, and how else if these are too few to be sure."""
    if more and walked is None:
        yield _met(statement, order, size + 1, edge)
        return
    if more and walked is not None and parts is not None:
        yield _merged(walked, parts, order, size + 1, edge)
        return
    if more and walked is not None:
        near = _met(select(*order.unseen.columns), order.unseen, WINDOW * (size + 1), edge)
        keys = walked.with_only_columns(order.key).where(order.key.in_(_first(near.cte("near"))))
        yield keys.order_by(*order.clauses()).limit(size + 1)
    yield _found(statement, order, size + 1, edge)


def _met(statement: Select[Any], order: Order, limit: int, edge: Edge | None) -> Select[Any]:
    """State the keys of the rows that follow an edge, met along the order."""
    met = _along(statement, order, limit, edge).subquery()
    return select(met.c[order.key.key]).order_by(*order.clauses(met)).limit(limit)


def _along(statement: Select[Any], order: Order, limit: int, edge: Edge | None) -> Select[Any]:
    """State by what the rows that follow an edge are sorted, each case of them for itself."""
    keys = statement.with_only_columns(*order.columns)
    cases = [keys] if edge is None else [keys.where(case) for case in order.beyond(edge)]
    limited = [case.order_by(*order.clauses()).limit(limit) for case in cases]
    if len(cases) == 1:
        return limited[0]
    met = union_all(*(select(case.subquery()) for case in limited)).subquery()
    return select(met).order_by(*order.clauses(met)).limit(limit)


def _merged(
    statement: Select[Any],
    parts: Parts,
    order: Order,
    limit: int,
    edge: Edge | None,
) -> Select[Any]:
    """State the keys of the rows that follow an edge, of those met in each part."""
    part = parts.keys.subquery("part")
    (key,) = part.c
    own = _along(statement.where(parts.column == key).correlate(part), order, limit, edge)
    met = own.correlate(part).lateral("met")
    read = select(met.c[order.key.key]).select_from(part.join(met, true()))
    return read.order_by(*order.clauses(met)).limit(limit)


def _found(statement: Select[Any], order: Order, limit: int, edge: Edge | None) -> Select[Any]:
    """State the same keys of rows that are all found before they are sorted."""
    keys = statement.with_only_columns(*order.columns)
    if edge is not None:
        keys = keys.where(or_(*order.beyond(edge)))
    found = keys.cte("found").prefix_with("MATERIALIZED")
    return select(found.c[order.key.key]).order_by(*order.clauses(found)).limit(limit)


def _first(keys: Any) -> Select[Any]:  # noqa: ANN401 - a table expression
    return select(*keys.prefix_with("MATERIALIZED").c)


def _count(
    session: Session, keys: Select[Any], order: Order, beside: int | None, parts: Parts | None
) -> tuple[int, bool, Edge | None, int]:
    """Count rows and parts, and find the sort values of the row that a page lies beside.

    By attributes of a model: the scope sees no bare columns.
    """
    some = keys.limit(COUNT_LIMIT + 1).subquery()
    wanted: Select[Any] = select(func.count()).select_from(some)
    if parts is not None:
        several = select(func.count()).select_from(parts.keys.limit(MOST_PARTS + 1).subquery())
        wanted = wanted.add_columns(several.scalar_subquery())
    else:
        wanted = wanted.add_columns(literal(0))
    if beside is None or not holds(order.key, beside):
        (count, several), edge = session.execute(wanted).one(), None
    else:
        values = (
            select(column).where(order.key == beside).scalar_subquery() for column in order.columns
        )
        count, several, *found = session.execute(wanted.add_columns(*values)).one()
        edge = None if found[-1] is None else found
    return min(count, COUNT_LIMIT), count > COUNT_LIMIT, edge, several


def row_of(session: Session, model: type[Model], key: int, *options: Any) -> Any:  # noqa: ANN401
    """Fetch a row as far as the asker sees it, or ``None``."""
    column: InstrumentedAttribute[int] = model.id  # type: ignore[attr-defined]
    if not holds(column, key):
        return None
    return session.scalars(select(model).where(column == key).options(*options)).unique().first()


def holds(column: InstrumentedAttribute[int], key: int) -> bool:
    """Tell whether an id can stand in a column; PostgreSQL compares it with no other."""
    return 0 < key < 1 << (63 if isinstance(column.type, BigInteger) else 31)
