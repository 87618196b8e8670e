"""Sums of sales are kept beside the records; what was sold before waits to be added.

Revision: 0039
Follows: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FIGURES = ("sold", "reversed", "gross_minor", "reversed_minor", "units", "units_reversed",
           "tax_minor", "fee_minor", "penalty_minor")  # fmt: skip
TABLES = {
    "sales_by_hour": {"hour": sa.Integer()},
    "sales_by_tariff": {"operator_id": sa.Integer(), "tariff_id": NUMBER},
    "sales_by_product": {"product_id": NUMBER},
}
SPANS = {
    "sales_by_hour": "'day', 'month'",
    "sales_by_tariff": "'day', 'week', 'month'",
    "sales_by_product": "'day', 'week', 'month'",
}


def upgrade() -> None:
    op.create_table(
        "ledger_unsummed",
        sa.Column(
            "transfer_id", NUMBER, sa.ForeignKey("ledger_transfer.id"), primary_key=True,
            autoincrement=False,
        ),
    )  # fmt: skip
    for table, keys in TABLES.items():
        _make(table, keys)
    op.execute(
        "INSERT INTO ledger_unsummed (transfer_id) SELECT id FROM ledger_transfer"
        " WHERE state = 'posted' AND sale_id IS NOT NULL"
    )


def downgrade() -> None:
    for table in (*TABLES, "ledger_unsummed"):
        op.drop_table(table)


def _make(table: str, keys: dict[str, sa.types.TypeEngine]) -> None:
    names = ["span", "first_on", "vending_point_id", "subclass", *keys]
    rules = [sa.CheckConstraint(f"span IN ({SPANS[table]})", name=f"ck_{table}_span")]
    if "hour" in keys:
        rules.append(sa.CheckConstraint("hour BETWEEN 0 AND 23", name=f"ck_{table}_hour"))
    op.create_table(
        table,
        sa.Column("span", sa.String(5), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("vending_point_id", NUMBER, sa.ForeignKey("vending_point.id"), nullable=False),
        sa.Column("subclass", sa.Integer(), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in keys.items()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in FIGURES),
        sa.PrimaryKeyConstraint(*names),
        *rules,
    )
