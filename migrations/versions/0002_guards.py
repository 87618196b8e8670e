"""Guards in the database: what is written once is never changed or removed.

Ledger entries, audit events, tokens and spent token identifiers are only added. A
ledger transfer moves once, from pending to posted or voided. On PostgreSQL the entries
of a transfer must add up to zero when the transaction ends; SQLite has no trigger that
waits for the end, there the ledger service alone sees to it.

Revision: 0002
Follows: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ADDED_ONLY = ("ledger_entry", "audit_event", "token", "tid")
SAME = (
    "id",
    "kind",
    "sale_id",
    "answers_id",
    "made_at",
    "business_date",
    "vending_point_id",
)
"""Columns of a transfer that its one move leaves as they are."""


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    if _is_sqlite():
        _upgrade_sqlite()
    else:
        _upgrade_postgresql()


def _upgrade_sqlite() -> None:
    for table in ADDED_ONLY:
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} rows are only added'); END"
            )
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in SAME)
    op.execute(
        "CREATE TRIGGER ledger_transfer_no_delete BEFORE DELETE ON ledger_transfer "
        "BEGIN SELECT RAISE(ABORT, 'ledger_transfer rows are only added'); END"
    )
    op.execute(
        "CREATE TRIGGER ledger_transfer_one_move BEFORE UPDATE ON ledger_transfer "
        f"WHEN OLD.state <> 'pending' OR NEW.state = 'pending' OR {changed} "
        "BEGIN SELECT RAISE(ABORT, 'a ledger transfer moves once'); END"
    )


def _upgrade_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION vms_added_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION '% rows are only added', TG_TABLE_NAME; END $$"
    )
    for table in (*ADDED_ONLY, "ledger_transfer"):
        deeds = "DELETE" if table == "ledger_transfer" else "UPDATE OR DELETE"
        op.execute(
            f"CREATE TRIGGER {table}_added_only BEFORE {deeds} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION vms_added_only()"
        )
    changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in SAME)
    op.execute(
        "CREATE FUNCTION vms_transfer_moves_once() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF OLD.state <> 'pending' OR NEW.state = 'pending' OR {changed} "
        "THEN RAISE EXCEPTION 'a ledger transfer moves once'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER ledger_transfer_one_move BEFORE UPDATE ON ledger_transfer "
        "FOR EACH ROW EXECUTE FUNCTION vms_transfer_moves_once()"
    )
    op.execute(
        "CREATE FUNCTION vms_transfer_balances() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF (SELECT sum(amount_minor) FROM ledger_entry "
        "WHERE transfer_id = NEW.transfer_id) <> 0 "
        "THEN RAISE EXCEPTION 'ledger transfer % does not balance', NEW.transfer_id; "
        "END IF; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON ledger_entry "
        "DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION vms_transfer_balances()"
    )


def downgrade() -> None:
    if _is_sqlite():
        names = [f"{table}_no_{deed}" for table in ADDED_ONLY for deed in ("update", "delete")]
        for name in (*names, "ledger_transfer_no_delete", "ledger_transfer_one_move"):
            op.execute(f"DROP TRIGGER {name}")
        return
    op.execute("DROP TRIGGER ledger_entry_balances ON ledger_entry")
    op.execute("DROP TRIGGER ledger_transfer_one_move ON ledger_transfer")
    for table in (*ADDED_ONLY, "ledger_transfer"):
        op.execute(f"DROP TRIGGER {table}_added_only ON {table}")
    for function in ("vms_added_only", "vms_transfer_moves_once", "vms_transfer_balances"):
        op.execute(f"DROP FUNCTION {function}()")
