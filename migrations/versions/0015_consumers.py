"""Consumers: since when retired and by whom, anonymised; versions; numbers that follow by themselves.

Who was retired before keeps that, as of the day of this migration.

Revision: 0015
Follows: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENTS = sa.DateTime(timezone=True)
consumers = sa.table("consumer", sa.column("retired", sa.Boolean), sa.column("retired_at", MOMENTS))


def upgrade() -> None:
    op.create_table(
        "number_series",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )
    with op.batch_alter_table("consumer") as table:
        table.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("retired_at", MOMENTS, nullable=True))
        table.add_column(sa.Column("retired_by_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("anonymised_at", MOMENTS, nullable=True))
        table.create_foreign_key(
            "fk_consumer_retired_by_id_ab_user", "ab_user", ["retired_by_id"], ["id"]
        )
    since = sa.func.current_timestamp()
    op.execute(consumers.update().where(consumers.c.retired).values(retired_at=since))
    with op.batch_alter_table("consumer") as table:
        table.drop_column("retired")
        table.drop_index("ix_consumer_name")
        table.create_index("ix_consumer_name", ["name", "id"])
    _index("ix_consumer_id_number", ["id_number"], "id_number <> ''")
    _index("ix_consumer_retired", ["retired_by_id", "retired_at"], "retired_at IS NOT NULL")


def downgrade() -> None:
    op.drop_index("ix_consumer_retired", "consumer")
    op.drop_index("ix_consumer_id_number", "consumer")
    with op.batch_alter_table("consumer") as table:
        table.add_column(
            sa.Column("retired", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        table.drop_index("ix_consumer_name")
        table.create_index("ix_consumer_name", ["name"])
    op.execute(consumers.update().where(consumers.c.retired_at.is_not(None)).values(retired=True))
    with op.batch_alter_table("consumer") as table:
        table.alter_column("retired", existing_type=sa.Boolean(), server_default=None)
        table.drop_constraint("fk_consumer_retired_by_id_ab_user", type_="foreignkey")
        for column in ("anonymised_at", "retired_by_id", "retired_at", "version"):
            table.drop_column(column)
    op.drop_table("number_series")


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, "consumer", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
