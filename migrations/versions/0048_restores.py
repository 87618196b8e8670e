"""What tells that a backup was restored: marks of instance and security modules, and a standstill.

All may be empty: a release before this one goes on beside it.

Revision: 0048
Follows: 0047
"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def columns() -> tuple[tuple[str, sa.Column], ...]:
    moments = ("standstill_since", "begun_anew_at", "tids_from")
    return (
        *(("installation", sa.Column(name, sa.DateTime(timezone=True))) for name in moments),
        ("installation", sa.Column("standstill_why", sa.String(length=20))),
        ("security_module", sa.Column("epoch", sa.Integer())),
        ("security_module", sa.Column("sequence", sa.BigInteger())),
        ("security_module", sa.Column("journal_seen", sa.BigInteger())),
    )


def upgrade() -> None:
    for table, column in columns():
        op.add_column(table, column)


def downgrade() -> None:
    for table, column in reversed(columns()):
        op.drop_column(table, column.name)
