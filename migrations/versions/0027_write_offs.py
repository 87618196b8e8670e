"""What two people write off of a debt.

Revision: 0027
Follows: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # a column's own CHECK may name other columns on both databases; SQLite adds no other kind
    op.execute(
        "ALTER TABLE debt ADD COLUMN written_off_minor BIGINT DEFAULT 0 NOT NULL"
        " CONSTRAINT ck_debt_written_off CHECK"
        " (written_off_minor >= 0 AND recovered_minor + written_off_minor <= amount_minor)"
    )
    op.create_table(
        "debt_write_off",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("debt_id", NUMBER, sa.ForeignKey("debt.id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by_id", sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=True),
        sa.Column("key", sa.String(60), nullable=False),
        sa.UniqueConstraint("debt_id", "key", name="uq_debt_write_off_key"),
        sa.CheckConstraint("amount_minor > 0", name="ck_debt_write_off_amount"),
    )


def downgrade() -> None:
    op.drop_table("debt_write_off")
    if op.get_bind().dialect.name == "sqlite":
        # a column under a check cannot be dropped there: the table is made anew without it
        with op.batch_alter_table("debt") as table:
            table.drop_constraint("ck_debt_written_off", type_="check")
            table.drop_column("written_off_minor")
    else:
        op.drop_column("debt", "written_off_minor")
