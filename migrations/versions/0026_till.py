"""Sales in money to meters that rate themselves; quick amounts at the counter.

Revision: 0026
Follows: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sale", sa.Column("credit_minor", sa.BigInteger(), nullable=True))
    op.add_column(
        "setup", sa.Column("quick_amounts", sa.String(255), nullable=False, server_default="")
    )


def downgrade() -> None:
    op.drop_column("setup", "quick_amounts")
    op.drop_column("sale", "credit_minor")
