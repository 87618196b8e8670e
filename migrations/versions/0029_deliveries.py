"""Deliveries of receipts, and since when an address of a consumer counts.

Tables that exist are only added to; the list of kinds of prints, which grows, is changed where
SQLite keeps it, in the text of the table.

Revision: 0029
Follows: 0028
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("state IN ('waiting', 'sending')")
KIND = "ck_receipt_print_kind"
KINDS = "kind IN ('paper', 'pdf', 'mail', 'sms')"
KINDS_BEFORE = "kind IN ('paper', 'pdf', 'mail')"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    for name in ("email", "phone"):
        by = sa.Column(f"{name}_changed_by_id", sa.Integer(), sa.ForeignKey("ab_user.id"))
        op.add_column("consumer", sa.Column(f"{name}_changed_at", moment, nullable=True))
        op.add_column("consumer", by, inline_references=True)
        op.add_column("consumer", sa.Column(f"{name}_confirmed_at", moment, nullable=True))
    op.create_table(
        "delivery",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("sale_id", NUMBER, sa.ForeignKey("sale.id"), nullable=False),
        sa.Column("consumer_id", NUMBER, sa.ForeignKey("consumer.id"), nullable=False),
        sa.Column("vending_point_id", NUMBER, sa.ForeignKey("vending_point.id"), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=True),
        sa.Column("reference", sa.String(32), nullable=False, unique=True),
        sa.Column("to_masked", sa.String(120), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("state_at", moment, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("queued_at", moment, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(120), nullable=False),
        sa.Column("problem", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint("channel IN ('mail', 'sms')", name="ck_delivery_channel"),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'unsure', 'failed', 'given_up')",
            name="ck_delivery_state",
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_delivery_attempts"),
        sa.CheckConstraint(
            "(nth IS NULL) = (state IN ('failed', 'given_up'))", name="ck_delivery_nth"
        ),
    )
    for name in ("sale_id", "consumer_id", "vending_point_id", "asked_by_id"):
        op.create_index(f"ix_delivery_{name}", "delivery", [name])
    op.create_index(
        "ix_delivery_due", "delivery", ["due_at"], sqlite_where=OPEN, postgresql_where=OPEN
    )
    _change_kinds(KINDS)


def downgrade() -> None:
    op.execute("DELETE FROM receipt_print WHERE kind = 'sms'")
    _change_kinds(KINDS_BEFORE)
    op.drop_table("delivery")
    for name in ("email", "phone"):
        for column in ("confirmed_at", "changed_by_id", "changed_at"):
            op.drop_column("consumer", f"{name}_{column}")


def _change_kinds(rule: str) -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(KIND, "receipt_print", type_="check")
        op.create_check_constraint(KIND, "receipt_print", rule)
        return
    # Source: SQLite, "ALTER TABLE", 7 "Making Other Kinds Of Table Schema Changes".
    run = op.get_bind().exec_driver_sql
    version = run("PRAGMA schema_version").scalar()
    text = run("SELECT sql FROM sqlite_master WHERE name = 'receipt_print'").scalar_one()
    found = re.search(rf"{KIND}\W*CHECK \((kind IN \([^)]*\))\)", text)
    assert found, f"no {KIND}"
    changed = text[: found.start(1)] + rule + text[found.end(1) :]
    run("PRAGMA writable_schema = ON")
    run("UPDATE sqlite_master SET sql = ? WHERE name = 'receipt_print'", (changed,))
    run(f"PRAGMA schema_version = {version + 1}")
    run("PRAGMA writable_schema = OFF")
