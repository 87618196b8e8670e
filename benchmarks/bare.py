"""Tables of PostgreSQL without indexes and guards, while many rows are poured in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

MEMORY = {"work_mem": "256MB", "maintenance_work_mem": "1GB"}


@contextmanager
def bare(run: Connection | Session, models: Sequence[Any]) -> Iterator[None]:
    """Have tables without their indexes but the primary keys', and no trigger or foreign key asked.

    What triggers would have written must stand in the rows. All is there again afterwards, in the
    same transaction, which needs a superuser of the database.
    """
    run.execute(text("SET LOCAL session_replication_role = replica"))
    for setting, size in MEMORY.items():
        run.execute(text(f"SET LOCAL {setting} = '{size}'"))
    tables = {"tables": [model.__tablename__ for model in models]}
    rules = run.execute(text(
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'u' AND conrelid::regclass::text = ANY(:tables)"
    ), tables).all()  # fmt: skip
    for table, name, _said in rules:
        run.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
    indexes = run.execute(text(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(:tables)"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    ), tables).all()  # fmt: skip
    for name, _said in indexes:
        run.execute(text(f"DROP INDEX {name}"))
    yield
    for _name, said in indexes:
        run.execute(text(said.replace(":", "\\:")))
    for table, name, said in rules:
        run.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT {name} {said}"))
