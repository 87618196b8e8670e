"""Reports are kept under a name, sent on a schedule, and it is written down what was sent.

Revision: 0041
Follows: 0040
"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

MOMENTS = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("state IN ('waiting', 'sending')")
KEPT = sa.text("deleted_at IS NULL")
DUE = sa.text("next_at IS NOT NULL")


def upgrade() -> None:
    _saved()
    _schedules()
    _recipients()
    _sendings()


def downgrade() -> None:
    for table in ("report_sending", "report_recipient", "report_schedule", "saved_report"):
        op.drop_table(table)


def _id() -> sa.Column:
    return sa.Column("id", BIG, primary_key=True)


def _person(name: str, *, nullable: bool) -> sa.Column:
    return sa.Column(name, sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=nullable)


def _schedule() -> sa.Column:
    return sa.Column("schedule_id", BIG, sa.ForeignKey("report_schedule.id"), nullable=False)


def _saved() -> None:
    op.create_table(
        "saved_report",
        _id(),
        _person("actor_id", nullable=True),
        sa.Column("report", sa.String(40), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("query", sa.String(1000), nullable=False),
        sa.Column("made_at", MOMENTS, nullable=False),
        sa.Column("deleted_at", MOMENTS, nullable=True),
    )
    op.create_index("ix_saved_report_actor_id", "saved_report", ["actor_id"])
    op.create_index(
        "uq_saved_report_name", "saved_report", ["actor_id", "name"], unique=True,
        sqlite_where=KEPT, postgresql_where=KEPT,
    )  # fmt: skip


def _schedules() -> None:
    op.create_table(
        "report_schedule",
        _id(),
        _person("actor_id", nullable=True),
        sa.Column("saved_id", BIG, sa.ForeignKey("saved_report.id"), nullable=False),
        sa.Column("every", sa.String(8), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("month_day", sa.Integer(), nullable=True),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("zone", sa.String(120), nullable=False),
        sa.Column("next_at", MOMENTS, nullable=True),
        sa.Column("last_at", MOMENTS, nullable=True),
        sa.Column("made_at", MOMENTS, nullable=False),
        sa.Column("deleted_at", MOMENTS, nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.CheckConstraint("every IN ('day', 'week', 'month')", name="ck_report_schedule_every"),
        sa.CheckConstraint("kind IN ('xlsx', 'csv', 'pdf')", name="ck_report_schedule_kind"),
        sa.CheckConstraint(
            "state IN ('active', 'paused', 'stopped')", name="ck_report_schedule_state"
        ),
        sa.CheckConstraint("hour BETWEEN 0 AND 23", name="ck_report_schedule_hour"),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="ck_report_schedule_weekday"),
        sa.CheckConstraint("month_day BETWEEN 1 AND 31", name="ck_report_schedule_month_day"),
        sa.CheckConstraint(
            "(next_at IS NOT NULL) = (state = 'active' AND deleted_at IS NULL)",
            name="ck_report_schedule_next",
        ),
    )
    op.create_index("ix_report_schedule_actor_id", "report_schedule", ["actor_id"])
    op.create_index("ix_report_schedule_saved_id", "report_schedule", ["saved_id"])
    op.create_index(
        "ix_report_schedule_next", "report_schedule", ["next_at"],
        sqlite_where=DUE, postgresql_where=DUE,
    )  # fmt: skip


def _recipients() -> None:
    op.create_table(
        "report_recipient",
        _id(),
        _person("actor_id", nullable=True),
        _schedule(),
        _person("user_id", nullable=False),
        sa.UniqueConstraint("schedule_id", "user_id"),
    )
    for column in ("actor_id", "schedule_id", "user_id"):
        op.create_index(f"ix_report_recipient_{column}", "report_recipient", [column])


def _sendings() -> None:
    op.create_table(
        "report_sending",
        _id(),
        _person("actor_id", nullable=True),
        _schedule(),
        _person("user_id", nullable=False),
        sa.Column("for_at", MOMENTS, nullable=False),
        sa.Column("made_at", MOMENTS, nullable=False),
        sa.Column("job_id", BIG, sa.ForeignKey("job.id"), nullable=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("state_at", MOMENTS, nullable=False),
        sa.Column("due_at", MOMENTS, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'unsure', 'failed', 'given_up')",
            name="ck_report_sending_state",
        ),
        sa.UniqueConstraint("schedule_id", "for_at", "user_id"),
    )
    for column in ("actor_id", "schedule_id", "user_id", "job_id"):
        op.create_index(f"ix_report_sending_{column}", "report_sending", [column])
    op.create_index(
        "ix_report_sending_open", "report_sending", ["due_at"],
        sqlite_where=OPEN, postgresql_where=OPEN,
    )  # fmt: skip
