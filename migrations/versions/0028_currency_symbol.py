"""The utility's own symbol for its currency.

Revision: 0028
Follows: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "setup", sa.Column("currency_symbol", sa.String(8), nullable=False, server_default="")
    )


def downgrade() -> None:
    op.drop_column("setup", "currency_symbol")
