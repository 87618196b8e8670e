"""When a consumer bought at a place last is read in an index alone.

Revision: 0042
Follows: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0036"
branch_labels = None
depends_on = None

BOUGHT = sa.text("state = 'issued' AND kind = 'sale'")


def upgrade() -> None:
    op.create_index(
        "ix_sale_bought", "sale", ["service_point_id", "consumer_id", "business_date"],
        sqlite_where=BOUGHT, postgresql_where=BOUGHT,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_sale_bought", table_name="sale")
