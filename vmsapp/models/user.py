"""Users: the framework's, with a place of work."""

from flask_appbuilder.security.sqla.models import Role
from flask_appbuilder.security.sqla.models import User as FrameworkUser
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.region import Region
from vmsapp.models.vending_point import VendingPoint


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
