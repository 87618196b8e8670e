"""Sums of sales by vending point alone, added up from those by tariff.

Revision: 0043
Follows: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEYS = ("span", "first_on", "vending_point_id", "subclass")
FIGURES = ("sold", "reversed", "gross_minor", "reversed_minor", "units", "units_reversed",
           "tax_minor", "fee_minor", "penalty_minor")  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "sales_by_point",
        sa.Column("span", sa.String(5), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("vending_point_id", NUMBER, sa.ForeignKey("vending_point.id"), nullable=False),
        sa.Column("subclass", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in FIGURES),
        sa.PrimaryKeyConstraint(*KEYS),
        sa.CheckConstraint("span IN ('day', 'week', 'month')", name="ck_sales_by_point_span"),
    )
    keys, sums = ", ".join(KEYS), ", ".join(f"sum({name})" for name in FIGURES)
    op.execute(
        f"INSERT INTO sales_by_point ({keys}, {', '.join(FIGURES)})"
        f" SELECT {keys}, {sums} FROM sales_by_tariff GROUP BY {keys} ORDER BY span, first_on"
    )


def downgrade() -> None:
    op.drop_table("sales_by_point")
