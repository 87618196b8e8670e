"""What became of the licence: each one installed, and each return to the open edition."""

from datetime import date
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Code, Id, Moment, Text


class LicenceDeed(StrEnum):
    """What was done."""

    INSTALLED = "installed"
    RETURNED = "returned"


class LicenceChange(Model):
    """One change; rows are only ever added, and the newest tells what holds.

    Attributes:
        changed_by_id: ``None`` for a command or a start of the product.
        reason: Why the open edition was returned to.
        number, holder, issued_on, valid_until, meter_limit: Of the licence installed.
        installation: The id it was made for, if for one.
        file: The signed file itself, as it was taken.
    """

    __tablename__ = "licence_change"
    __table_args__ = (
        CheckConstraint("deed IN ('installed', 'returned')", name="ck_licence_change_deed"),
        CheckConstraint(
            "(deed = 'installed') = (number IS NOT NULL AND holder IS NOT NULL"
            " AND issued_on IS NOT NULL AND valid_until IS NOT NULL"
            " AND meter_limit IS NOT NULL AND file IS NOT NULL)",
            name="ck_licence_change_terms",
        ),
        CheckConstraint("meter_limit > 0", name="ck_licence_change_limit"),
    )

    id: Mapped[Id]
    deed: Mapped[Code]
    changed_at: Mapped[Moment]
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    changed_by_name: Mapped[str] = mapped_column(String(64))
    reason: Mapped[Text] = mapped_column(default="")
    number: Mapped[str | None] = mapped_column(String(32), index=True)
    holder: Mapped[str | None] = mapped_column(String(120))
    issued_on: Mapped[date | None]
    valid_until: Mapped[date | None]
    meter_limit: Mapped[int | None]
    installation: Mapped[str | None] = mapped_column(String(32))
    file: Mapped[str | None] = mapped_column(sa.Text)
