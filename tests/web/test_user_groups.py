"""User groups in the browser: the matrix, what it gives and takes, and whom it never locks out."""

import threading
from typing import Any

import pytest
from flask import Flask
from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu
from sqlalchemy import select

from tests import factories
from tests.factories import AUDITOR, OPERATOR, SOUTH_OPERATOR, SUPERVISOR
from tests.web.conftest import settings_for
from tests.web.office import ADMIN, BOTH, ENGINEER, NEWCOMER, NORTH_SUPERVISOR, Browser, contents
from tests.web.records import Element, permit, read, rows, the_form
from vmsapp import create_app
from vmsapp.cli.vms import _sync_permissions
from vmsapp.extensions import db
from vmsapp.models import AuditEvent, OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.security import GROUPS
from vmsapp.security.matrix import CELLS, DECLARED, permissions_of
from vmsapp.security.permissions import ADMINISTRATORS_ALONE, EVERYBODY
from vmsapp.services import reach, user_groups, users

MANAGES_GROUPS = ("menu_access", "can_list", "can_show", "can_add", "can_edit", "can_delete")


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def group_of(shop):
    """Find a group by its stored name."""

    def find(name: str) -> Role:
        return shop.rows(Role, Role.name == name)[0]

    return find


@pytest.fixture
def held(shop):
    """Read what a group holds."""

    def read_it(name: str) -> set[tuple[str, str]]:
        with shop.session() as session:
            role = session.query(Role).where(Role.name == name).one()
            return {(one.permission.name, one.view_menu.name) for one in role.permissions}

    return read_it


def boxes(page: Element) -> dict[str, Element]:
    """The boxes of the matrix, by their cell."""
    found = page.all("input", name="permissions", type="checkbox")
    return {box["value"]: box for box in found}


def form_at(browser: Browser, path: str) -> dict[str, Any]:
    """What the form would send as it stands."""
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return sent(read(answer.text))


def sent(page: Element) -> dict[str, Any]:
    form = the_form(page)
    chosen = [
        one["value"] for one in form.all("input", name="permissions")
        if one["type"] == "hidden" or "checked" in one.attributes
    ]  # fmt: skip
    plain = {one["name"]: one["value"] for one in form.all("input") if one["type"] != "checkbox"}
    return {key: plain[key] for key in ("name", "description", "seen") if key in plain} | {
        "permissions": chosen
    }


def events(shop, action: str) -> list[AuditEvent]:
    return shop.rows(AuditEvent, AuditEvent.action == f"user_group.{action}")


def add_group(admin: Browser, name: str, *cells: str) -> str:
    """Add a group; the path of its record."""
    answer = admin.post("/roles/add", {"name": name, "permissions": list(cells)})
    assert answer.status_code == 302, answer.text
    return answer.location


def put(shop, person: str, *groups: str) -> None:
    """Put somebody into groups, behind the product's back."""

    def change(session):
        user = session.query(OfficeUser).where(OfficeUser.username == person).one()
        user.roles = list(session.query(Role).where(Role.name.in_(groups)))

    shop.change(change)


# what is declared


def test_every_permission_of_the_product_is_in_a_cell_or_said_to_be_in_none(office: Flask):
    builder = office.extensions["appbuilder"]
    registered = {
        (deed, view.class_permission_name)
        for view in builder.baseviews
        for deed in view.base_permissions or ()
    } | {
        ("menu_access", item.name)
        for group in builder.menu.get_list()
        for item in (group, *group.childs)
    }
    declared = DECLARED | EVERYBODY | ADMINISTRATORS_ALONE
    forgotten = sorted(registered - declared)
    assert forgotten == [], "give it a line in vmsapp/security/matrix.py"
    assert sorted(declared - registered) == [], "no screen asks for it any more"


def test_the_groups_of_a_new_system_hold_what_is_declared(held):
    for name, permissions in GROUPS.items():
        assert held(name) == permissions, name


# the list and the record


def test_the_list_says_what_groups_are_for_and_how_many_are_in_them(admin):
    listed = rows(read(admin.get("/roles/list/").text))
    assert [row[0] for row in listed] == [
        "Administrator", "Auditor", "Channel", "Engineer", "Operator", "Supervisor",
    ]  # fmt: skip
    operators = next(row for row in listed if row[0] == "Operator")
    assert operators == ["Operator", "Sells at the own vending point.", "2", "Yes"]


def test_the_group_of_people_who_are_not_signed_in_is_nowhere(admin, group_of):
    public = group_of("Public").id
    for path in ("show", "edit"):
        assert admin.get(f"/roles/{path}/{public}").status_code == 404
    for path in ("edit", "delete", "put-back"):
        answer = admin.post(f"/roles/{path}/{public}", {"name": "Everybody", "seen": "x"})
        assert answer.status_code == 404, path


def test_the_record_shows_the_matrix_and_the_people(admin, group_of):
    page = read(admin.get(f"/roles/show/{group_of('Operator').id}").text)
    line = {row.one("th").text: row for row in page.one("table", "matrix").all("tr")[1:]}
    assert [cell.text for cell in line["Sales"].all("td")] == ["Yes", "", "", "", "– No"]
    assert line["Products"].all("td")[0].text == "– No"
    assert line["Counter"].all("td")[4].text == "SellPrint copies"
    people = [one.text for one in page.one("ul", "people").all("li")]
    assert people == ["operator operator Test", "operator2 operator2 Test"]
    assert "chip" not in page.text
    assert page.all("input", type="checkbox") == []


def test_only_people_of_the_own_region_are_named_and_counted(browse, shop, group_of):
    permit(shop, "UserGroups", "can_list", "can_show")
    path = f"/roles/show/{group_of('Operator').id}"
    north = browse(NORTH_SUPERVISOR)
    assert read(north.get(path).text).one("ul", "people").text == "operator operator Test"
    listed = rows(read(north.get("/roles/list/").text))
    assert next(row for row in listed if row[0] == "Operator")[2] == "1"
    everywhere = browse(SUPERVISOR).get(path).text
    assert SOUTH_OPERATOR in read(everywhere).one("ul", "people").text


def test_names_and_descriptions_come_in_the_readers_language_unless_typed(browse, group_of, shop):
    group = group_of("Operator")
    arabic = browse(ADMIN, "ar")
    assert "موظف البيع" in read(arabic.get(f"/roles/show/{group.id}").text).one("h1").text
    form = form_at(arabic, f"/roles/edit/{group.id}")
    assert form["name"] == "موظف البيع"
    assert arabic.post(f"/roles/edit/{group.id}", form).status_code == 302
    (kept,) = shop.rows(Role, Role.id == group.id)
    assert (kept.name, kept.description) == ("Operator", None)
    english = browse(ADMIN)
    typed = form_at(english, f"/roles/edit/{group.id}") | {"name": "Cashier", "description": "Ours"}
    assert english.post(f"/roles/edit/{group.id}", typed).status_code == 302
    assert read(arabic.get(f"/roles/show/{group.id}").text).one("h1").text == "Cashier"
    assert "Cashier" in arabic.get(f"/users/edit/{shop.rows(OfficeUser)[0].id}").text


# adding


@BOTH
def test_a_new_group_may_what_was_chosen_and_what_comes_with_it(admin, shop, held, backend):
    where = add_group(admin, "Registrar", "VendingPoints.edit", "Counter.see")
    assert held("Registrar") == permissions_of("VendingPoints.edit", "Counter.see")
    assert ("can_look_up", "Regions") in held("Registrar")
    assert ("can_list", "Regions") not in held("Registrar")
    (event,) = events(shop, "added")
    role = shop.rows(Role, Role.name == "Registrar")[0]
    assert where == f"/roles/show/{role.id}"
    assert (event.subject, event.subject_id) == ("user_group", str(role.id))
    assert event.details["name"] == "Registrar"
    assert event.details["given"] == ["Counter: See", "Vending points: See", "Vending points: Edit"]


def test_a_copy_begins_with_the_other_groups_cells(admin, group_of, held):
    model = group_of("Supervisor")
    page = read(admin.get(f"/roles/show/{model.id}").text)
    (link,) = [one["href"] for one in page.all("a", "btn") if one.text == "Make a copy"]
    form = form_at(admin, link)
    assert form["name"] == ""
    assert admin.post("/roles/add", form | {"name": "Deputy"}).status_code == 302
    assert held("Deputy") == held("Supervisor")


def test_what_everybody_may_needs_no_cell(admin, browse, shop):
    add_group(admin, "Nothing yet")
    put(shop, NEWCOMER, "Nothing yet")
    newcomer = browse(NEWCOMER)
    assert newcomer.get("/sessions/").status_code == 200
    assert newcomer.get("/resetmypassword/form").status_code == 200
    assert newcomer.get("/counter/").status_code == 403


@pytest.mark.parametrize("name", ["operator", "OPERATOR", "Public", "Élan"])
def test_a_name_that_differs_by_capitals_alone_is_taken(admin, engine, name):
    add_group(admin, "élan")
    before = contents(engine)
    answer = admin.post("/roles/add", {"name": name, "permissions": ["Sales.see"]})
    assert answer.status_code == 422
    assert "Another user group is called that already." in answer.text
    assert sent(read(answer.text)) == {
        "name": name, "description": "", "permissions": ["Sales.see"],
    }  # fmt: skip
    assert contents(engine) == before


def test_the_name_a_renamed_group_came_with_stays_its_own(admin, group_of):
    path = f"/roles/edit/{group_of('Operator').id}"
    assert admin.post(path, form_at(admin, path) | {"name": "Cashier"}).status_code == 302
    assert admin.post("/roles/add", {"name": "operator"}).status_code == 422


# changing


@BOTH
def test_a_change_gives_and_takes_and_says_so(admin, shop, group_of, held, backend):
    group = group_of("Operator")
    path = f"/roles/edit/{group.id}"
    form = form_at(admin, path)
    for deed in ("sell", "reprint"):  # copies are printed by who sells
        form["permissions"].remove(f"Counter.{deed}")
    form["permissions"].append("Products.edit")  # without seeing, which comes with it
    assert admin.post(path, form).status_code == 302
    assert held("Operator") == permissions_of(
        "Counter.see",
        "Dashboard.see",
        "SalesReport.see",
        "CashReport.see",
        "FloatReport.see",
        "TokenRecords.see",
        "InactiveConsumers.see",
        "PurchaseStatistics.see",
        "PurchaseRecords.see",
        "SavedReports.see",
        "Training.train",
        "Sales.see",
        "Floats.see",
        "Shifts.see",
        "Shifts.work",
        "Shifts.cash",
        "Consumers.see",
        "Consumers.add",
        "Consumers.edit",
        "Meters.see",
        "Meters.add",
        "Meters.edit",
        "Meters.bind",
        "Products.edit",
    )
    (event,) = events(shop, "changed")
    assert (event.subject, event.subject_id) == ("user_group", str(group.id))
    assert event.details["name"] == "Operator"
    assert event.details["given"] == ["Products: See", "Products: Edit"]
    assert event.details["taken"] == ["Counter: Sell", "Counter: Print copies"]


def test_taking_all_leaves_nothing_that_only_came_along(admin, group_of, held):
    path = f"/roles/edit/{group_of('Operator').id}"
    assert admin.post(path, form_at(admin, path) | {"permissions": []}).status_code == 302
    assert held("Operator") == set()


def test_what_is_not_on_the_page_stays(admin, shop, group_of, held):
    def give(session):
        former = PermissionView(
            permission=Permission(name="can_fly"), view_menu=ViewMenu(name="Former screen")
        )
        role = session.query(Role).where(Role.name == "Operator").one()
        role.permissions.append(former)

    shop.change(give)
    path = f"/roles/edit/{group_of('Operator').id}"
    form = form_at(admin, path) | {"permissions": ["Sales.see"]}
    assert admin.post(path, form).status_code == 302
    assert held("Operator") == permissions_of("Sales.see") | {("can_fly", "Former screen")}


@pytest.fixture
def in_part(shop):
    """Operators who may sell, but not look at what they sold."""

    def take(session):
        role = session.query(Role).where(Role.name == "Operator").one()
        gone = {"can_receipt", "can_reprint"}
        role.permissions = [one for one in role.permissions if one.permission.name not in gone]

    shop.change(take)
    return permissions_of("Counter.sell") - permissions_of("Counter.see")


def test_a_cell_held_in_part_says_so_and_stays_so_until_it_is_touched(
    admin, group_of, held, in_part
):
    path = f"/roles/edit/{group_of('Operator').id}"
    before = held("Operator")
    page = read(admin.get(path).text)
    box = boxes(page)["Counter.sell"]
    assert "checked" not in box.attributes
    assert page.one("input", id=box["data-some"])["value"] == "part:Counter.sell"
    assert "in part" in page.one("table", "matrix").text
    assert admin.post(path, sent(page)).status_code == 302
    assert held("Operator") == before

    form = form_at(admin, path)
    form["permissions"].remove("part:Counter.sell")  # as the script does when it is touched
    assert admin.post(path, form).status_code == 302
    assert held("Operator") & in_part == set()
    form = form_at(admin, path)
    form["permissions"].append("Counter.sell")
    assert admin.post(path, form).status_code == 302
    assert held("Operator") >= in_part


def test_the_record_says_that_a_cell_is_held_in_part(admin, group_of, in_part):
    page = read(admin.get(f"/roles/show/{group_of('Operator').id}").text)
    assert "in part" in page.one("table", "matrix").text


def test_saving_without_a_change_takes_and_gives_nothing(admin, shop, group_of, held):
    for name in GROUPS:
        path, before = f"/roles/edit/{group_of(name).id}", held(name)
        assert admin.post(path, form_at(admin, path)).status_code == 302
        assert held(name) == before
    moved = [event.details["given"] + event.details["taken"] for event in events(shop, "changed")]
    assert moved == [[] for _name in GROUPS]


@BOTH
def test_two_people_do_not_overwrite_each_other(browse, group_of, held, backend):
    path = f"/roles/edit/{group_of('Operator').id}"
    first, second = browse(ADMIN), browse(ADMIN)
    mine, theirs = form_at(first, path), form_at(second, path)
    for deed in ("sell", "reprint"):
        theirs["permissions"].remove(f"Counter.{deed}")
    assert second.post(path, theirs).status_code == 302
    stale = first.post(path, mine | {"permissions": [*mine["permissions"], "Products.see"]})
    assert stale.status_code == 409
    assert "Somebody else changed this record meanwhile" in stale.text
    assert ("can_sell", "Counter") not in held("Operator")
    kept = sent(read(stale.text))
    assert sorted(kept["permissions"]) == sorted([*mine["permissions"], "Products.see"])
    assert first.post(path, kept).status_code == 302
    assert ("can_sell", "Counter") in held("Operator")


@BOTH
def test_a_change_is_in_force_at_once_here_and_in_another_process(
    office, browse, database_url, people, group_of, tmp_path, admin, backend
):
    elsewhere = create_app(settings_for(database_url, tmp_path))
    browsers = [browse(OPERATOR), Browser(elsewhere, people[OPERATOR].id)]
    assert [browser.get("/sales/list/").status_code for browser in browsers] == [200, 200]
    path = f"/roles/edit/{group_of('Operator').id}"
    form = form_at(admin, path)
    form["permissions"].remove("Sales.see")
    assert admin.post(path, form).status_code == 302
    assert [browser.get("/sales/list/").status_code for browser in browsers] == [403, 403]
    with elsewhere.app_context():
        db.session.remove()
        db.engine.dispose()


# groups that came with the product


def test_the_administrators_stay_as_they_are(admin, engine, group_of):
    pk = group_of("Administrator").id
    page = read(admin.get(f"/roles/show/{pk}").text)
    assert "Edit" not in [link.text for link in page.all("a", "btn")]
    listed = read(admin.get("/roles/list/").text)
    assert f"/roles/edit/{pk}" not in [link["href"] for link in listed.all("a")]
    before = contents(engine)
    assert admin.get(f"/roles/edit/{pk}").status_code == 409
    typed = {"name": "Nobody", "permissions": [], "seen": "x"}
    for path in ("edit", "delete", "put-back"):
        answer = admin.post(f"/roles/{path}/{pk}", typed)
        assert answer.status_code == 409, path
        assert "their group cannot be changed" in answer.text
    assert contents(engine) == before


def test_the_administrators_matrix_is_full(admin, group_of):
    page = read(admin.get(f"/roles/show/{group_of('Administrator').id}").text)
    matrix = page.one("table", "matrix")
    assert "No" not in matrix.text.split()
    assert matrix.text.count("Yes") + len(matrix.all("label", "form-check")) == len(CELLS)


@BOTH
def test_a_group_that_came_with_the_product_can_be_put_back(admin, shop, group_of, held, backend):
    group = group_of("Operator")
    path = f"/roles/edit/{group.id}"
    typed = {"name": "Cashier", "description": "Ours", "permissions": ["UserGroups.delete"]}
    assert admin.post(path, form_at(admin, path) | typed).status_code == 302
    assert held("Cashier") == permissions_of("UserGroups.delete")
    assert admin.post(f"/roles/put-back/{group.id}").status_code == 302
    assert held("Operator") == GROUPS["Operator"]
    (back,) = shop.rows(Role, Role.id == group.id)
    assert (back.name, back.description) == ("Operator", None)
    *_, event = events(shop, "changed")
    assert event.details["taken"] == ["User groups: See", "User groups: Delete"]
    assert event.details["before"] == {"name": "Cashier", "description": "Ours"}


def test_an_own_group_has_nothing_to_be_put_back_to(admin, engine, group_of):
    add_group(admin, "Ours", "Sales.see")
    before = contents(engine)
    assert admin.post(f"/roles/put-back/{group_of('Ours').id}").status_code == 404
    assert contents(engine) == before


def test_a_start_neither_brings_a_renamed_group_again_nor_gives_back_what_was_taken(
    office, admin, shop, group_of, held
):
    path = f"/roles/edit/{group_of('Operator').id}"
    form = form_at(admin, path) | {"name": "Cashier"}
    form["permissions"].remove("Sales.see")
    assert admin.post(path, form).status_code == 302
    before, count = held("Cashier"), shop.count(Role)
    with office.app_context(), seen_by(SYSTEM):
        _sync_permissions()
    assert held("Cashier") == before
    assert shop.count(Role) == count


@pytest.mark.parametrize(("own", "brought"), [((), "Channel"), (("Channel",), "Channel 2"),
                                              (("Channel", "Channel 2"), "Channel 3")])  # fmt: skip
def test_a_group_that_an_update_brings_leaves_the_name_to_a_group_of_one_s_own(
    office, admin, shop, group_of, held, own, brought
):
    def as_before_the_update(session):
        role = session.scalars(select(Role).where(Role.ready_made == "Channel")).one()
        role.permissions = []
        session.delete(role)

    shop.change(as_before_the_update)
    for name in own:
        add_group(admin, name, "Sales.see")
    before = {name: held(name) for name in own}
    with office.app_context(), seen_by(SYSTEM):
        _sync_permissions()
    assert group_of(brought).ready_made == "Channel"
    assert held(brought) == permissions_of("Counter.sell", "TokenRecords.digits")  # docs/api.md
    assert {name: held(name) for name in own} == before


# deleting


@BOTH
def test_an_own_group_is_deleted_once_nobody_is_in_it(admin, shop, engine, group_of, backend):
    add_group(admin, "Ours", "Sales.see")
    put(shop, NEWCOMER, "Ours")
    pk, before = group_of("Ours").id, contents(engine)
    refused = admin.post(f"/roles/delete/{pk}")
    assert refused.status_code == 409
    assert "There are people in this group." in refused.text
    assert contents(engine) == before
    put(shop, NEWCOMER)
    assert admin.post(f"/roles/delete/{pk}").status_code == 302
    assert shop.rows(Role, Role.name == "Ours") == []
    (event,) = events(shop, "deleted")
    assert (event.subject_id, event.details["name"]) == (str(pk), "Ours")
    assert event.details["taken"] == ["Sales: See"]


def test_a_group_that_came_with_the_product_is_not_deleted(admin, shop, engine, group_of):
    put(shop, AUDITOR)
    before = contents(engine)
    answer = admin.post(f"/roles/delete/{group_of('Auditor').id}")
    assert answer.status_code == 409
    assert "comes with the product and stays" in answer.text
    assert contents(engine) == before


# no more than one holds oneself


@pytest.fixture
def manager(shop, browse):
    """A supervisor of the whole utility who may write user groups and users."""
    permit(shop, "UserGroups", *MANAGES_GROUPS)
    permit(shop, "List Roles", "menu_access")
    permit(shop, "System", "menu_access")
    permit(shop, "UserDBModelView", "can_list", "can_show", "can_add", "can_edit")
    shop.change(
        lambda s: setattr(
            s.query(OfficeUser).filter_by(username=SUPERVISOR).one(), "all_regions", True
        )
    )
    return browse(SUPERVISOR)


def test_who_is_no_administrator_gives_no_more_than_they_may_themselves(
    manager, engine, group_of, held
):
    page = read(manager.get("/roles/add").text)
    closed = {key for key, box in boxes(page).items() if "disabled" in box.attributes}
    assert {"Products.edit", "Clock.accept", "Users.give_code"} <= closed
    assert not {"Sales.see", "Counter.sell", "UserGroups.edit"} & closed
    before = contents(engine)
    for cell in ("Products.edit", "Clock.accept"):
        refused = manager.post("/roles/add", {"name": "Mine", "permissions": [cell]})
        assert refused.status_code == 403, cell
        assert "no more than you may do yourself" in refused.text
    path = f"/roles/edit/{group_of('Engineer').id}"
    form = form_at(manager, path)
    forged = form | {"permissions": [*form["permissions"], "Products.edit"]}
    assert manager.post(path, forged).status_code == 403
    assert contents(engine) == before
    add_group(manager, "Mine", "Sales.see")
    assert held("Mine") == permissions_of("Sales.see")


def test_what_they_may_not_give_they_do_not_take_by_saving(manager, group_of, held):
    path = f"/roles/edit/{group_of('Auditor').id}"
    before = held("Auditor")
    page = read(manager.get(path).text)
    box = boxes(page)["Products.see"]
    assert {"checked", "disabled"} <= box.attributes.keys()
    form = sent(page)
    form["permissions"] = ["Sales.see"]  # a browser sends no box that is disabled
    assert manager.post(path, form).status_code == 302
    assert held("Auditor") < before
    assert held("Auditor") >= permissions_of("Products.see", "Sales.see")
    assert ("can_list", "Meters") not in held("Auditor")


def test_they_put_nobody_into_a_group_that_permits_more(manager, engine, group_of, people):
    before = contents(engine)
    path = f"/users/edit/{people[NEWCOMER].id}"
    for name in ("Administrator", "Auditor"):
        typed = _user_form(manager, path) | {"group": name}
        answer = manager.post(path, typed)
        assert answer.status_code == 403, name
        assert "no more than you may do yourself" in answer.text
    assert contents(engine) == before
    typed = _user_form(manager, path) | {"group": "Operator"}
    assert manager.post(path, typed).status_code == 302


def test_they_do_not_act_on_the_account_of_who_may_do_more(shop, manager, engine, people):
    permit(shop, "UserDBModelView", "suspend", "give_code", "end_sessions")
    shop.change(lambda session: bring_near(session, ADMIN, AUDITOR))
    before = contents(engine)
    for who in (ADMIN, AUDITOR):
        pk = people[who].id
        form = _user_form(manager, f"/users/edit/{pk}") | {"email": "mine@example.org"}
        for path, typed in ((f"/users/action/give_code/{pk}", {}),
                            (f"/users/action/end_sessions/{pk}", {}),
                            (f"/users/action/suspend/{pk}", {}),
                            (f"/users/edit/{pk}", form)):  # fmt: skip
            answer = manager.post(path, typed)
            assert answer.status_code == 403, path
            assert "This person may do more than you." in answer.text
    assert contents(engine) == before
    pk = people[OPERATOR].id
    assert manager.post(f"/users/action/give_code/{pk}").status_code == 200
    assert manager.post(f"/users/action/suspend/{pk}").status_code == 302


def bring_near(session, *names: str) -> None:
    """Let people who see everything work in one region, where others see them."""
    region = session.query(OfficeUser).filter_by(username=OPERATOR).one().region_id
    for user in session.query(OfficeUser).where(OfficeUser.username.in_(names)):
        user.all_regions, user.region_id = False, region


def _user_form(browser: Browser, path: str) -> dict[str, Any]:
    from tests.web.records import sent as all_sent  # noqa: PLC0415 - the name is taken here

    return all_sent(the_form(read(browser.get(path).text)))


# no further than one sees


@pytest.fixture
def regional(shop, browse):
    """An administrator of the north alone."""
    put(shop, NORTH_SUPERVISOR, "Administrator")
    return browse(NORTH_SUPERVISOR)


def far_and_near(admin: Browser, shop) -> None:
    """Two groups of the utility's own: one with people of both regions, one with the north's."""
    for name, people in {"Far": (OPERATOR, SOUTH_OPERATOR), "Near": (OPERATOR,)}.items():
        add_group(admin, name, "Sales.see")
        for person in people:
            put(shop, person, *({"Far", "Near"} if person == OPERATOR else {name}))


@BOTH
def test_who_is_bound_to_a_region_changes_no_group_that_reaches_further(
    admin, regional, shop, engine, group_of, people, backend
):
    far_and_near(admin, shop)
    before = contents(engine)
    for name in ("Operator", "Supervisor", "Far"):
        pk = group_of(name).id
        opened = regional.get(f"/roles/edit/{pk}")
        assert opened.status_code == 403
        assert "people outside your region are in it" in opened.text
        form = {"name": "Mine", "permissions": ["Sales.see"], "seen": "x"}
        for path in (f"edit/{pk}", f"put-back/{pk}", f"delete/{pk}"):
            if (name, path) != ("Far", f"put-back/{pk}"):
                answer = regional.post(f"/roles/{path}", form)
                assert answer.status_code == 403, (name, path)
                assert "people outside your region are in it" in answer.text
    assert contents(engine) == before
    refusals = shop.rows(AuditEvent, AuditEvent.action == "request.refused")
    assert {one.actor_id for one in refusals} == {people[NORTH_SUPERVISOR].id}
    assert {one.details["code"] for one in refusals} == {"group_of_others"}
    assert len(refusals) == 8  # the form opened and sent is one thing


def test_such_a_group_is_shown_and_its_page_says_why_it_is_not_changed(
    admin, regional, shop, group_of
):
    far_and_near(admin, shop)
    for name in ("Operator", "Far"):
        page = read(regional.get(f"/roles/show/{group_of(name).id}").text)
        assert page.all("form") == []
        assert "people outside your region are in it" in page.one("div", "note").text
        assert [one.text for one in page.all("a", "btn")] == ["Make a copy"]
    listed = regional.get("/roles/list/").text
    assert f"/roles/edit/{group_of('Near').id}" in listed
    assert f"/roles/edit/{group_of('Far').id}" not in listed
    page = read(admin.get(f"/roles/show/{group_of('Far').id}").text)
    assert page.all("div", "note") == []


def test_a_group_of_the_own_people_is_changed_and_the_utilitys_administrator_changes_all(
    admin, regional, shop, group_of, held
):
    far_and_near(admin, shop)
    for browser, name in ((regional, "Near"), (admin, "Far"), (admin, "Operator")):
        path = f"/roles/edit/{group_of(name).id}"
        typed = form_at(browser, path) | {"permissions": ["Meters.see"]}
        assert browser.post(path, typed).status_code == 302, name
        assert held(name) == permissions_of("Meters.see")


def test_an_auditor_sees_groups_and_touches_none(browse, engine, group_of):
    auditor, pk = browse(AUDITOR), group_of("Operator").id
    page = read(auditor.get(f"/roles/show/{pk}").text)
    assert page.all("form") == []
    assert "Make a copy" not in page.text
    before = contents(engine)
    for path in (f"edit/{pk}", f"delete/{pk}", f"put-back/{pk}", "add"):
        assert auditor.post(f"/roles/{path}", {"name": "x"}).status_code == 403, path
    assert contents(engine) == before


# nobody is locked out


def test_the_last_active_administrator_is_not_lost(shop, browse, admin, people, engine):
    def hire(session):
        second = factories.add_user(session, "second admin", all_regions=True)
        second.roles = [session.query(Role).where(Role.name == "Administrator").one()]
        session.query(OfficeUser).where(OfficeUser.username == ADMIN).one().active = False
        return second.id

    second = shop.change(hire)  # the only active one
    path = f"/users/edit/{second}"
    last = Browser(browse().client.application, second)
    before = contents(engine)
    assert last.post(f"/users/action/suspend/{second}").status_code == 302  # never oneself
    with shop.session() as session, seen_by(SYSTEM), pytest.raises(reach.LastAdministrator):
        users.suspend(session, SYSTEM, [second])
    with (
        shop.session() as session,
        seen_by(SYSTEM),
        pytest.raises(reach.LastAdministrator),
        reach.an_administrator_stays(session),
    ):
        session.get_one(OfficeUser, second).roles = []
    assert contents(engine) == before
    assert last.get(path).status_code == 200


@BOTH
def test_two_administrators_who_make_each_other_inactive_do_not_both_succeed(
    office, shop, people, backend
):
    def hire(session):
        second = factories.add_user(session, "second admin", all_regions=True)
        second.roles = [session.query(Role).where(Role.name == "Administrator").one()]
        return second.id

    first, second = people[ADMIN].id, shop.change(hire)
    together, said = threading.Barrier(2), []

    def dismiss(by: int, whom: int) -> None:
        with shop.session() as session, seen_by(SYSTEM):
            together.wait()
            try:
                said.append(users.suspend(session, Actor(by, "x", SYSTEM.sight), [whom]))
            except reach.LastAdministrator:
                said.append("refused")

    threads = [threading.Thread(target=dismiss, args=pair)
               for pair in ((first, second), (second, first))]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, said)) == ["1", "refused"]
    assert shop.count(OfficeUser, OfficeUser.id.in_([first, second]), OfficeUser.active) == 1


@BOTH
def test_two_people_who_save_one_group_at_once_do_so_one_after_the_other(
    office, shop, people, group_of, held, backend
):
    group, together = group_of("Engineer").id, threading.Barrier(2)
    wishes = (["Sales.see"], ["Meters.see"])

    def save(cells: list[str]) -> None:
        actor = Actor(people[ADMIN].id, ADMIN, SYSTEM.sight)
        with shop.session() as session, seen_by(actor):
            together.wait()
            wish = user_groups.Wish("Engineer", None, frozenset(cells))
            user_groups.change(session, actor, group, wish)

    threads = [threading.Thread(target=save, args=(cells,)) for cells in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held("Engineer") in [permissions_of(*cells) for cells in wishes]
    assert len(events(shop, "changed")) == 2


# the page


def test_every_box_says_what_it_is_for(admin, group_of):
    page = read(admin.get(f"/roles/edit/{group_of('Operator').id}").text)
    found = boxes(page)
    assert found.keys() == CELLS.keys()
    named = {box["aria-label"] for box in found.values()}
    assert len(named) == len(CELLS)
    assert {"Sales: See", "Vending points: Delete", "Counter: Sell"} <= named
    ids = [one["id"] for one in page.all() if one.get("id")]
    assert len(ids) == len(set(ids))


def test_toggles_are_for_browsers_with_scripts_alone(admin, group_of):
    page = read(admin.get(f"/roles/edit/{group_of('Operator').id}").text)
    toggles = [box for box in page.all("input", type="checkbox") if box.get("data-all")]
    assert len(toggles) > 10
    for toggle in toggles:
        assert toggle.get("name") is None  # never sent
        assert "needs-script" in toggle.parent.classes
        assert toggle.parent.text


@pytest.mark.parametrize("who", [OPERATOR, ENGINEER, SUPERVISOR])
def test_the_system_menu_is_closed_to_who_sells(browse, who):
    assert "/roles/list/" not in browse(who).get("/counter/").text
    assert browse(who).get("/roles/list/").status_code == 403
