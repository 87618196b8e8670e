"""When a consumer bought at a place last is read in an index alone.

Revision: 0038
Follows: 0037
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
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
