"""Second person, and money paid into and taken out of a vending point's float.

A ledger transfer may now be of the kind ``float``. The table is full of guards and
referred to by its entries, so on SQLite the text of its one check is replaced in the
schema itself, as https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of
Table Schema Changes", describes for changes that leave the rows as they are.

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BEFORE = "kind IN ('sale', 'reversal')"
AFTER = "kind IN ('sale', 'reversal', 'float')"


def upgrade() -> None:
    op.create_table(
        "approval_rule",
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("from_amount_minor", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("from_amount_minor >= 0", name="ck_approval_rule_amount"),
        sa.PrimaryKeyConstraint("action"),
    )
    op.create_table(
        "approval_request",
        sa.Column("id", ID, nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("asked_by_id", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("vending_point_id", ID, nullable=True),
        sa.Column("region_id", ID, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'refused', 'withdrawn', 'expired', 'failed')",
            name="ck_approval_request_state",
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL)", name="ck_approval_request_decided"
        ),
        sa.CheckConstraint(
            "state <> 'approved' OR (decided_by_id IS NOT NULL AND decided_by_id <> asked_by_id)",
            name="ck_approval_request_second_person",
        ),
        sa.CheckConstraint(
            "vending_point_id IS NULL OR region_id IS NULL", name="ck_approval_request_place"
        ),
        sa.ForeignKeyConstraint(["asked_by_id"], ["ab_user.id"]),
        sa.ForeignKeyConstraint(["decided_by_id"], ["ab_user.id"]),
        sa.ForeignKeyConstraint(["vending_point_id"], ["vending_point.id"]),
        sa.ForeignKeyConstraint(["region_id"], ["region.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("asked_by_id", "key", name="uq_approval_request_key"),
    )
    for column in ("asked_by_id", "vending_point_id", "region_id"):
        op.create_index(f"ix_approval_request_{column}", "approval_request", [column])
    op.create_index("ix_approval_request_state", "approval_request", ["state", "expires_at"])
    op.create_index(
        "uq_approval_request_waiting",
        "approval_request",
        ["hash"],
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "float_movement",
        sa.Column("id", ID, nullable=False),
        sa.Column("transfer_id", ID, nullable=False),
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("entered_by_id", sa.Integer(), nullable=True),
        sa.Column("vending_point_id", ID, nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name="ck_float_movement_amount"),
        sa.ForeignKeyConstraint(["transfer_id"], ["ledger_transfer.id"]),
        sa.ForeignKeyConstraint(["entered_by_id"], ["ab_user.id"]),
        sa.ForeignKeyConstraint(["vending_point_id"], ["vending_point.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("transfer_id"),
        sa.UniqueConstraint("vending_point_id", "key", name="uq_float_movement_key"),
    )
    op.create_index("ix_float_movement_vending_point_id", "float_movement", ["vending_point_id"])
    _replace_check(BEFORE, AFTER)


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM float_movement")):
        raise RuntimeError("money was paid into floats; the ledger cannot forget it")
    _replace_check(AFTER, BEFORE)
    op.drop_table("float_movement")
    op.drop_table("approval_request")
    op.drop_table("approval_rule")


def _replace_check(before: str, after: str) -> None:
    """Say which kinds of transfer there are, without a new table."""
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        op.drop_constraint("ck_ledger_transfer_kind", "ledger_transfer", type_="check")
        op.create_check_constraint("ck_ledger_transfer_kind", "ledger_transfer", after)
        return
    version = bind.scalar(sa.text("PRAGMA schema_version"))
    op.execute("PRAGMA writable_schema = ON")
    changed = bind.execute(
        sa.text(
            "UPDATE sqlite_master SET sql = replace(sql, :before, :after) "
            "WHERE type = 'table' AND name = 'ledger_transfer' AND instr(sql, :before)"
        ),
        {"before": before, "after": after},
    )
    assert changed.rowcount == 1, "the check of ledger_transfer is not the one known here"
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")
