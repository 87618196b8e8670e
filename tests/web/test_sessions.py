"""Signed-in browsers: the cookie and its row, signing out, own passwords, the page of sessions."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from config import Settings
from tests.factories import NOW, OPERATOR, SUPERVISOR
from tests.web.office import (
    ADMIN,
    BOTH,
    NEWCOMER,
    NOWHERE,
    PASSWORD,
    Browser,
    contents,
    fields,
    main_part,
    statements,
)
from vmsapp import create_app
from vmsapp.extensions import db
from vmsapp.models import AuditEvent, OfficeUser, UserSession
from vmsapp.models.base import Model
from vmsapp.scope import unscoped
from vmsapp.security.held import as_permissions, held_as_text, held_by

NEW = "Quite-Another-88"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
OWN_PASSWORD, GIVE_CODE = "/resetmypassword/form", "/users/action/give_code/{}"


def sign_in(browser: Browser, username: str = OPERATOR, password: str = PASSWORD, **options):
    return browser.post("/login/", {"username": username, "password": password}, **options)


def kept(browser: Browser) -> dict:
    """What the browser's cookie holds."""
    with browser.client.session_transaction() as cookie:
        return dict(cookie)


def copy_of(browser: Browser, office) -> Browser:
    """A thief's browser, with a copy of the cookie as it is now."""
    thief, cookie = Browser(office), browser.client.get_cookie("vms")
    assert cookie
    thief.client.set_cookie("vms", cookie.value)
    thief.token = browser.token
    return thief


def is_in(browser: Browser) -> bool:
    """Whether a browser is let in; who is not is told to sign in."""
    answer = browser.get("/counter/")
    if answer.status_code == 200:
        return True
    assert answer.location.startswith("/login/")
    assert "Please sign in." in browser.get(answer.location).text
    return False


def rows(shop) -> list[UserSession]:
    return sorted(shop.rows(UserSession), key=lambda row: row.id)


def told(shop, action: str) -> list[AuditEvent]:
    return shop.rows(AuditEvent, AuditEvent.action == action)


def everything_kept(engine) -> str:
    with engine.connect() as connection:
        return repr(
            [connection.execute(select(table)).all() for table in Model.metadata.sorted_tables]
        )


# signing in


@BOTH
def test_signing_in_makes_a_row_that_says_from_where(browse, shop, engine, backend):
    browser = browse()
    sign_in(browser, headers={"User-Agent": FIREFOX})
    (row,) = rows(shop)
    assert (row.user_id, row.created_at, row.seen_at) == (shop.utility.users[OPERATOR].id, NOW, NOW)
    assert (row.address, row.device, row.ended_at) == ("127.0.0.1", "Firefox 128, Linux", None)
    assert len(kept(browser)["ticket"]) >= 43
    assert kept(browser)["ticket"] not in everything_kept(engine)
    assert row.ticket_hash in everything_kept(engine)  # so it would have been found
    assert is_in(browser)


def test_nothing_of_the_session_before_is_kept_but_the_language(browse):
    browser = browse()
    with browser.client.session_transaction() as cookie:
        cookie.update(ticket="planted", locale="fr", page_history='["/x"]', left="behind")
    before = kept(browser)
    sign_in(browser)
    after = kept(browser)
    assert after["ticket"] not in {None, before["ticket"]}
    assert (after["locale"], "left" in after, "page_history" in after) == ("fr", False, False)
    assert after.get("csrf_token") != before["csrf_token"]


def test_a_cookie_from_before_signing_in_is_nobodys(browse, office):
    browser = browse()
    before = copy_of(browser, office)
    sign_in(browser)
    assert is_in(browser)
    assert not is_in(before)


@pytest.mark.parametrize("ticket", ["planted", "", "é", "x" * 2000])
def test_a_ticket_that_was_not_given_is_nobodys(browse, people, ticket):
    browser = browse()
    with browser.client.session_transaction() as cookie:
        cookie.update(_user_id=str(people[ADMIN].id), _fresh=True, ticket=ticket)
    assert not is_in(browser)


def test_a_hash_read_in_the_database_is_no_ticket(browse, shop):
    browse(OPERATOR)
    browser = browse()
    with browser.client.session_transaction() as cookie:
        cookie.update(_user_id="1", _fresh=True, ticket=rows(shop)[0].ticket_hash)
    assert not is_in(browser)


def test_who_came_and_who_was_not_let_in_is_written_down(browse, shop, people, engine):
    for username, password in ((OPERATOR, PASSWORD), (OPERATOR, "wrong"), ("My-Secret-9", "wrong")):
        sign_in(browse(), username, password)
    (came,) = told(shop, "user.signed_in")
    user_id = people[OPERATOR].id
    assert (came.actor_id, came.actor_name, came.subject_id) == (user_id, "operator", str(user_id))
    failed = [
        (row.actor_name, row.subject_id, row.address) for row in told(shop, "user.sign_in_failed")
    ]
    assert failed == [("anonymous", str(user_id), "127.0.0.1"), ("anonymous", None, "127.0.0.1")]
    assert "My-Secret-9" not in everything_kept(engine)  # perhaps a password in the wrong field


def test_a_long_name_signs_in_and_is_written_down_as_far_as_there_is_room(browse, shop, people):
    name = "n" * 128
    shop.change(lambda session: setattr(session.merge(people[OPERATOR]), "username", name))
    browser = browse()
    sign_in(browser, name)
    assert is_in(browser)
    assert [row.actor_name for row in told(shop, "user.signed_in")] == ["n" * 64]


def test_a_bearer_has_no_session_and_outlives_those_of_browsers(office, browse, shop, people):
    client = office.test_client()
    body = {"username": ADMIN, "password": PASSWORD, "provider": "db", "refresh": True}
    answer = client.post("/api/v1/security/login", json=body)
    headers = {"Authorization": f"Bearer {answer.json['refresh_token']}"}
    assert "Set-Cookie" not in answer.headers
    assert rows(shop) == []
    assert len(told(shop, "user.signed_in")) == 1
    browse(ADMIN).post("/logout/")
    shop.clock.forward(hours=2)
    refresh = "/api/v1/security/refresh"
    assert office.test_client().post(refresh).status_code == 401
    assert office.test_client().post(refresh, headers=headers).status_code == 200
    shop.change(lambda session: setattr(session.merge(people[ADMIN]), "active", False))
    assert office.test_client().post(refresh, headers=headers).status_code == 401


# signing out


@BOTH
def test_a_copied_cookie_dies_with_the_session(browse, office, shop, backend):
    browser, other = browse(OPERATOR), browse(OPERATOR)
    thief = copy_of(browser, office)
    assert is_in(thief)
    assert browser.post("/logout/").location == "/"
    assert not is_in(thief)
    assert not is_in(browser)
    assert is_in(other)
    assert [row.ended_why for row in rows(shop)] == ["signed_out", None]
    (told_once,) = told(shop, "user.signed_out")
    assert (told_once.actor_name, told_once.subject_id) == ("operator", str(rows(shop)[0].id))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_to_sign_out_changes_nothing_and_shows_a_button(browse, shop, engine, method):
    browser = browse(OPERATOR)
    before = everything_kept(engine)
    answer = browser.client.open("/logout/", method=method, buffered=True)
    assert answer.status_code == 200
    assert everything_kept(engine) == before
    assert is_in(browser)
    if method == "GET":
        assert list(fields(answer.text, "/logout/")) == ["csrf_token"]


def test_the_button_signs_out_and_only_with_its_token(browse):
    browser = browse(OPERATOR)
    form = fields(browser.get("/logout/").text, "/logout/")
    assert browser.post("/logout/", csrf=False).status_code == 400
    assert is_in(browser)
    assert browser.post("/logout/", form, csrf=False).status_code == 302
    assert set(kept(browser)) <= {"locale"}
    assert not is_in(browser)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_is_not_signed_in_is_led_to_the_start(browse, method):
    browser = browse()
    answer = browser.get("/logout/") if method == "GET" else browser.post("/logout/")
    assert (answer.status_code, answer.location) == (302, "/")


def test_who_is_in_no_group_can_sign_out(browse, shop):
    browser = browse(NEWCOMER)
    assert browser.post("/logout/").status_code == 302
    assert rows(shop)[0].ended_why == "signed_out"


# how long a session lives


@BOTH
def test_a_session_nobody_uses_for_an_hour_is_over(browse, shop, backend):
    browser = browse(OPERATOR)
    shop.clock.forward(minutes=59)
    assert is_in(browser)
    shop.clock.forward(minutes=59)
    assert is_in(browser)
    shop.clock.forward(minutes=65)
    assert not is_in(browser)


def test_a_session_is_over_after_twelve_hours_however_much_it_is_used(browse, shop):
    browser = browse(OPERATOR)
    for _ in range(23):
        shop.clock.forward(minutes=30)
        assert is_in(browser)
    shop.clock.forward(minutes=29)
    assert is_in(browser)
    shop.clock.forward(minutes=1)
    assert not is_in(browser)


def test_the_last_use_is_written_at_most_once_in_five_minutes(browse, shop):
    browser, seen = browse(OPERATOR), []
    for _ in range(12):
        shop.clock.forward(minutes=1)
        browser.get("/counter/")
        seen.append(rows(shop)[0].seen_at - NOW)
    minutes = [0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10, 10]
    assert seen == [timedelta(minutes=n) for n in minutes]


@BOTH
def test_the_use_by_a_form_is_noted_too_when_its_own_writing_is_done(browse, shop, backend):
    browser = browse(OPERATOR)
    shop.clock.forward(minutes=6)
    assert browser.post("/sessions/end-others").status_code == 302
    assert rows(shop)[0].seen_at == NOW + timedelta(minutes=6)


def test_a_use_that_cannot_be_written_disturbs_nobody(office, browse, shop, caplog):
    def full(_connection, _cursor, statement, *_rest) -> None:
        if statement.startswith("UPDATE user_session"):
            raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    browser = browse(OPERATOR)
    shop.clock.forward(minutes=6)
    with office.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", full)
    assert browser.get("/counter/").status_code == 200
    event.remove(engine, "before_cursor_execute", full)
    assert "was not noted" in caplog.text
    assert rows(shop)[0].seen_at == NOW
    assert is_in(browser)
    assert rows(shop)[0].seen_at == NOW + timedelta(minutes=6)


def about_people(seen: list[str]) -> list[str]:
    tables = ("ab_user", "ab_role", "ab_permission", "region", "user_session")
    return [text for text in seen if any(name in text for name in tables)]


@BOTH
def test_finding_out_who_asks_takes_one_statement(office, browse, shop, backend):
    with office.app_context():
        engine = db.engine
    browser = browse(OPERATOR)
    for path in ("/sessions/", "/logout/", "/resetmypassword/form"):
        browser.get(path)
        with statements(engine) as seen:
            assert browser.get(path).status_code == 200
        who, *rest = about_people(seen)
        asked = ("ab_user", "ab_role", "region", "user_session", "ab_permission")
        assert all(name in who for name in asked)
        assert [text for text in rest if "FROM user_session" not in text] == [], path
        assert len(rest) == (1 if path == "/sessions/" else 0)  # the page's own list
    shop.clock.forward(minutes=6)
    with statements(engine) as seen:
        browser.get("/logout/")
    assert [text.split()[0] for text in about_people(seen)] == ["SELECT", "UPDATE"]


@BOTH
def test_what_somebody_may_do_reads_alike_as_one_text_and_as_rows(office, backend):
    held = {}
    with office.app_context(), unscoped("a test of permissions"):
        for user in db.session.scalars(select(OfficeUser)).all():
            asked = select(held_as_text()).where(OfficeUser.id == user.id)
            rows = held_by(db.session(), [role.id for role in user.roles])
            held[user.username] = len(rows)
            if user.roles:
                assert as_permissions(db.session.scalar(asked)) == rows
    assert held[OPERATOR] > 20
    assert held[ADMIN] > held[OPERATOR]
    assert held[NEWCOMER] == 0


def test_for_who_is_not_signed_in_nothing_is_asked(office, browse):
    with office.app_context():
        engine = db.engine
    with statements(engine) as seen:
        assert browse().get("/login/").status_code == 200
    assert about_people(seen) == []


# the page of sessions


def test_people_see_where_they_are_signed_in(browse, shop):
    browser = browse()
    sign_in(browser, headers={"User-Agent": FIREFOX})
    browse(OPERATOR)
    browse(SUPERVISOR)
    page = main_part(browser.get("/sessions/").text)
    mine, second, theirs = rows(shop)
    assert "Firefox 128, Linux" in page
    assert "Unknown device" in page
    assert "127.0.0.1" in page
    assert page.count("This one") == 1
    assert f"/sessions/{second.id}/end" in page
    assert f"/sessions/{mine.id}/end" not in page
    assert f"/sessions/{theirs.id}/end" not in page
    assert not any(row.ticket_hash in page for row in (mine, second, theirs))


def test_a_device_that_names_itself_oddly_is_no_script(browse):
    browser = browse()
    sign_in(browser, headers={"User-Agent": "<script>alert(1)</script>"})
    assert "<script>alert" not in browser.get("/sessions/").text


@BOTH
def test_one_session_can_be_ended_from_another(browse, shop, backend):
    browser, lost = browse(OPERATOR), browse(OPERATOR)
    _, second = rows(shop)
    assert browser.post(f"/sessions/{second.id}/end").location == "/sessions/"
    assert "That session has ended." in browser.get("/sessions/").text
    assert is_in(browser)
    assert not is_in(lost)
    assert browser.post(f"/sessions/{second.id}/end").status_code == 404
    (event_row,) = told(shop, "session.ended")
    assert (event_row.actor_name, event_row.subject_id) == ("operator", str(second.id))


def test_all_others_can_be_ended_at_once(browse):
    browser, *lost, stranger = (
        browse(OPERATOR),
        browse(OPERATOR),
        browse(OPERATOR),
        browse(SUPERVISOR),
    )
    assert browser.post("/sessions/end-others").location == "/sessions/"
    assert [is_in(one) for one in (browser, *lost, stranger)] == [True, False, False, True]


@pytest.mark.parametrize("who", [OPERATOR, ADMIN])
def test_a_session_of_somebody_else_is_not_there(browse, shop, engine, who):
    theirs = browse(SUPERVISOR)
    session_id = rows(shop)[0].id
    browser = browse(who)
    before = contents(engine), [row.ended_at for row in rows(shop)]
    answers = [browser.post(f"/sessions/{n}/end") for n in (session_id, NOWHERE)]
    assert [answer.status_code for answer in answers] == [404, 404]
    texts = [re.sub(r": [0-9a-f]{12}<", "", main_part(answer.text)) for answer in answers]
    assert texts[0] == texts[1]  # but for the reference
    assert (contents(engine), [row.ended_at for row in rows(shop)]) == before
    assert is_in(theirs)


# passwords


def words(old: str = PASSWORD, new: str = NEW, again: str = NEW) -> dict[str, str]:
    return {"old_password": old, "password": new, "conf_password": again}


def password_of(shop, name: str = OPERATOR) -> str:
    return shop.rows(OfficeUser, OfficeUser.username == name)[0].password


@BOTH
def test_a_new_password_of_ones_own_signs_out_everywhere_else(browse, office, shop, backend):
    browser, other = browse(OPERATOR), browse(OPERATOR)
    thief, before = copy_of(browser, office), kept(browser)["ticket"]
    assert browser.post(OWN_PASSWORD, words()).status_code == 302
    assert kept(browser)["ticket"] != before
    assert [is_in(one) for one in (browser, other, thief)] == [True, False, False]
    assert [row.ended_why for row in rows(shop)] == ["new_password", "new_password", None]
    assert [row.actor_name for row in told(shop, "user.password_changed")] == ["operator"]
    newcomer = browse()
    sign_in(newcomer, password=NEW)
    assert is_in(newcomer)


def test_the_old_password_is_asked_first(browse):
    asked = re.findall(r'name="(\w*password)"', browse(OPERATOR).get(OWN_PASSWORD).text)
    assert asked == ["old_password", "password", "conf_password"]


@pytest.mark.parametrize(("typed", "status", "sentence"), [
    (words(old="wrong"), 422, "This is not your old password."),
    (words(old=""), 200, "This field is required."),
    (words(again="Other-Word-99"), 200, "This is not the same password."),
])  # fmt: skip
def test_without_the_old_password_nothing_changes(browse, shop, typed, status, sentence):
    browser, other = browse(OPERATOR), browse(OPERATOR)
    before = password_of(shop)
    answer = browser.post(OWN_PASSWORD, typed)
    assert (answer.status_code, sentence in answer.text) == (status, True)
    assert password_of(shop) == before
    assert is_in(browser)
    assert is_in(other)


def test_a_wrong_old_password_counts_as_a_failed_sign_in(browse, shop):
    browser = browse(OPERATOR)
    for _ in range(2):
        browser.post(OWN_PASSWORD, words(old="wrong"))
    (user,) = shop.rows(OfficeUser, OfficeUser.username == OPERATOR)
    assert user.fail_login_count == 2
    failed = told(shop, "user.sign_in_failed")
    assert [(row.actor_id, row.subject_id) for row in failed] == [(user.id, str(user.id))] * 2


@BOTH
def test_a_code_handed_out_by_an_administrator_signs_out_everywhere(browse, shop, people, backend):
    browser, admin = browse(OPERATOR), browse(ADMIN)
    assert admin.post(GIVE_CODE.format(people[OPERATOR].id)).status_code == 200
    assert not is_in(browser)
    assert is_in(admin)
    assert [row.actor_name for row in told(shop, "user.code_given")] == ["admin"]


def test_an_administrators_own_password_is_not_changed_without_the_old_one(browse, shop, people):
    admin, before = browse(ADMIN), password_of(shop, ADMIN)
    answer = admin.post(GIVE_CODE.format(people[ADMIN].id))
    assert answer.status_code == 422
    assert "This is your own account." in answer.text
    assert password_of(shop, ADMIN) == before
    assert is_in(admin)


@pytest.mark.parametrize("pk", [NOWHERE, 2**70])
def test_nobodys_password_is_not_changed(browse, engine, pk):
    admin, before = browse(ADMIN), contents(engine)
    answer = admin.post(GIVE_CODE.format(pk))
    assert answer.status_code in {302, 404}
    assert contents(engine) == before


def test_who_is_made_inactive_on_the_page_of_users_is_signed_out_for_good(browse, shop, people):
    browser = browse(OPERATOR)
    for active in (False, True):
        shop.change(lambda s, a=active: setattr(s.merge(people[OPERATOR]), "active", a))
        assert not is_in(browser)
    assert rows(shop)[0].ended_why == "inactive"


# guessing


@pytest.fixture
def strict(settings: Settings, people):
    """An application that allows five tries a minute."""
    changed = settings.model_dump() | {"login_rate": "5 per 1 minute"}
    return create_app(Settings.model_validate(changed, by_name=True, by_alias=False))


def test_guessing_the_own_old_password_is_stopped(strict, people):
    browser = Browser(strict, people[OPERATOR].id)
    tried = [browser.post(OWN_PASSWORD, words(old=f"guess {n}")).status_code for n in range(7)]
    assert tried == [422] * 5 + [429] * 2
    assert browser.post(OWN_PASSWORD, words()).status_code == 429


def test_a_whole_shift_can_sign_out_at_once(strict, people):
    shift = [Browser(strict, people[OPERATOR].id) for _ in range(8)]
    assert [browser.post("/logout/").status_code for browser in shift] == [302] * 8
