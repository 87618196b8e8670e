"""Forms of records: nothing typed is lost, nobody overwrites unseen, every change is on record."""

import json
from typing import Any

import pytest

from tests import factories
from tests.factories import HARBOUR, MARKET
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR, PASSWORD, contents
from tests.web.records import RECORD_DEEDS, ids, permit, read, rows, sent, the_form, views_of
from vmsapp.models import AuditEvent, OfficeUser, Product, VendingPoint, VendingPointAccount

PRODUCT = {"model": "EM-1", "name": "Single phase", "meter_type": "electricity",
           "manufacturer": "Makers", "manufacturer_code": "07"}  # fmt: skip
POINT = {"name": "Quay", "address": "Pier 1", "contact_person": "Zoë", "telephone": "+1 2",
         "email": "quay@example.org", "paper_size": "58mm"}  # fmt: skip


OPERATORS = 4
"""The group of operators; the first one, the administrators', stays as it is."""


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def clerk(utility) -> dict[str, Any]:
    """What a new user's form is filled with."""
    return {"username": "clerk", "first_name": "Ada", "last_name": "Clerk",
            "email": "clerk@example.org", "group": "Operator", "language": "fr",
            "region": str(utility.regions["north"].id), "vending_point": "",
            "password": PASSWORD}  # fmt: skip


def form_of(browser, path: str) -> dict[str, Any]:
    """What the form at an address would send, its CSRF token left to the browser."""
    return without_token(sent(the_form(read(browser.get(path).text))))


def form_in(answer) -> dict[str, Any]:
    """What the form of a refusal would send."""
    return without_token(sent(the_form(read(answer.text))))


def without_token(form: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name != "csrf_token"}


def events(shop) -> list[AuditEvent]:
    return [event for event in shop.rows(AuditEvent) if event.action.split(".")[1] in
            {"added", "changed", "deleted"}]  # fmt: skip


# a refusal


def test_a_refused_form_keeps_what_was_typed_in_every_field(admin, utility, engine):
    before = contents(engine)
    typed = PRODUCT | {"meter_type": "gas", "manufacturer_code": "x7", "name": "<b>Ünï</b>"}
    refused = admin.post("/products/add", typed)
    assert refused.status_code == 422
    assert form_in(refused) == typed
    north = str(utility.regions["north"].id)
    point = POINT | {"region": north, "email": "nowhere"}
    refused = admin.post("/vending-points/add", point)
    assert refused.status_code == 422
    assert form_in(refused) == point
    assert read(refused.text).one("select", id="region").text == "North"
    assert contents(engine) == before


@pytest.mark.parametrize("everywhere", [{}, {"all_regions": ["y"]}])
def test_a_refused_form_keeps_boxes_and_no_password(admin, clerk, engine, everywhere):
    typed = clerk | {"email": "nowhere"} | everywhere
    before = contents(engine)
    refused = admin.post("/users/add", typed)
    assert refused.status_code == 422
    assert PASSWORD not in refused.text
    assert form_in(refused) == typed | {"password": ""}
    assert contents(engine) == before


def test_a_refused_change_keeps_what_was_typed_instead_of_what_is_there(admin, utility, engine):
    path = f"/vending-points/edit/{utility.points[HARBOUR]}"
    typed = form_of(admin, path) | {"name": "", "address": "Elsewhere"}
    before = contents(engine)
    refused = admin.post(path, typed)
    assert refused.status_code == 422
    assert form_in(refused) == typed
    assert contents(engine) == before


WRONG = [
    ("/products/add", PRODUCT | {"name": "", "model": "", "manufacturer_code": "1"},
     {"name", "model", "manufacturer_code"}),
    ("/products/add", PRODUCT | {"name": "x" * 121, "meter_type": "steam"}, {"name", "meter_type"}),
    ("/vending-points/add", {"email": "x"}, {"name", "region", "email", "paper_size"}),
    ("/vending-points/add", POINT | {"region": "9" * 30}, {"region"}),
    ("/vending-points/add", POINT | {"region": "x"}, {"region"}),
    ("/users/add", {"username": "clerk", "password": "short"},
     {"first_name", "last_name", "email", "group", "language", "password"}),
    ("/users/add", {}, {"username", "first_name", "last_name", "email", "group", "language"}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "typed", "wrong"), WRONG)
def test_a_refusal_leads_to_each_field_and_stands_beside_it(admin, path, typed, wrong):
    answer = admin.post(path, typed)
    assert answer.status_code == 422
    page = read(answer.text)
    summary = page.one("div", id="errors")
    assert summary["role"] == "alert"
    assert summary.one("strong").text.startswith(f"{len(wrong)} field")
    assert {link["href"].removeprefix("#") for link in summary.all("a")} == wrong
    for name in wrong:
        field, error = page.one(id=name), page.one("div", "field-error", id=f"{name}-error")
        boxes = field.all("input") or [field]
        assert error.text
        assert error.text in summary.text
        for box in boxes:
            assert f"{name}-error" in box["aria-describedby"].split(), name
            assert box["aria-invalid"] == "true"
    right = [one for one in page.all("input", "form-control") if one["name"] not in wrong]
    assert all(one.get("aria-invalid") is None for one in right)


@BOTH
def test_a_text_too_long_for_its_column_is_refused_beside_its_field(
    office, admin, utility, engine, backend
):
    before, tried = contents(engine), 0
    for view in views_of(office):
        if "add" in view.exclude_route_methods:
            continue
        known = OPERATORS if view.endpoint == "UserGroups" else 1
        paths = [view.route_base + "/add"]
        if "edit" not in view.exclude_route_methods:
            paths.append(f"{view.route_base}/edit/{known}")
        for path in paths:
            form = the_form(read(admin.get(path).text))
            texts = [one["name"] for one in form.all("input") if one["type"] in {"text", ""}]
            answer = admin.post(path, sent(form) | dict.fromkeys(texts, "x" * 5000))
            assert answer.status_code == 422, path
            wrong = read(answer.text)
            assert all(wrong.all("div", "field-error", id=f"{name}-error") for name in texts), path
            tried += len(texts)
    assert tried > 20
    assert contents(engine) == before


def test_help_is_tied_to_its_field(admin):
    page = read(admin.get("/products/add").text)
    code = page.one("input", id="manufacturer_code")
    assert code["aria-describedby"] == "manufacturer_code-help"
    assert "2 digits for 11-digit" in page.one(id="manufacturer_code-help").text
    refused = read(admin.post("/products/add", {}).text).one("input", id="manufacturer_code")
    assert refused["aria-describedby"] == "manufacturer_code-help manufacturer_code-error"


def test_a_row_that_is_gone_is_said_to_be_gone(admin, shop, utility):
    region = shop.change(lambda session: factories.add_region(session, "Lost").id)
    answer = admin.post("/vending-points/add", POINT | {"region": str(region + 1)})
    assert answer.status_code == 422
    assert "This one is not there any more." in read(answer.text).one(id="region-error").text


# two people


@BOTH
def test_nobody_overwrites_what_another_saved_meanwhile(browse, shop, utility, backend):
    path = f"/vending-points/edit/{utility.points[HARBOUR]}"
    first, second = browse(ADMIN), browse(ADMIN)
    mine, theirs = form_of(first, path), form_of(second, path)
    assert second.post(path, theirs | {"address": "Theirs"}).status_code == 302
    stale = first.post(path, mine | {"telephone": "+1 23"})
    assert stale.status_code == 409
    assert "Somebody else changed this record meanwhile" in read(stale.text).text
    said = {one["id"]: one.text for one in read(stale.text).all("div", "field-error")}
    assert said == {
        "address-error": "Saved here now: “Theirs”.", "telephone-error": "Saved here now: nothing.",
    }  # fmt: skip
    assert path.replace("edit", "show") in stale.text
    kept = form_in(stale)
    assert {name: kept[name] for name in mine if name != "seen"} == {
        name: value for name, value in (mine | {"telephone": "+1 23"}).items() if name != "seen"
    }
    point = shop.rows(VendingPoint, VendingPoint.name == HARBOUR)[0]
    assert (point.address, point.telephone) == ("Theirs", "")
    assert first.post(path, kept | {"address": "Ours"}).status_code == 302
    point = shop.rows(VendingPoint, VendingPoint.name == HARBOUR)[0]
    assert (point.address, point.telephone) == ("Ours", "+1 23")


def test_a_form_refused_for_its_own_sake_still_notices_what_another_saved(browse, shop, utility):
    path = f"/vending-points/edit/{utility.points[HARBOUR]}"
    first, second = browse(ADMIN), browse(ADMIN)
    mine, theirs = form_of(first, path), form_of(second, path)
    assert second.post(path, theirs | {"address": "Theirs"}).status_code == 302
    refused = first.post(path, mine | {"email": "no address"})
    assert refused.status_code == 422
    assert first.post(path, form_in(refused) | {"email": ""}).status_code == 409
    assert shop.rows(VendingPoint, VendingPoint.name == HARBOUR)[0].address == "Theirs"


def test_moving_a_record_to_a_region_of_the_same_name_is_noticed(browse, shop, utility):
    twin = shop.change(
        lambda session: factories.add_region(session, "North", utility.regions["north"]).id
    )
    path = f"/vending-points/edit/{utility.points[HARBOUR]}"
    first, second = browse(ADMIN), browse(ADMIN)
    mine, theirs = form_of(first, path), form_of(second, path)
    assert second.post(path, theirs | {"region": str(twin)}).status_code == 302
    assert first.post(path, mine).status_code == 409


@BOTH
def test_saving_without_a_change_is_never_refused(admin, shop, utility, people, backend):
    user = people["operator"].id

    for path in (f"/users/edit/{user}", f"/vending-points/edit/{utility.points[MARKET]}",
                 "/products/edit/1"):  # fmt: skip
        for _ in range(2):
            answer = admin.post(path, form_of(admin, path))
            assert answer.status_code == 302, path


@pytest.mark.parametrize("seen", ["", "x", None])
def test_a_form_that_does_not_tell_what_it_saw_changes_nothing(admin, shop, engine, seen):
    typed = form_of(admin, "/products/edit/1") | {"name": "Other"}
    del typed["seen"]
    before = contents(engine)
    answer = admin.post("/products/edit/1", typed | ({} if seen is None else {"seen": seen}))
    assert answer.status_code == 409
    assert contents(engine) == before


def test_a_record_deleted_meanwhile_is_not_found(admin, shop):
    path = f"/products/edit/{spare(shop)}"
    typed = form_of(admin, path)
    shop.change(lambda session: session.query(Product).where(Product.model == "SPARE").delete())
    assert admin.post(path, typed).status_code == 404
    assert shop.count(Product, Product.model == "SPARE") == 0


def spare(shop) -> int:
    """A product no meter is of."""
    row = Product(model="SPARE", name="Spare", meter_type="gas", manufacturer="M",
                  manufacturer_code="09")  # fmt: skip
    return shop.change(lambda session: factories.add(session, row).id)


# values that must be unique


@BOTH
def test_a_name_that_is_taken_is_said_to_be_beside_its_field(admin, shop, utility, clerk, backend):
    taken = shop.rows(Product)[0].model
    north = str(utility.regions["north"].id)
    for path, typed, field in (
        ("/products/add", PRODUCT | {"model": taken}, "model"),
        ("/vending-points/add", POINT | {"name": MARKET, "region": north}, "name"),
        ("/users/add", clerk | {"username": "operator"}, "username"),
        ("/users/add", clerk | {"email": "operator@test"}, "email"),
    ):
        answer = admin.post(path, typed)
        assert answer.status_code == 422, path
        page = read(answer.text)
        said = "Somebody else signs in with that" if "users" in path else "There is such a record"
        assert said in page.one("div", id=f"{field}-error").text
        assert page.one("div", id="errors").one("a")["href"] == f"#{field}"
        kept = form_in(answer)
        assert {name: kept[name] for name in kept if "password" not in name} == {
            name: value for name, value in typed.items() if "password" not in name
        }  # fmt: skip
    assert [event.action for event in events(shop)] == []


def test_changing_a_name_to_one_that_is_taken_is_refused(admin, shop, engine):
    first, second = shop.rows(Product)[:2]
    path = f"/products/edit/{first.id}"
    before = contents(engine)
    answer = admin.post(path, form_of(admin, path) | {"model": second.model})
    assert answer.status_code == 422
    assert "There is such a record already" in read(answer.text).one(id="model-error").text
    assert contents(engine) == before
    answer = admin.post(path, form_in(answer) | {"model": "FREE"})
    assert answer.status_code == 302
    assert shop.count(Product, Product.model == "FREE") == 1


def test_a_name_taken_where_the_asker_sees_nothing_is_refused_all_the_same(browse, shop, utility):
    permit(shop, "VendingPoints", *RECORD_DEEDS)
    keeper, north = browse(NORTH_SUPERVISOR), str(utility.regions["north"].id)
    answer = keeper.post("/vending-points/add", POINT | {"name": MARKET, "region": north})
    assert answer.status_code == 422
    assert "There is such a record already" in read(answer.text).one(id="name-error").text
    assert ids(read(keeper.get("/vending-points/list/").text)) == [utility.points[HARBOUR]]
    assert shop.count(VendingPoint) == 2
    assert keeper.post("/vending-points/add", POINT | {"region": north}).status_code == 302
    assert shop.count(VendingPoint, VendingPoint.region_id == int(north)) == 2


def test_each_reader_is_told_in_the_own_language(browse, shop, clerk):
    told = {
        language: read(
            browse(ADMIN, language).post("/users/add", clerk | {"username": "operator"}).text
        ).one(id="username-error").text
        for language in ("ar", "en", "fr", "en")
    }  # fmt: skip
    assert told["en"].startswith("Somebody else signs in with that")


# deleting


@BOTH
def test_a_record_with_others_hanging_on_it_stays(admin, shop, utility, engine, backend):
    used, point = shop.rows(Product)[0], utility.points[MARKET]
    before = contents(engine)
    for path, words in (
        (f"/products/delete/{used.id}",
         f"Other records still use “{used.model}”, so it was not deleted."),
        (f"/vending-points/delete/{point}",
         f"“{MARKET}” was not deleted, because users sell there: operator2."),
    ):  # fmt: skip
        answer = admin.post(path)
        assert answer.status_code == 409
        assert words in answer.text
    assert contents(engine) == before


def test_a_record_nothing_hangs_on_is_deleted(admin, shop):
    number = spare(shop)
    answer = admin.post(f"/products/delete/{number}")
    assert answer.location == "/products/list/"
    assert "“SPARE” was deleted." in admin.get(answer.location).text
    assert shop.count(Product, Product.id == number) == 0
    assert admin.post(f"/products/delete/{number}").status_code == 404


def test_a_vending_point_that_never_sold_is_deleted_with_its_account(admin, shop, utility):
    north = str(utility.regions["north"].id)
    added = admin.post("/vending-points/add", POINT | {"region": north})
    assert added.status_code == 302
    number = int(added.location.rpartition("/")[2])
    accounts = shop.count(VendingPointAccount)
    assert admin.post(f"/vending-points/delete/{number}").status_code == 302
    assert shop.count(VendingPoint, VendingPoint.id == number) == 0
    assert shop.count(VendingPointAccount) == accounts - 1


def test_following_a_link_deletes_nothing(admin, shop, engine):
    number = spare(shop)
    before = contents(engine)
    for path in (f"/products/delete/{number}", "/vending-points/delete/1"):
        assert admin.get(path).status_code == 405
    assert admin.post("/users/delete/1").status_code == 404  # people with a history stay
    assert contents(engine) == before


# what is left of a change


def test_adding_changing_and_deleting_write_one_event_each(admin, shop, people):
    added = admin.post("/products/add", PRODUCT)
    number = int(added.location.rpartition("/")[2])
    path = f"/products/edit/{number}"
    assert admin.post(path, form_of(admin, path) | {"name": "Three phase"}).status_code == 302
    assert admin.post(f"/products/delete/{number}").status_code == 302
    made = {name: str(value) for name, value in PRODUCT.items()} | {"can_become_sts6": "False"}
    changed = made | {"name": "Three phase"}
    assert [(event.action, event.subject, event.subject_id, event.details)
            for event in events(shop)] == [
        ("product.added", "product", str(number), {"before": {}, "after": made}),
        ("product.changed", "product", str(number), {"before": made, "after": changed}),
        ("product.deleted", "product", str(number), {"before": changed}),
    ]  # fmt: skip
    for event in events(shop):
        assert (event.actor_id, event.actor_name) == (people[ADMIN].id, ADMIN)
        assert event.address == "127.0.0.1"
        assert event.at == shop.clock.now


def test_an_event_tells_rows_of_one_name_apart(admin, shop, utility):
    north = utility.regions["north"].id
    assert admin.post("/vending-points/add", POINT | {"region": str(north)}).status_code == 302
    (event,) = events(shop)
    assert event.details["after"]["region"] == f"North ({north})"


def test_a_new_users_password_is_kept_nowhere_in_the_clear(admin, shop, clerk, engine):
    added = admin.post("/users/add", clerk)
    assert added.status_code == 302, added.text
    user = shop.rows(OfficeUser, OfficeUser.username == "clerk")[0]
    assert added.location == f"/users/show/{user.id}"
    assert PASSWORD not in user.password
    (event,) = events(shop)
    assert (event.action, event.subject_id) == ("user.added", str(user.id))
    assert not {"password", "conf_password"} & event.details["after"].keys()
    written = json.dumps(event.details)
    assert PASSWORD not in written
    assert user.password not in written
    assert event.details["after"]["group"] == "Operator"


def test_a_refused_form_writes_no_event(admin, shop):
    admin.post("/products/add", PRODUCT | {"model": ""})
    admin.post("/products/edit/1", PRODUCT | {"name": ""})
    admin.post("/products/edit/1", PRODUCT)  # tells not what it saw
    admin.post("/products/delete/1")
    assert events(shop) == []


def test_what_was_added_is_shown_and_the_next_one_can_follow(admin, shop):
    added = admin.post("/products/add", PRODUCT)
    assert added.location.startswith("/products/show/")
    shown = read(admin.get(added.location).text)
    assert "Single phase" in shown.text
    again = admin.post("/products/add", PRODUCT | {"model": "EM-2", "again": "yes"})
    assert again.location == "/products/add"
    assert form_of(admin, "/products/add")["model"] == ""
    assert [row[0] for row in rows(read(admin.get("/products/list/?q=EM-").text))] == [
        "EM-1", "EM-2",
    ]  # fmt: skip


def test_only_a_new_record_offers_to_add_another(admin):
    assert "Save and add another" in admin.get("/products/add").text
    assert "Save and add another" not in admin.get("/products/edit/1").text


def test_a_new_vending_point_has_its_account_and_a_refused_one_none(admin, shop, utility):
    north = str(utility.regions["north"].id)
    assert admin.post("/vending-points/add", POINT | {"region": north}).status_code == 302
    assert admin.post("/vending-points/add", POINT | {"region": north}).status_code == 422
    (point,) = shop.rows(VendingPoint, VendingPoint.name == POINT["name"])
    accounts = VendingPointAccount.vending_point_id == point.id
    assert shop.count(VendingPointAccount, accounts) == 1
    assert point.region_id == int(north)
    assert shop.count(VendingPoint) == 3
