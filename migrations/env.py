"""Alembic's environment: one history for our tables and the framework's."""

import logging
import re

from alembic import context
from alembic.runtime.migration import MigrationContext
from flask import current_app
from sqlalchemy import Connection, ForeignKeyConstraint
from sqlalchemy.exc import OperationalError

import vmsapp.models
from vmsapp.models.base import Model
from vmsapp.models.types import BY_STATEMENT, FixedPoint, UtcDateTime

log = logging.getLogger(__name__)

TRIES = 10
"""How often a revision is tried that waits for a sale which waits for it."""
DEADLOCK = "40P01"
SEARCH = re.compile("(consumer|meter)_search(_[a-z0-9]+)?")

assert vmsapp.models, "all tables are mapped"


def plain_types(kind: str, item: object, _context: object) -> str | bool:
    """Write our column types as what they are in the database: history needs no code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, FixedPoint):
        return "sa.BigInteger()"
    return False


def is_mapped(item: object, name: str | None, kind: str, *_: object) -> bool:
    """Leave out what each database has its own way: trigrams (0020), keys by statement (0044)."""
    if kind == "foreign_key_constraint":
        assert isinstance(item, ForeignKeyConstraint)
        by_statement = any(one.info.get(BY_STATEMENT) for one in item.elements)
        return not by_statement or context.get_bind().dialect.name == "sqlite"
    return kind not in {"table", "index"} or SEARCH.fullmatch(name or "") is None


def follow_keys(connection: Connection, *, follow: bool) -> None:
    """Have SQLite look after foreign keys, or not; it listens outside transactions only."""
    if connection.dialect.name == "sqlite":
        connection.connection.execute(f"PRAGMA foreign_keys = {'ON' if follow else 'OFF'}")


def check_keys(ctx: MigrationContext, **_: object) -> None:
    """Refuse a revision that leaves rows hanging on nothing.

    Raises:
        RuntimeError: Names the tables.
    """
    connection = ctx.connection
    assert connection is not None
    if connection.dialect.name != "sqlite":
        return
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        msg = f"rows of {', '.join(sorted({row[0] for row in broken}))} hang on nothing"
        raise RuntimeError(msg)


def run_migrations_online() -> None:
    """Upgrade the application's database, in one transaction a revision.

    SQLite changes a table by making it anew and dropping the old one, on which rows of others
    hang: it looks after foreign keys again when all is done, and each revision is checked.
    """
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        follow_keys(connection, follow=False)
        try:
            run_beside_sales(connection)
        finally:
            follow_keys(connection, follow=True)


def run_beside_sales(connection: Connection) -> None:
    """Run what the command asked for, and go on where a revision and a sale waited for each other.

    The database breaks one of the two off. A sale tries again by itself; so does this, from the
    revision that was broken off, for those before it are done.
    """
    for _ in range(TRIES - 1):
        try:
            run(connection)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise
            connection.rollback()
            log.warning("A revision and a sale waited for each other. It is tried again.")
        else:
            return
    run(connection)


def run(connection: Connection) -> None:
    """Run what the command asked for."""
    context.configure(
        connection=connection,
        target_metadata=Model.metadata,
        render_item=plain_types,
        include_object=is_mapped,
        transaction_per_migration=True,
        on_version_apply=check_keys,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()


run_migrations_online()
