"""Changes of the tree: add, rename, move, merge, delete.

One change at a time: what a change rests on, that a name is free and a parent is there,
stays so until it is written. Reading goes on meanwhile, and so does selling. What points
at regions is found in the metadata, so that a table made later is not forgotten.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

from sqlalchemy import Column, Table, bindparam, exists, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import Region
from vmsapp.models.base import Model
from vmsapp.models.folding import folded
from vmsapp.models.region import LEVEL_BELOW
from vmsapp.scope import Actor, below, unscoped
from vmsapp.services import audit
from vmsapp.services.regions.errors import (
    CannotMerge,
    RecordsClash,
    RegionInUse,
    RegionNameTaken,
    RegionThere,
    WrongPlace,
)
from vmsapp.services.regions.places import refuse_users_outside, users_outside
from vmsapp.services.rows import hold

TREE: Final = cast("Table", Region.__table__)

NAME: Final = joinedload(Region.parent).joinedload(Region.parent)
"""What is read with a region for its whole name."""


def add(session: Session, actor: Actor, *, name: str, parent_id: int | None) -> Region:
    """Add a country, or a region below one that the actor sees.

    Raises:
        NotFound: The parent is not there, or only who sees everything adds countries.
        WrongPlace, RegionThere: Each with its sentence.
    """
    name = tidy(name)
    with atomic(session):
        one_at_a_time(session)
        parent = None if parent_id is None else locked(session, parent_id)
        if parent is None and not actor.sight.everything:
            raise NotFound
        level = LEVEL_BELOW.get(parent.level if parent else None)
        if level is None:
            raise WrongPlace(name=name)
        there = _named(session, parent_id, name)
        if there is not None:
            raise RegionThere(name=name, region_id=there)
        with unscoped("the parent is seen; the path holds an id that is not given yet"):
            region = Region(
                name=name, level=level, parent_id=parent_id, parent=parent, path=f"?{name}"[:120]
            )
            session.add(region)
            session.flush()
            region.path = f"{parent.path if parent else ''}{region.id}."
            session.flush()
        audit.record(session, actor, "region.added", "region", region.id, after=written(region))
        return region


def rename(session: Session, actor: Actor, region_id: int, name: str) -> Region:
    """Give a region another name.

    Raises:
        RegionNameTaken: One beside it has that name.
    """
    name = tidy(name)
    with atomic(session):
        one_at_a_time(session)
        region = locked(session, region_id)
        before = written(region)
        _refuse_taken(session, region.parent_id, name, but=region.id)
        region.name = name
        session.flush()
        audit.record(
            session, actor, "region.changed", "region", region.id,
            before=before, after=written(region),
        )  # fmt: skip
        return region


def move(session: Session, actor: Actor, region_id: int, parent_id: int) -> Region:
    """Hang a region, with all below it, under another parent of the right level.

    Raises:
        WrongPlace, RegionNameTaken, UsersLeftOutside: Each with its sentence.
    """
    with atomic(session):
        one_at_a_time(session)
        region, parent = locked(session, region_id), locked(session, parent_id)
        check_move(region, parent)
        _refuse_taken(session, parent.id, region.name, but=region.id)
        before, outside = written(region), users_outside(session)
        session.execute(update(TREE).where(TREE.c.id == region.id).values(parent_id=parent.id))
        _repath(session, region.path, f"{parent.path}{region.id}.")
        refuse_users_outside(session, but=outside)
        moved = locked(session, region_id)
        audit.record(
            session, actor, "region.moved", "region", region_id,
            before=before, after=written(moved),
        )  # fmt: skip
        return moved


def merge(session: Session, actor: Actor, region_id: int, into_id: int) -> Region:
    """Let one region take over all that belongs to another, which is then gone.

    Children of the same name are merged in turn.

    Raises:
        CannotMerge, UsersLeftOutside, RecordsClash: Each with its sentence.
    """
    with atomic(session):
        one_at_a_time(session)
        source, target = locked(session, region_id), locked(session, into_id)
        check_merge(source, target)
        outside, before, name = users_outside(session), written(source), source.name
        pairs = twins(session, source, target)
        _hold(session, [gone.id for gone, _kept in pairs])
        try:
            counts = _hand_over(session, pairs)
        except IntegrityError as error:
            raise RecordsClash(name=name) from error
        for gone, kept in reversed(pairs):  # children before their parents
            _adopt(session, gone.path, gone.id, kept.path, kept.id)
            session.execute(TREE.delete().where(TREE.c.id == gone.id))
            session.expunge(gone)
        refuse_users_outside(session, but=outside)
        audit.record(
            session, actor, "region.merged", "region", region_id, before=before,
            into=written(target), rows=counts,
            merged={str(gone.id): kept.id for gone, kept in pairs},
        )  # fmt: skip
        return target


def delete(session: Session, actor: Actor, region_id: int) -> None:
    """Delete a region on which nothing hangs.

    Raises:
        RegionInUse: Something does, be it seen or not.
    """
    with atomic(session):
        one_at_a_time(session)
        region = locked(session, region_id)
        hangs = [exists().where(column == region.id) for column in (*referring(), TREE.c.parent_id)]
        if session.scalar(select(or_(*hangs))):
            raise RegionInUse(name=region.name)
        session.execute(TREE.delete().where(TREE.c.id == region.id))
        audit.record(session, actor, "region.deleted", "region", region.id, before=written(region))
        session.expunge(region)


def one_at_a_time(session: Session) -> None:
    """Wait until no other change of the tree is under way, and keep others waiting.

    On SQLite the transaction, begun for writing, does.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE region IN SHARE ROW EXCLUSIVE MODE"))


def locked(session: Session, region_id: int) -> Region:
    """Fetch a region as it is now; nothing new can be hung on it until the end.

    Raises:
        NotFound: It is not there, or the asker does not see it.
    """
    found = session.scalars(
        select(Region).where(Region.id == region_id).options(NAME)
        .with_for_update(of=Region).execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if found is None:
        raise NotFound
    return found


def referring() -> Iterator[Column[Any]]:
    """Every column that points at regions, but the tree's own."""
    for table in Model.metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column is TREE.c.id and key.parent is not TREE.c.parent_id:
                yield key.parent


def check_move(region: Region, parent: Region) -> None:
    """Refuse a parent of the wrong level; under itself it would be one, too."""
    if LEVEL_BELOW.get(parent.level) != region.level:
        raise WrongPlace(name=region.name)


def check_merge(source: Region, target: Region) -> None:
    """Refuse a region of another level, and itself."""
    if source.level != target.level or source.id == target.id:
        raise CannotMerge(name=source.name)


def twins(session: Session, source: Region, target: Region) -> list[tuple[Region, Region]]:
    """Pair what is merged with what stays: the two, then their children of the same name."""
    parts = session.scalars(
        select(Region).where(or_(below(Region.path, source.path), below(Region.path, target.path)))
    ).all()
    by_place = {(part.parent_id, part.name_key): part for part in parts}
    pairs = [(source, target)]
    for gone, kept in pairs:  # which grows
        pairs += [
            (child, twin) for child in parts if child.parent_id == gone.id
            if (twin := by_place.get((kept.id, child.name_key)))
        ]  # fmt: skip
    return pairs


def written(region: Region) -> dict[str, object]:
    """Put a region on record."""
    place = " › ".join(region.whole_name)
    return {"name": region.name, "level": str(region.level), "place": place, "path": region.path}


def tidy(name: str) -> str:
    """Write a name with single spaces."""
    return " ".join(name.split())


def _refuse_taken(session: Session, parent_id: int | None, name: str, but: int = 0) -> None:
    if _named(session, parent_id, name, but) is not None:
        raise RegionNameTaken(name=name)


def _named(session: Session, parent_id: int | None, name: str, but: int = 0) -> int | None:
    """Find the region of a name at a place."""
    with unscoped("a name is taken whoever sees the region that has it"):
        taken = select(Region.id).where(
            Region.parent_id.is_(None) if parent_id is None else Region.parent_id == parent_id,
            Region.name_key == folded(name),
            Region.id != but,
        )
        return session.scalar(taken)


def _repath(session: Session, old: str, new: str, *, but: int = 0) -> None:
    """Give a whole subtree its new paths, in one statement."""
    session.execute(
        update(TREE)
        .where(below(TREE.c.path, old), TREE.c.id != but)
        .values(path=new + func.substr(TREE.c.path, len(old) + 1))
    )


def _hold(session: Session, region_ids: list[int]) -> None:
    """Wait for rows that are being hung on these regions, and let no others come."""
    held = select(TREE.c.id).where(TREE.c.id.in_(region_ids)).order_by(TREE.c.id)
    hold(session, held.with_for_update())


def _hand_over(session: Session, pairs: list[tuple[Region, Region]]) -> dict[str, int]:
    """Move every row that points at one of each pair to the other; how many, by table."""
    moved: dict[str, int] = {}
    couples = [{"the_gone": gone.id, "the_kept": kept.id} for gone, kept in pairs]
    for column in referring():
        hung = select(func.count()).where(column.in_([gone.id for gone, _kept in pairs]))
        count = session.scalar(hung) or 0
        if count:
            change = update(column.table).where(column == bindparam("the_gone"))
            session.connection().execute(change.values({column: bindparam("the_kept")}), couples)
        moved[column.table.name] = moved.get(column.table.name, 0) + count
    return moved


def _adopt(session: Session, gone: str, gone_id: int, kept: str, kept_id: int) -> None:
    """Hang what is left below one region under the other."""
    session.execute(update(TREE).where(TREE.c.parent_id == gone_id).values(parent_id=kept_id))
    _repath(session, gone, kept, but=gone_id)
