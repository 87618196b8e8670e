"""Reversals of issued sales, and for how long a sale may be taken back.

Revision: 0024
Follows: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sale_reversal",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("vending_point_id", NUMBER, sa.ForeignKey("vending_point.id"), nullable=False),
        sa.Column("sale_id", NUMBER, sa.ForeignKey("sale.id"), nullable=False, unique=True),
        sa.Column("meter_id", NUMBER, sa.ForeignKey("meter.id"), nullable=False),
        sa.Column(
            "transfer_id", NUMBER, sa.ForeignKey("ledger_transfer.id"), nullable=False, unique=True
        ),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("note", sa.String(255), nullable=False),
        sa.Column("may_be_used", sa.Boolean(), nullable=False),
        sa.Column("money_minor", sa.BigInteger(), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=True),
        sa.Column("key", sa.String(60), nullable=False),
        sa.CheckConstraint(
            "reason IN ('not_handed_out', 'wrong_meter', 'test', 'other')",
            name="ck_sale_reversal_reason",
        ),
        sa.CheckConstraint(
            "reason <> 'not_handed_out' OR NOT may_be_used", name="ck_sale_reversal_handed_out"
        ),
        sa.CheckConstraint("reason <> 'other' OR note <> ''", name="ck_sale_reversal_note"),
        sa.CheckConstraint("money_minor >= 0", name="ck_sale_reversal_money"),
    )
    for name in ("vending_point_id", "meter_id", "business_date"):
        op.create_index(f"ix_sale_reversal_{name}", "sale_reversal", [name])
    op.add_column(
        "setup", sa.Column("reversal_hours", sa.Integer(), nullable=False, server_default="24")
    )


def downgrade() -> None:
    op.drop_column("setup", "reversal_hours")
    op.drop_table("sale_reversal")
