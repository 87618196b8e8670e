"""Whatever is done to the tree, in whatever order, it stays a tree."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, delete, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from tests import factories
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.models import AuditEvent, Consumer, Region
from vmsapp.models.base import Model
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import regions

LEVELS = ("country", "province", "city")
NAMES = st.sampled_from(["Alma", "ALMA", " alma", "Birk", "bírk", "Cole", "Straße", "STRASSE"])
PLACE = st.integers(0, 14)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES, st.none() | PLACE),
        st.tuples(st.just("rename"), PLACE, NAMES),
        st.tuples(st.just("move"), PLACE, PLACE),
        st.tuples(st.just("merge"), PLACE, PLACE),
        st.tuples(st.just("delete"), PLACE, st.none()),
        st.tuples(st.just("settle"), PLACE, st.none()),
    ),
    min_size=1,
    max_size=10,
)


@pytest.fixture(scope="module")
def empty() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Model.metadata.create_all(engine)
    yield engine
    engine.dispose()


def plant(session: Session) -> None:
    """Plant two countries of two provinces of two towns; some are called alike."""
    for country in ("Alma", "Birk"):
        top = regions.add(session, SYSTEM, name=country, parent_id=None)
        for province in ("Alma", f"Of {country}"):
            part = regions.add(session, SYSTEM, name=province, parent_id=top.id)
            for town in ("Cole", f"Of {province}"):
                regions.add(session, SYSTEM, name=town, parent_id=part.id)


def do(session: Session, deed: str, first: Any, second: Any) -> None:
    """Do a deed to the regions that stand at some places of the list of all."""
    known = list(session.scalars(select(Region.id).order_by(Region.id)))

    def at(place: int) -> int:
        return known[place % len(known)] if known else 0

    match deed:
        case "add":
            parent = None if second is None or not known else at(second)
            regions.add(session, SYSTEM, name=first, parent_id=parent)
        case "rename":
            regions.rename(session, SYSTEM, at(first), second)
        case "move" | "merge":
            second = at(second) if second % 5 == 0 else fitting(session, deed, at(first), second)
            getattr(regions, deed)(session, SYSTEM, at(first), second)
        case "delete":
            regions.delete(session, SYSTEM, at(first))
        case "settle" if known:
            with atomic(session):
                number = len(session.scalars(select(Consumer.id)).all())
                row = Consumer(number=f"N{number}", name="Someone", region_id=at(first))
                factories.add(session, row)


def fitting(session: Session, deed: str, region_id: int, place: int) -> int:
    """One of the regions of the level that a region can be moved to or merged into, or none."""
    region = session.get(Region, region_id)
    level = LEVELS.index(region.level) - (deed == "move") if region else -1
    if level < 0:
        return 0
    there = Region.level == LEVELS[level]
    found = list(session.scalars(select(Region.id).where(there).order_by(Region.id)))
    return found[place % len(found)] if found else 0


def assert_a_tree(session: Session) -> None:
    rows = {row.id: row for row in session.scalars(select(Region))}
    for row in rows.values():
        way, above = [row.id], row.parent_id
        while above is not None:
            assert above not in way, "a circle"
            way.insert(0, above)
            above = rows[above].parent_id
        assert row.path == "".join(f"{number}." for number in way)
        assert row.level == LEVELS[len(way) - 1]
    names = [(row.parent_id, " ".join(row.name.casefold().split())) for row in rows.values()]
    assert len(names) == len(set(names))
    assert set(session.scalars(select(Consumer.region_id))) <= rows.keys(), "a lost consumer"


@settings(max_examples=60)
@given(DEEDS)
def test_the_tree_stays_a_tree_and_loses_nobody(empty, deeds):
    with seen_by(SYSTEM):
        with Session(empty) as session, atomic(session):
            for model in (AuditEvent, Consumer, Region):
                session.execute(delete(model))
            plant(session)
        settled = 0
        for deed in deeds:
            with Session(empty, expire_on_commit=False) as session:
                try:
                    do(session, *deed)
                except VmsError:
                    session.rollback()
            with Session(empty) as session:
                assert_a_tree(session)
                people = len(session.scalars(select(Consumer.id)).all())
                assert people >= settled
                settled = people
