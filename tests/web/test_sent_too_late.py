"""A form sent after its session ended: what was typed is kept, nothing is done."""

import re

import pytest
from sqlalchemy import update

from tests.web.office import ADMIN, Browser, contents, fields, main_part
from tests.web.records import read
from tests.web.test_sign_in import sign_in
from vmsapp.models import Region, UserSession

ADD = "/consumers/add"
TYPED = {"name": "Ada <Lovelace>", "notes": 'first line\nsecond "line"', "tags": ["a", "b"]}
HERE = {"Referer": f"http://localhost{ADD}"}
OUT, ANEW = "You were signed out meanwhile", "You signed in after you had opened the form"


@pytest.fixture
def signed_out(browse, shop):
    """A browser whose session ended while a form was open."""
    browser = browse("operator")
    assert browser.get("/counter/").status_code == 200
    ended = {"ended_at": shop.clock.now, "ended_why": "ended"}
    shop.change(lambda session: session.execute(update(UserSession).values(ended)))
    return browser


def kept(page: str) -> list[tuple[str, str]]:
    """What the page would send again, but for the token."""
    form = read(main_part(page)).one("form")
    found = [(one["name"], one["value"]) for one in form.all("input")]
    return [(name, value) for name, value in found if name != "csrf_token"]


def send(browser: Browser, path: str = ADD, data=None, **options):
    return browser.post(path, TYPED if data is None else data, headers=HERE, **options)


def test_what_was_typed_is_kept_by_the_page_that_says_so(signed_out, engine):
    before = contents(engine)
    answer = send(signed_out, f"{ADD}?from=list")
    assert answer.status_code == 401
    assert OUT in main_part(answer.text)
    assert f'action="{ADD}?from=list"' in answer.text
    assert kept(answer.text) == [
        ("name", "Ada <Lovelace>"), ("notes", "first line\nsecond \"line\""), ("tags", "a"),
        ("tags", "b"),
    ]  # fmt: skip
    door = read(main_part(answer.text)).one("a")
    assert (door["href"], door["target"], door["rel"]) == ("/login/", "_blank", "noopener")
    assert contents(engine) == before


def test_after_signing_in_anew_it_is_sent_again_and_done(browse, shop, utility):
    browser = browse(ADMIN)
    typed = {"name": "Far away", "parent": str(utility.regions["north"].id)}
    here = {"Referer": "http://localhost/regions/add"}
    browser.post("/logout/")
    first = browser.post("/regions/add", typed, headers=here)
    assert first.status_code == 401
    door = fields(browser.get("/login/").text)  # in another tab
    assert sign_in(browser, username=ADMIN, csrf_token=door["csrf_token"]).location == "/"
    second = browser._open("POST", "/regions/add", data=fields(first.text, "add"), headers=here)
    assert second.status_code == 400  # the token is that of the session before
    assert ANEW in main_part(second.text)
    assert kept(second.text) == kept(first.text)
    assert "is done in the name of" in main_part(second.text)  # another may have signed in
    done = browser._open("POST", "/regions/add", data=fields(second.text, "add"), headers=here)
    assert done.status_code == 302, main_part(done.text)
    assert shop.count(Region, Region.name == "Far away") == 1


def test_passwords_and_files_are_not_in_the_page(signed_out):
    answer = send(signed_out, data={"name": "x", "mail_password": "hunter2", "passphrase": "open"})
    assert kept(answer.text) == [("name", "x")]
    assert "hunter2" not in answer.text
    assert "Passwords and files are not kept" in main_part(answer.text)


def test_a_button_alone_leads_to_the_door_and_back_to_its_page(signed_out):
    answer = signed_out.post("/consumers/edit/1", {}, headers=HERE)
    assert answer.location == f"/login/?next={ADD}"
    assert "so nothing was done. Sign in and try again." in signed_out.get(answer.location).text


@pytest.mark.parametrize("headers", [
    {}, {"Referer": "http://evil.test/consumers/add"}, {"Referer": "http://[evil"},
    {"Referer": "http://localhost.evil.test/"},
])  # fmt: skip
def test_what_another_site_sends_is_not_offered_to_be_sent_again(signed_out, operator, headers):
    out = signed_out.post(ADD, TYPED, headers=headers)
    assert (out.status_code, out.location) == (302, "/login/")
    refused = operator.post(ADD, TYPED, csrf=False, headers=headers)
    assert refused.status_code == 400
    assert "Ada" not in refused.text


def test_it_is_sent_again_to_no_other_host(signed_out):
    answer = signed_out.client.post(
        "/", data=TYPED, headers=HERE,
        environ_overrides={"PATH_INFO": "//evil.test/consumers/add"}, buffered=True,
    )  # fmt: skip
    assert not re.search(r'action="(//|/\\|http)', answer.text)


def test_a_wrong_token_at_the_door_keeps_nothing(browse):
    answer = browse().post("/login/", {"username": "operator"}, csrf=False, headers=HERE)
    assert answer.status_code == 400
    assert "Send again" not in answer.text
