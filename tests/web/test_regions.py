"""The tree of regions in the browser: growing it, finding a place, moving and merging."""

import re

import pytest

from tests import factories
from tests.factories import OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, NORTH_SUPERVISOR, contents, said, statements
from tests.web.records import Element, links, permit, read, sent, the_form
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import Region, VendingPoint

CHANGES = ("can_add", "can_edit", "can_delete", "can_move")


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def ids(utility) -> dict[str, int]:
    return {name: region.id for name, region in utility.regions.items()}


@pytest.fixture
def keeper(browse, shop):
    """Somebody who may do everything, in the north alone."""
    permit(shop, "Regions", "can_list", "can_show", *CHANGES)
    return browse(NORTH_SUPERVISOR)


def columns(page: Element) -> dict[str, list[str]]:
    """The levels shown, and the names in each."""
    return {
        section["id"]: [link.text for link in section.all("a", "row-link")]
        for section in page.all("section", "card")
    }


def add(browser, level: str, name: str, path: str) -> str:
    """Type a name beside the ⊕ of a level, and press it; where that leads."""
    form = read(browser.get(path).text).one("section", id=level).one("form")
    answer = browser.post(form["action"], sent(form) | {"name": name})
    assert answer.status_code == 302, answer.text
    return answer.location


def test_the_tree_grows_level_by_level(admin, shop):
    place = add(admin, "country", "Zembla", "/regions/")
    zembla = shop.rows(Region, Region.name == "Zembla")[0]
    assert place == f"/regions/?at={zembla.id}#add-country"
    page = read(admin.get(place).text)
    assert columns(page) == {"country": ["Meridia", "Zembla"], "province": []}
    add(admin, "province", "Onhava", place)
    add(admin, "province", "Kobalt", place)
    page = read(admin.get(place).text)
    assert columns(page)["province"] == ["Kobalt", "Onhava"]
    onhava = links(page)["Onhava"]
    add(admin, "city", "Old Town", onhava)
    assert columns(read(admin.get(onhava).text)) == {
        "country": ["Meridia", "Zembla"], "province": ["Kobalt", "Onhava"], "city": ["Old Town"],
    }  # fmt: skip
    town = shop.rows(Region, Region.name == "Old Town")[0]
    assert (town.level, town.path.startswith(zembla.path)) == ("city", True)


def test_a_level_can_be_added_to_only_once_its_parent_is_chosen(admin, shop):
    shop.change(lambda session: factories.add_region(session, "Zembla"))
    assert columns(read(admin.get("/regions/").text)).keys() == {"country"}


def test_where_there_is_one_country_it_is_chosen_already(admin):
    assert columns(read(admin.get("/regions/").text)) == {
        "country": ["Meridia"], "province": ["North", "South"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["NORTH", "", "x" * 121])
def test_a_refused_name_stands_in_the_form_with_what_is_wrong(admin, ids, engine, name):
    before = contents(engine)
    answer = admin.post("/regions/add", {"name": name, "parent": str(ids["country"])})
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.one(id="name-error").text
    kept = sent(the_form(page))
    assert (kept["name"], kept["parent"]) == (name, str(ids["country"]))
    assert contents(engine) == before


def test_each_region_tells_what_it_holds(admin, ids, shop):
    page = read(admin.get("/regions/").text)
    north = next(row for row in page.one("section", id="province").all("tr") if "North" in row.text)
    consumers = re.search(r"(\d+) consumers", north.text)
    assert consumers
    shown = read(admin.get(f"/regions/show/{ids['north']}").text)
    facts = {one.one("dt").text: one.one("dd").text for one in shown.one("dl").all("div")}
    assert facts["Consumers"] == consumers[1]
    assert facts["Vending points"] == "1"
    assert "1 vending point" in north.text


def test_a_search_finds_any_region_and_opens_its_place(admin, ids, shop):
    def grow(session):
        for number in range(40):
            factories.add_region(session, f"Town {number}", session.get(Region, ids["north"]))

    shop.change(grow)
    found = read(admin.get("/regions/?q=TOWN 39").text)
    assert links(found)["Meridia › North › Town 39"].startswith("/regions/?at=")
    place = read(admin.get(links(found)["Meridia › North › Town 39"]).text)
    chosen = [link.text for link in place.all("a", "row-link", aria_current="true")]
    assert chosen == ["Meridia", "North", "Town 39"]
    assert "More than 20 regions match" in read(admin.get("/regions/?q=town").text).text
    assert "Nothing fits" in read(admin.get("/regions/?q=nowhere").text).text


def test_a_searching_field_says_where_a_region_lies(admin):
    assert {one["text"] for one in admin.get("/regions/lookup?q=NORTH").json} == {"North, Meridia"}


def test_a_move_says_first_what_it_will_do_and_can_be_taken_back(admin, ids, shop, engine):
    zembla = shop.change(lambda session: factories.add_region(session, "Zembla").id)
    path = f"/regions/move/{ids['south']}"
    choice = read(admin.get(path).text)
    assert [link.text for link in choice.all("a", "row-link")] == ["Zembla"]
    before = contents(engine)
    plan = read(admin.get(links(choice)["Zembla"]).text)
    assert contents(engine) == before
    for words in ("Meridia › South", "Zembla › South", "1 vending point", SUPERVISOR,
                  "Nobody will see more"):  # fmt: skip
        assert words in plan.text, words
    form = sent(next(form for form in plan.all("form") if form["method"] == "post"))
    moved = admin.post(path, form)
    assert moved.status_code == 302
    assert shop.rows(Region, Region.id == ids["south"])[0].path == f"{zembla}.{ids['south']}."
    shown = read(admin.get(moved.location).text)
    back = read(admin.get(links(shown)["Move back"]).text)
    form = sent(next(form for form in back.all("form") if form["method"] == "post"))
    assert admin.post(path, form).status_code == 302
    assert shop.rows(Region, Region.id == ids["south"])[0].parent_id == ids["country"]


def test_a_merge_says_first_what_it_will_do(admin, ids, shop):
    path = f"/regions/merge/{ids['south']}"
    plan = read(admin.get(path, query_string={"to": ids["north"]}).text)
    for words in (OPERATOR, "operator2", "This cannot be undone", "1 vending point"):
        assert words in plan.text, words
    merged = admin.post(path, {"to": str(ids["north"])})
    assert merged.location == f"/regions/show/{ids['north']}"
    assert "“South” is now a part of “North”." in admin.get(merged.location).text
    assert shop.count(VendingPoint, VendingPoint.region_id == ids["north"]) == 2
    assert admin.get(f"/regions/show/{ids['south']}").status_code == 404


@pytest.mark.parametrize(("deed", "to", "status", "words"), [
    ("move", "north", 422, "cannot stand there"),
    ("move", "south", 422, "cannot stand there"),
    ("merge", "country", 422, "another region of the same level"),
    ("merge", "south", 422, "another region of the same level"),
    ("merge", None, 422, "Choose a region first."),
])  # fmt: skip
def test_a_refused_change_says_why_and_offers_another_choice(
    admin, ids, engine, deed, to, status, words
):
    before = contents(engine)
    answer = admin.post(f"/regions/{deed}/{ids['south']}", {"to": str(ids[to])} if to else {})
    assert answer.status_code == status
    assert words in said(answer.text)
    assert contents(engine) == before
    if to:
        seen = admin.get(f"/regions/{deed}/{ids['south']}", query_string={"to": ids[to]})
        assert words in said(seen.text)


def test_a_move_that_would_part_a_user_from_the_vending_point_names_the_user(
    admin, ids, shop, utility, engine
):
    zembla = shop.change(lambda session: factories.add_region(session, "Zembla").id)
    shop.change(lambda session: factories.add_user(
        session, "traveller", region=session.get(Region, ids["country"]),
        vending_point_id=utility.points["Market Square"]))  # fmt: skip
    before = contents(engine)
    answer = admin.post(f"/regions/move/{ids['south']}", {"to": str(zembla)})
    assert answer.status_code == 409
    assert "would no longer lie in their region: traveller." in said(answer.text)
    assert contents(engine) == before


def test_a_region_in_use_is_not_deleted_and_one_that_is_not_is(admin, ids, shop):
    answer = admin.post(f"/regions/delete/{ids['north']}")
    assert answer.status_code == 409
    assert "Merge it into another region instead." in answer.text
    empty = shop.change(lambda session: factories.add_region(
        session, "Empty", session.get(Region, ids["country"])).id)  # fmt: skip
    assert admin.post(f"/regions/delete/{empty}").location == f"/regions/?at={ids['country']}"


def test_two_who_rename_a_region_do_not_overwrite_each_other(browse, ids, shop):
    path = f"/regions/edit/{ids['north']}"
    first, second = browse(ADMIN), browse(ADMIN)
    typed = [sent(the_form(read(one.get(path).text))) for one in (first, second)]
    assert first.post(path, typed[0] | {"name": "Nord"}).status_code == 302
    late = second.post(path, typed[1] | {"name": "Norte"})
    assert late.status_code == 409
    assert sent(the_form(read(late.text)))["name"] == "Norte"
    assert shop.rows(Region, Region.id == ids["north"])[0].name == "Nord"


# scope


def test_who_sees_one_region_sees_the_tree_below_it_alone(keeper, ids, shop):
    shop.change(lambda session: factories.add_region(
        session, "Port", session.get(Region, ids["north"])))  # fmt: skip
    for path in ("/regions/", f"/regions/?at={ids['south']}", "/regions/?q=o"):
        page = keeper.get(path).text
        assert "Port" in read(page).text, path
        assert "South" not in page, path
        assert "Meridia" not in page, path


def test_who_sees_one_region_changes_nothing_outside_it(keeper, ids, engine):
    before = contents(engine)
    north, south, country = (str(ids[name]) for name in ("north", "south", "country"))
    for path, typed, status in (
        ("/regions/add", {"name": "Mine"}, 422),
        ("/regions/add", {"name": "Mine", "parent": south}, 422),
        (f"/regions/edit/{south}", {"name": "Mine"}, 404),
        (f"/regions/delete/{south}", {}, 404),
        (f"/regions/move/{north}", {"to": country}, 422),
        (f"/regions/merge/{north}", {"to": south}, 422),
        (f"/regions/merge/{south}", {"to": north}, 404),
    ):
        answer = keeper.post(path, typed)
        assert answer.status_code == status, path
        assert "South" not in answer.text
    assert contents(engine) == before
    add(keeper, "city", "Port", "/regions/")


def test_what_a_new_region_belongs_to_is_asked_of_who_adds_no_country(admin, keeper):
    assert "optional" in field_of(admin, "parent")
    assert "optional" not in field_of(keeper, "parent")
    refused = said(keeper.post("/regions/add", {"name": "Mine"}).text)
    assert "Choose a region first." in refused


def field_of(browser, name: str) -> str:
    """The label of a field of the form that adds a region."""
    page = read(browser.get("/regions/add").text)
    return next(label.text for label in page.all("label") if label["for"] == name)


def test_a_region_that_is_there_already_is_opened_from_the_refusal(admin, keeper, ids):
    for browser, name, parent, there in (
        (admin, "MERIDIA", "", "country"), (admin, "North", str(ids["country"]), "north"),
    ):  # fmt: skip
        answer = browser.post("/regions/add", {"name": name, "parent": parent})
        assert answer.status_code == 422
        assert "Open it to add what belongs to it, or choose another name." in said(answer.text)
        assert links(read(answer.text))[f"Open “{name}”"] == f"/regions/?at={ids[there]}"
    renamed = admin.get(f"/regions/edit/{ids['south']}")
    form = sent(the_form(read(renamed.text))) | {"name": "North"}
    assert "or merge the two" in said(admin.post(f"/regions/edit/{ids['south']}", form).text)


def test_who_may_only_look_is_offered_no_change(browse, ids):
    for path in ("/regions/", f"/regions/show/{ids['north']}", "/regions/list/"):
        page = read(browse(OPERATOR).get(path).text)
        assert [form for form in page.all("form") if "/regions/add" in form["action"]] == []
        assert not {"Move", "Merge", "Edit", "Add region"} & links(page).keys(), path


# cost


def test_a_larger_tree_takes_no_more_statements(office, admin, ids, shop):
    with office.app_context():
        engine = db.engine

    def taken() -> list[str]:
        admin.get("/regions/")
        with statements(engine) as seen:
            admin.get(f"/regions/?at={ids['north']}")
        return own(seen)

    few = taken()

    def grow(session):
        north = session.get(Region, ids["north"])
        for number in range(50):
            town = factories.add_region(session, f"Town {number}", north)
            factories.add(session, VendingPoint(name=f"At {number}", region_id=town.id))

    shop.change(grow)
    more = taken()
    assert len(more) == len(few) <= MOST, told(more)
