"""When each consumer last bought for a place, kept beside the sales.

Revision: 0046
Follows: 0045
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "last_purchase",
        sa.Column("service_point_id", NUMBER, sa.ForeignKey("service_point.id"), nullable=False),
        sa.Column("consumer_id", NUMBER, sa.ForeignKey("consumer.id"), nullable=False),
        sa.Column("bought_on", sa.Date()),
        sa.PrimaryKeyConstraint("service_point_id", "consumer_id"),
    )
    op.execute(
        "INSERT INTO last_purchase (service_point_id, consumer_id, bought_on)"
        " SELECT service_point_id, consumer_id, max(business_date) FROM sale"
        " WHERE state = 'issued' AND kind = 'sale'"
        " AND service_point_id IS NOT NULL AND consumer_id IS NOT NULL"
        " GROUP BY service_point_id, consumer_id"
    )


def downgrade() -> None:
    op.drop_table("last_purchase")
