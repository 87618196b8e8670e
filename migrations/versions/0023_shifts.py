"""Shifts with their cash, the shift of each sale, and the nightly proof of the ledger.

Tables that exist are only added to: SQLite would make them anew and drop their guards. The
two lists of kinds that grow are changed where SQLite keeps them, in the text of the table.

Revision: 0023
Follows: 0022
"""

import re
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KINDS = {"ledger_account": "over_short", "ledger_transfer": "shift"}
"""Which kind there is from now on, by table."""

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IN_SHIFT = sa.text("shift_id IS NOT NULL")
OPEN = sa.text("closed_at IS NULL")
BELONGS = ("sale", "ledger_transfer")
"""What belongs to a shift."""


def upgrade() -> None:
    _make_tables()
    for table in BELONGS:
        column = sa.Column("shift_id", NUMBER, sa.ForeignKey("shift.id"), nullable=True)
        op.add_column(table, column, inline_references=True)
        op.create_index(
            f"ix_{table}_shift", table, ["shift_id"],
            sqlite_where=IN_SHIFT, postgresql_where=IN_SHIFT,
        )  # fmt: skip
    tolerance = sa.Column(
        "shift_tolerance_minor", sa.BigInteger(), nullable=False, server_default="0"
    )
    op.add_column("setup", tolerance)
    for table, kind in KINDS.items():
        _change_kinds(table, lambda kinds, kind=kind: [*kinds, kind])


def downgrade() -> None:
    for table, kind in KINDS.items():
        _change_kinds(table, lambda kinds, kind=kind: [one for one in kinds if one != kind])
    op.drop_column("setup", "shift_tolerance_minor")
    for table in BELONGS:
        op.drop_index(f"ix_{table}_shift", table)
        op.drop_column(table, "shift_id")
    for table in ("ledger_proof", "shift_cash", "shift"):
        op.drop_table(table)


def _make_tables() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "shift",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("vending_point_id", NUMBER, sa.ForeignKey("vending_point.id"), nullable=False),
        sa.Column("key", sa.String(60), nullable=False),
        sa.Column("operator_id", sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("exponent", sa.Integer(), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", moment),
        sa.Column("counted_by_id", sa.Integer(), sa.ForeignKey("ab_user.id")),
        sa.Column("counted_minor", sa.BigInteger()),
        sa.Column("pieces", sa.JSON()),
        sa.Column("closed_at", moment),
        sa.Column("closed_by_id", sa.Integer(), sa.ForeignKey("ab_user.id")),
        sa.Column("expected_minor", sa.BigInteger()),
        sa.Column("over_short_minor", sa.BigInteger()),
        sa.Column("note", sa.String(255), nullable=False),
        sa.UniqueConstraint("vending_point_id", "key", name="uq_shift_key"),
        sa.CheckConstraint("opening_minor >= 0", name="ck_shift_opening"),
        sa.CheckConstraint("counted_minor >= 0", name="ck_shift_counted"),
        sa.CheckConstraint(
            "(counted_at IS NULL) = (counted_minor IS NULL)", name="ck_shift_counted_at"
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (expected_minor IS NULL)", name="ck_shift_expected"
        ),
        sa.CheckConstraint(
            "over_short_minor = counted_minor - expected_minor", name="ck_shift_over_short"
        ),
    )
    op.create_index(
        "uq_shift_open", "shift", ["vending_point_id", "operator_id"], unique=True,
        sqlite_where=OPEN, postgresql_where=OPEN,
    )  # fmt: skip
    for name in ("vending_point_id", "operator_id", "closed_at"):
        op.create_index(f"ix_shift_{name}", "shift", [name])
    op.create_table(
        "shift_cash",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("vending_point_id", NUMBER, sa.ForeignKey("vending_point.id"), nullable=False),
        sa.Column("shift_id", NUMBER, sa.ForeignKey("shift.id"), nullable=False),
        sa.Column("key", sa.String(60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(8), nullable=False),
        sa.Column("note", sa.String(255), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("entered_by_id", sa.Integer(), sa.ForeignKey("ab_user.id")),
        sa.UniqueConstraint("vending_point_id", "key", name="uq_shift_cash_key"),
        sa.CheckConstraint("amount_minor <> 0", name="ck_shift_cash_amount"),
        sa.CheckConstraint("reason IN ('bank', 'change', 'other')", name="ck_shift_cash_reason"),
    )
    for name in ("vending_point_id", "shift_id"):
        op.create_index(f"ix_shift_cash_{name}", "shift_cash", [name])
    op.create_table(
        "ledger_proof",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.Column("asked_by_id", sa.Integer(), sa.ForeignKey("ab_user.id")),
        sa.Column("sales", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("transfers", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.CheckConstraint("faults >= 0", name="ck_ledger_proof_faults"),
    )


def _change_kinds(table: str, change: Callable[[list[str]], list[str]]) -> None:
    name = f"ck_{table}_kind"
    if op.get_bind().dialect.name == "sqlite":
        _write_over(table, name, change)
        return
    found = sa.inspect(op.get_bind()).get_check_constraints(table)
    rule = next(each["sqltext"] for each in found if each["name"] == name)
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, _listed(change(_kinds(rule))))


def _write_over(table: str, name: str, change: Callable[[list[str]], list[str]]) -> None:
    """Change a check where SQLite keeps it; rows and guards stay where they are.

    Source: SQLite, "ALTER TABLE", 7 "Making Other Kinds Of Table Schema Changes".
    """
    run = op.get_bind().exec_driver_sql
    version = run("PRAGMA schema_version").scalar()
    text = run("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
    found = re.search(rf"{name}\W*CHECK \((kind IN \([^)]*\))\)", text)
    assert found, f"{table}: no {name}"
    changed = text[: found.start(1)] + _listed(change(_kinds(found[1]))) + text[found.end(1) :]
    run("PRAGMA writable_schema = ON")
    run("UPDATE sqlite_master SET sql = ? WHERE name = ?", (changed, table))
    run(f"PRAGMA schema_version = {version + 1}")
    run("PRAGMA writable_schema = OFF")


def _kinds(rule: str) -> list[str]:
    return re.findall("'([a-z_]+)'", rule)


def _listed(kinds: list[str]) -> str:
    return "kind IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))
