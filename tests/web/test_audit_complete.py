"""Whatever changes something leaves an event, and so does every refusal; none holds a secret."""

import json
import secrets

import pytest
from sqlalchemy import func, select

from tests.factories import (
    AUDITOR,
    BLOCKED,
    DOMESTIC,
    EPOCH,
    HARBOUR,
    LEGACY_11,
    OPERATOR,
)
from tests.faults import request_lost
from tests.web.office import ADMIN, NOWHERE, PASSWORD
from tests.web.records import read, sent, the_form
from tests.web.test_permissions import ACTIONS, FRAMEWORKS_OWN, MAY, call
from vmsapp.models import AuditEvent, Product, Sale, Token, UserSession, VendingPoint
from vmsapp.models.base import Model
from vmsapp.scope import SYSTEM
from vmsapp.services.audit.notes import REMEMBERED, Note, Notes
from vmsapp.services.vending import new_key

NEW_PASSWORD = "Sideways-Backward-88"
TRAIL = {"audit_event", "audit_unsealed"}


def form(browser, path, **typed):
    """Fill the form of a page in and send it."""
    filled = sent(the_form(read(browser.get(path).text))) | typed
    return browser.post(path, filled)


@pytest.fixture
def deeds(shop, module, utility, people, office, browse):
    """A deed for each route that writes: it changes something, whoever runs it."""
    sale = shop.sell()
    module.once("issue_credit", request_lost)
    open_sale = shop.sell(DOMESTIC)
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()  # it stays in doubt, and its money may be given back
    clerk = people[OPERATOR].id
    product = {"model": "EM-1", "name": "Single phase", "meter_type": "electricity",
               "manufacturer": "Makers", "manufacturer_code": "07"}  # fmt: skip

    def unused(mapped, **values):
        row = mapped(**values)
        shop.change(lambda s: s.add(row))
        return row.id

    def other_session():
        now = shop.clock()
        return unused(UserSession, user_id=people[ADMIN].id, ticket_hash=secrets.token_hex(32),
                      created_at=now, seen_at=now, device="x")  # fmt: skip

    idle = other_session()
    north = utility.regions["north"].id
    thing = unused(Product, **product | {"model": "EM-2"})
    point = unused(VendingPoint, name="Unused", region_id=north)
    meter = utility.meters[LEGACY_11]
    harbour = str(utility.points[HARBOUR])

    def someone(browser):
        typed = {
            "username": "walker", "first_name": "A", "last_name": "B", "group": "Operator",
            "email": "w@example.org", "region": north, "language": "", "password": PASSWORD,
        }  # fmt: skip
        return browser.post("/users/add", typed)

    return {
        "AuthDBView.login": lambda _: browse().post(
            "/login/", {"username": OPERATOR, "password": PASSWORD}
        ),
        "AuthDBView.logout": lambda b: b.post("/logout/"),
        "AuditTrail.export": lambda b: b.post("/audit/export/csv"),
        "Clock.accept": lambda b: b.post("/clock/accept", {"what": "sales", "reason": "battery"}),
        "Counter.give_back": lambda b: b.post(f"/counter/sale/{open_sale.id}/give-back"),
        "Counter.printed": lambda b: b.post(f"/counter/sale/{sale.id}/printed"),
        "Counter.sell": lambda b: b.sell(
            meter, b.purchase(meter, mode="quantity", value="7") | {"vending_point": harbour}
        ),
        "Products.add": lambda b: form(b, "/products/add", **product),
        "Products.edit": lambda b: form(b, "/products/edit/1", name="Renamed"),
        "Products.delete": lambda b: b.post(f"/products/delete/{thing}"),
        "ResetMyPasswordView.this_form_post": lambda b: b.post(
            "/resetmypassword/form",
            {"old_password": PASSWORD, "password": NEW_PASSWORD, "conf_password": NEW_PASSWORD},
        ),
        "SecurityApi.login": lambda b: b.client.post(
            "/api/v1/security/login",
            json={"username": ADMIN, "password": NEW_PASSWORD, "provider": "db"},
        ),
        "Sessions.end": lambda b: b.post(f"/sessions/{idle}/end"),
        "Sessions.end_others": lambda b: b.post("/sessions/end-others"),
        "UserInfoEditView.this_form_post": lambda b: b.post(
            "/userinfoeditview/form", {"first_name": "New", "last_name": "Name", "language": ""}
        ),
        "Users.action": lambda b: b.post(f"/users/action/suspend/{people[AUDITOR].id}"),
        "Users.action_post": lambda b: b.post(
            "/users/action_post", {"action": "suspend", "rowid": clerk}
        ),
        "Users.add": someone,
        "Users.edit": lambda b: form(b, f"/users/edit/{clerk}", first_name="Changed"),
        "VendingPoints.add": lambda b: form(b, "/vending-points/add", name="Quay", region=north),
        "VendingPoints.edit": lambda b: form(b, "/vending-points/edit/1", name="Renamed"),
        "VendingPoints.delete": lambda b: b.post(f"/vending-points/delete/{point}"),
    }


QUIET = {
    "SecurityApi.refresh": "asks for a bearer; see below",
    "Products.action": "has no deeds",
    "Products.action_post": "has no deeds",
    "Regions.action": "has no deeds",
    "Regions.action_post": "has no deeds",
    "VendingPoints.action": "has no deeds",
    "VendingPoints.action_post": "has no deeds",
    "Parts.send": "shows the parts of pages, and changes nothing",
}
"""Routes that take a POST and change nothing, and why; besides those that keep a cookie."""


EVENT_ALONE = {"Counter.printed", "AuditTrail.export"}
"""Routes that change nothing but leave an event all the same."""


ELSEWHERE = {
    "Approvals.approve": "tests/services/test_second_person.py",
    "Approvals.refuse": "tests/services/test_second_person.py",
    "Approvals.withdraw": "tests/services/test_second_person.py",
    "AuthDBView.code": "tests/web/test_accounts.py",
    "AuthDBView.second": "tests/web/test_accounts.py",
    "Floats.move": "tests/services/test_floats.py",
    "Licence.give_up": "tests/services/test_licence.py",
    "Licence.install": "tests/services/test_licence.py",
    "Regions.add": "tests/services/test_regions.py",
    "Regions.delete": "tests/services/test_regions.py",
    "Regions.edit": "tests/services/test_regions.py",
    "Regions.merge": "tests/services/test_regions.py",
    "Regions.move": "tests/services/test_regions.py",
    "UserGroups.add": "tests/web/test_user_groups.py",
    "UserGroups.delete": "tests/web/test_user_groups.py",
    "UserGroups.edit": "tests/web/test_user_groups.py",
    "UserGroups.put_back": "tests/web/test_user_groups.py",
    "UtilitySetup.begin": "tests/services/test_setup_changes.py",
    "UtilitySetup.change": "tests/services/test_setup_changes.py",
    "UtilitySetup.change_planned": "tests/services/test_setup_changes.py",
    "UtilitySetup.test_mail": "tests/web/test_setup.py",
    "UtilitySetup.withdraw": "tests/services/test_setup_changes.py",
}
"""Routes that need a story of their own first, and the tests that tell it."""


def contents(engine):
    with engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in Model.metadata.sorted_tables if table.name not in TRAIL
        }  # fmt: skip


def trail_length(engine):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(AuditEvent.__table__))


@FRAMEWORKS_OWN
def test_every_route_that_changed_something_left_an_event(office, browse, engine, deeds):
    posts = [endpoint for endpoint, method in {**MAY, **ACTIONS} if method == "POST"]
    posts.sort(key=lambda name: (name == "ResetMyPasswordView.this_form_post", name))
    silent, changing = [], set()
    for endpoint in posts:
        browser = browse(ADMIN)
        before, length = contents(engine), trail_length(engine)
        deed = deeds.get(endpoint, lambda b, name=endpoint: call(office, b, name, "POST"))
        deed(browser)
        if contents(engine) != before:
            changing.add(endpoint)
            if trail_length(engine) == length:
                silent.append(endpoint)
        elif endpoint in EVENT_ALONE and trail_length(engine) == length:
            silent.append(endpoint)
    assert silent == []
    still = QUIET.keys() | EVENT_ALONE
    writes = {name for name in posts if name not in still and not name.endswith(".columns")}
    assert writes - changing - ELSEWHERE.keys() == set(), "these deeds changed nothing"
    assert ELSEWHERE.keys() & changing == set()
    assert QUIET.keys() & changing == set()


def refusals(shop):
    return [row for row in shop.rows(AuditEvent) if row.action == "request.refused"]


def test_a_door_that_refuses_is_on_record(browse, shop, people):
    browse(OPERATOR).get("/clock/")
    (event,) = refusals(shop)
    assert (event.actor_id, event.actor_name) == (people[OPERATOR].id, OPERATOR)
    assert (event.address, event.subject, event.subject_id) == ("127.0.0.1", "page", "Clock.show")
    assert event.details == {"code": "not_allowed", "times": 1}


def test_a_rule_that_refuses_in_a_form_is_on_record_without_what_was_typed(operator, shop, utility):
    number = utility.meters[BLOCKED]
    typed = {"mode": "quantity", "value": "3717", "key": new_key(EPOCH)}
    assert operator.post(f"/counter/meter/{number}/sell", typed).status_code == 409
    (event,) = refusals(shop)
    assert event.subject_id == "Counter.sell"
    assert event.details["meter_id"] == number
    assert "3717" not in json.dumps(event.details)


def test_a_slip_of_the_finger_and_a_page_that_is_not_there_are_no_refusals(operator, shop):
    operator.get("/nowhere")
    operator.get(f"/meters/show/{NOWHERE}")
    operator.post("/userinfoeditview/form", {"first_name": "", "last_name": ""})
    assert refusals(shop) == []


def test_who_is_not_signed_in_is_led_to_sign_in_and_not_noted(browse, shop):
    browse().get("/clock/")
    assert refusals(shop) == []


def test_a_refusal_is_written_after_a_rollback(browse, shop, engine):
    """The request's own transaction is over: on SQLite its lock would keep the note out."""
    admin = browse(ADMIN)
    number = shop.rows(VendingPoint)[0].id
    shop.sell()
    assert admin.post(f"/users/action/nothing/{number}").status_code == 404
    assert browse(OPERATOR).post(f"/vending-points/delete/{number}").status_code == 403
    assert [event.subject_id for event in refusals(shop)] == ["VendingPoints.delete"]


def test_the_same_refusal_is_written_once_a_minute_and_counted(browse, shop):
    operator, auditor = browse(OPERATOR), browse(AUDITOR)
    for _ in range(5):
        operator.get("/clock/")
    auditor.get("/clock/")
    assert len(refusals(shop)) == 2
    shop.clock.forward(seconds=61)
    operator.get("/clock/")
    assert [event.details["times"] for event in refusals(shop)] == [1, 1, 5]


def test_what_a_process_remembers_of_refusals_is_bounded(engine):
    notes = Notes()
    for number in range(REMEMBERED + 10):
        assert notes._due(Note("request.refused", SYSTEM, "x", ids=(("pk", number),))) == 1
    assert len(notes._lately) == REMEMBERED


def test_a_note_that_cannot_be_written_does_not_spoil_the_answer(operator, shop, caplog):
    def forbid(session):
        session.connection().exec_driver_sql("DROP TABLE audit_unsealed")

    shop.change(forbid)
    assert operator.get("/clock/").status_code == 403
    assert "was not noted" in caplog.text


@FRAMEWORKS_OWN
def test_bearers_leave_their_traces(office, browse, shop, people):
    client = office.test_client()
    got = client.post("/api/v1/security/login", json={
        "username": OPERATOR, "password": PASSWORD, "provider": "db", "refresh": True,
    }).json  # fmt: skip
    client.post(
        "/api/v1/security/refresh", headers={"Authorization": f"Bearer {got['refresh_token']}"}
    ).close()
    last = [(row.action, row.actor_id) for row in shop.rows(AuditEvent)][-2:]
    me = people[OPERATOR].id
    assert last == [("user.signed_in", me), ("bearer.renewed", me)]


@FRAMEWORKS_OWN
def test_the_trail_holds_no_secret(office, browse, shop, operator, utility, engine, deeds):
    """Digits sold, and passwords and tickets typed or sent into every door there is."""
    operator.buy(utility)
    operator.get(f"/counter/sale/{max(sale.id for sale in shop.rows(Sale))}")
    operator.post("/resetmypassword/form", {"old_password": "Wrong-Guess-1", "password": "short"})
    operator.get("/clock/", query_string={"password": PASSWORD})
    browse().post("/login/", {"username": PASSWORD, "password": NEW_PASSWORD})
    for deed in deeds.values():
        deed(browse(ADMIN))
    bearer = office.test_client().post("/api/v1/security/login", json={
        "username": ADMIN, "password": NEW_PASSWORD, "provider": "db", "refresh": True,
    }).json  # fmt: skip
    digits = [token.digits for token in shop.rows(Token)]
    assert digits
    known = [PASSWORD, NEW_PASSWORD, "Wrong-Guess-1", *digits, *bearer.values()]
    known += [" ".join(d[at : at + 4] for at in range(0, 20, 4)) for d in digits]
    with operator.client.session_transaction() as cookie:
        known.append(cookie["ticket"])
    text = "\n".join(
        json.dumps([str(getattr(row, name)) for name in AuditEvent.__table__.c.keys()])  # noqa: SIM118
        for row in shop.rows(AuditEvent)
    )
    assert "request.refused" in text
    assert [secret for secret in known if secret in text] == []
    assert "scrypt:" not in text
    assert "pbkdf2:" not in text
