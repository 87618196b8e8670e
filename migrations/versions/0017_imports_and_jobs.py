"""Jobs: progress, files, cancelling. Imports: batches and what became of their rows.

Revision: 0017
Follows: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MOMENTS = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("state IN ('waiting', 'running')")
JOB = (
    ("problem", sa.JSON(), {"nullable": True}),
    ("file_name", sa.String(255), {"nullable": False, "server_default": ""}),
    ("stored", sa.String(64), {"nullable": True}),
    ("done", sa.Integer(), {"nullable": False, "server_default": "0"}),
    ("total", sa.Integer(), {"nullable": True}),
    ("done_before", sa.Integer(), {"nullable": False, "server_default": "0"}),
    ("attempts", sa.Integer(), {"nullable": False, "server_default": "0"}),
    ("cancel_asked", sa.Boolean(), {"nullable": False, "server_default": sa.false()}),
    ("queued_at", MOMENTS, {"nullable": True}),
    ("progress_at", MOMENTS, {"nullable": True}),
)


def upgrade() -> None:
    with op.batch_alter_table("job") as table:
        for name, kind, rest in JOB:
            table.add_column(sa.Column(name, kind, **rest))
    op.create_index("ix_job_open", "job", ["state"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "import_batch",
        sa.Column("id", BIG, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("stored", sa.String(64), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("update_existing", sa.Boolean(), nullable=False),
        sa.Column("good_only", sa.Boolean(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("faulty", sa.Integer(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("made_at", MOMENTS, nullable=False),
        sa.Column("applied_at", MOMENTS, nullable=True),
        sa.Column("job_id", BIG, nullable=True),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('uploaded', 'validating', 'validated', 'rejected', 'applying', 'applied', "
            "'cancelled', 'undoing', 'undone')",
            name="ck_import_batch_state",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.ForeignKeyConstraint(["actor_id"], ["ab_user.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("sha256", "job_id", "actor_id"):
        op.create_index(f"ix_import_batch_{column}", "import_batch", [column])
    op.create_table(
        "import_row",
        sa.Column("batch_id", BIG, nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("errors", sa.JSON(), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('faulty', 'added', 'changed', 'same', 'undone', 'kept')",
            name="ck_import_row_state",
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"]),
        sa.PrimaryKeyConstraint("batch_id", "row"),
    )


def downgrade() -> None:
    op.drop_table("import_row")
    op.drop_table("import_batch")
    op.drop_index("ix_job_open", "job")
    with op.batch_alter_table("job") as table:
        for name, _kind, _rest in reversed(JOB):
            table.drop_column(name)
