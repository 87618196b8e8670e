"""The ways in which rows are scoped: by region, by vending point, by whose they are."""

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, ForeignKey, false, select
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from vmsapp.models.region import Region
from vmsapp.scope import ScopedMixin, Sight, below

region_table = Region.__table__


class SeenByRegion(ScopedMixin):
    """Seen by whoever sees the region that ``region_id`` names."""

    if TYPE_CHECKING:
        region_id: Mapped[int]

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Rows of the region and all below it."""
        return cls.region_id.in_(
            select(region_table.c.id).where(below(region_table.c.path, sight.region_path))
        )

    def inside(self, session: Session, sight: Sight) -> bool:
        """The row's region must be seen, whichever way it was set."""
        related = self.__dict__.get("region")
        wanted = {self.region_id, related and related.id} - {None}
        seen = session.scalars(select(Region.id).where(Region.id.in_(wanted)))
        return bool(wanted) and set(seen) == wanted


class RegionScoped(SeenByRegion):
    """A row of a region: consumers, meters, service points."""

    @declared_attr
    def region_id(self) -> Mapped[int]:
        """The region the row belongs to."""
        return mapped_column(ForeignKey("region.id"), index=True)


class PointScoped(ScopedMixin):
    """Seen by the vending point it belongs to: sales, tokens, ledger.

    Who has a region but no vending point sees those of all points in the region.
    """

    @declared_attr
    def vending_point_id(self) -> Mapped[int]:
        """The vending point the row belongs to."""
        return mapped_column(ForeignKey("vending_point.id"), index=True)

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Rows of the vending point, or of those in the region."""
        column = cls.vending_point_id
        if sight.vending_point_id is not None:
            return column == sight.vending_point_id
        points = Region.metadata.tables["vending_point"]
        return column.in_(
            select(points.c.id)
            .join(region_table, region_table.c.id == points.c.region_id)
            .where(below(region_table.c.path, sight.region_path))
        )

    def inside(self, session: Session, sight: Sight) -> bool:
        """The row's vending point must be the actor's, or lie in the region."""
        if sight.vending_point_id is not None:
            return bool(self.vending_point_id == sight.vending_point_id)
        points = Region.metadata.tables["vending_point"]
        found = session.execute(
            select(points.c.id)
            .join(region_table, region_table.c.id == points.c.region_id)
            .where(points.c.id == self.vending_point_id)
            .where(below(region_table.c.path, sight.region_path))
        )
        return found.first() is not None


class OwnScoped(ScopedMixin):
    """Seen by whoever asked for it, and by those who see everything: jobs and imports."""

    @declared_attr
    def actor_id(self) -> Mapped[int | None]:
        """Who asked for it; nobody, for what runs by itself."""
        return mapped_column(ForeignKey("ab_user.id"), index=True)

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Rows of the asker's own."""
        return cls.actor_id == sight.user_id if sight.user_id is not None else false()

    def inside(self, session: Session, sight: Sight) -> bool:
        """The row must be the asker's own."""
        return sight.user_id is not None and self.actor_id == sight.user_id
