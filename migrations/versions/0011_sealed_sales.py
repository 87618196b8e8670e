"""Whose money was given back when: found without reading all sales.

Revision: 0011
Follows: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SEALED = sa.text("sealed_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_sale_sealed", "sale", ["sealed_by_id", "sealed_at"],
        sqlite_where=SEALED, postgresql_where=SEALED,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_sale_sealed", "sale")
