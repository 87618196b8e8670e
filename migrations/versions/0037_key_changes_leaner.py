"""Key changes are written with less: no index names their state.

So completing a change (of a campaign, thousands at a time) leaves every index as it is:
PostgreSQL then writes the row anew on its own page, which is kept half empty for it. That a
meter has one open change is said of ``closed_at``, which is empty as long as a change is open.
A set back is open beside the change it takes back, so it has a rule of its own.

Revision: 0037
Follows: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

ONE_EACH = ("reserved", "completed")
OPEN = "closed_at IS NULL"
CLOSED = "state NOT IN ('reserved', 'completed')"
RULE = "ck_key_change_closed"


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


def downgrade() -> None:
    if not _is_sqlite():
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
