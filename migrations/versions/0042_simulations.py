"""Simulations of plans over real sales.

Revision: 0042
Follows: 0041
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "tariff_simulation",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("plan_id", NUMBER, sa.ForeignKey("tariff_plan.id", ondelete="CASCADE"),
                  nullable=False),
        sa.Column("plan_version", sa.String(64), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("tariff_id", NUMBER, sa.ForeignKey("tariff.id", ondelete="CASCADE"),
                  nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("region_id", NUMBER, sa.ForeignKey("region.id"), nullable=True),
        sa.Column("basis", sa.String(8), nullable=False),
        sa.Column("job_id", NUMBER, sa.ForeignKey("job.id"), nullable=True),
        sa.Column("made_by_id", sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=True),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("after_id", NUMBER, nullable=False),
        sa.Column("kept", sa.JSON(), nullable=False),
        sa.CheckConstraint("basis IN ('units', 'money')", name="ck_simulation_basis"),
    )  # fmt: skip
    for name in ("plan_id", "tariff_id", "region_id"):
        op.create_index(f"ix_tariff_simulation_{name}", "tariff_simulation", [name])


def downgrade() -> None:
    op.drop_table("tariff_simulation")
