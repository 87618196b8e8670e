"""Lists of a million rows: indexes to narrow and sort by, and to search by a part of a text.

SQLite keeps trigrams in FTS5 tables by triggers, PostgreSQL in indexes of ``pg_trgm``. Where
that extension cannot be had, texts are found by their beginning. Later revisions change these
tables without ``batch_alter_table``, which would lose the triggers.

Revision: 0020
Follows: 0019
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

WIDENED = {
    "meter": {"region": "drn", "product": "drn", "tariff": "drn"},
    "consumer": {"region": "number"},
}
"""Indexes on keys of others, by the column that lists are sorted by."""

ADDED = {
    "meter": {"state": "drn", "meter_type": "drn", "algorithm": "drn"},
    "consumer": {"gender": "number"},
}

SEARCHED = {"consumer": "search_key", "meter": "drn"}
TEXTS = 3
CHUNK = 5_000

consumer = sa.table(
    "consumer", *(sa.column(name) for name in ("id", "number", "name", "phone", "search_key"))
)


def upgrade() -> None:
    for table, columns in WIDENED.items():
        for name, then in columns.items():
            op.create_index(f"ix_{table}_{name}", table, [f"{name}_id", then])
            op.drop_index(f"ix_{table}_{name}_id", table)
    for table, columns in ADDED.items():
        for name, then in columns.items():
            op.create_index(f"ix_{table}_{name}", table, [name, then])
    op.add_column("consumer", sa.Column("search_key", sa.Text(), nullable=False, server_default=""))
    _write_keys()
    if op.get_bind().dialect.name == "sqlite":
        for table, column in SEARCHED.items():
            _keep_trigrams(table, column)
    elif _has_extension():
        for table, column in SEARCHED.items():
            op.execute(f"CREATE INDEX {table}_search ON {table} USING gin ({column} gin_trgm_ops)")
    else:
        for at in range(TEXTS):
            op.execute(
                f"CREATE INDEX consumer_search_{at + 1} ON consumer "
                f"(split_part(search_key, 'ᚠᚠ', {at + 2}) text_pattern_ops)"
            )


def downgrade() -> None:
    for table in SEARCHED:
        if op.get_bind().dialect.name == "sqlite":
            for deed in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER {table}_search_{deed}")
            op.execute(f"DROP TABLE {table}_search")
        else:
            op.execute(f"DROP INDEX IF EXISTS {table}_search")
    if op.get_bind().dialect.name != "sqlite":
        for at in range(TEXTS):
            op.execute(f"DROP INDEX IF EXISTS consumer_search_{at + 1}")
    op.drop_column("consumer", "search_key")
    for table, columns in ADDED.items():
        for name in columns:
            op.drop_index(f"ix_{table}_{name}", table)
    for table, columns in WIDENED.items():
        for name in columns:
            op.create_index(f"ix_{table}_{name}_id", table, [f"{name}_id"])
            op.drop_index(f"ix_{table}_{name}", table)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).replace("ᚠ", "")


def _write_keys() -> None:
    """Write the keys of consumers who are there, some at a time."""
    bind, last = op.get_bind(), 0
    write = consumer.update().where(consumer.c.id == sa.bindparam("row")).values(
        search_key=sa.bindparam("key")
    )  # fmt: skip
    wanted = sa.select(consumer).where(consumer.c.id > sa.bindparam("last")).order_by(consumer.c.id)
    while rows := bind.execute(wanted.limit(CHUNK), {"last": last}).all():
        keys = [
            "".join("ᚠᚠ" + _folded(text) + "\n" for text in (row.number, row.name, row.phone))
            for row in rows
        ]
        bind.execute(write, [{"row": r.id, "key": k} for r, k in zip(rows, keys, strict=True)])
        last = rows[-1].id


def _keep_trigrams(table: str, column: str) -> None:
    """Make a table of trigrams, fill it, and have triggers keep it."""
    index = f"{table}_search"
    op.execute(
        f"CREATE VIRTUAL TABLE {index} USING fts5({column}, content='{table}', content_rowid='id', "
        "tokenize='trigram case_sensitive 1', detail='none', columnsize=0)"
    )
    add = f"INSERT INTO {index} (rowid, {column}) VALUES (NEW.id, NEW.{column});"
    remove = (
        f"INSERT INTO {index} ({index}, rowid, {column}) VALUES ('delete', OLD.id, OLD.{column});"
    )
    differs = f"OF id, {column} ON {table} WHEN OLD.id <> NEW.id OR OLD.{column} <> NEW.{column}"
    for deed, on, does in (
        ("insert", f"INSERT ON {table}", add),
        ("update", f"UPDATE {differs}", remove + add),
        ("delete", f"DELETE ON {table}", remove),
    ):
        op.execute(f"CREATE TRIGGER {index}_{deed} AFTER {on} BEGIN {does} END")
    op.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")


def _has_extension() -> bool:
    """Have ``pg_trgm``, if the server offers it and lets us."""
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except sa.exc.DBAPIError:
        return False
    return True
