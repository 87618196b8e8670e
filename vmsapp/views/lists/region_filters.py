"""Narrowing lists to a region and all below it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select

from vmsapp.models import Meter, Region, VendingPoint
from vmsapp.scope import below
from vmsapp.views.lists.filters import Column, Searched

Through = type[Meter] | type[VendingPoint]
"""What lies in a region."""


@dataclass(frozen=True, kw_only=True)
class InRegion(Searched):
    """Rows that lie in a region, or anywhere below it.

    Attributes:
        through: What the column names, if it is no region: what lies in one.
    """

    model: type[Any] = Region
    endpoint: str = "Regions.lookup"
    through: Through | None = None

    def rows(self, value: Region) -> ColumnElement[bool]:
        """Rows of these regions."""
        return lying_in(value, self.column, self.through)


def lying_in(region: Region, column: Column, through: Through | None = None) -> ColumnElement[bool]:
    """State that what a column names lies in a region, or below it.

    The bare tables: the rows that are narrowed have their own scope.
    """
    regions = Region.__table__.c
    inside = select(regions.id).where(below(regions.path, region.path))
    if through is not None:
        there = through.__table__.c
        inside = select(there.id).where(there.region_id.in_(inside))
    found: ColumnElement[bool] = column.in_(inside)
    return found
