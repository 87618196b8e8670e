"""The utility's settings: logo, receipts, shifts, limits and mail.

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

CHECKS = {
    "receipt_copies": "receipt_copies BETWEEN 1 AND 5",
    "shift_hours": "shift_hours BETWEEN 1 AND 48",
    "limits_minor": "smallest_minor > 0 AND largest_minor >= coalesce(smallest_minor, 1)",
    "limits_units": "smallest_units > 0 AND largest_units >= coalesce(smallest_units, 1)",
    "tokens_a_day": "tokens_a_day > 0",
    "mail_port": "mail_port BETWEEN 1 AND 65535",
    "mail_security": "mail_security IN ('none', 'starttls', 'tls')",
}


def _columns() -> list[sa.Column]:
    def text(name: str, length: int, value: str = "") -> sa.Column:
        return sa.Column(name, sa.String(length=length), nullable=False, server_default=value)

    def number(name: str, value: str) -> sa.Column:
        return sa.Column(name, sa.Integer(), nullable=False, server_default=value)

    def answer(name: str, *, value: bool) -> sa.Column:
        default = sa.true() if value else sa.false()
        return sa.Column(name, sa.Boolean(), nullable=False, server_default=default)

    return [
        sa.Column("logo", sa.String(length=64), nullable=True),
        text("receipt_header", 255),
        text("receipt_footer", 255),
        number("receipt_copies", "1"),
        answer("shifts_used", value=False),
        number("shift_hours", "12"),
        answer("cash_counted", value=True),
        sa.Column("smallest_minor", sa.BigInteger(), nullable=True),
        sa.Column("largest_minor", sa.BigInteger(), nullable=True),
        sa.Column("smallest_units", sa.BigInteger(), nullable=True),
        sa.Column("largest_units", sa.BigInteger(), nullable=True),
        sa.Column("tokens_a_day", sa.Integer(), nullable=True),
        text("mail_host", 120),
        number("mail_port", "587"),
        text("mail_security", 8, "starttls"),
        text("mail_user", 120),
        text("mail_sender", 120),
        sa.Column("mail_password", sa.LargeBinary(), nullable=True),
    ]


def upgrade() -> None:
    op.create_table(
        "logo",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=20), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "media_type IN ('image/png', 'image/jpeg', 'image/gif')", name="ck_logo_media_type"
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("setup") as setup:
        for column in _columns():
            setup.add_column(column)
        setup.create_foreign_key("fk_setup_logo", "logo", ["logo"], ["digest"])
        for name, rule in CHECKS.items():
            setup.create_check_constraint(f"ck_setup_{name}", rule)


def downgrade() -> None:
    with op.batch_alter_table("setup") as setup:
        setup.drop_constraint("fk_setup_logo", type_="foreignkey")
        for name in CHECKS:
            setup.drop_constraint(f"ck_setup_{name}", type_="check")
        for column in reversed(_columns()):
            setup.drop_column(column.name)
    op.drop_table("logo")
