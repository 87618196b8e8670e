"""The audit trail's chain: what is not sealed yet, places, signed heads.

A trigger lists each new event as unsealed, in the event's own transaction, so that
nothing that writes an event can leave it out. Events from before are listed here and
get their places at the first sealing.

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ADDED_ONLY = ("audit_seal", "audit_head")


def upgrade() -> None:
    op.create_table(
        "audit_unsealed",
        sa.Column("event_id", BIG, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"]),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_table(
        "audit_seal",
        sa.Column("place", BIG, autoincrement=False, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"]),
        sa.PrimaryKeyConstraint("place"),
        sa.UniqueConstraint("event_id"),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", BIG, nullable=False),
        sa.Column("module_id", BIG, nullable=False),
        sa.Column("module_name", sa.String(length=40), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restart", sa.Boolean(), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.CheckConstraint("number >= 1", name="ck_audit_head_number"),
        sa.ForeignKeyConstraint(["module_id"], ["security_module.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_head_place", "audit_head", ["place"], unique=False)
    op.create_index("uq_audit_head_number", "audit_head", ["module_name", "number"], unique=True)
    op.execute("INSERT INTO audit_unsealed (event_id) SELECT id FROM audit_event")
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    op.execute(
        "CREATE TRIGGER audit_event_unsealed AFTER INSERT ON audit_event "
        "BEGIN INSERT INTO audit_unsealed (event_id) VALUES (NEW.id); END"
    )
    for table in ADDED_ONLY:
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} rows are only added'); END"
            )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION vms_audit_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN INSERT INTO audit_unsealed (event_id) VALUES (NEW.id); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_event_unsealed AFTER INSERT ON audit_event "
        "FOR EACH ROW EXECUTE FUNCTION vms_audit_unsealed()"
    )
    for table in ADDED_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_added_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION vms_added_only()"
        )


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute("DROP TRIGGER audit_event_unsealed" + ("" if sqlite else " ON audit_event"))
    if not sqlite:
        op.execute("DROP FUNCTION vms_audit_unsealed()")
    op.drop_table("audit_head")
    op.drop_table("audit_seal")
    op.drop_table("audit_unsealed")
