"""Revenue protection: findings, the work on them, and what is set of the rules.

Revision: 0040
Follows: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

MOMENTS = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIVE = sa.text("live")


def upgrade() -> None:
    op.create_table(
        "revenue_finding",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("meter_id", BIG, sa.ForeignKey("meter.id")),
        sa.Column("vending_point_id", BIG, sa.ForeignKey("vending_point.id")),
        sa.Column("operator_id", sa.Integer, sa.ForeignKey("ab_user.id")),
        sa.Column("sale_id", BIG, sa.ForeignKey("sale.id")),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("found_at", MOMENTS, nullable=False),
        sa.Column("ceased_at", MOMENTS),
        sa.Column("assigned_id", sa.Integer, sa.ForeignKey("ab_user.id")),
        sa.Column("visit_on", sa.Date),
        sa.Column("outcome", sa.String(12)),
        sa.Column("decided_at", MOMENTS),
        sa.Column("decided_by_id", sa.Integer, sa.ForeignKey("ab_user.id")),
        sa.CheckConstraint(
            "state IN ('open', 'taken', 'decided', 'ceased')", name="ck_revenue_finding_state"
        ),
        sa.CheckConstraint(
            "(meter_id IS NULL) <> (vending_point_id IS NULL)", name="ck_revenue_finding_one"
        ),
        sa.CheckConstraint(
            "outcome IN ('tampering', 'faulty', 'misuse', 'vacant', 'moved', 'explained',"
            " 'false_alarm')",
            name="ck_revenue_finding_outcome",
        ),
        sa.CheckConstraint(
            "(state = 'decided') = (outcome IS NOT NULL)", name="ck_revenue_finding_decided"
        ),
        sa.CheckConstraint(
            "state <> 'taken' OR assigned_id IS NOT NULL", name="ck_revenue_finding_taken"
        ),
    )
    for column in ("meter_id", "vending_point_id", "operator_id", "assigned_id"):
        op.create_index(f"ix_revenue_finding_{column}", "revenue_finding", [column])
    op.create_index(
        "uq_revenue_finding_live", "revenue_finding", ["rule", "subject"], unique=True,
        sqlite_where=LIVE, postgresql_where=LIVE,
    )  # fmt: skip
    op.create_index(
        "ix_revenue_finding_counted", "revenue_finding", ["rule", "state", "outcome"]
    )
    op.create_index("ix_revenue_finding_subject", "revenue_finding", ["subject", "id"])
    op.create_index("ix_revenue_finding_found", "revenue_finding", ["found_at"])
    op.create_table(
        "revenue_note",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("finding_id", BIG, sa.ForeignKey("revenue_finding.id"), nullable=False),
        sa.Column("deed", sa.String(8), nullable=False),
        sa.Column("text", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(12)),
        sa.Column("visit_on", sa.Date),
        sa.Column("made_at", MOMENTS, nullable=False),
        sa.Column("made_by_id", sa.Integer, sa.ForeignKey("ab_user.id")),
        sa.CheckConstraint(
            "deed IN ('taken', 'left', 'noted', 'decided', 'reopened')",
            name="ck_revenue_note_deed",
        ),
    )
    op.create_index("ix_revenue_note_finding_id", "revenue_note", ["finding_id"])
    op.create_table(
        "revenue_rule",
        sa.Column("code", sa.String(40), primary_key=True),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("numbers", sa.JSON, nullable=False),
        sa.Column("ran_at", MOMENTS),
    )


def downgrade() -> None:
    op.drop_table("revenue_rule")
    op.drop_table("revenue_note")
    op.drop_table("revenue_finding")
