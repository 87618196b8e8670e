"""The tariff index that goes with a tariff, and prints of key change tokens.

Revision: 0035
Follows: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    length = sa.CheckConstraint("length(tariff_index) = 2", name="ck_tariff_index")
    op.add_column("tariff", sa.Column("tariff_index", sa.String(2), length, nullable=True))
    op.create_table(
        "key_change_print",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("key_change_id", BIG, sa.ForeignKey("key_change.id"), nullable=False),
        sa.Column("meter_id", BIG, sa.ForeignKey("meter.id"), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("printed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("printed_by_id", sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=False),
        sa.UniqueConstraint("key_change_id", "nth", name="uq_key_change_print_nth"),
        sa.CheckConstraint("nth >= 1", name="ck_key_change_print_nth"),
        sa.CheckConstraint("kind IN ('paper', 'pdf')", name="ck_key_change_print_kind"),
    )
    for column in ("meter_id", "printed_by_id"):
        op.create_index(f"ix_key_change_print_{column}", "key_change_print", [column])


def downgrade() -> None:
    op.drop_table("key_change_print")
    op.drop_column("tariff", "tariff_index")
