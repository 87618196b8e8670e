"""Which hints a person has read, and whether single keys do something.

Revision: 0045
Follows: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("hints_read", sa.String(length=120), nullable=False, server_default=""),
        sa.Column("shows_hints", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("single_keys", sa.Boolean(), nullable=False, server_default=sa.true()),
    )


def upgrade() -> None:
    for column in columns():
        op.add_column("ab_user", column)


def downgrade() -> None:
    for column in reversed(columns()):
        op.drop_column("ab_user", column.name)
