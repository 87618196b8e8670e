"""Regions whose names differ and whose paths an index finds; vending points that close.

Revision: 0007
Follows: 0006
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

def upgrade() -> None:
    op.add_column("vending_point", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "region", sa.Column("name_key", sa.Text(), server_default="", nullable=False)
    )
    tell_apart(op.get_bind())
    op.create_index("uq_region_sibling", "region", ["parent_id", "name_key"], unique=True)
    op.create_index(
        "uq_region_country", "region", ["name_key"], unique=True,
        sqlite_where=sa.text("parent_id IS NULL"), postgresql_where=sa.text("parent_id IS NULL"),
    )
    compare_paths_by("C")


def downgrade() -> None:
    compare_paths_by("default")
    op.drop_index("uq_region_country", table_name="region")
    op.drop_index("uq_region_sibling", table_name="region")
    op.drop_column("region", "name_key")
    op.drop_column("vending_point", "closed_at")


def tell_apart(connection: sa.Connection) -> None:
    """Give names their keys; of regions at one place that share one, the later get a number."""
    region = sa.table(
        "region", sa.column("id", sa.BigInteger), sa.column("parent_id", sa.BigInteger),
        sa.column("name", sa.String), sa.column("name_key", sa.Text),
    )
    taken: set[tuple[int | None, str]] = set()
    for row in connection.execute(sa.select(region).order_by(region.c.id)).all():
        name, number = row.name, 1
        while (row.parent_id, key_of(name)) in taken:
            number += 1
            name = f"{row.name[:110]} ({number})"
        taken.add((row.parent_id, key_of(name)))
        connection.execute(
            region.update().where(region.c.id == row.id).values(name=name, name_key=key_of(name))
        )


def key_of(name: str) -> str:
    """The name as names are compared."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def compare_paths_by(collation: str) -> None:
    """Let ranges of paths be compared byte by byte; SQLite does so anyway."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f'ALTER TABLE region ALTER COLUMN path TYPE VARCHAR(120) COLLATE "{collation}"')
