"""What several use cases do to rows: insert what is missing, lock, compare and set."""

from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, Update, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vmsapp.models.base import Model

Row = TypeVar("Row", bound=Model)


def insert_missing(session: Session, model: type[Model], **values: Any) -> None:  # noqa: ANN401
    """Insert a row unless its key is there already, even if another inserts it now."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    session.execute(insert(model).values(**values).on_conflict_do_nothing())


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
