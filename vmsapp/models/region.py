"""Regions: country, province or state, city or town."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Name
from vmsapp.scope import ScopedMixin, Sight


class RegionLevel(StrEnum):
    """How deep a region lies."""

    COUNTRY = "country"
    PROVINCE = "province"
    CITY = "city"


class Region(ScopedMixin, Model):
    """A part of the country.

    ``path`` lists the ids from the country down, each followed by a dot (``"1.4.9."``),
    so that a region and all below it is one prefix search.
    """

    __tablename__ = "region"
    __table_args__ = (
        UniqueConstraint("parent_id", "name", name="uq_region_name"),
        CheckConstraint("level IN ('country', 'province', 'city')", name="ck_region_level"),
    )

    id: Mapped[Id]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    level: Mapped[str] = mapped_column(String(10))
    name: Mapped[Name]
    path: Mapped[str] = mapped_column(String(120), unique=True)

    parent: Mapped["Region | None"] = relationship(remote_side="Region.id", lazy="raise_on_sql")

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Its own region and all below."""
        return cls.path.startswith(sight.region_path or "-", autoescape=True)

    def inside(self, session: Session, sight: Sight) -> bool:
        """The path tells."""
        return bool(sight.region_path) and str(self.path or "").startswith(sight.region_path or "-")

    def __repr__(self) -> str:
        return self.name
