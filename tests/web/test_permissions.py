"""Who may open what: every route of the product, for every group, as a table."""

from urllib.parse import urlsplit

import pytest
from flask import Flask, url_for

from tests.factories import AUDITOR, LEGACY_11, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, ENGINEER, NEWCOMER, Browser, contents, main_part
from vmsapp.security import GROUPS

ANYBODY = frozenset({None, ADMIN, SUPERVISOR, OPERATOR, ENGINEER, AUDITOR, NEWCOMER})
IN_A_GROUP = ANYBODY - {None, NEWCOMER}
FINDS = IN_A_GROUP
SELLS = frozenset({ADMIN, SUPERVISOR, OPERATOR})
SETTLES = frozenset({ADMIN, SUPERVISOR})
ADMINS = frozenset({ADMIN})
NOBODY: frozenset[str | None] = frozenset()

CRUD = {("list", "GET"), ("show", "GET")} | {
    (deed, method) for deed in ("add", "edit", "delete") for method in ("GET", "POST")
}
MAY: dict[tuple[str, str], frozenset[str | None]] = {
    ("Start.index", "GET"): ANYBODY - {None},
    ("LocaleView.index", "GET"): ANYBODY,
    ("UtilView.back", "GET"): ANYBODY,
    ("static", "GET"): ANYBODY,
    ("appbuilder.static", "GET"): ANYBODY,
    ("AuthDBView.login", "GET"): ANYBODY,
    ("AuthDBView.login", "POST"): ANYBODY,
    ("AuthDBView.logout", "GET"): ANYBODY,
    ("Counter.find", "GET"): FINDS,
    ("Counter.purchase", "GET"): SELLS,
    ("Counter.quote", "GET"): SELLS,
    ("Counter.sell", "POST"): SELLS,
    ("Counter.sale", "GET"): SELLS,
    ("Counter.state", "GET"): SELLS,
    ("Counter.printed", "POST"): SELLS,
    ("Counter.open", "GET"): SELLS,
    ("Counter.give_back", "POST"): SETTLES,
    ("Clock.show", "GET"): ADMINS,
    ("Clock.accept", "POST"): ADMINS,
    ("ResetMyPasswordView.this_form_get", "GET"): IN_A_GROUP,
    ("ResetMyPasswordView.this_form_post", "POST"): IN_A_GROUP,
    ("UserInfoEditView.this_form_get", "GET"): IN_A_GROUP,
    ("UserInfoEditView.this_form_post", "POST"): IN_A_GROUP,
    ("Users.userinfo", "GET"): IN_A_GROUP,
    ("ResetPasswordView.this_form_get", "GET"): ADMINS,
    ("ResetPasswordView.this_form_post", "POST"): ADMINS,
    ("MenuApi.get_menu_data", "GET"): ADMINS,
    ("SecurityApi.login", "POST"): ANYBODY,
    ("SecurityApi.refresh", "POST"): NOBODY,  # wants the bearer of a sign-in by API
    **{
        (f"{view}.{deed}", method): ADMINS
        for view in ("Users", "UserGroups", "UnusedGroups")
        for deed, method in CRUD
        if (view, deed) != ("Users", "delete")  # people with a history stay
    },
}
"""The people who get an answer; all others are refused and change nothing."""

ACTIONS = {
    (f"{view}.{route}", method): NOBODY
    for view in ("Users", "UserGroups", "UnusedGroups")
    for route, method in (("action", "GET"), ("action", "POST"), ("action_post", "POST"))
}
"""Deeds on rows of the framework's screens: each asks for its own permission, see below."""

DEEDS = [
    ("/users/action/resetpasswords/1", "resetpasswords", ADMINS),
    ("/users/action/resetmypassword/1", "resetmypassword", IN_A_GROUP),
    ("/users/action/userinfoedit/1", "userinfoedit", IN_A_GROUP),
    ("/roles/action/copyrole/1", "copyrole", ADMINS),
]

VALUES = {"meter_id": 1, "sale_id": 1, "pk": 2, "name": "x", "filename": "none.css", "locale": "fr"}
FRAMEWORKS_OWN = pytest.mark.filterwarnings(
    "ignore:.*WTForms:DeprecationWarning", "ignore:The Query.get:DeprecationWarning"
)
"""The framework's screens use what the libraries below it call obsolete."""

PEOPLE = [None, ADMIN, SUPERVISOR, OPERATOR, ENGINEER, AUDITOR, NEWCOMER]


def routes(app: Flask) -> list[tuple[str, str]]:
    return [
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def call(app: Flask, browser: Browser, endpoint: str, method: str) -> tuple[int, str]:
    """Call a route: its status, and the path it leads to."""
    rule = next(app.url_map.iter_rules(endpoint))
    with app.test_request_context():
        path = url_for(endpoint, **{name: VALUES[name] for name in rule.arguments})
    answer = browser.get(path) if method == "GET" else browser.post(path)
    return answer.status_code, urlsplit(answer.location or "").path


def test_every_route_of_the_product_stands_in_the_table(office):
    assert sorted(set(routes(office))) == sorted(MAY | ACTIONS)


def test_every_group_that_comes_with_the_product_is_tried(office):
    assert {*GROUPS, "Administrator"} == {
        "Administrator", "Supervisor", "Operator", "Engineer", "Auditor",
    }  # fmt: skip


@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_not_is_refused_and_changes_nothing(office, browse, shop, engine, who):
    shop.sell()
    before = contents(engine)
    browser = browse(who)
    refused = [route for route, people in MAY.items() if who not in people]
    answers = {route: call(office, browser, *route) for route in refused}
    for route, (status, leads_to) in answers.items():
        if route[0].startswith(("SecurityApi", "MenuApi")):
            right = (401 if who is None or route[0].startswith("SecurityApi") else 403, "")
        else:
            right = (302, "/login/") if who is None else (403, "")
        assert (status, leads_to) == right, route
    assert contents(engine) == before


@FRAMEWORKS_OWN
@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_gets_an_answer(office, browse, shop, who):
    shop.sell()
    browser = browse(who)
    for route in [route for route, people in MAY.items() if who in people]:
        if route in {("AuthDBView.logout", "GET")}:
            continue  # signs out
        status, leads_to = call(office, browser, *route)
        assert status < 500, route
        assert status not in {401, 403}, route
        assert leads_to != "/login/", route


@pytest.mark.parametrize(("path", "deed", "may"), DEEDS)
@pytest.mark.parametrize("who", PEOPLE)
def test_a_deed_on_rows_asks_for_its_own_permission(browse, engine, who, path, deed, may):
    before = contents(engine)
    browser = browse(who)
    one = browser.post(path)
    many = browser.post(f"/{path.split('/')[1]}/action_post", {"action": deed, "rowid": "1"})
    away = "." if who else "/login/"  # back, with a sentence
    refused = [answer.location == away for answer in (one, many)]
    assert refused == ([False, False] if who in may else [True, True])
    if who not in may:
        assert contents(engine) == before


@pytest.mark.parametrize("who", PEOPLE)
def test_a_deed_on_rows_is_never_done_by_a_link(browse, engine, who):
    before = contents(engine)
    for path, *_ in DEEDS:
        assert browse(who).get(path).status_code == 302
    assert contents(engine) == before


def test_a_user_who_was_made_inactive_is_signed_out(browse, shop, people):
    browser = browse(OPERATOR)
    assert browser.get("/counter/").status_code == 200
    shop.change(lambda session: setattr(session.merge(people[OPERATOR]), "active", False))
    assert browser.get("/counter/").location.startswith("/login/")


def test_a_user_without_a_group_finds_no_menu_and_is_told_whom_to_ask(browse):
    page = browse(NEWCOMER).get("/")
    assert page.status_code == 200
    assert "administrator" in main_part(page.text)
    assert 'href="/counter' not in page.text


@pytest.mark.parametrize(("who", "shown"), [(OPERATOR, True), (SUPERVISOR, True), (ADMIN, True),
                                            (ENGINEER, False), (AUDITOR, False)])  # fmt: skip
def test_the_search_offers_a_purchase_only_to_who_may_sell(browse, utility, who, shown):
    found = main_part(browse(who).get("/counter/?q=0700").text)
    assert (f'href="/counter/meter/{utility.meters[LEGACY_11]}"' in found) is shown
    assert "0700 0000 013" in found


@pytest.mark.parametrize(("who", "menu"), [
    (OPERATOR, ["/counter/", "/counter/open"]),
    (AUDITOR, ["/counter/"]),
    (ENGINEER, ["/counter/"]),
    (ADMIN, ["/counter/", "/counter/open", "/clock/", "/users/list/", "/roles/list/"]),
])  # fmt: skip
def test_the_menu_leads_only_where_the_user_may_go(browse, who, menu):
    page = browse(who).get("/counter/").text
    everything = ["/counter/", "/counter/open", "/clock/", "/users/list/", "/roles/list/"]
    assert [path for path in everything if f'href="{path}"' in page] == menu
