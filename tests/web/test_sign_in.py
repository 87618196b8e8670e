"""Signing in and out: the right word, guessing, and where it leads afterwards."""

import re
from urllib.parse import urljoin

import pytest
from flask import Flask

from config import Settings
from tests.web.office import PASSWORD, Browser, contents, main_part
from vmsapp import create_app
from vmsapp.models import AuditEvent

OPERATOR = {"username": "operator", "password": PASSWORD}


def sign_in(browser: Browser, query: str = "", **changed: str):
    return browser.post(f"/login/{query}", OPERATOR | changed)


def test_the_right_password_leads_to_the_counter(browse):
    browser = browse()
    assert sign_in(browser).location == "/"
    assert browser.get("/").location == "/counter/"
    assert browser.get("/counter/").status_code == 200


@pytest.mark.parametrize("wrong", [{"password": PASSWORD.lower()}, {"password": ""},
                                   {"username": "nobody"}, {"username": "operator "},
                                   {"username": "' OR 1=1 --"}, {"username": "x" * 9}])  # fmt: skip
def test_a_wrong_word_signs_nobody_in_and_does_not_say_which_it_was(browse, wrong):
    browser = browse()
    answer = sign_in(browser, **wrong)
    assert answer.status_code in {200, 422}
    assert browser.get("/counter/").location.startswith("/login/")


def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(browse):
    one, other = sign_in(browse(), password="wrong"), sign_in(browse(), username="nobody")
    assert one.status_code == other.status_code == 422
    said = [
        re.sub(r'(name="csrf_token"[^>]* value=)"[^"]+"', r"\1…", main_part(answer.text)).replace(
            name, "…"
        )
        for answer, name in ((one, "operator"), (other, "nobody"))
    ]  # a form's token holds the second it was made in
    assert said[0] == said[1]
    assert "You were not let in." in said[0]


def test_signing_in_makes_a_new_session(browse):
    browser = browse()
    before = browser.client.get_cookie("vms")
    sign_in(browser)
    after = browser.client.get_cookie("vms")
    assert before
    assert after
    assert before.value != after.value


def test_signing_out_ends_the_session(operator):
    assert operator.get("/counter/").status_code == 200
    assert operator.post("/logout/").location == "/"
    assert operator.get("/counter/").location.startswith("/login/")


def test_who_was_sent_to_sign_in_comes_back_to_the_page_wanted(browse):
    browser = browse()
    sent = browser.get("/counter/open")
    assert sent.location.startswith("/login/?next=")
    query = sent.location.removeprefix("/login/")
    assert sign_in(browser, query).location.endswith("/counter/open")


ELSEWHERE = [
    "https://evil.test/", "//evil.test", "/\\evil.test", "\\\\evil.test", "https:evil.test",
    "https:///evil.test", "javascript:alert(1)", "data:text/html,x", "http://localhost@evil.test/",
    "http://localhost.evil.test/", "/%5cevil.test", "%2f%2fevil.test", "\t//evil.test",
    "https://evil.test\\@localhost/", "///evil.test", "////evil.test/%2f..",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_signing_in_leads_to_no_other_site(browse, target):
    for browser in (browse(), browse("operator")):  # signing in, and signed in already
        answer = browser.client.open(
            "/login/", method="POST", query_string={"next": target},
            data=OPERATOR | {"csrf_token": browser.token},
        )  # fmt: skip
        assert answer.status_code == 302
        followed = urljoin("http://localhost/login/", answer.location.replace("\\", "/"))
        assert followed.startswith("http://localhost/")


@pytest.mark.parametrize(
    "referrer", ["https://evil.test/", "//evil.test", "http://localhost//evil.test/x"]
)
def test_choosing_a_language_leads_back_but_never_away(operator, referrer):
    answer = operator.get("/lang/fr?next=https://evil.test", headers={"Referer": referrer})
    assert answer.status_code == 302
    assert not urljoin("http://localhost/", answer.location).startswith(("http://evil", "//"))
    back = operator.get("/lang/fr", headers={"Referer": "http://localhost/meters/list/?q=1"})
    assert back.location == "/meters/list/?q=1"


@pytest.fixture
def strict(settings: Settings, people) -> Flask:
    """An application that allows five tries a minute."""
    changed = settings.model_dump() | {"login_rate": "5 per 1 minute"}
    return create_app(Settings.model_validate(changed, by_name=True, by_alias=False))


def test_guessing_at_the_form_is_stopped(strict, engine):
    browser = Browser(strict)
    before = contents(engine, "ab_user", "audit_event")
    tried = [sign_in(browser, password=f"guess {n}").status_code for n in range(7)]
    assert tried == [422] * 5 + [429] * 2
    stopped = sign_in(browser)  # even with the right word
    assert stopped.status_code == 429
    assert "Too many attempts" in stopped.text
    assert browser.get("/login/").status_code == 200  # looking is no try
    assert browser.get("/counter/").location.startswith("/login/")
    assert contents(engine, "ab_user", "audit_event") == before


def test_an_address_that_the_asker_makes_up_gives_no_more_tries(strict):
    browser = Browser(strict)
    tried = [
        browser.post("/login/", OPERATOR | {"password": "guess"},
                     headers={"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}"})
        for n in range(6)
    ]  # fmt: skip
    assert [answer.status_code for answer in tried] == [422] * 5 + [429]


@pytest.mark.parametrize(
    ("proxies", "address"), [(0, "127.0.0.1"), (1, "10.0.0.2"), (2, "10.0.0.1")]
)
def test_a_forwarded_address_is_believed_as_far_as_there_are_proxies(
    settings, people, shop, proxies, address
):
    changed = settings.model_dump() | {"proxies": proxies}
    behind = create_app(Settings.model_validate(changed, by_name=True, by_alias=False))
    forwarded = {"X-Forwarded-For": "6.6.6.6, 10.0.0.1, 10.0.0.2"}
    assert Browser(behind).post("/login/", OPERATOR, headers=forwarded).status_code == 302
    (signed_in,) = shop.rows(AuditEvent, AuditEvent.action == "user.signed_in")
    assert signed_in.address == address


def test_guessing_at_the_api_is_stopped(strict):
    client = strict.test_client()
    guess = {"username": "operator", "password": "guess", "provider": "db"}
    tried = [client.post("/api/v1/security/login", json=guess).status_code for _ in range(7)]
    assert tried == [401] * 5 + [429] * 2
    right = guess | {"password": PASSWORD}
    assert client.post("/api/v1/security/login", json=right).status_code == 429


def test_a_session_that_was_tampered_with_is_nobodys(browse, people):
    browser = browse("operator")
    cookie = browser.client.get_cookie("vms")
    assert cookie
    body, _, signature = cookie.value.rpartition(".")
    browser.client.set_cookie("vms", f"{body}.{signature[::-1]}")
    assert browser.get("/counter/").location.startswith("/login/")


@pytest.mark.parametrize("user_id", ["0", "-1", "999999"])
def test_a_session_of_a_user_who_is_not_there_is_nobodys(office, user_id):
    browser = Browser(office)
    with browser.client.session_transaction() as session:
        session["_user_id"] = user_id
    assert browser.get("/counter/").location.startswith("/login/")
