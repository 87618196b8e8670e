"""Regions: country, province or state, city or town."""

from enum import StrEnum
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, validates

from vmsapp.models.base import Model
from vmsapp.models.folding import folded
from vmsapp.models.types import Id, Name
from vmsapp.scope import ScopedMixin, Sight, below


class RegionLevel(StrEnum):
    """How deep a region lies."""

    COUNTRY = "country"
    PROVINCE = "province"
    CITY = "city"


LEVEL_BELOW: Final[dict[str | None, RegionLevel]] = {
    None: RegionLevel.COUNTRY,
    RegionLevel.COUNTRY: RegionLevel.PROVINCE,
    RegionLevel.PROVINCE: RegionLevel.CITY,
}
"""Which level hangs below one; below a city hangs none."""


class Region(ScopedMixin, Model):
    """A part of the country.

    ``path`` lists the ids from the country down, each followed by a dot (``"1.4.9."``),
    so that a region and all below it is one range of paths, compared byte by byte.
    ``name_key`` follows the name; no two regions at one place have the same.
    """

    __tablename__ = "region"
    __table_args__ = (
        UniqueConstraint("parent_id", "name", name="uq_region_name"),
        Index("uq_region_sibling", "parent_id", "name_key", unique=True),
        Index(
            "uq_region_country",
            "name_key",
            unique=True,
            sqlite_where=text("parent_id IS NULL"),
            postgresql_where=text("parent_id IS NULL"),
        ),
        CheckConstraint("level IN ('country', 'province', 'city')", name="ck_region_level"),
    )

    id: Mapped[Id]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    level: Mapped[str] = mapped_column(String(10))
    name: Mapped[Name]
    name_key: Mapped[str] = mapped_column(Text, server_default="")
    path: Mapped[str] = mapped_column(
        String(120).with_variant(String(120, collation="C"), "postgresql"), unique=True
    )

    parent: Mapped["Region | None"] = relationship(remote_side="Region.id", lazy="raise_on_sql")

    @validates("name")
    def _follow(self, _attribute: str, name: str) -> str:
        self.name_key = folded(name)
        return name

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Its own region and all below."""
        return below(cls.path, sight.region_path)

    def inside(self, session: Session, sight: Sight) -> bool:
        """The path tells."""
        return bool(sight.region_path) and str(self.path or "").startswith(sight.region_path or "-")

    @property
    def whole_name(self) -> list[str]:
        """The names from the top down, as far as the regions above are loaded and seen."""
        above = self.__dict__.get("parent")
        return [*above.whole_name, self.name] if above else [self.name]

    def __repr__(self) -> str:
        return self.name
