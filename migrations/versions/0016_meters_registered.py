"""Meters: since when blocked and retired; links with their consumer and what stood on the meter.

A link that stands takes the consumer its service point has; of those that ended nobody knows.

Revision: 0016
Follows: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("meter") as table:
        table.add_column(sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("blocked_by_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
        table.create_foreign_key("fk_meter_blocked_by", "ab_user", ["blocked_by_id"], ["id"])
    with op.batch_alter_table("service_point") as table:
        table.add_column(sa.Column("address", sa.String(255), nullable=False, server_default=""))
    with op.batch_alter_table("meter_installation") as table:
        table.add_column(sa.Column("consumer_id", BIG, nullable=True))
        for name in ("installed_credit", "removed_credit", "arrears_minor"):
            table.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        table.create_foreign_key(
            "fk_meter_installation_consumer", "consumer", ["consumer_id"], ["id"]
        )
        table.create_index("ix_meter_installation_consumer_id", ["consumer_id"])
        table.create_check_constraint("ck_meter_installation_arrears", "arrears_minor >= 0")
    op.execute(
        "UPDATE meter_installation SET consumer_id = (SELECT consumer_id FROM service_point "
        "WHERE service_point.id = meter_installation.service_point_id) WHERE removed_at IS NULL"
    )


def downgrade() -> None:
    with op.batch_alter_table("meter_installation") as table:
        table.drop_constraint("ck_meter_installation_arrears", type_="check")
        table.drop_index("ix_meter_installation_consumer_id")
        table.drop_constraint("fk_meter_installation_consumer", type_="foreignkey")
        for name in ("arrears_minor", "removed_credit", "installed_credit", "consumer_id"):
            table.drop_column(name)
    op.drop_column("service_point", "address")
    with op.batch_alter_table("meter") as table:
        table.drop_constraint("fk_meter_blocked_by", type_="foreignkey")
        for name in ("retired_at", "blocked_by_id", "blocked_at"):
            table.drop_column(name)
