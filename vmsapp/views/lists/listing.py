"""One page of a list: filtered, sorted, counted up to a limit, turned by keys.

A page is found by the id of the row before it, not by a number of rows to skip, so the
thousandth page costs what the first does and rows added meanwhile move nothing. Rows
with equal sort values follow by id; rows without a value come last, going up.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    case,
    false,
    func,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from vmsapp.models.base import Model
from vmsapp.views.lists.orders import Edge, Order

COUNT_LIMIT: Final = 10_000
"""Rows are counted up to here; beyond it a list says "more than"."""

WINDOW: Final = 40
"""Rows looked at for each wanted one, before all that fit are found and sorted."""

MOST_PARTS: Final = 64
"""Parts of a table that are read one beside the other and merged."""

MOST_COMPARED: Final = 100_000
"""Rows of all parts that are looked at one by one sooner than an index of the whole table is."""

CHUNK: Final = 1_000
"""Rows read at once where a whole list is wanted."""

SIZES: Final = (10, 25, 50, 100)
"""Rows a page may have."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts into which a list falls, of each of which an index has the rows.

    Attributes:
        column: Tells of a row in which part it is.
        keys: Which parts there are, in the asker's scope: one column.
        ordered: Whether that index has them in the order of the list.
        searched: Whether they are narrowed by a text, for which the whole table has an index.
        merged: Whether the database reads one beside the other; else all of them together.
    """

    column: InstrumentedAttribute[Any]
    keys: Select[Any]
    ordered: bool
    searched: bool
    merged: bool


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
    counted_by: InstrumentedAttribute[Any] | None = None,
) -> Page:
    """Read one page of a list in two statements.

    How many rows there are decides how they are found. Few are all found and then sorted. Of
    many a page is soon together going along the index of the order, row by row; unless those
    wanted lie together far on, then they are found and sorted, too. Where the list falls into
    some parts, rows are counted in each of them, so many are met in each, and the first of all
    these are the page.

    Args:
        session: In the asker's scope.
        statement: The list, filtered but not sorted.
        order: How to sort it.
        size: Rows a page.
        place: Which page; next to a row that is gone, or beyond the last row, the first.
        walked: The same list, stated so that no index of a search is used, nor of a filter
            where the database reads parts together; for a list that no index has in this order.
        whole: The list before it was filtered, for rows that are known to be in it.
        parts: What ``walked`` falls into; left aside where these are many.
        counted_by: A column of an index that has just the rows; unsorted, PostgreSQL would count
            them from the table's beginning on, as if they lay all over it.
    """
    to_count = statement if counted_by is None else statement.order_by(counted_by)
    beside = place.before if place.before is not None else place.after
    counted = _count(session, to_count, order, beside, walked, parts)
    count, more, edge = counted.rows, counted.more, counted.edge
    if not count:
        return Page([], 0, more=False, has_previous=False, has_next=False)
    if edge is None and not place.last:
        place = Place()

    def read(direction: Order) -> tuple[list[Any], bool]:
        found: tuple[list[Any], bool] = ([], False)
        for keys in _ways(statement, walked, parts, direction, size, edge, counted):
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


class _Counted(NamedTuple):
    """What is known of a list before its page is read.

    Attributes:
        rows: Up to ``COUNT_LIMIT``.
        more: There are more.
        few: It falls into parts, and these are few.
        close: Besides, no index of the whole table is sooner than theirs.
        edge: Of the row that the page lies beside.
    """

    rows: int
    more: bool
    few: bool
    close: bool
    edge: Edge | None


def _count(
    session: Session, statement: Select[Any], order: Order, beside: int | None,
    walked: Select[Any] | None, parts: Parts | None,
) -> _Counted:  # fmt: skip
    """Count rows, and find the sort values of the row that a page lies beside.

    By attributes of a model: the scope sees no bare columns. What is not needed of the
    statement the database does not do.
    """
    most = COUNT_LIMIT + 1
    counted: Any = _number(statement.with_only_columns(order.key).limit(most))
    wanted: list[Any] = [false(), false(), counted]
    if parts is not None and walked is not None:
        known = _closeness(parts)
        near = _in_parts(walked.with_only_columns(order.key), parts, most)
        wanted = [*known.c, case((known.c.close, _number(near)), else_=counted)]
    if beside is not None and holds(order.key, beside):
        beside_it = (select(one).where(order.key == beside) for one in order.columns)
        wanted += [one.scalar_subquery() for one in beside_it]
    is_few, is_close, count, *edge = session.execute(select(*wanted)).one()
    found = edge if edge and edge[-1] is not None else None
    return _Counted(min(count, COUNT_LIMIT), count > COUNT_LIMIT, is_few, is_close, found)


def _closeness(parts: Parts) -> CTE:
    """State whether the parts are few, and whether all rows in them may be looked at."""
    few: ColumnElement[bool] = _number(parts.keys.limit(MOST_PARTS + 1)) <= MOST_PARTS
    close = few
    if parts.searched or not parts.ordered:
        seen = _number(_in_parts(select(parts.column), parts, MOST_COMPARED + 1))
        close = and_(few, seen <= MOST_COMPARED)
    return select(few.label("few"), close.label("close")).cte("known").prefix_with("MATERIALIZED")


def _number(rows: Select[Any]) -> ScalarSelect[int]:
    return select(func.count()).select_from(rows.subquery()).scalar_subquery()


def _in_parts(statement: Select[Any], parts: Parts, limit: int) -> Select[Any]:
    """State the one column of so many rows, those of each part for itself."""
    if not parts.merged:
        return statement.limit(limit)
    part = parts.keys.subquery("part")
    own = statement.where(parts.column == part.c[0]).limit(limit)
    met = own.correlate(part).lateral("met")
    return select(met.c[0]).select_from(part.join(met, true())).limit(limit)


def _ways(
    statement: Select[Any],
    walked: Select[Any] | None,
    parts: Parts | None,
    order: Order,
    size: int,
    edge: Edge | None,
    counted: _Counted,
) -> Iterator[Select[Any]]:
    """State the keys of a page, and how else if these are too few to be sure."""
    limit = size + 1
    if walked is None:
        way = _met if counted.more else _found
        yield way(statement, order, limit, edge)
        return
    if parts is not None and (counted.close or (counted.few and counted.more and parts.ordered)):
        yield (
            _merged(walked, parts, order, limit, edge)
            if parts.merged
            else _found(walked, order, limit, edge)
        )
        return
    if counted.more:
        near = _met(select(*order.unseen.columns), order.unseen, WINDOW * limit, edge)
        keys = walked.with_only_columns(order.key).where(order.key.in_(_first(near.cte("near"))))
        yield keys.order_by(*order.clauses()).limit(limit)
    yield _found(statement, order, limit, edge)


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
    """State the keys of the rows that follow an edge, of those met or found in each part."""
    part = parts.keys.subquery("part")
    mine = statement.where(parts.column == part.c[0]).correlate(part)
    if parts.ordered:
        own = _along(mine, order, limit, edge)
    else:  # the offset keeps PostgreSQL from going along the order through other parts
        rows = _beyond(mine, order, edge).offset(0).correlate(part).subquery()
        own = select(rows).order_by(*order.clauses(rows)).limit(limit)
    met = own.correlate(part).lateral("met")
    read = select(met.c[order.key.key]).select_from(part.join(met, true()))
    return read.order_by(*order.clauses(met)).limit(limit)


def _found(statement: Select[Any], order: Order, limit: int, edge: Edge | None) -> Select[Any]:
    """State the same keys of rows that are all found before they are sorted."""
    found = _beyond(statement, order, edge).cte("found").prefix_with("MATERIALIZED")
    return select(found.c[order.key.key]).order_by(*order.clauses(found)).limit(limit)


def _beyond(statement: Select[Any], order: Order, edge: Edge | None) -> Select[Any]:
    """State by what all rows that follow an edge are sorted."""
    keys = statement.with_only_columns(*order.columns)
    return keys if edge is None else keys.where(or_(*order.beyond(edge)))


def _first(keys: Any) -> Select[Any]:  # noqa: ANN401 - a table expression
    return select(*keys.prefix_with("MATERIALIZED").c)


def row_of(session: Session, model: type[Model], key: int, *options: Any) -> Any:  # noqa: ANN401
    """Fetch a row as far as the asker sees it, or ``None``."""
    column: InstrumentedAttribute[int] = model.id  # type: ignore[attr-defined]
    if not holds(column, key):
        return None
    return session.scalars(select(model).where(column == key).options(*options)).unique().first()


def holds(column: InstrumentedAttribute[int], key: int) -> bool:
    """Tell whether an id can stand in a column; PostgreSQL compares it with no other."""
    return 0 < key < 1 << (63 if isinstance(column.type, BigInteger) else 31)
