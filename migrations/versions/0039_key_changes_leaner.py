"""Key changes are written with less: fewer indexes, and their tokens are checked all at once.

No index names the state any more, so that completing a change (of a campaign, thousands at a
time) leaves every index as it is: PostgreSQL then writes the row anew on its own page, which
is kept half empty for it. That a meter has one open change is said of ``closed_at``, which is
empty as long as a change is open. A set back is open beside the change it takes back, so it has
a rule of its own.

On PostgreSQL a foreign key is checked row by row, which for a campaign takes longer than to write
its rows. There triggers check all rows of a statement together: that each token is of a change,
and of its meter; that a change has its meter, its module and who reserved it; that each of a
campaign is of one, and of a chunk of it. Others keep what is referred to from going away.

Revision: 0039
Follows: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0036"
branch_labels = None
depends_on = None

TOKENS = "key_change_token"
ONE_EACH = ("reserved", "completed")
OPEN = "closed_at IS NULL"
CLOSED = "state NOT IN ('reserved', 'completed')"
RULE = "ck_key_change_closed"
KEYS = (
    (TOKENS, "key_change_id", "key_change"),
    (TOKENS, "meter_id", "meter"),
    ("key_change", "campaign_id", "campaign"),
    ("key_change", "chunk_id", "campaign_chunk"),
    ("key_change", "meter_id", "meter"),
    ("key_change", "module_id", "security_module"),
    ("key_change", "reserved_by_id", "ab_user"),
)
"""Of which tables the columns refer to which others, checked together from here on."""
ADDED = {
    TOKENS: (
        "SELECT FROM added LEFT JOIN key_change AS made"
        " ON made.id = added.key_change_id AND made.meter_id = added.meter_id"
        " WHERE made.id IS NULL"
    ),
    "key_change": (
        "SELECT 1 FROM added LEFT JOIN meter ON meter.id = added.meter_id WHERE meter.id IS NULL"
        " UNION ALL SELECT 1 FROM (SELECT DISTINCT campaign_id, chunk_id, module_id,"
        " reserved_by_id AS person_id FROM added) AS part"
        " LEFT JOIN campaign AS mine ON mine.id = part.campaign_id"
        " LEFT JOIN campaign_chunk AS made"
        " ON made.id = part.chunk_id AND made.campaign_id = part.campaign_id"
        " LEFT JOIN security_module AS module ON module.id = part.module_id"
        " LEFT JOIN ab_user AS person ON person.id = part.person_id"
        " WHERE (mine.id IS NULL AND part.campaign_id IS NOT NULL)"
        " OR (made.id IS NULL AND part.chunk_id IS NOT NULL)"
        " OR module.id IS NULL OR (person.id IS NULL AND part.person_id IS NOT NULL)"
    ),
}
"""What finds rows that were added and refer to nothing."""
REFERRED = {
    "key_change": ("id, meter_id", f"SELECT FROM {TOKENS} WHERE key_change_id = OLD.id"),
    "campaign": ("id", "SELECT FROM key_change WHERE campaign_id = OLD.id"),
    "campaign_chunk": (
        "id, campaign_id",
        "SELECT FROM key_change WHERE campaign_id = OLD.campaign_id AND chunk_id = OLD.id",
    ),
    "meter": ("id", "SELECT FROM key_change WHERE meter_id = OLD.id"),
    "security_module": ("id", "SELECT FROM key_change WHERE module_id = OLD.id"),
    "ab_user": ("id", "SELECT FROM key_change WHERE reserved_by_id = OLD.id"),
}
"""Which columns must stay as they are, and with their rows, while what finds something."""


def upgrade() -> None:
    op.execute(
        "UPDATE key_change SET closed_at = coalesce(completed_at, reserved_at)"  # noqa: S608
        f" WHERE {CLOSED} AND closed_at IS NULL"
    )
    for state in ONE_EACH:
        op.drop_index(f"uq_key_change_{state}", "key_change")
    _index("uq_key_change_open", "meter_pan", f"{OPEN} AND undoes_id IS NULL", unique=True)
    _index("uq_key_change_back", "undoes_id", f"{OPEN} AND undoes_id IS NOT NULL", unique=True)
    op.drop_index("ix_key_change_undoes_id", "key_change")
    _index("ix_key_change_undoes_id", "undoes_id", "undoes_id IS NOT NULL")
    op.drop_index("ix_key_change_campaign", "key_change")
    _index("ix_key_change_campaign", "campaign_id", "campaign_id IS NOT NULL")
    if _is_sqlite():
        return
    op.create_check_constraint(RULE, "key_change", f"(closed_at IS NOT NULL) = ({CLOSED})")
    op.execute("ALTER TABLE key_change SET (fillfactor = 50)")
    for table, column, _referred in KEYS:
        op.drop_constraint(f"{table}_{column}_fkey", table, type_="foreignkey")
    _check_together()


def downgrade() -> None:
    if not _is_sqlite():
        for tables, end in ((ADDED, "refer"), (REFERRED, "referred")):
            for table in tables:
                op.execute(f"DROP TRIGGER {table}_{end} ON {table}")
                op.execute(f"DROP FUNCTION vms_{table}_{end}()")
        for table, column, referred in KEYS:
            op.create_foreign_key(f"{table}_{column}_fkey", table, referred, [column], ["id"])
        op.execute("ALTER TABLE key_change RESET (fillfactor)")
        op.drop_constraint(RULE, "key_change", type_="check")
    op.drop_index("ix_key_change_campaign", "key_change")
    of_one = sa.text("campaign_id IS NOT NULL")
    op.create_index(
        "ix_key_change_campaign", "key_change", ["campaign_id", "state"],
        sqlite_where=of_one, postgresql_where=of_one,
    )  # fmt: skip
    op.drop_index("ix_key_change_undoes_id", "key_change")
    op.create_index("ix_key_change_undoes_id", "key_change", ["undoes_id"])
    for name in ("uq_key_change_back", "uq_key_change_open"):
        op.drop_index(name, "key_change")
    for state in ONE_EACH:
        _index(f"uq_key_change_{state}", "meter_pan", f"state = '{state}'", unique=True)


def _index(name: str, column: str, where: str, *, unique: bool = False) -> None:
    only = sa.text(where)
    op.create_index(
        name, "key_change", [column], unique=unique, sqlite_where=only, postgresql_where=only
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _check_together() -> None:
    for table, found in ADDED.items():
        # planned once, and for however many there will be: row by row, by the keys' indexes
        op.execute(
            f"CREATE FUNCTION vms_{table}_refer() RETURNS trigger LANGUAGE plpgsql"
            " SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off"
            f" AS $$ BEGIN IF EXISTS ({found}) THEN RAISE foreign_key_violation"
            f" USING MESSAGE = 'a row of {table} refers to nothing';"
            " END IF; RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refer AFTER INSERT ON {table} REFERENCING NEW TABLE AS added"
            f" FOR EACH STATEMENT EXECUTE FUNCTION vms_{table}_refer()"
        )
    for table, (columns, found) in REFERRED.items():
        op.execute(
            f"CREATE FUNCTION vms_{table}_referred() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF EXISTS ({found}) THEN RAISE foreign_key_violation"
            f" USING MESSAGE = 'a row of {table} is referred to'; END IF;"
            " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_referred BEFORE DELETE OR UPDATE OF {columns} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION vms_{table}_referred()"
        )
