"""What several use cases do to rows: insert what is missing, lock, compare and set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CursorResult,
    String,
    Update,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vmsapp.models.base import Model

Row = TypeVar("Row", bound=Model)
Value = TypeVar("Value")

ASKED_AT_ONCE: Final = 5_000
"""Values in one condition; databases take no more than some ten thousand."""


def parts(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut values into parts that fit into a condition."""
    for first in range(0, len(values), ASKED_AT_ONCE):
        yield values[first : first + ASKED_AT_ONCE]


def insert_missing(session: Session, model: type[Model], **values: Any) -> None:  # noqa: ANN401
    """Insert a row unless its key is there already, even if another inserts it now."""
    dialect = session.get_bind().dialect.name
    add = postgresql.insert if dialect == "postgresql" else sqlite.insert
    session.execute(add(model).values(**values).on_conflict_do_nothing())


def insert_rows(
    session: Session,
    model: type[Model],
    rows: Sequence[Mapping[str, Any]],
    *returning: Any,  # noqa: ANN401 - columns
) -> Sequence[Any]:
    """Insert many rows alike, and fetch columns of what was inserted, in no order.

    PostgreSQL gets an array for each column: a statement with a parameter for each value takes
    the driver longer to read than the database to run.
    """
    if not rows:
        return []
    if session.get_bind().dialect.name != "postgresql":
        wanted = insert(model).returning(*returning) if returning else insert(model)
        done = session.execute(wanted, list(rows))
        return done.all() if returning else []
    names = list(rows[0])
    arrays = [_array(model.__table__.c[name], [row[name] for row in rows]) for name in names]
    given = func.unnest(*arrays).table_valued(*names).render_derived()
    chosen = select(*(given.c[name] for name in names))
    statement = insert(model).from_select(names, chosen)
    done = session.execute(statement.returning(*returning) if returning else statement)
    return done.all() if returning else []


def among(session: Session, column: Any, values: Sequence[Any]) -> ColumnElement[bool]:  # noqa: ANN401
    """State that a column holds one of many values; on PostgreSQL they are one parameter."""
    if session.get_bind().dialect.name != "postgresql":
        return cast("ColumnElement[bool]", column.in_(values))
    kind = ARRAY(String() if isinstance(column.type, String) else column.type)
    return cast("ColumnElement[bool]", column == func.any(literal(list(values), kind)))


def _array(column: Any, values: list[Any]) -> Any:  # noqa: ANN401 - of any type
    """A column's values as one parameter; an explicit length would cut texts off unseen."""
    kind = ARRAY(String() if isinstance(column.type, String) else column.type)
    return cast_to(literal(values, kind), kind)


def lock(session: Session, model: type[Row], *where: ColumnElement[bool]) -> Row:
    """Fetch one row as it is now and keep others from changing it until the end.

    SQLite knows no row locks; there the transaction, begun for writing, is the lock.
    """
    return session.scalars(
        select(model).where(*where).with_for_update().execution_options(populate_existing=True)
    ).one()


def rows_changed(session: Session, statement: Update) -> int:
    """Run an update and tell how many rows it changed: the compare in compare-and-set.

    Rows held by the session are not brought up to date; read them again.
    """
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount
