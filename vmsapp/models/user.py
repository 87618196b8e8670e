"""Users and user groups: the framework's, with a place of work and with a description.

A user group is one of the framework's roles. Its two columns are added to the framework's
own class: a subclass would be a second class for the same rows, and a user's groups would
be read as either, by which of the two was asked for first.
"""

from flask_appbuilder.security.sqla.models import Role
from flask_appbuilder.security.sqla.models import User as FrameworkUser
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.region import Region
from vmsapp.models.vending_point import VendingPoint

Role.description = mapped_column(String(255))
Role.ready_made = mapped_column(String(40), unique=True, index=True)
"""Which of the groups that come with the product it is; ``None`` for an administrator's own."""


class OfficeUser(FrameworkUser):
    """A person who works with the system.

    Attributes:
        all_regions: Sees everything; without it a user without region sees nothing.
    """

    __tablename__ = "ab_user"

    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"), index=True)
    all_regions: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str | None] = mapped_column(String(8))

    region: Mapped[Region | None] = relationship(lazy="raise_on_sql")
    vending_point: Mapped[VendingPoint | None] = relationship(lazy="raise_on_sql")


__all__ = ["OfficeUser", "Role"]
