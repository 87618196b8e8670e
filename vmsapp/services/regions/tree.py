"""The tree as it is looked at: level by level, searched, with what belongs to each region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, false, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from vmsapp.models import Consumer, OfficeUser, Region, VendingPoint
from vmsapp.models.folding import folded
from vmsapp.models.region import LEVEL_BELOW, RegionLevel
from vmsapp.scope import Sight, below
from vmsapp.services.regions.changes import NAME, check_merge, check_move, twins

SHOWN: Final = 500
"""Regions of a level that are listed; beyond it, one searches."""

FOUND: Final = 20
"""Regions a search offers."""

Counts = Mapping[int, Mapping[str, int]]
"""By region: how many ``region``, ``vending_point``, ``consumer`` and ``ab_user`` it holds."""


@dataclass(frozen=True, slots=True)
class Level:
    """The regions side by side below one that is chosen.

    Attributes:
        parent: Whose parts they are; ``None`` at the top.
        chosen: Id of the one that the next level belongs to.
        more: There are more than are listed.
    """

    name: RegionLevel
    parent: Region | None
    regions: Sequence[Region]
    chosen: int | None
    more: bool


def levels(session: Session, sight: Sight, at: Region | None) -> list[Level]:
    """List the tree from the top that is seen down to a region, and what is below it.

    The top is chosen by itself where it is only one.
    """
    way = _ids(at.path) if at else set()
    rows = _rows(session, sight, way)
    tops = [row for row in rows if _is_top(row, sight)]
    if at is None and len(tops) == 1:
        return levels(session, sight, tops[0])
    if not tops and not sight.everything:
        return []
    top = RegionLevel(tops[0].level) if tops else RegionLevel.COUNTRY
    found = [_level(top, None, tops, way)]
    while (chosen := found[-1].chosen) and (name := LEVEL_BELOW.get(found[-1].name)):
        parent = next(row for row in found[-1].regions if row.id == chosen)
        parts = [row for row in rows if row.parent_id == chosen]
        found.append(_level(name, parent, parts, way))
    return found


def _is_top(row: Region, sight: Sight) -> bool:
    return row.parent_id is None if sight.everything else row.path == sight.region_path


def _rows(session: Session, sight: Sight, way: set[int]) -> Sequence[Region]:
    """Read the top and the parts of each region on the way, by name, in one statement."""
    top = Region.parent_id.is_(None) if sight.everything else Region.path == sight.region_path
    place = func.row_number().over(partition_by=Region.parent_id, order_by=Region.name_key)
    ranked = (
        select(Region.id, place.label("place"))
        .where(or_(top, Region.parent_id.in_(way)))
        .subquery()
    )
    listed = (
        select(Region)
        .join(ranked, ranked.c.id == Region.id)
        .where(or_(ranked.c.place <= SHOWN + 1, Region.id.in_(way)))
        .order_by(Region.name_key, Region.id)
    )
    return session.scalars(listed).all()


def _level(
    name: RegionLevel, parent: Region | None, rows: Sequence[Region], way: set[int]
) -> Level:
    chosen = next((row.id for row in rows if row.id in way), None)
    listed = [row for number, row in enumerate(rows) if number < SHOWN or row.id == chosen]
    return Level(name, parent, listed, chosen, more=len(rows) > SHOWN)


def search(session: Session, words: str, limit: int = FOUND) -> Sequence[Region]:
    """Find regions by a part of their name; one more than the limit tells that there are more."""
    return session.scalars(named(select(Region), words).limit(limit + 1)).all()


def named(statement: Select[Region], words: str) -> Select[Region]:
    """Narrow regions to those of a name, exact and beginning ones first, with their places."""
    key = folded(words)
    best = case(
        (Region.name_key == key, 0), (Region.name_key.startswith(key, autoescape=True), 1), else_=2
    )
    found = containing(statement, words)
    return found.order_by(best, Region.name_key, Region.id).options(NAME)


def containing(statement: Select[Any], words: str) -> Select[Any]:
    """Narrow regions to those in whose name a text stands, be it in capitals or not."""
    key = folded(words)
    return statement.where(Region.name_key.contains(key, autoescape=True)) if key else statement


def belongings(session: Session, shown: Sequence[Region]) -> Counts:
    """Count what each region and all below it hold, as far as the asker sees it, at once.

    Rows are counted by the region they stand at, and added up along its path.
    """
    part = Region.__table__.alias()  # below what is seen all is seen
    within = select(part.c.id).where(_below_any(part.c.path, shown))
    kinds: list[Any] = [
        (Region, Region.parent_id),
        (VendingPoint, VendingPoint.region_id),
        (Consumer, Consumer.region_id),
        (OfficeUser, OfficeUser.region_id),
    ]
    each = [
        select(literal(model.__tablename__).label("kind"), place.label("place"),
               func.count(model.id).label("rows"))
        .where(place.in_(within)).group_by(place)
        for model, place in kinds
    ]  # fmt: skip
    rows = union_all(*each).subquery()
    counted = select(part.c.path, rows.c.kind, rows.c.rows).join(rows, rows.c.place == part.c.id)
    found: dict[int, dict[str, int]] = {region.id: {} for region in shown}
    on_the_way = {str(number): held for number, held in found.items()}
    for path, kind, count in session.execute(counted):
        for number in path.split("."):
            if (held := on_the_way.get(number)) is not None:
                held[kind] = held.get(kind, 0) + count
    return found


def _below_any(path: ColumnElement[str], shown: Sequence[Region]) -> ColumnElement[bool]:
    """State which paths lie below one of these; what lies below another of them adds nothing."""
    ids = {region.id for region in shown}
    tops = [region.path for region in shown if not (_ids(region.path) - {region.id}) & ids]
    return or_(false(), *(below(path, top) for top in tops))


def _ids(path: str) -> set[int]:
    """The ids of a path: the region's and those above it."""
    return {int(number) for number in path.split(".")[:-1]}


# what a move or a merge would do


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move or a merge will do, to be read before it is done.

    Attributes:
        holds: What comes along, as ``belongings`` counts it.
        merged: Whole names of the children that are merged, too.
        more, less: Names of users who will see more, and of those who will see less.
    """

    region: Region
    target: Region
    holds: Mapping[str, int]
    merged: Sequence[str]
    more: Sequence[str]
    less: Sequence[str]


def plan_move(session: Session, region: Region, parent: Region) -> Plan:
    """Say what a move will do.

    Raises:
        WrongPlace: It cannot stand there.
    """
    check_move(region, parent)
    before, after = _above(region), _ids(parent.path)
    return Plan(
        region, parent, belongings(session, [region])[region.id], (),
        more=_users_at(session, after - before), less=_users_at(session, before - after),
    )  # fmt: skip


def plan_merge(session: Session, region: Region, target: Region) -> Plan:
    """Say what a merge will do.

    Raises:
        CannotMerge: The two do not fit.
    """
    check_merge(region, target)
    pairs = twins(session, region, target)
    before, after = _above(region), _ids(target.path)
    both = {part.id for pair in pairs for part in pair}
    return Plan(
        region, target, belongings(session, [region])[region.id],
        merged=[gone.name for gone, _kept in pairs[1:]],
        more=_users_at(session, (after - before) | both), less=_users_at(session, before - after),
    )  # fmt: skip


def _above(region: Region) -> set[int]:
    return _ids(region.path) - {region.id}


def _users_at(session: Session, region_ids: set[int]) -> Sequence[str]:
    """Names of the users whose region is one of these; who sees everything always does."""
    at = select(OfficeUser.username).join(Region, Region.id == OfficeUser.region_id)
    return session.scalars(
        at.where(Region.id.in_(region_ids), OfficeUser.active, OfficeUser.all_regions.is_(False))
        .order_by(OfficeUser.username)
    ).all()  # fmt: skip


def targets(
    session: Session, region: Region, deed: str, words: str, limit: int = FOUND
) -> Sequence[Region]:
    """Find where a region could be moved to, or what it could be merged into."""
    if deed == "merge":
        fitting = select(Region).where(Region.level == region.level, Region.id != region.id)
    else:
        above = [level for level, under in LEVEL_BELOW.items() if under == region.level and level]
        fitting = select(Region).where(Region.level.in_(above), Region.id != region.parent_id)
    return session.scalars(named(fitting, words).limit(limit + 1)).all()
