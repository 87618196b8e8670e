"""Whether a meter hangs somewhere, kept with the meter: lists ask for it among a million.

Revision: 0030
Follows: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "meter", sa.Column("bound", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    hanging = "SELECT meter_id FROM meter_installation WHERE removed_at IS NULL"
    op.execute(f"UPDATE meter SET bound = TRUE WHERE id IN ({hanging})")  # noqa: S608
    op.create_index("ix_meter_bound", "meter", ["bound", "drn", "state", "region_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_meter_bound", table_name="meter")
    op.drop_column("meter", "bound")
