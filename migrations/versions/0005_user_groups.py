"""What user groups are for, and which of them come with the product.

Revision: 0005
Follows: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

READY_MADE = ("Administrator", "Supervisor", "Operator", "Engineer", "Auditor")

def upgrade() -> None:
    op.add_column("ab_role", sa.Column("description", sa.String(length=255), nullable=True))
    op.add_column("ab_role", sa.Column("ready_made", sa.String(length=40), nullable=True))
    op.create_index("ix_ab_role_ready_made", "ab_role", ["ready_made"], unique=True)
    role = sa.table("ab_role", sa.column("name"), sa.column("ready_made"))
    op.execute(role.update().where(role.c.name.in_(READY_MADE)).values(ready_made=role.c.name))


def downgrade() -> None:
    op.drop_index("ix_ab_role_ready_made", table_name="ab_role")
    op.drop_column("ab_role", "ready_made")
    op.drop_column("ab_role", "description")
