"""Whether a meter hangs at a consumer's, kept with the consumer: lists ask for it among a million.

Triggers keep it, as they keep the trigrams of revision 0020: so whatever moves a meter, a place
or a consumer need not know of it. Later revisions change ``meter_installation``, too, without
``batch_alter_table``, which would lose its triggers.

Revision: 0036
Follows: 0035
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

HANGS = (
    "EXISTS (SELECT 1 FROM service_point AS place JOIN meter_installation AS link"
    " ON link.service_point_id = place.id"
    " WHERE place.consumer_id = consumer.id AND link.removed_at IS NULL"
)
BOUND = f"{HANGS})"
AWAY = f"{BOUND} AND NOT {HANGS} AND place.region_id = consumer.region_id)"
SETTLE = f"UPDATE consumer SET bound = {BOUND}, away = {AWAY}"  # noqa: S608 - no text of others

OF_PLACE = "(SELECT consumer_id FROM service_point WHERE id = {row}.service_point_id)"
TRIGGERS = (
    ("meter_installation", "INSERT", OF_PLACE.format(row="NEW")),
    ("meter_installation", "DELETE", OF_PLACE.format(row="OLD")),
    ("meter_installation", "UPDATE OF removed_at", OF_PLACE.format(row="NEW")),
    ("service_point", "UPDATE OF consumer_id, region_id", "OLD.consumer_id, NEW.consumer_id"),
    ("consumer", "UPDATE OF region_id", "NEW.id"),
)
"""After which deeds, and for which consumers, it is told anew."""


def upgrade() -> None:
    for name in ("bound", "away"):
        op.add_column(
            "consumer", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    hanging = (
        "SELECT place.consumer_id FROM service_point AS place JOIN meter_installation AS link"
        " ON link.service_point_id = place.id WHERE link.removed_at IS NULL"
    )
    op.execute(f"UPDATE consumer SET bound = TRUE WHERE id IN ({hanging})")  # noqa: S608
    op.execute(f"UPDATE consumer SET away = TRUE WHERE bound AND {AWAY}")  # noqa: S608
    op.create_index("ix_consumer_bound", "consumer", ["bound", "number", "id"])
    for name, table, deed, ids in _triggers():
        chosen = f"id IN ({ids})"
        settle = f"{SETTLE} WHERE {chosen} AND (bound <> {BOUND} OR away <> ({AWAY}))"
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"CREATE TRIGGER {name} AFTER {deed} ON {table} BEGIN {settle}; END")
            continue
        # locked first, so that who waited for another sees what that one did
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"  # noqa: S608
            f" PERFORM 1 FROM consumer WHERE {chosen} ORDER BY id FOR NO KEY UPDATE;"
            f" {settle}; RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER {deed} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    for name, table, _deed, _ids in _triggers():
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
    op.drop_index("ix_consumer_bound", table_name="consumer")
    for name in ("away", "bound"):
        op.drop_column("consumer", name)


def _triggers() -> Iterator[tuple[str, str, str, str]]:
    for table, deed, ids in TRIGGERS:
        yield f"consumer_bound_{table}_{deed.partition(' ')[0].lower()}", table, deed, ids
