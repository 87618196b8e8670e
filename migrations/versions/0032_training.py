"""Training meters; tokens are found by their digits.

Revision: 0032
Follows: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "training_meter",
        sa.Column(
            "session_id", NUMBER, sa.ForeignKey("user_session.id"), primary_key=True,
            autoincrement=False,
        ),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_training_meter_expires_at", "training_meter", ["expires_at"])
    op.create_index("ix_token_digits", "token", ["digits"])


def downgrade() -> None:
    op.drop_index("ix_token_digits", "token")
    op.drop_table("training_meter")
