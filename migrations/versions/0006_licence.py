"""The licence: what was installed and given up, in rows that are only added.

Revision: 0006
Follows: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "licence_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("deed", sa.String(length=40), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by_id", sa.Integer(), nullable=True),
        sa.Column("changed_by_name", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=True),
        sa.Column("holder", sa.String(length=120), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("meter_limit", sa.Integer(), nullable=True),
        sa.Column("installation", sa.String(length=32), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.CheckConstraint("deed IN ('installed', 'returned')", name="ck_licence_change_deed"),
        sa.CheckConstraint(
            "(deed = 'installed') = (number IS NOT NULL AND holder IS NOT NULL"
            " AND issued_on IS NOT NULL AND valid_until IS NOT NULL"
            " AND meter_limit IS NOT NULL AND file IS NOT NULL)",
            name="ck_licence_change_terms",
        ),
        sa.CheckConstraint("meter_limit > 0", name="ck_licence_change_limit"),
        sa.ForeignKeyConstraint(["changed_by_id"], ["ab_user.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_licence_change_number", "licence_change", ["number"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER licence_change_no_{deed.lower()} BEFORE {deed} ON licence_change "
                "BEGIN SELECT RAISE(ABORT, 'licence_change rows are only added'); END"
            )
    else:
        op.execute(
            "CREATE TRIGGER licence_change_added_only BEFORE UPDATE OR DELETE ON licence_change "
            "FOR EACH ROW EXECUTE FUNCTION vms_added_only()"
        )


def downgrade() -> None:
    op.drop_index("ix_licence_change_number", table_name="licence_change")
    op.drop_table("licence_change")  # and its triggers
