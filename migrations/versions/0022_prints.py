"""Prints of receipts: the first is the original, later ones are copies.

What the audit trail knows to have been printed counts as printed on paper.

Revision: 0022
Follows: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BEFORE = """
INSERT INTO receipt_print
  (sale_id, nth, kind, language, printed_at, printed_by_id, vending_point_id)
SELECT s.id, row_number() OVER (PARTITION BY s.id ORDER BY e.id), 'paper', '', e.at, e.actor_id,
       s.vending_point_id
FROM audit_event e JOIN sale s ON e.subject_id = CAST(s.id AS VARCHAR(40))
WHERE e.action = 'receipt.printed' AND e.subject = 'sale' AND e.actor_id IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "receipt_print",
        sa.Column("id", BIG, nullable=False),
        sa.Column("sale_id", BIG, nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("printed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("printed_by_id", sa.Integer(), nullable=False),
        sa.Column("vending_point_id", BIG, nullable=False),
        sa.CheckConstraint("nth >= 1", name="ck_receipt_print_nth"),
        sa.CheckConstraint("kind IN ('paper', 'pdf', 'mail')", name="ck_receipt_print_kind"),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"]),
        sa.ForeignKeyConstraint(["printed_by_id"], ["ab_user.id"]),
        sa.ForeignKeyConstraint(["vending_point_id"], ["vending_point.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sale_id", "nth", name="uq_receipt_print_nth"),
    )
    for column in ("printed_by_id", "vending_point_id"):
        op.create_index(f"ix_receipt_print_{column}", "receipt_print", [column])
    op.execute(BEFORE)


def downgrade() -> None:
    op.drop_table("receipt_print")
