"""Campaigns: what they chose, the chunks a module is asked for, what they left out and handed out.

Revision: 0034
Follows: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

MOMENTS = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ADDED_ONLY = "campaign_refusal"


def _person(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), sa.ForeignKey("ab_user.id"), nullable=True)


def _campaign(*, key: bool = False) -> sa.Column:
    return sa.Column(
        "campaign_id", BIG, sa.ForeignKey("campaign.id"), nullable=False, primary_key=key,
        autoincrement=False,
    )  # fmt: skip


def upgrade() -> None:
    _campaigns()
    _listed()
    _chunks()
    _refusals()
    _of_changes()
    _notices()
    _guard()


def downgrade() -> None:
    op.drop_table("campaign_notice")
    op.drop_index("ix_key_change_campaign", "key_change")
    op.drop_column("key_change", "chunk_id")
    op.drop_column("key_change", "campaign_id")
    for table in ("campaign_refusal", "campaign_chunk", "campaign_meter", "campaign"):
        op.drop_table(table)


def _campaigns() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("region_id", BIG, sa.ForeignKey("region.id"), nullable=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("selection", sa.JSON(), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("hand_out", sa.String(10), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("per_second", sa.Integer(), nullable=True),
        sa.Column("meters", sa.Integer(), nullable=False),
        sa.Column("cursor", BIG, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("job_id", BIG, sa.ForeignKey("job.id"), nullable=True),
        sa.Column("form_key", sa.String(60), nullable=True, unique=True),
        sa.Column("made_at", MOMENTS, nullable=False),
        _person("made_by_id"),
        sa.Column("begun_at", MOMENTS, nullable=True),
        _person("begun_by_id"),
        sa.Column("ended_at", MOMENTS, nullable=True),
        _person("ended_by_id"),
        sa.CheckConstraint(
            "state IN ('draft', 'running', 'paused', 'made', 'stopped', 'discarded')",
            name="ck_campaign_state",
        ),
        sa.CheckConstraint(
            "hand_out IN ('next_sale', 'sms', 'sheet')", name="ck_campaign_hand_out"
        ),
        sa.CheckConstraint("per_second > 0", name="ck_campaign_per_second"),
        sa.CheckConstraint("round >= 1", name="ck_campaign_round"),
    )
    _indexes("campaign", ("region_id", "job_id", "made_by_id"))


def _listed() -> None:
    op.create_table(
        "campaign_meter",
        _campaign(key=True),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("meter_id", BIG, sa.ForeignKey("meter.id"), nullable=True),
        sa.Column("fault", sa.String(40), nullable=True),
    )
    op.create_index("ix_campaign_meter_meter", "campaign_meter", ["campaign_id", "meter_id"])
    _indexes("campaign_meter", ("meter_id",))


def _chunks() -> None:
    op.create_table(
        "campaign_chunk",
        sa.Column("id", BIG, primary_key=True),
        _campaign(),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("request_id", sa.String(40), nullable=False, unique=True),
        sa.Column("module_id", BIG, sa.ForeignKey("security_module.id"), nullable=False),
        sa.Column("first_id", BIG, nullable=False),
        sa.Column("last_id", BIG, nullable=False),
        sa.Column("meters", sa.Integer(), nullable=False),
        sa.Column("reserved_at", MOMENTS, nullable=False),
        sa.Column("doubt_at", MOMENTS, nullable=True),
        sa.Column("settled_at", MOMENTS, nullable=True),
        sa.Column("failure", sa.String(40), nullable=True),
        sa.CheckConstraint(
            "state IN ('asked', 'made', 'parted', 'failed')", name="ck_campaign_chunk_state"
        ),
    )
    _indexes("campaign_chunk", ("campaign_id",))
    asked = sa.text("state = 'asked'")
    op.create_index(
        "ix_campaign_chunk_asked", "campaign_chunk", ["campaign_id"],
        sqlite_where=asked, postgresql_where=asked,
    )  # fmt: skip


def _refusals() -> None:
    op.create_table(
        ADDED_ONLY,
        _campaign(key=True),
        sa.Column("round", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column(
            "meter_id", BIG, sa.ForeignKey("meter.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("refused_at", MOMENTS, nullable=False),
    )
    op.create_index("ix_campaign_refusal_code", ADDED_ONLY, ["campaign_id", "round", "code"])
    _indexes(ADDED_ONLY, ("meter_id",))


def _of_changes() -> None:
    # not in a batch: on SQLite that makes the table anew, and what refers to it is lost
    kind = "INTEGER" if _is_sqlite() else "BIGINT"
    for column, table in (("campaign_id", "campaign"), ("chunk_id", "campaign_chunk")):
        op.execute(f"ALTER TABLE key_change ADD COLUMN {column} {kind} REFERENCES {table} (id)")
    of_one = sa.text("campaign_id IS NOT NULL")
    op.create_index(
        "ix_key_change_campaign", "key_change", ["campaign_id", "state"],
        sqlite_where=of_one, postgresql_where=of_one,
    )  # fmt: skip


def _notices() -> None:
    op.create_table(
        "campaign_notice",
        sa.Column(
            "key_change_id", BIG, sa.ForeignKey("key_change.id"), primary_key=True,
            autoincrement=False,
        ),
        _campaign(),
        sa.Column("hand_out", sa.String(10), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reference", sa.String(32), nullable=False, unique=True),
        sa.Column("to_masked", sa.String(120), nullable=False),
        sa.Column("state_at", MOMENTS, nullable=False),
        sa.Column("message_id", sa.String(120), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("prints", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'unsure', 'failed')",
            name="ck_campaign_notice_state",
        ),
        sa.CheckConstraint("hand_out IN ('sms', 'sheet')", name="ck_campaign_notice_hand_out"),
    )  # fmt: skip
    _indexes("campaign_notice", ("campaign_id",))
    op.create_index("ix_campaign_notice_state", "campaign_notice", ["campaign_id", "state"])


def _indexes(table: str, columns: tuple[str, ...]) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _guard() -> None:
    """What was left out stays on record: its rows are only added, as tokens (0002)."""
    if not _is_sqlite():
        op.execute(
            f"CREATE TRIGGER {ADDED_ONLY}_added_only BEFORE UPDATE OR DELETE ON {ADDED_ONLY} "
            "FOR EACH ROW EXECUTE FUNCTION vms_added_only()"
        )
        return
    for deed in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {ADDED_ONLY}_no_{deed.lower()} BEFORE {deed} ON {ADDED_ONLY} "
            f"BEGIN SELECT RAISE(ABORT, '{ADDED_ONLY} rows are only added'); END"
        )
