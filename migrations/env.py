"""Alembic's environment: one history for our tables and the framework's."""

from alembic import context
from flask import current_app

import vmsapp.models
from vmsapp.models.base import Model
from vmsapp.models.types import FixedPoint, UtcDateTime

assert vmsapp.models, "all tables are mapped"


def plain_types(kind: str, item: object, _context: object) -> str | bool:
    """Write our column types as what they are in the database: history needs no code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, FixedPoint):
        return "sa.BigInteger()"
    return False


def run_migrations_online() -> None:
    """Upgrade the application's database, in one transaction a revision."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Model.metadata,
            render_item=plain_types,
            transaction_per_migration=True,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
