"""Free and compensation tokens: sales without money, their reasons and their quotas.

A sale tells its kind from now on, and only one that is no purchase costs nothing. Sales and
accounts are referred to by other tables, so on SQLite their checks are changed in the text
of the table, as https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table
Schema Changes", describes for changes that leave the rows as they are.

Revision: 0031
Follows: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = "kind IN ('sale', 'free', 'compensation')"
PAID = "charged_minor > 0"
PAID_OR_FREE = "charged_minor >= 0 AND (kind = 'sale') = (charged_minor > 0)"
LAST_KIND = "'over_short')"
ONE_KIND_MORE = "'over_short', 'free_tokens')"
ACCOUNTS = (
    "kind IN ('cash', 'float', 'energy', 'tax', 'fee', 'fee_arrears', 'debt', 'penalty',"
    " 'rounding', {}"
)
QUOTAS = {
    "free_units_a_month": ("BIGINT", "ck_setup_free_units"),
    "free_value_a_month": ("BIGINT", "ck_setup_free_value"),
    "free_tokens_a_day": ("INTEGER", "ck_setup_free_tokens"),
}


def upgrade() -> None:
    op.execute(
        "ALTER TABLE sale ADD COLUMN kind VARCHAR(12) DEFAULT 'sale' NOT NULL"
        f" CONSTRAINT ck_sale_kind CHECK ({KINDS})"
    )
    _change_check("sale", "ck_sale_charged", PAID, PAID_OR_FREE)
    _change_check(
        "ledger_account", "ck_ledger_account_kind", LAST_KIND, ONE_KIND_MORE,
        whole=ACCOUNTS.format(ONE_KIND_MORE),
    )  # fmt: skip
    op.create_table(
        "free_token",
        sa.Column("sale_id", NUMBER, sa.ForeignKey("sale.id"), primary_key=True),
        sa.Column("vending_point_id", NUMBER, sa.ForeignKey("vending_point.id"), nullable=False),
        sa.Column("meter_id", NUMBER, sa.ForeignKey("meter.id"), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("note", sa.String(255), nullable=False),
        sa.Column("for_sale_id", NUMBER, sa.ForeignKey("sale.id"), nullable=True),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.CheckConstraint("kind IN ('free', 'compensation')", name="ck_free_token_kind"),
        sa.CheckConstraint(
            "reason IN ('outage', 'faulty_credit', 'social', 'commissioning', 'other')",
            name="ck_free_token_reason",
        ),
        sa.CheckConstraint("reason <> 'other' OR note <> ''", name="ck_free_token_note"),
        sa.CheckConstraint(
            "for_sale_id IS NULL OR kind = 'compensation'", name="ck_free_token_for_sale"
        ),
        sa.CheckConstraint("value_minor >= 0", name="ck_free_token_value"),
    )
    for name in ("vending_point_id", "meter_id"):
        op.create_index(f"ix_free_token_{name}", "free_token", [name])
    for name, (kind, rule) in QUOTAS.items():
        op.execute(
            f"ALTER TABLE setup ADD COLUMN {name} {kind} CONSTRAINT {rule} CHECK ({name} > 0)"
        )


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM free_token")):
        raise RuntimeError("free tokens were given; the ledger cannot forget them")
    for name in QUOTAS:
        op.drop_column("setup", name)
    op.drop_table("free_token")
    _change_check(
        "ledger_account", "ck_ledger_account_kind", ONE_KIND_MORE, LAST_KIND,
        whole=ACCOUNTS.format(LAST_KIND),
    )  # fmt: skip
    _change_check("sale", "ck_sale_charged", PAID_OR_FREE, PAID)
    op.drop_column("sale", "kind")


def _change_check(
    table: str, name: str, before: str, after: str, *, whole: str | None = None
) -> None:
    """Change what a check says, without a new table; ``whole`` is the rule it then is."""
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        op.drop_constraint(name, table, type_="check")
        op.create_check_constraint(name, table, whole or after)
        return
    run = bind.exec_driver_sql
    version = run("PRAGMA schema_version").scalar()
    text = run("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    head, named, rest = text.scalar_one().partition(name)
    assert named and before in rest, f"{table}: {name} is not the check known here"
    changed = head + named + rest.replace(before, after, 1)
    run("PRAGMA writable_schema = ON")
    run("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (changed, table))
    run(f"PRAGMA schema_version = {version + 1}")
    run("PRAGMA writable_schema = OFF")
