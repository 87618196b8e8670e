"""An upgrade takes nothing from the release before, which sells on while it runs.

The history is run to the revision of the last release, then to its end. What that release reads and
writes must still be there, and a row that it writes must still be taken. What is to go, goes a
release later, when nobody uses it any more (docs/operations.md, *Upgrade*).
"""

from collections.abc import Iterator

import pytest
from flask_migrate import upgrade
from sqlalchemy import Column, Engine, MetaData, create_engine, inspect, text

from config import ROOT
from tests.services.test_migrations import empty  # noqa: F401 - a fixture
from vmsapp.extensions import db

RELEASED = (ROOT / "migrations" / "RELEASED").read_text().strip()


class Shape:
    """Tables as they are in a database: columns, and what may be there once."""

    def __init__(self, engine: Engine) -> None:
        metadata = MetaData()
        metadata.reflect(engine)
        self.tables = metadata.tables
        self.once = {name: unique(engine, name) for name in metadata.tables}


def unique(engine: Engine, table: str) -> set[frozenset[str]]:
    asked = inspect(engine)
    keys = [key["column_names"] for key in asked.get_unique_constraints(table)]
    indexes = [one["column_names"] for one in asked.get_indexes(table) if one["unique"]]
    return {frozenset(str(name) for name in names) for names in [*keys, *indexes]}


def faults(before: Shape, after: Shape) -> Iterator[str]:
    """What the code of before can no longer do."""
    for name, table in before.tables.items():
        if name not in after.tables:
            yield f"{name} is gone"
            continue
        now = after.tables[name].c
        for column in table.c:
            if column.name not in now:
                yield f"{name}.{column.name} is gone"
            elif narrower(column, now[column.name]):
                yield f"{name}.{column.name} takes less"
        for column in now:
            if column.name not in table.c and not left_out(column):
                yield f"{name}.{column.name} must be given"
        for columns in after.once[name] - before.once[name]:
            if columns <= {*table.c.keys()}:
                yield f"{name} takes {sorted(columns)} once"


def narrower(before: Column, after: Column) -> bool:
    length, now = (getattr(one.type, "length", None) for one in (before, after))
    return (
        before.type.python_type is not after.type.python_type
        or (before.nullable and not after.nullable)
        or (now is not None and (length is None or now < length))
    )


def left_out(column: Column) -> bool:
    """Whether a row may be written by who does not know a column."""
    return bool(column.nullable or column.server_default or column.identity)


def test_what_the_last_release_uses_is_there_after_the_upgrade(empty):  # noqa: F811
    upgrade(revision=RELEASED)
    before = Shape(db.engine)
    assert {"sale", "token", "meter"} <= {*before.tables}
    upgrade()
    assert [*faults(before, Shape(db.engine))] == []


THING = "CREATE TABLE thing (id INTEGER PRIMARY KEY, name VARCHAR(60), size INTEGER NOT NULL)"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (["DROP TABLE thing"], ["thing is gone"]),
        (["ALTER TABLE thing DROP COLUMN name"], ["thing.name is gone"]),
        (["ALTER TABLE thing RENAME COLUMN name TO title"], ["thing.name is gone"]),
        (["DROP TABLE thing", THING.replace("60", "20")], ["thing.name takes less"]),
        (["DROP TABLE thing", THING.replace("(60)", "(60) NOT NULL")], ["thing.name takes less"]),
        (["DROP TABLE thing", THING[:-1] + ", kind INTEGER NOT NULL)"],
         ["thing.kind must be given"]),
        (["CREATE UNIQUE INDEX once ON thing (name)"], ["thing takes ['name'] once"]),
        (["ALTER TABLE thing ADD COLUMN kind INTEGER",
          "ALTER TABLE thing ADD COLUMN more INTEGER NOT NULL DEFAULT 0",
          "CREATE UNIQUE INDEX new ON thing (kind)", "CREATE TABLE other (id INTEGER)",
          "CREATE INDEX plain ON thing (name)"], []),
    ],
)  # fmt: skip
def test_what_takes_something_away_is_found_and_what_adds_is_not(changes, found):
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text(THING))
    before = Shape(engine)
    with engine.begin() as connection:
        for change in changes:
            connection.execute(text(change))
    assert [*faults(before, Shape(engine))] == found
