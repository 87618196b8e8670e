"""The tree of regions: what each change does, what it is refused for, what it moves along."""

import threading

import pytest
from sqlalchemy import func, inspect, select
from sqlalchemy.exc import IntegrityError

from tests import factories
from tests.factories import HARBOUR, MARKET, NOW, OPERATOR, SOUTHERN, SUPERVISOR, TODAY
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import (
    ApprovalRequest,
    AuditEvent,
    Campaign,
    Consumer,
    Meter,
    OfficeUser,
    Region,
    ServicePoint,
    TariffPlan,
    TariffSimulation,
    TestToken,
    VendingPoint,
)
from vmsapp.models.base import Model
from vmsapp.scope import SYSTEM, Actor, Sight, seen_by
from vmsapp.services import regions
from vmsapp.services.regions.errors import (
    CannotMerge,
    RegionInUse,
    RegionNameTaken,
    UsersLeftOutside,
    WrongPlace,
)


@pytest.fixture
def tree(shop):
    """Do something to the tree as somebody, in a session of its own."""

    def do(deed, *args, by: Actor = SYSTEM, **named):
        with shop.session() as session, seen_by(by):
            return deed(session, by, *args, **named)

    return do


@pytest.fixture
def ids(utility) -> dict[str, int]:
    return {name: region.id for name, region in utility.regions.items()}


def keeper(shop, region: str) -> Actor:
    """Somebody who sees one region and may do everything in it."""
    return Actor(None, "keeper", Sight(region_path=shop.utility.regions[region].path))


def outline(shop) -> dict[str, list[str]]:
    """The tree as names: every region's way from the top, by its parents."""
    rows = {row.id: row for row in shop.rows(Region)}

    def way(row: Region) -> list[str]:
        return [*(way(rows[row.parent_id]) if row.parent_id else []), row.name]

    return {row.name: way(row) for row in rows.values()}


def assert_sound(shop) -> None:
    """Every path is what the parents say, and no two names at one place are the same."""
    rows = {row.id: row for row in shop.rows(Region)}
    for row in rows.values():
        above = rows[row.parent_id].path if row.parent_id else ""
        assert row.path == f"{above}{row.id}."
    places = [(row.parent_id, " ".join(row.name.casefold().split())) for row in rows.values()]
    assert len(places) == len(set(places))


# add, rename, delete


def test_levels_follow_one_another_from_country_to_city(tree, shop):
    country = tree(regions.add, name="Zembla", parent_id=None)
    province = tree(regions.add, name="Onhava", parent_id=country.id)
    city = tree(regions.add, name="  Old \t Town ", parent_id=province.id)
    assert [country.level, province.level, city.level] == ["country", "province", "city"]
    assert city.path == f"{country.id}.{province.id}.{city.id}."
    assert city.name == "Old Town"
    with pytest.raises(WrongPlace):
        tree(regions.add, name="Street", parent_id=city.id)
    assert_sound(shop)


@pytest.mark.parametrize("name", ["North", "NORTH", " north "])
def test_two_regions_at_one_place_never_have_the_same_name(tree, ids, name):
    with pytest.raises(RegionNameTaken):
        tree(regions.add, name=name, parent_id=ids["country"])
    with pytest.raises(RegionNameTaken):
        tree(regions.rename, ids["south"], name)


def test_two_countries_never_have_the_same_name_though_they_have_no_parent(tree, shop):
    with pytest.raises(RegionNameTaken):
        tree(regions.add, name="MERIDIA", parent_id=None)
    with pytest.raises(IntegrityError):  # nor does the database take it
        shop.change(lambda session: factories.add_region(session, "meridia"))


def test_a_region_may_be_called_what_one_elsewhere_is_called(tree, ids):
    tree(regions.add, name="North", parent_id=ids["south"])
    tree(regions.add, name="North", parent_id=ids["north"])


def test_a_name_may_be_written_otherwise(tree, ids, shop):
    tree(regions.rename, ids["north"], "NORTH")
    assert "NORTH" in outline(shop)


def test_a_region_on_which_something_hangs_is_not_deleted(tree, ids, shop):
    for name in ("country", "north"):
        with pytest.raises(RegionInUse):
            tree(regions.delete, ids[name])
    empty = tree(regions.add, name="Empty", parent_id=ids["south"])
    tree(regions.delete, empty.id)
    assert "Empty" not in outline(shop)


def test_each_change_is_on_record_with_before_and_after(tree, ids, shop):
    town = tree(regions.add, name="Town", parent_id=ids["north"])
    tree(regions.rename, town.id, "Big Town")
    tree(regions.move, town.id, ids["south"])
    tree(regions.delete, town.id)
    events = [(event.action, event.details) for event in shop.rows(AuditEvent)
              if event.subject == "region"]  # fmt: skip
    assert [action for action, _ in events] == [
        "region.added", "region.changed", "region.moved", "region.deleted",
    ]  # fmt: skip
    moved = events[2][1]
    assert moved["before"]["place"] == "Meridia › North › Big Town"
    assert moved["after"]["place"] == "Meridia › South › Big Town"
    assert moved["after"]["path"] == f"{ids['country']}.{ids['south']}.{town.id}."


# move


def test_a_province_takes_all_below_it_to_another_country(tree, ids, shop):
    other = tree(regions.add, name="Zembla", parent_id=None)
    town = tree(regions.add, name="Town", parent_id=ids["north"])
    tree(regions.move, ids["north"], other.id)
    assert outline(shop)["Town"] == ["Zembla", "North", "Town"]
    assert (
        shop.rows(Region, Region.id == town.id)[0].path == f"{other.id}.{ids['north']}.{town.id}."
    )
    assert_sound(shop)


@pytest.mark.parametrize(("moved", "under"), [
    ("north", "north"), ("north", "south"), ("country", "north"), ("country", "country"),
])  # fmt: skip
def test_a_region_moves_only_under_the_level_above_it_and_never_under_itself(
    tree, ids, shop, moved, under
):
    before = outline(shop)
    with pytest.raises(WrongPlace):
        tree(regions.move, ids[moved], ids[under])
    assert outline(shop) == before


def test_a_region_does_not_move_beside_one_of_its_name(tree, ids):
    first = tree(regions.add, name="Town", parent_id=ids["north"])
    tree(regions.add, name="TOWN", parent_id=ids["south"])
    with pytest.raises(RegionNameTaken):
        tree(regions.move, first.id, ids["south"])


def test_a_move_that_takes_a_vending_point_out_of_its_users_region_is_refused_by_name(
    tree, ids, shop
):
    town = tree(regions.add, name="Town", parent_id=ids["north"])
    shop.change(
        lambda session: setattr(
            session.get(VendingPoint, shop.utility.points[HARBOUR]), "region_id", town.id
        )
    )
    with pytest.raises(UsersLeftOutside, match=OPERATOR):
        tree(regions.move, town.id, ids["south"])
    assert outline(shop)["Town"] == ["Meridia", "North", "Town"]


# merge


def everything_at(shop, region_id: int) -> dict[str, int]:
    """Rows that point at a region, by table and column, as the database itself knows them."""
    found = {}
    with shop.engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            for key in inspect(connection).get_foreign_keys(name):
                if key["referred_table"] == "region":
                    table = Model.metadata.tables[name]
                    column = table.c[key["constrained_columns"][0]]
                    count = select(func.count()).select_from(table).where(column == region_id)
                    found[f"{name}.{column.name}"] = connection.scalar(count)
    return found


def test_a_merge_takes_everything_along_that_points_at_the_region(tree, ids, shop):
    tree(regions.add, name="Town", parent_id=ids["south"])
    asked = ApprovalRequest(
        action="x", params={}, hash="0" * 64, key="x", made_at=NOW, expires_at=NOW,
        asked_by_id=shop.utility.users[OPERATOR].id, region_id=ids["south"],
    )  # fmt: skip
    card = TestToken(
        region_id=ids["south"],
        card="1-x",
        test=0,
        four_digits=False,
        digits="56493153725450313471",
        made_at=NOW,
    )
    campaign = Campaign(
        region_id=ids["south"], name="New keys", reason="old", due_on=TODAY, made_at=NOW
    )
    plan = shop.rows(TariffPlan)[0]
    tried = TariffSimulation(
        region_id=ids["south"], plan_id=plan.id, plan_version="0" * 64, rules=plan.rules,
        tariff_id=plan.tariff_id, month=TODAY.replace(day=1), basis="units", made_at=NOW,
    )  # fmt: skip
    rows = (asked, card, campaign, tried)
    shop.change(lambda session: [factories.add(session, row) for row in rows])
    before = {name: everything_at(shop, ids[name]) for name in ("north", "south")}
    assert all(before["south"].values()), "a table with nothing to move proves nothing"
    tree(regions.merge, ids["south"], ids["north"])
    assert everything_at(shop, ids["north"]) == {
        column: count + before["south"][column] for column, count in before["north"].items()
    }
    assert not any(everything_at(shop, ids["south"]).values())
    assert "South" not in outline(shop)
    assert outline(shop)["Town"] == ["Meridia", "North", "Town"]
    assert_sound(shop)


def test_children_of_the_same_name_are_merged_in_turn(tree, ids, shop):
    other = tree(regions.add, name="Zembla", parent_id=None)
    north = tree(regions.add, name="NORTH", parent_id=other.id)
    both = [tree(regions.add, name="Port", parent_id=parent) for parent in (ids["north"], north.id)]
    alone = tree(regions.add, name="Alone", parent_id=north.id)
    east = tree(regions.add, name="East", parent_id=other.id)
    shop.change(
        lambda session: factories.add(session, Consumer(number="P", name="P", region_id=both[1].id))
    )
    tree(regions.merge, other.id, ids["country"])
    ways = outline(shop)
    assert "Zembla" not in ways
    assert "NORTH" not in ways
    assert ways["Port"] == ["Meridia", "North", "Port"]
    assert ways["Alone"] == ["Meridia", "North", "Alone"]
    assert ways["East"] == ["Meridia", "East"]
    assert shop.rows(Consumer, Consumer.number == "P")[0].region_id == both[0].id
    assert {row.id for row in shop.rows(Region)} >= {both[0].id, alone.id, east.id}
    assert_sound(shop)


@pytest.mark.parametrize(("gone", "kept"), [("north", "north"), ("north", "country")])
def test_only_two_regions_of_one_level_merge(tree, ids, gone, kept):
    with pytest.raises(CannotMerge):
        tree(regions.merge, ids[gone], ids[kept])


def test_people_of_a_merged_region_go_on_working(tree, ids, shop):
    tree(regions.merge, ids["south"], ids["north"])
    user = shop.rows(OfficeUser, OfficeUser.id == shop.utility.users["operator2"].id)[0]
    assert user.region_id == ids["north"]
    assert user.vending_point_id == shop.utility.points[MARKET]
    assert shop.rows(Meter, Meter.id == shop.utility.meters[SOUTHERN])[0].region_id == ids["north"]
    assert not shop.rows(ServicePoint, ServicePoint.region_id == ids["south"])


# what somebody sees


def test_who_sees_one_region_changes_nothing_outside_it(tree, ids, shop):
    north = keeper(shop, "north")
    town = tree(regions.add, name="Town", parent_id=ids["north"], by=north)
    for deed in (
        lambda: tree(regions.add, name="Elsewhere", parent_id=ids["south"], by=north),
        lambda: tree(regions.add, name="Country", parent_id=None, by=north),
        lambda: tree(regions.rename, ids["south"], "Mine", by=north),
        lambda: tree(regions.move, town.id, ids["south"], by=north),
        lambda: tree(regions.move, ids["north"], ids["country"], by=north),
        lambda: tree(regions.merge, ids["north"], ids["south"], by=north),
        lambda: tree(regions.delete, ids["south"], by=north),
    ):
        with pytest.raises(NotFound):
            deed()
    tree(regions.rename, town.id, "Village", by=north)
    tree(regions.delete, town.id, by=north)


def test_what_belongs_to_each_region_is_counted_with_all_below_it(tree, ids, shop):
    tree(regions.add, name="Town", parent_id=ids["north"])
    with shop.session() as session, seen_by(SYSTEM):
        found = regions.belongings(session, session.scalars(select(Region)).all())
    consumers = {name: shop.count(Consumer, Consumer.region_id == ids[name])
                 for name in ("north", "south")}  # fmt: skip
    assert found[ids["north"]] == {
        "region": 1, "vending_point": 1, "consumer": consumers["north"], "ab_user": 1,
    }  # fmt: skip
    assert found[ids["country"]] == {
        "region": 3, "vending_point": 2, "consumer": sum(consumers.values()), "ab_user": 3,
    }  # fmt: skip


def test_an_operator_counts_the_own_vending_point_alone(ids, shop):
    shop.change(
        lambda session: factories.add(session, VendingPoint(name="Pier", region_id=ids["north"]))
    )
    actor = shop.actor(OPERATOR)
    with shop.session() as session, seen_by(actor):
        found = regions.belongings(session, session.scalars(select(Region)).all())
    assert found.keys() == {ids["north"]}
    assert found[ids["north"]]["vending_point"] == 1


def test_a_plan_names_who_will_see_more_and_who_less(tree, ids, shop):
    other = tree(regions.add, name="Zembla", parent_id=None)
    shop.change(
        lambda session: factories.add_user(session, "zemblan", region=session.get(Region, other.id))
    )

    def plans(session):
        north, south = (session.get(Region, ids[name]) for name in ("north", "south"))
        return (regions.plan_move(session, north, session.get(Region, other.id)),
                regions.plan_merge(session, north, south))  # fmt: skip

    with shop.session() as session, seen_by(SYSTEM):
        move, merge = plans(session)
    assert (move.more, move.less) == (["zemblan"], [SUPERVISOR])
    assert (merge.more, merge.less) == ([OPERATOR, "operator2"], [])
    assert move.holds["vending_point"] == 1


# two at once


def test_two_who_add_the_same_name_at_once_make_one(shop, ids):
    outcomes: list[object] = []
    start = threading.Barrier(2)

    def add():
        start.wait()
        with shop.session() as session, seen_by(SYSTEM):
            try:
                outcomes.append(
                    regions.add(session, SYSTEM, name="Twin", parent_id=ids["north"]).name
                )
            except RegionNameTaken as error:
                outcomes.append(error.code)

    both = [threading.Thread(target=add) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(map(str, outcomes)) == ["Twin", "region_there"]


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"])
def test_a_merge_waits_for_a_consumer_who_is_being_registered_there(shop, ids):
    waiting = threading.Event()
    outcome: list[object] = []

    def merge():
        with shop.session() as session, seen_by(SYSTEM):
            waiting.set()
            outcome.append(regions.merge(session, SYSTEM, ids["south"], ids["north"]))

    with shop.session() as session, seen_by(SYSTEM), atomic(session):
        factories.add(session, Consumer(number="L", name="Late", region_id=ids["south"]))
        thread = threading.Thread(target=merge)
        thread.start()
        waiting.wait()
        thread.join(0.5)
        assert thread.is_alive(), "it did not wait"
    thread.join(10)
    assert outcome
    assert shop.rows(Consumer, Consumer.number == "L")[0].region_id == ids["north"]
