"""What guards every request: the CSRF token, reading that only reads, headers, cookies."""

import io
import re
import time
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.wrappers import Response

from config import Settings
from tests.factories import LEGACY_11
from tests.faults import request_lost
from tests.web.office import ADMIN, BOTH, PASSWORD, Browser, contents, main_part
from vmsapp import create_app
from vmsapp.models import Consumer, Meter, OfficeUser
from vmsapp.views.lists.pages import columns_cookie, secure_cookies

FRAMEWORKS_OWN = pytest.mark.filterwarnings(
    "ignore:.*WTForms:DeprecationWarning", "ignore:The Query.get:DeprecationWarning"
)
"""The framework's screens use what the libraries below it call obsolete."""

VALUES = {"meter_id": 1, "sale_id": 1, "debt_id": 1, "delivery_id": 1, "session_id": 1, "pk": "2",
          "change_id": 1,
          "name": "copyrole", "locale": "fr", "filename": "vms/counter.css", "section": "mail",
          "plan_id": 1, "simulation_id": 1,
          "digest": "none", "way": "pay-in", "action": "float.pay_in",
          "kind": "csv", "row_id": 1, "algorithm": "sts6", "code": "stopped",
          "consumer_id": 1, "hold": "block",
          "move": "activate", "sheet": "consumers", "function": "clear_tamper",
          "chapter": "counter", "language": "en", "figure": "sold", "bearer_id": 1,
          "number": LEGACY_11, "id": "1", "key": "1-0123456789abcdef"}  # fmt: skip


def paths(app: Flask, method: str) -> list[str]:
    """An address of each route that takes a method."""
    with app.test_request_context():
        adapter = app.url_map.bind("localhost")
        return sorted(
            adapter.build(rule.endpoint, {name: VALUES[name] for name in rule.arguments})
            for rule in app.url_map.iter_rules()
            if method in (rule.methods or ())
        )


def test_a_post_without_its_token_is_refused_and_changes_nothing(office, browse, shop, engine):
    shop.sell()
    before = contents(engine)
    for who in (None, "operator", ADMIN):
        browser = browse(who)
        for path in paths(office, "POST"):
            if path.startswith("/api/"):
                continue  # carries no cookie: it wants a bearer, see below
            answer = browser.post(path, {"mode": "quantity", "value": "5"}, csrf=False)
            assert answer.status_code == 400, path
            assert "cannot be read" in main_part(answer.text), path
    assert contents(engine) == before


def test_a_token_of_somebody_elses_session_is_refused(browse, utility, engine):
    mine, theirs = browse("operator"), browse("operator")
    meter_id = utility.meters[LEGACY_11]
    form = mine.purchase(meter_id, mode="quantity", value="50")
    before = contents(engine)
    assert mine.sell(meter_id, form | {"csrf_token": theirs.token}).status_code == 400
    assert contents(engine) == before


def test_the_api_takes_no_cookie_for_a_sign_in(browse, engine):
    before = contents(engine)
    for who in (None, ADMIN):
        assert browse(who).post("/api/v1/security/refresh", csrf=False).status_code == 401
    assert contents(engine) == before


@FRAMEWORKS_OWN
@pytest.mark.parametrize("who", ["operator", ADMIN])
def test_reading_changes_nothing(office, browse, shop, module, engine, who):
    shop.sell()
    module.once("issue_credit", request_lost)
    pending = shop.sell(units="60")
    browser = browse(who)
    before = contents(engine)
    for path in [*paths(office, "GET"), f"/counter/sale/{pending.id}"]:
        answer = browser.get(path)
        assert answer.status_code < 500, path
    assert contents(engine) == before


def test_the_first_look_at_a_receipt_notes_that_it_was_shown_and_nothing_else(
    operator, shop, module, engine
):
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    shop.reconcile()
    before = contents(engine)
    operator.get(f"/counter/sale/{sale.id}")
    after = contents(engine)
    assert {name for name in before if before[name] != after[name]} == {"sale", "audit_event"}
    operator.get(f"/counter/sale/{sale.id}")
    assert contents(engine) == after


@pytest.mark.parametrize("path", ["/sessions/1/end", "/counter/sale/1/give-back",
                                  "/counter/receipts/1/print",
                                  "/counter/meter/1/sell"])  # fmt: skip
def test_what_changes_something_is_no_link(operator, shop, engine, path):
    shop.sell()
    before = contents(engine)
    answer = operator.get(path)
    assert answer.status_code == 405
    assert contents(engine) == before


def policy(answer: Response) -> dict[str, str]:
    parts = answer.headers["Content-Security-Policy"].split("; ")
    return dict(part.partition(" ")[::2] for part in parts)


def test_every_page_carries_the_headers_that_guard_it(operator, utility, shop, browse):
    sold = operator.buy(utility)
    pages = ["/", "/counter/", sold.location, f"{sold.location}/state", "/counter/open",
             "/nowhere", "/counter/sale/999", "/clock/", "/static/none.css"]  # fmt: skip
    answers = [*map(operator.get, pages), browse().get("/login/"), browse().get("/counter/")]
    answers.append(operator.post("/clock/accept", csrf=False))
    for answer in answers:
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert policy(answer)["default-src"] == "'none'"
        assert policy(answer)["frame-ancestors"] == "'none'"
        assert policy(answer)["base-uri"] == "'none'"
        assert policy(answer)["form-action"] == "'self'"
        assert "unsafe" not in policy(answer)["script-src"]
        assert "http" not in headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in headers  # plain HTTP is a trial


def test_pages_are_not_kept_by_browsers_but_styles_may_be(operator, utility):
    sold = operator.buy(utility)
    for path in (sold.location, "/counter/", "/counter/sale/999", "/"):
        assert "no-store" in operator.get(path).headers["Cache-Control"]
    style = re.search(r'rel="stylesheet" href="([^"]+)"', operator.get("/counter/").text)
    assert style
    assert "immutable" in operator.get(style[1]).headers["Cache-Control"]


def test_a_list_as_a_file_is_kept_by_no_browser(browse):
    for kind in ("csv", "xlsx"):
        answer = browse(ADMIN).post(f"/audit/export/{kind}")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        called = rf"attachment; filename=audit_event-\d{{4}}-\d\d-\d\d-\d{{4}}\.{kind}"
        assert re.fullmatch(called, answer.headers["Content-Disposition"])


def test_no_script_or_style_stands_in_a_page_and_none_is_allowed_to(operator, utility):
    for path in ("/counter/", operator.buy(utility).location, "/nowhere"):
        page = operator.get(path)
        allowed = policy(page)
        assert (allowed["script-src"], allowed["style-src"]) == ("'self'", "'self'")
        for script in re.findall(r"<script[^>]*>", page.text):
            assert " src=" in script
        assert not re.search(r'<style|\sstyle="|\son\w+="', page.text)
        assert not re.search(r'(src|href)="(https?:)?//', page.text)  # nothing from elsewhere


def cookie_of(answer: Response) -> set[str]:
    return {part.partition("=")[0] for part in answer.headers["Set-Cookie"].split("; ")[1:]}


def style_of(browser: Browser) -> str:
    """The address of the styles a page asks for."""
    found = re.search(r'rel="stylesheet" href="([^"]+)"', browser.get("/nowhere").text)
    assert found
    return found[1]


def sign_in(browser: Browser) -> Response:
    return browser.post("/login/", {"username": "operator", "password": PASSWORD})


def test_the_session_cookie_stays_with_the_browser_and_the_site(browse):
    answer = sign_in(browse())
    assert answer.status_code == 302
    assert {"HttpOnly", "SameSite", "Expires"} <= cookie_of(answer)
    assert "Secure" not in cookie_of(answer)
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]


def test_with_secure_cookies_everything_stays_on_https(settings, people):
    secure = create_app(Settings.model_validate(settings.model_dump() | {"cookie_secure": True},
                                                by_name=True, by_alias=False))  # fmt: skip
    browser = Browser(secure)
    answer = sign_in(browser)
    assert "Secure" in cookie_of(answer)
    assert "Path=/" in answer.headers["Set-Cookie"].split("; ")
    assert answer.headers["Set-Cookie"].startswith("__Host-vms=")
    assert "Domain" not in answer.headers["Set-Cookie"]
    guarded = [answer, browser.get("/nowhere"), browser.get(style_of(browser))]
    for one in guarded:
        assert one.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    with secure.app_context():
        assert secure_cookies()
        assert columns_cookie() == "__Secure-columns"


@pytest.mark.parametrize("host", ["elsewhere.example", "localhost"])
def test_an_address_that_is_put_right_names_no_host(browse, host):
    answer = browse().get("/counter?q=1", headers={"Host": host})
    assert (answer.status_code, answer.location) == (308, "/counter/?q=1")
    assert host not in answer.text


def test_a_page_used_the_wrong_way_says_which_ways_there_are(operator):
    assert set(operator.get("/clock/accept").allow) == {"OPTIONS", "POST"}


def forged(office: Flask, user_id: int, **changed: Any) -> str:
    """A bearer made by hand: good, but for what is changed."""
    now = int(time.time())
    claims = {"sub": str(user_id), "type": "refresh", "aud": "vms", "jti": "1", "fresh": False,
              "iat": now, "nbf": now, "exp": now + 60, "epoch": 0}  # fmt: skip
    key, algorithm = changed.pop("key", office.config["JWT_SECRET_KEY"]), changed.pop("by", "HS256")
    return jwt.encode(claims | changed, key, algorithm)


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_only_our_own_bearers_for_their_own_purpose_count(office, people):
    def status(**changed: Any) -> int:
        bearer = forged(office, people[ADMIN].id, **changed)
        headers = {"Authorization": f"Bearer {bearer}"}
        office.extensions["appbuilder"].sm.limiter.reset()
        answer = office.test_client().post("/api/v1/security/refresh", headers=headers)
        assert "access_token" not in answer.text or answer.status_code == 200
        return answer.status_code

    assert status(epoch=people[ADMIN].session_epoch) == 200
    good = {"epoch": people[ADMIN].session_epoch}
    for amiss in ({"aud": "another"}, {"type": "access"}, {"exp": 1}, {"nbf": 2**40}, {"epoch": -1},
                  {"key": "x" * 48}, {"key": office.config["SECRET_KEY"]},
                  {"by": "HS384", "key": office.config["JWT_SECRET_KEY"]},
                  {"key": None, "by": "none"}, {"sub": "999999"}):  # fmt: skip
        assert status(**good | amiss) in {401, 422}, amiss


def test_json_nested_beyond_all_use_is_refused(office):
    answer = office.test_client().post(
        "/api/v1/security/login", data=b"[" * 100_000, content_type="application/json"
    )
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "unreadable")


def test_a_file_where_words_are_wanted_is_left_out(browse, engine):
    before = contents(engine)
    answer = browse(ADMIN).post("/users/add", {"username": (io.BytesIO(b"x"), "x.txt")})
    assert answer.status_code == 422
    assert contents(engine) == before


SCRIPT = '<script>alert("x")</script>'


@BOTH
def test_what_people_wrote_is_shown_and_never_run(operator, utility, shop, people, backend):
    def write(session):
        for consumer in session.query(Consumer).all():
            consumer.name = consumer.address = f"{SCRIPT}{consumer.number}"
            consumer.phone = "'><img src=x>"
        session.get_one(Meter, utility.meters["blocked"]).blocked_reason = SCRIPT
        session.get_one(OfficeUser, people["operator"].id).first_name = SCRIPT

    shop.change(write)
    sold = operator.buy(utility)
    pages = ["/counter/?q=script", f"/counter/?q={SCRIPT}&q=2", sold.location, "/counter/open",
             f"/counter/meter/{utility.meters['blocked']}?key={SCRIPT}&value={SCRIPT}",
             f"/counter/meter/{utility.meters[LEGACY_11]}?key={SCRIPT}&value={SCRIPT}",
             f"/counter/meter/{utility.meters[LEGACY_11]}/quote?value={SCRIPT}"]  # fmt: skip
    for path in pages:
        page = operator.get(path)
        assert page.status_code < 500, path
        assert "<script>alert" not in page.text, path
        assert "<img src=x" not in page.text, path
    assert "&lt;script&gt;" in operator.get(sold.location).text
    assert "&lt;script&gt;" in operator.get(pages[4]).text
