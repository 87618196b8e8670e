"""The trail names what an event is about, as far as the reader sees it."""

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import AUDITOR, HARBOUR, OPERATOR, SOUTH_OPERATOR
from tests.web.office import BOTH, NORTH_SUPERVISOR, statements
from tests.web.records import read, rows
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import AuditEvent, Product, Region, SecurityModule, VendingPoint
from vmsapp.models.user import Role
from vmsapp.scope import NOTHING, SYSTEM, Actor, seen_by
from vmsapp.security import sight_of
from vmsapp.services import audit
from vmsapp.services.audit.names import name_then, names_of

ABSENT = 10**6


@pytest.fixture
def auditor(browse):
    return browse(AUDITOR)


def write(shop, *events, **details) -> int:
    """Write events of subjects and ids; the number of the last."""
    for subject, number in events:
        shop.change(lambda s, what=subject, which=number: audit.record(
            s, SYSTEM, f"{what}.changed", what, which, **details
        ))  # fmt: skip
    return max(event.id for event in shop.rows(AuditEvent))


def to_what(browser, query: str = "size=100") -> list[str]:
    """The column of what was done to, the latest first."""
    return [line[4] for line in rows(read(browser.get(f"/audit/list/?{query}").text))]


def first(shop, column, *where):
    with shop.session() as session, seen_by(SYSTEM):
        return session.scalars(select(column).where(*where)).first()


@BOTH
def test_an_event_names_what_it_is_about(auditor, shop, utility, people, backend):
    write(
        shop,
        ("user", people[OPERATOR].id),
        ("region", utility.regions["north"].id),
        ("vending_point", utility.points[HARBOUR]),
        ("user_group", first(shop, Role.id, Role.name == "Operator")),
        ("product", first(shop, Product.id, Product.manufacturer_code == "07")),
        ("security_module", first(shop, SecurityModule.id)),
        ("approval_rule", "float.pay_in"),
        ("sale", 7),
    )
    model = first(shop, Product.model, Product.manufacturer_code == "07")
    assert to_what(auditor)[:8] == [
        "Sale 7", "Rule of the second person Pay into a float", "Security module Module",
        f"Product {model}", "User group Operator", f"Vending point {HARBOUR}",
        "Region North", f"User {OPERATOR}",
    ]  # fmt: skip


def test_a_group_that_came_with_the_product_is_named_in_the_readers_language(browse, shop):
    write(shop, ("user_group", first(shop, Role.id, Role.name == "Operator")))
    assert to_what(browse(AUDITOR, "fr"))[0] == "Groupe d’utilisateurs Opérateur"


@BOTH
@pytest.mark.parametrize("number", [ABSENT, "0", "-1", "9" * 39, "٣", "=1+1", "1 OR 1=1"])
def test_what_is_not_there_has_its_number(auditor, shop, number, backend):
    write(shop, ("user", number), ("region", number))
    assert to_what(auditor)[:2] == [f"Region {number}", f"User {number}"]


def test_what_is_gone_has_the_name_of_its_last_day(auditor, shop):
    write(shop, ("product", ABSENT), before={"model": "EM-9", "name": "Old"})
    assert to_what(auditor)[0] == "Product Old"
    write(shop, ("user_group", ABSENT), name="Night shift", before={"name": "x"})
    assert to_what(auditor)[0] == "User group Night shift"


def test_what_was_renamed_since_has_the_name_of_then(auditor, shop, utility):
    north = utility.regions["north"].id
    write(shop, ("region", north), before={"name": "Northern"}, after={"name": "North"})
    shop.change(lambda s: setattr(s.get_one(Region, north), "name", "Highlands"))
    assert to_what(auditor)[0] == "Region North"


def test_an_events_page_names_the_vending_point_where_it_was_done(auditor, shop, utility):
    point = utility.points[HARBOUR]
    shop.change(lambda s: audit.record(
        s, SYSTEM, "sale.issued", "sale", 7, vending_point_id=point
    ))  # fmt: skip
    number = max(event.id for event in shop.rows(AuditEvent))
    facts = read(auditor.get(f"/audit/show/{number}").text).all("dl")[0].all("div")
    told_there = [[one.text for one in fact.all("dt") + fact.all("dd")] for fact in facts]
    assert ["Vending point", HARBOUR] in told_there


# who sees which name


def test_no_name_from_outside_the_readers_scope(shop, utility, people):
    north, south = people[OPERATOR].id, people[SOUTH_OPERATOR].id
    regions = {name: utility.regions[name].id for name in ("north", "south")}
    wanted = {("user", north), ("user", south), *(("region", one) for one in regions.values())}
    sight = sight_of(people[NORTH_SUPERVISOR])
    seen = {}
    for who, what in (("everything", SYSTEM.sight), ("north", sight), ("nothing", NOTHING)):
        with shop.session() as session, seen_by(Actor(None, who, what)):
            seen[who] = names_of(session, wanted)
    assert seen["everything"].keys() == wanted
    assert seen["north"] == {("user", north): OPERATOR, ("region", regions["north"]): "North"}
    assert seen["nothing"] == {}


def test_a_name_out_of_an_event_is_for_who_sees_everything():
    event = AuditEvent(subject="region", details={"before": {"name": "Quay"}})
    odd = AuditEvent(subject="region", details={"before": "Quay", "name": 7, "after": {}})
    with seen_by(SYSTEM):
        assert (name_then(event), name_then(odd)) == ("Quay", "")
    with seen_by(Actor(None, "nobody", NOTHING)):
        assert name_then(event) == ""


# statements


def many_events(shop, count: int, who: Actor = SYSTEM) -> None:
    """Events about things of every kind, each about another one."""

    def add(session):
        country = session.scalars(select(Region).where(Region.name == "North")).one()
        for number in range(count):
            region = factories.add_region(session, f"Town {count} {number}", country)
            clerk = factories.add_user(session, f"clerk {count} {number}", region=region)
            point = factories.add(
                session, VendingPoint(name=f"Point {count} {number}", region_id=region.id)
            )
            for subject, row in (("region", region), ("user", clerk), ("vending_point", point),
                                 ("user_group", region), ("product", region)):  # fmt: skip
                audit.record(session, who, f"{subject}.changed", subject, row.id,
                             vending_point_id=point.id)  # fmt: skip

    shop.change(add)


def test_a_longer_page_and_file_take_no_more_statements(office, auditor, shop, people):
    clerk = Actor(people[OPERATOR].id, OPERATOR, SYSTEM.sight)
    with office.app_context():
        engine = db.engine

    def taken(ask) -> list[str]:
        ask()
        with statements(engine) as seen:
            assert ask().status_code == 200
        return seen

    def page():
        return auditor.get("/audit/list/?size=100")

    def turned():
        last = max(event.id for event in shop.rows(AuditEvent))
        return auditor.get(f"/audit/list/?size=100&who={clerk.user_id}&q=1&after={last}")

    def file():
        return auditor.post("/audit/export/csv")

    many_events(shop, 10, clerk)
    few = [len(own(taken(ask))) for ask in (page, turned, file)]
    many_events(shop, 30, clerk)
    for ask, before in zip((page, turned, file), few, strict=True):
        seen = taken(ask)
        assert len(own(seen)) == before, told(seen)
        assert before <= MOST, told(seen)
    assert len({name for name in to_what(auditor) if name.startswith("Region Town 30")}) > 10


def test_a_long_file_names_what_stands_in_each_of_its_chunks(auditor, shop, monkeypatch):
    many_events(shop, 3)
    monkeypatch.setattr("vmsapp.views.lists.listing.CHUNK", 2)
    text = auditor.post("/audit/export/csv?subject=region").data.decode("utf-8-sig")
    assert [f"Region Town 3 {number}" in text for number in range(3)] == [True] * 3
