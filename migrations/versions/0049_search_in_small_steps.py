"""Indexes of trigrams put what is new in its place a little at a time.

PostgreSQL collects new entries of such an index in a list, and whoever fills it, 4 MB by default,
puts them all in their places: an import of customers held a transaction for half a second so, and
whoever searches reads the list from end to end. A short one takes some forty milliseconds,
more often.

Revision: 0049
Follows: 0048
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

LIST_KB = 256
TABLES = ("consumer", "meter")


def upgrade() -> None:
    for name in trigrams():
        op.execute(f"ALTER INDEX {name} SET (gin_pending_list_limit = {LIST_KB})")


def downgrade() -> None:
    for name in trigrams():
        op.execute(f"ALTER INDEX {name} RESET (gin_pending_list_limit)")


def trigrams() -> list[str]:
    """The indexes of trigrams there are: a server may not offer them."""
    if op.get_bind().dialect.name != "postgresql":
        return []
    found = sa.text(
        "SELECT c.relname FROM pg_class c JOIN pg_am a ON a.oid = c.relam"
        " WHERE a.amname = 'gin' AND c.relkind = 'i' AND pg_table_is_visible(c.oid)"
    )
    there = set(op.get_bind().scalars(found))
    return [name for name in (f"{table}_search" for table in TABLES) if name in there]
