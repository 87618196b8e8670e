"""Key changes: their sets of tokens, the sales they go with, products that can become STS6.

Revision: 0021
Follows: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

MOMENTS = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ONE_EACH = ("reserved", "completed")
ADDED_ONLY = "key_change_token"


def _key(which: str) -> list[sa.Column]:
    return [
        sa.Column(f"{which}_sgc", sa.String(6), nullable=False),
        sa.Column(f"{which}_krn", sa.Integer(), nullable=False),
        sa.Column(f"{which}_kt", sa.Integer(), nullable=False),
        sa.Column(f"{which}_ti", sa.String(2), nullable=False),
        sa.Column(f"{which}_base_date", sa.String(2), nullable=False),
        sa.Column(f"{which}_ken", sa.Integer(), nullable=False),
        sa.Column(f"{which}_dkga", sa.String(2), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "key_change",
        sa.Column("id", BIG, nullable=False),
        sa.Column("meter_id", BIG, nullable=False),
        sa.Column("meter_pan", sa.String(18), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("undoes_id", BIG, nullable=True),
        sa.Column("form_key", sa.String(60), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        *_key("old"),
        *_key("new"),
        sa.Column("ea", sa.Integer(), nullable=False),
        sa.Column("tct", sa.Integer(), nullable=False),
        sa.Column("three_tokens", sa.Boolean(), nullable=False),
        sa.Column("table_set", sa.String(20), nullable=False),
        sa.Column("request_id", sa.String(40), nullable=False),
        sa.Column("module_id", BIG, nullable=False),
        sa.Column("reserved_at", MOMENTS, nullable=False),
        sa.Column("reserved_by_id", sa.Integer(), nullable=True),
        sa.Column("doubt_at", MOMENTS, nullable=True),
        sa.Column("completed_at", MOMENTS, nullable=True),
        sa.Column("failure", sa.String(40), nullable=True),
        sa.Column("closed_at", MOMENTS, nullable=True),
        sa.Column("closed_by_id", sa.Integer(), nullable=True),
        sa.Column("proof", sa.String(12), nullable=True),
        sa.Column("shown_krn", sa.Integer(), nullable=True),
        sa.Column("shown_ti", sa.String(2), nullable=True),
        sa.Column("note", sa.String(255), nullable=False),
        sa.CheckConstraint(
            "state IN ('reserved', 'completed', 'confirmed', 'withdrawn', 'failed', 'refused')",
            name="ck_key_change_state",
        ),
        sa.CheckConstraint(
            "proof IS NULL OR proof IN ('test_tokens', 'credit_taken', 'entered')",
            name="ck_key_change_proof",
        ),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"]),
        sa.ForeignKeyConstraint(["undoes_id"], ["key_change.id"]),
        sa.ForeignKeyConstraint(["module_id"], ["security_module.id"]),
        sa.ForeignKeyConstraint(["reserved_by_id"], ["ab_user.id"]),
        sa.ForeignKeyConstraint(["closed_by_id"], ["ab_user.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("form_key"),
        sa.UniqueConstraint("request_id"),
    )
    for column in ("meter_id", "meter_pan", "undoes_id"):
        op.create_index(f"ix_key_change_{column}", "key_change", [column])
    for state in ONE_EACH:
        only = sa.text(f"state = '{state}'")
        op.create_index(
            f"uq_key_change_{state}", "key_change", ["meter_pan"], unique=True,
            sqlite_where=only, postgresql_where=only,
        )  # fmt: skip
    op.create_table(
        ADDED_ONLY,
        sa.Column("key_change_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("meter_id", BIG, nullable=False),
        sa.Column("digits", sa.String(20), nullable=False),
        sa.Column("subclass", sa.Integer(), nullable=False),
        sa.Column("kcv", sa.String(6), nullable=False),
        sa.Column("module_name", sa.String(40), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("made_at", MOMENTS, nullable=False),
        sa.CheckConstraint("length(digits) = 20", name="ck_key_change_token_digits"),
        sa.ForeignKeyConstraint(["key_change_id"], ["key_change.id"]),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"]),
        sa.PrimaryKeyConstraint("key_change_id", "number"),
    )
    op.create_index("ix_key_change_token_meter_id", ADDED_ONLY, ["meter_id"])
    _guard_tokens()
    # not in a batch: on SQLite that makes the table anew, and its triggers are lost
    kind = "INTEGER" if _is_sqlite() else "BIGINT"
    op.execute(f"ALTER TABLE sale ADD COLUMN key_change_id {kind} REFERENCES key_change (id)")
    with_one = sa.text("key_change_id IS NOT NULL")
    op.create_index(
        "ix_sale_key_change", "sale", ["key_change_id"],
        sqlite_where=with_one, postgresql_where=with_one,
    )  # fmt: skip
    op.add_column(
        "product",
        sa.Column("can_become_sts6", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    op.drop_column("product", "can_become_sts6")
    op.drop_index("ix_sale_key_change", "sale")
    op.drop_column("sale", "key_change_id")
    op.drop_table(ADDED_ONLY)
    op.drop_table("key_change")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _guard_tokens() -> None:
    """Tokens are only added: as those of sales (0002)."""
    if not _is_sqlite():
        op.execute(
            f"CREATE TRIGGER {ADDED_ONLY}_added_only BEFORE UPDATE OR DELETE ON {ADDED_ONLY} "
            "FOR EACH ROW EXECUTE FUNCTION vms_added_only()"
        )
        return
    for deed in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {ADDED_ONLY}_no_{deed.lower()} BEFORE {deed} ON {ADDED_ONLY} "
            f"BEGIN SELECT RAISE(ABORT, '{ADDED_ONLY} rows are only added'); END"
        )
