"""Imports of meters for one consumer; who retired a meter, and from which state.

Revision: 0019
Follows: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("import_batch") as table:
        table.add_column(sa.Column("consumer_id", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("meter") as table:
        table.add_column(sa.Column("retired_by_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("retired_from", sa.String(8), nullable=True))
        table.create_foreign_key("fk_meter_retired_by", "ab_user", ["retired_by_id"], ["id"])
    op.create_index(
        "ix_meter_retired", "meter", ["retired_by_id", "retired_at"],
        sqlite_where=sa.text("retired_at IS NOT NULL"),
        postgresql_where=sa.text("retired_at IS NOT NULL"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_meter_retired", table_name="meter")
    with op.batch_alter_table("meter") as table:
        table.drop_constraint("fk_meter_retired_by", type_="foreignkey")
        table.drop_column("retired_from")
        table.drop_column("retired_by_id")
    with op.batch_alter_table("import_batch") as table:
        table.drop_column("consumer_id")
