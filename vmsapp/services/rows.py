"""What several use cases do to rows: insert what is missing, lock, compare and set."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    CursorResult,
    Dialect,
    Executable,
    Insert,
    Select,
    String,
    Table,
    Update,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from vmsapp.extensions import atomic, connection_of
from vmsapp.models.base import Model
from vmsapp.scope import guard, narrowed
from vmsapp.statements import made_once

Row = TypeVar("Row", bound=Model)
Value = TypeVar("Value")

COUNTED: Final = table("sqlite_sequence", column("name"), column("seq"))
"""Where SQLite notes the last ids of tables whose ids are given once."""

ASKED_AT_ONCE: Final = 5_000
"""Values in one condition; databases take no more than some ten thousand."""


def parts(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut values into parts that fit into a condition."""
    for first in range(0, len(values), ASKED_AT_ONCE):
        yield values[first : first + ASKED_AT_ONCE]


def table_of(model: type[Model]) -> Table:
    """The bare table of a model: for statements past the scope, which say why."""
    return cast("Table", model.__table__)


def referred_to(
    session: Session, model: type[Model], ids: Collection[int], *, but: Collection[str] = ()
) -> set[int]:
    """Tell on which rows others hang by a foreign key, wherever and whoever sees them.

    Asked of all tables there are, so that none is forgotten: what is deleted all the same
    would break the transaction, and with it what is done to other rows.

    Args:
        session: Any.
        model: Whose rows they are.
        ids: Theirs.
        but: Names of tables that do not count.
    """
    own = table_of(model)
    referring = [
        key.parent
        for other in own.metadata.sorted_tables
        for key in other.foreign_keys
        if key.column.table is own and other.name not in but
    ]
    return {
        found
        for some in parts(sorted(set(ids)))
        for one in referring
        for found in session.scalars(select(one).where(among(session, one, some)).distinct())
    }


def insert_missing(session: Session, model: type[Model], **values: Any) -> None:  # noqa: ANN401
    """Insert a row unless its key is there already, even if another inserts it now."""
    session.execute(_inserting_missing(model, session.get_bind().dialect.name), values)


@made_once
def _inserting_missing(model: type[Model], dialect: str) -> Insert:
    return insert_into(model, dialect).on_conflict_do_nothing()


def insert_into(model: type[Model], dialect: str) -> postgresql.Insert | sqlite.Insert:
    """Begin an insert that may say what happens to rows that are there already."""
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table_of(model))


def insert_at_once(session: Session, row: Model) -> None:
    """Insert one row now, past the unit of work, in a transaction that writes.

    To find out what is to be written, and in which order, takes longer than to write it. The
    scope guards the row like any other. It is given its id, and stays as it was made: the
    session does not know it.

    Raises:
        OutOfScope: It lies outside the asker's scope.
        IntegrityError: It breaks a rule of the database.
    """
    guard(session, row)
    into = table_of(type(row))
    values = {name: value for name, value in vars(row).items() if name in into.c}
    key = connection_of(session).execute(inserting(type(row)), values).inserted_primary_key
    if into.autoincrement_column is not None and key is not None:
        set_committed_value(row, into.autoincrement_column.key, key[0])


@made_once
def inserting(model: type[Model]) -> Insert:
    """The statement that inserts one row, or many alike."""
    return insert(table_of(model))


def insert_rows(
    session: Session, model: type[Model], rows: Sequence[Mapping[str, Any]]
) -> Sequence[int]:
    """Insert many rows, each with the same columns, in a transaction that writes.

    PostgreSQL copies them in: a statement with a parameter for each value takes the driver
    longer to read than the database to run. Ids are taken beforehand, so that nothing has to
    be asked afterwards.

    Returns:
        Their ids, in the order of the rows; none where the table has no column of that name.

    Raises:
        IntegrityError: They break a rule of the database.
    """
    if not rows:
        return []
    ids = next_ids(session, model, len(rows)) if "id" in model.__table__.c else []
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, model, rows, ids)
    else:
        numbered = [{"id": key, **row} for key, row in zip(ids, rows, strict=True)] if ids else rows
        session.execute(inserting(model), list(numbered))
    return ids


def next_ids(session: Session, model: type[Model], count: int) -> Sequence[int]:
    """Take ids that no row has or had, as the database would, in a transaction that writes."""
    if session.get_bind().dialect.name == "postgresql":
        series = cast_to(func.pg_get_serial_sequence(model.__tablename__, "id"), REGCLASS)
        once = select(series).scalar_subquery()  # not looked up for each id
        taken = select(func.nextval(once)).select_from(func.generate_series(1, count).alias())
        return session.scalars(taken).all()
    given = select(COUNTED.c.seq).where(COUNTED.c.name == model.__tablename__)
    there = select(func.max(model.__table__.c.id))
    last = max(session.scalar(given) or 0, session.scalar(there) or 0)
    return range(last + 1, last + 1 + count)


def _copy(
    session: Session, model: type[Model], rows: Sequence[Mapping[str, Any]], ids: Sequence[int]
) -> None:
    """Copy rows into a table of PostgreSQL, past SQLAlchemy, which has no word for it."""
    session.flush()
    connection = session.connection()
    there, dialect = model.__table__.c, connection.dialect
    columns: dict[str, Sequence[Any]] = {
        name: _bound(there[name], dialect, [row[name] for row in rows]) for name in rows[0]
    }
    if ids:
        columns["id"] = ids
    columns |= {
        one.key: [one.default.arg] * len(rows)
        for one in there
        if one.default is not None and one.default.is_scalar and one.key not in columns
    }
    quoted = dialect.identifier_preparer.quote
    named = ", ".join(map(quoted, columns))
    statement = f"COPY {quoted(model.__tablename__)} ({named}) FROM STDIN"
    cursor: Any = connection.connection.cursor()
    errors = dialect.loaded_dbapi.Error
    try:
        with cursor, cursor.copy(statement) as copy:
            for values in zip(*columns.values(), strict=True):
                copy.write_row(values)
    except errors as error:
        raise DBAPIError.instance(
            statement, None, error, errors, hide_parameters=True, dialect=dialect
        ) from error


def _bound(column: Any, dialect: Dialect, values: list[Any]) -> list[Any]:  # noqa: ANN401
    """A column's values as the driver takes them."""
    bind = column.type.dialect_impl(dialect).bind_processor(dialect)
    return values if bind is None else list(map(bind, values))


def by_index(session: Session) -> None:
    """Have PostgreSQL find rows by index where there is one, until the transaction ends.

    For thousands of rows of a table it would read all of it, which is quick for once, and not for
    chunk after chunk of a million; so would the checks of foreign keys, which it plans once.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL enable_seqscan = off"))


def count_anew(session: Session, model: type[Model]) -> None:
    """Have PostgreSQL look at a table that grew at once, and plan anew what reads it.

    It does so by itself within a minute or two; until then connections keep the plans they made
    for a table that was empty, and read all of it. Where an account does not own the table,
    PostgreSQL warns and leaves it at that.
    """
    if session.get_bind().dialect.name == "postgresql":
        with atomic(session):
            session.execute(text(f"ANALYZE {table_of(model).name}"))


def among(session: Session, column: Any, values: Sequence[Any]) -> ColumnElement[bool]:  # noqa: ANN401
    """State that a column holds one of many values; on PostgreSQL they are one parameter."""
    if session.get_bind().dialect.name != "postgresql":
        return cast("ColumnElement[bool]", column.in_(values))
    return cast("ColumnElement[bool]", column == func.any(_array(values, _array_of(column))))


def among_named(dialect: str, column: Any, name: str) -> ColumnElement[bool]:  # noqa: ANN401
    """State that a column holds one of the values bound under a name, written by ``those``."""
    if dialect != "postgresql":
        return cast("ColumnElement[bool]", column.in_(bindparam(name, expanding=True)))
    joined: BindParameter[str] = bindparam(name, type_=String())
    array = cast_to(func.string_to_array(joined, ","), _array_of(column))
    return cast("ColumnElement[bool]", column == func.any(array))


def those(session: Session, values: Sequence[int] | Sequence[str]) -> str | Sequence[Any]:
    """Write values as what ``among_named`` binds: whole numbers, or texts without a comma."""
    return ",".join(map(str, values)) if session.get_bind().dialect.name == "postgresql" else values


def _array_of(column: Any) -> ARRAY[Any]:  # noqa: ANN401
    return ARRAY(String() if isinstance(column.type, String) else column.type)


def _array(values: Sequence[Any], kind: ARRAY[Any]) -> ColumnElement[Any]:
    """Write values as one text, where they can be told apart in it.

    The driver writes an array value by value, which for thousands takes longer than to find them.
    """
    joined = ",".join(map(str, values))
    if not joined or joined.count(",") != len(values) - 1 or None in values:
        return literal(list(values), kind)
    return cast_to(func.string_to_array(joined, ","), kind)


def columns_at_once(
    session: Session, columns: Sequence[Select[Any]], values: Mapping[str, Any]
) -> list[Sequence[Any]]:
    """Run selects of one column each; PostgreSQL answers all of them at once.

    Each is an array there: row by row the driver takes longer than the database, and under locks
    every question costs whoever waits for them.

    Args:
        session: In the asker's scope.
        columns: Made once, and the same ones every time.
        values: What they bind.
    """
    if session.get_bind().dialect.name != "postgresql":
        return [run(session, one, values).scalars().all() for one in columns]
    return list(run(session, _arrays(*columns), values).one())


@made_once
def _arrays(*columns: Select[Any]) -> Select[Any]:
    return select(*(
        func.array(one.scalar_subquery(), type_=ARRAY(one.selected_columns[0].type))
        for one in columns
    ))  # fmt: skip


def run(
    session: Session, statement: Executable, values: Mapping[str, Any]
) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement of columns within the scope, past what the session does for objects.

    That is more than half of what a statement takes. What the session was told and has not
    written yet, the statement does not see.
    """
    return connection_of(session).execute(narrowed(statement), values)


def hold(session: Session, statement: Executable) -> None:
    """Wait for the rows of a statement that locks them, and ask for nothing of them.

    An answer nobody reads to its end stays open beyond its transaction: on SQLite the next one of
    that connection may then be refused as "locked", at once.
    """
    session.execute(statement).close()


def lock(session: Session, model: type[Row], *where: ColumnElement[bool]) -> Row:
    """Fetch one row as it is now and keep others from changing it until the end.

    SQLite knows no row locks; there the transaction, begun for writing, is the lock.
    """
    return session.scalars(_locking(model, *where)).one()


def lock_keyed(
    session: Session,
    model: type[Row],
    **key: Any,  # noqa: ANN401
) -> Row:
    """Lock one row as ``lock`` does, found by the values of its columns."""
    row: Row = session.scalars(_locking_keyed(model, *key), key).one()
    return row


@made_once
def _locking_keyed(model: type[Row], *names: str) -> Select[Row]:
    return _locking(model, *(getattr(model, name) == bindparam(name) for name in names))


def _locking(model: type[Row], *where: ColumnElement[bool]) -> Select[Row]:
    fresh = select(model).where(*where).execution_options(populate_existing=True)
    return fresh.with_for_update()


def lock_or_insert(
    session: Session,
    model: type[Row],
    key: Mapping[str, Any],
    **first: Any,  # noqa: ANN401
) -> Row:
    """Lock the row of a key, inserting it if it is the first, even if another does so now.

    Args:
        session: Inside a transaction that writes.
        model: Which table.
        key: What names the row: its primary key.
        first: What a new row begins with.
    """
    row = {**key, **first}
    return lock_or_begin(session, model, key, lambda: insert_missing(session, model, **row))


def lock_or_begin(
    session: Session, model: type[Row], key: Mapping[str, Any], begin: Callable[[], None]
) -> Row:
    """Do the same where somebody else inserts: ``begin``, unless another does so now."""
    row = session.scalars(_locking_keyed(model, *key), key).one_or_none()
    if row is None:
        begin()
        row = lock_keyed(session, model, **key)
    return row


def add_up(
    session: Session,
    model: type[Model],
    key: Mapping[str, Any],
    **amounts: Any,  # noqa: ANN401
) -> None:
    """Add to a row's columns, in one statement; a row that is not there yet begins with them.

    Rows held by the session are not brought up to date; read them again.
    """
    dialect = session.get_bind().dialect.name
    session.execute(_adding_up(model, dialect, tuple(key), tuple(amounts)), {**key, **amounts})


@made_once
def _adding_up(
    model: type[Model], dialect: str, key: tuple[str, ...], amounts: tuple[str, ...]
) -> Insert:
    add, there = insert_into(model, dialect), model.__table__.c
    summed = {name: there[name] + add.excluded[name] for name in amounts}
    return add.on_conflict_do_update(index_elements=key, set_=summed)


def rows_changed(session: Session, statement: Update) -> int:
    """Run an update and tell how many rows it changed: the compare in compare-and-set.

    Rows held by the session are not brought up to date; read them again.
    """
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount
