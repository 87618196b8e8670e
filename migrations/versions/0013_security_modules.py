"""Security modules: their health, more of their keys, retiring, and their journals compared.

Revision: 0013
Follows: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("security_module", sa.Column("retired_at", MOMENT, nullable=True))
    for name in ("active_from", "issue_until"):
        op.add_column("vending_key", sa.Column(name, MOMENT, nullable=True))
    for name in ("tenths_per_day", "tokens_per_day"):
        op.add_column("vending_key", sa.Column(name, BIG, nullable=True))
    op.add_column(
        "vending_key", sa.Column("changes_to", sa.JSON(), nullable=False, server_default="[]")
    )
    op.add_column(
        "vending_key",
        sa.Column("protection", sa.String(length=10), nullable=False, server_default="process"),
    )
    op.create_table(
        "module_health",
        sa.Column("module_id", BIG, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("drift_seconds", sa.Integer(), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("protection", sa.String(length=10), nullable=True),
        sa.Column("firmware", sa.String(length=60), nullable=False),
        sa.Column("tokens_left", BIG, nullable=True),
        sa.Column("per_second", sa.Integer(), nullable=True),
        sa.Column("inhibited_from", MOMENT, nullable=True),
        sa.Column("alerts", sa.JSON(), nullable=False),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("failed_why", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["module_id"], ["security_module.id"]),
        sa.PrimaryKeyConstraint("module_id"),
    )
    op.create_table(
        "journal_check",
        sa.Column("id", BIG, nullable=False),
        sa.Column("module_id", BIG, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("from_number", BIG, nullable=False),
        sa.Column("to_number", BIG, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["module_id"], ["security_module.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_journal_check_module", "journal_check", ["module_id", "id"])
    op.create_table(
        "journal_finding",
        sa.Column("id", BIG, nullable=False),
        sa.Column("module_id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("request_id", sa.String(length=60), nullable=False),
        sa.Column("number", BIG, nullable=True),
        sa.Column("made_at", MOMENT, nullable=True),
        sa.Column("meter_pan", sa.String(length=18), nullable=True),
        sa.Column("tid", sa.Integer(), nullable=True),
        sa.Column("sale_id", BIG, nullable=True),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("settled_by_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(length=255), nullable=False, server_default=""),
        sa.CheckConstraint(
            "kind IN ('not_sold', 'open', 'not_made', 'other_digits', 'cut_short')",
            name="ck_journal_finding_kind",
        ),
        sa.ForeignKeyConstraint(["module_id"], ["security_module.id"]),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"]),
        sa.ForeignKeyConstraint(["settled_by_id"], ["ab_user.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("module_id", "kind", "request_id", name="uq_journal_finding"),
    )
    op.create_index("ix_journal_finding_module_id", "journal_finding", ["module_id"])


def downgrade() -> None:
    op.drop_table("journal_finding")
    op.drop_table("journal_check")
    op.drop_table("module_health")
    for name in ("protection", "changes_to", "tokens_per_day", "tenths_per_day",
                 "issue_until", "active_from"):  # fmt: skip
        op.drop_column("vending_key", name)
    op.drop_column("security_module", "retired_at")
