"""Ids of rows that may be deleted are given once: SQLite counts on, as PostgreSQL does.

Ids that the audit trail knows already count as given, also of rows that are gone.

Revision: 0018
Follows: 0017
"""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SUBJECTS = {
    "ab_role": "user_group",
    "consumer": "consumer",
    "product": "product",
    "region": "region",
    "setup": "setup",
    "tariff": "tariff",
    "tariff_plan": "tariff_plan",
    "vending_key": "vending_key",
    "vending_point": "vending_point",
}
"""The tables, and what the audit trail calls their rows."""


def upgrade() -> None:
    _make_anew(counting=True)


def downgrade() -> None:
    _make_anew(counting=False)


def _make_anew(*, counting: bool) -> None:
    """Make the tables anew, for SQLite cannot change how a table counts."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for table, subject in SUBJECTS.items():
        kept = {"sqlite_autoincrement": counting}
        with op.batch_alter_table(table, recreate="always", table_kwargs=kept):
            pass
        if counting:
            _count_on(table, _last_known(table, subject))


def _last_known(table: str, subject: str) -> int:
    """Find the highest id that a row has, or had when the trail spoke of it."""
    there = op.get_bind().scalar(sa.text(f"SELECT max(id) FROM {table}"))  # noqa: S608
    known = op.get_bind().scalar(
        sa.text(
            "SELECT max(CAST(subject_id AS INTEGER)) FROM audit_event "
            "WHERE subject = :subject AND length(subject_id) < 10"
        ),
        {"subject": subject},
    )
    return max(there or 0, known or 0)


def _count_on(table: str, last: int) -> None:
    run: Callable[..., object] = op.get_bind().execute
    run(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table})
    run(
        sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
        {"name": table, "last": last},
    )
