"""Engineering tokens, their digits and prints, what was refused, and test tokens.

Revision: 0033
Follows: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

MOMENTS = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ADDED_ONLY = ("engineering_digits", "engineering_refusal", "test_token")
STAYS = (
    "id", "vending_point_id", "card", "test", "four_digits", "digits", "made_at", "made_by_id",
)  # fmt: skip
"""Of a test token, what never changes."""


def _place() -> sa.Column:
    return sa.Column("vending_point_id", BIG, sa.ForeignKey("vending_point.id"), nullable=True)


def _meter() -> sa.Column:
    return sa.Column("meter_id", BIG, sa.ForeignKey("meter.id"), nullable=False)


def _person(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=nullable)


def upgrade() -> None:
    _tokens()
    _digits()
    _refusals()
    _prints()
    _tests()
    for table in ADDED_ONLY:
        _guard(table)


def downgrade() -> None:
    for table in (
        "test_token", "engineering_print", "engineering_refusal", "engineering_digits",
        "engineering_token",
    ):  # fmt: skip
        op.drop_table(table)


def _tokens() -> None:
    op.create_table(
        "engineering_token",
        sa.Column("id", BIG, primary_key=True),
        _meter(),
        sa.Column("meter_pan", sa.String(18), nullable=False),
        _place(),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("form_key", sa.String(60), nullable=False, unique=True),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("function", sa.String(20), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("sgc", sa.String(6), nullable=False),
        sa.Column("krn", sa.Integer(), nullable=False),
        sa.Column("kt", sa.Integer(), nullable=False),
        sa.Column("ti", sa.String(2), nullable=False),
        sa.Column("base_date", sa.String(2), nullable=False),
        sa.Column("ken", sa.Integer(), nullable=False),
        sa.Column("dkga", sa.String(2), nullable=False),
        sa.Column("ea", sa.Integer(), nullable=False),
        sa.Column("tct", sa.Integer(), nullable=False),
        sa.Column("table_set", sa.String(20), nullable=False),
        sa.Column("subclass", sa.Integer(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("tid", sa.Integer(), nullable=False),
        sa.Column("rnd", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(40), nullable=False, unique=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("module_id", BIG, sa.ForeignKey("security_module.id"), nullable=False),
        sa.Column("key_change_id", BIG, sa.ForeignKey("key_change.id"), nullable=True),
        sa.Column("reserved_at", MOMENTS, nullable=False),
        _person("reserved_by_id"),
        sa.Column("doubt_at", MOMENTS, nullable=True),
        sa.Column("issued_at", MOMENTS, nullable=True),
        sa.Column("failed_at", MOMENTS, nullable=True),
        sa.Column("failure", sa.String(40), nullable=True),
        sa.Column("shown_at", MOMENTS, nullable=True),
        sa.CheckConstraint(
            "state IN ('reserved', 'issued', 'failed')", name="ck_engineering_token_state"
        ),
        sa.CheckConstraint("tid BETWEEN 0 AND 16777215", name="ck_engineering_token_tid"),
        sa.CheckConstraint("rnd BETWEEN 0 AND 15", name="ck_engineering_token_rnd"),
        sa.CheckConstraint("value BETWEEN 0 AND 65535", name="ck_engineering_token_value"),
    )
    _indexes(
        "engineering_token",
        ("meter_id", "vending_point_id", "function", "key_change_id", "reserved_at",
         "reserved_by_id"),
    )  # fmt: skip
    reserved = sa.text("state = 'reserved'")
    op.create_index(
        "uq_engineering_token_reserved", "engineering_token", ["meter_pan"], unique=True,
        sqlite_where=reserved, postgresql_where=reserved,
    )  # fmt: skip


def _digits() -> None:
    op.create_table(
        "engineering_digits",
        sa.Column(
            "token_id", BIG, sa.ForeignKey("engineering_token.id"), primary_key=True,
            autoincrement=False,
        ),
        _meter(),
        _place(),
        sa.Column("digits", sa.String(20), nullable=False),
        sa.Column("kcv", sa.String(6), nullable=False),
        sa.Column("module_name", sa.String(40), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("made_at", MOMENTS, nullable=False),
        sa.CheckConstraint("length(digits) = 20", name="ck_engineering_digits"),
    )  # fmt: skip
    _indexes("engineering_digits", ("meter_id",))


def _refusals() -> None:
    op.create_table(
        "engineering_refusal",
        sa.Column("id", BIG, primary_key=True),
        _meter(),
        _place(),
        sa.Column("function", sa.String(20), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("refused_at", MOMENTS, nullable=False),
        _person("wanted_by_id"),
    )
    _indexes(
        "engineering_refusal", ("meter_id", "vending_point_id", "refused_at", "wanted_by_id")
    )


def _prints() -> None:
    op.create_table(
        "engineering_print",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("token_id", BIG, sa.ForeignKey("engineering_token.id"), nullable=False),
        _meter(),
        _place(),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("printed_at", MOMENTS, nullable=False),
        _person("printed_by_id", nullable=False),
        sa.UniqueConstraint("token_id", "nth", name="uq_engineering_print_nth"),
        sa.CheckConstraint("nth >= 1", name="ck_engineering_print_nth"),
        sa.CheckConstraint("kind IN ('paper', 'pdf')", name="ck_engineering_print_kind"),
    )
    _indexes("engineering_print", ("meter_id", "printed_by_id"))


def _tests() -> None:
    op.create_table(
        "test_token",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("region_id", BIG, sa.ForeignKey("region.id"), nullable=True),
        _place(),
        sa.Column("card", sa.String(60), nullable=False),
        sa.Column("test", sa.Integer(), nullable=False),
        sa.Column("four_digits", sa.Boolean(), nullable=False),
        sa.Column("digits", sa.String(20), nullable=False),
        sa.Column("made_at", MOMENTS, nullable=False),
        _person("made_by_id"),
        sa.UniqueConstraint("card", "test", name="uq_test_token_card"),
        sa.CheckConstraint("length(digits) = 20", name="ck_test_token_digits"),
        sa.CheckConstraint("test BETWEEN 0 AND 18", name="ck_test_token_test"),
    )
    _indexes("test_token", ("region_id", "vending_point_id", "made_at", "made_by_id"))


def _indexes(table: str, columns: tuple[str, ...]) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _guard(table: str) -> None:
    """Rows are only added, as the tokens of sales (0002); a region may go over into another."""
    update = f"UPDATE OF {', '.join(STAYS)}" if table == "test_token" else "UPDATE"
    if op.get_bind().dialect.name != "sqlite":
        op.execute(
            f"CREATE TRIGGER {table}_added_only BEFORE {update} OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION vms_added_only()"
        )
        return
    for name, deed in (("update", update), ("delete", "DELETE")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{name} BEFORE {deed} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} rows are only added'); END"
        )
