"""Debts of consumers, and what sales recovered of them.

Revision: 0025
Follows: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "debt",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("consumer_id", NUMBER, sa.ForeignKey("consumer.id"), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("recovered_minor", sa.BigInteger(), nullable=False),
        sa.Column("share_percent", sa.Integer(), nullable=True),
        sa.Column("sum_minor", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_by_id", sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=True),
        sa.Column("key", sa.String(60), nullable=False),
        sa.UniqueConstraint("consumer_id", "key", name="uq_debt_key"),
        sa.CheckConstraint("amount_minor > 0", name="ck_debt_amount"),
        sa.CheckConstraint(
            "recovered_minor >= 0 AND recovered_minor <= amount_minor", name="ck_debt_recovered"
        ),
        sa.CheckConstraint("(share_percent IS NULL) <> (sum_minor IS NULL)", name="ck_debt_way"),
        sa.CheckConstraint("share_percent BETWEEN 1 AND 99", name="ck_debt_share"),
        sa.CheckConstraint("sum_minor > 0", name="ck_debt_sum"),
    )
    op.create_index("ix_debt_consumer_id", "debt", ["consumer_id"])
    op.create_table(
        "debt_payment",
        sa.Column("sale_id", NUMBER, sa.ForeignKey("sale.id"), primary_key=True),
        sa.Column("debt_id", NUMBER, sa.ForeignKey("debt.id"), primary_key=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("given_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name="ck_debt_payment_amount"),
    )
    op.create_index("ix_debt_payment_debt_id", "debt_payment", ["debt_id"])


def downgrade() -> None:
    op.drop_table("debt_payment")
    op.drop_table("debt")
