"""Many rows that are nearly alike, into the database in one go.

On PostgreSQL what all share is written once, into the text that is copied; for a million rows the
driver would otherwise take longer to write each value than the database to store it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.models.base import Model

_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def insert_alike(
    session: Session,
    model: type[Model],
    common: Mapping[str, Any],
    columns: Mapping[str, Sequence[str] | Sequence[int]],
) -> None:
    """Insert rows, in a transaction that writes.

    Args:
        session: With nothing unwritten that the rows refer to.
        model: Which table.
        common: What all rows have; columns that are not named stay empty.
        columns: What differs: whole numbers, or texts of digits, letters and signs that need no
            escape; equally many of each.

    Raises:
        IntegrityError: They break a rule of the database.
    """
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, model, common, columns)
        return
    names = list(columns)
    rows = [
        {**common, **dict(zip(names, values, strict=True))}
        for values in zip(*columns.values(), strict=True)
    ]
    if rows:
        session.execute(insert(cast("Table", model.__table__)), rows)


def _copy(
    session: Session,
    model: type[Model],
    common: Mapping[str, Any],
    columns: Mapping[str, Sequence[str] | Sequence[int]],
) -> None:
    connection = session.connection()
    dialect = connection.dialect
    quoted = dialect.identifier_preparer.quote
    named = ", ".join(map(quoted, [*columns, *common]))
    statement = f"COPY {quoted(model.__tablename__)} ({named}) FROM STDIN"
    tail = "".join(
        f"\t{_text(_bound(model, name, value, dialect))}" for name, value in common.items()
    )
    varying = [map(str, values) for values in columns.values()]
    lines = map("\t".join, zip(*varying, strict=True))
    end = f"{tail}\n"
    text = end.join(lines)
    cursor: Any = connection.connection.cursor()
    errors = dialect.loaded_dbapi.Error
    try:
        with cursor, cursor.copy(statement) as copy:
            copy.write(text)
            copy.write(end if text else "")
    except errors as error:
        raise DBAPIError.instance(
            statement, None, error, errors, hide_parameters=True, dialect=dialect
        ) from error


def _bound(model: type[Model], name: str, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401
    bind = model.__table__.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    return value if bind is None else bind(value)


def _text(value: object) -> str:
    """Write a value as ``COPY`` reads it."""
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).translate(_ESCAPED)
