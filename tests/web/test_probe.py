"""Every door, knocked at as no browser does: an answer that guards itself, and no change."""

import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from tests.faults import request_lost
from tests.web import probe
from tests.web.office import ADMIN, contents
from tests.web.probe import Knock, Plan, faults, inside, knocked, refusals_of
from vmsapp.extensions import db
from vmsapp.models import AuditEvent

LIBRARYS_OWN = pytest.mark.filterwarnings(
    "ignore:.*WTForms:DeprecationWarning", "ignore:The Query.get:DeprecationWarning",
    "ignore:Passing SelectField choices:DeprecationWarning",
)  # fmt: skip
pytestmark = LIBRARYS_OWN

WHO = (None, "operator", ADMIN)
ALL = os.environ.get("VMS_TEST_ALL") == "1"
SHARE = {None: 5, "operator": 2, ADMIN: 1} if ALL else {None: 9, "operator": 7, ADMIN: 1}
"""Who may do everything knocks everywhere; others at one door in so many, by turns."""


def some(knocks: Iterable[Knock], who: str | None, share: int = 1) -> Iterable[Knock]:
    """As many as there is time for; all of a share where nothing may be left out."""
    return probe.one_in(SHARE[who] * (1 if ALL else share), knocks)


NOTED = {"request.refused", "bearer.used", "bearer.renewed", "user.sign_in_failed"}
"""What may be written of requests that were not done: that they were not."""


TRAIL = ("audit_event", "audit_unsealed")
"""Where such notes stand, and wait for their seal."""


@pytest.fixture
def plan(office: Flask) -> Plan:
    return Plan.of(office)


@pytest.fixture
def busy(shop, module):
    """A sale, and one whose outcome is open, so that the pages hold something."""
    shop.sell()
    module.once("issue_credit", request_lost)
    shop.sell(units="60")


def state(engine: Engine) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    """All that is kept, but for notes of what was refused."""
    with engine.connect() as connection:
        events = connection.execute(
            select(AuditEvent.id, AuditEvent.action).where(AuditEvent.action.not_in(NOTED))
        )
        return contents(engine, *TRAIL), sorted(map(tuple, events))


def none_of(wrong: Counter[str]) -> None:
    assert wrong == {}, "\n" + "\n".join(f"{n} x {fault}" for fault, n in wrong.most_common())


@pytest.mark.parametrize("who", WHO)
@pytest.mark.usefixtures("busy")
def test_odd_addresses_and_queries_get_an_answer_and_change_nothing(
    office, browse, engine, plan, who
):
    door, before = inside(office, browse(who).client), state(engine)
    count, wrong = 0, Counter[str]()
    for knocks in (
        some(probe.odd_ids(plan), who, 5),
        probe.odd_addresses(),
        some(probe.odd_queries(plan, 3 if ALL else 1), who, 3),
    ):
        sent, found = knocked(door, knocks)
        count, wrong = count + sent, wrong + found
    none_of(wrong)
    assert count > 40
    assert state(engine) == before


@pytest.mark.parametrize("who", [None, ADMIN])
@pytest.mark.usefixtures("busy")
def test_odd_headers_get_an_answer_that_leads_nowhere_else(office, browse, engine, plan, who):
    door, before = inside(office, browse(who).client), state(engine)
    _, wrong = knocked(door, some(probe.odd_headers(plan, 1), who, 3))
    none_of(wrong)
    assert state(engine) == before


@pytest.mark.parametrize("who", WHO)
@pytest.mark.usefixtures("busy")
def test_nothing_is_done_by_another_method_or_without_the_sessions_token(
    office, browse, engine, plan, who
):
    door, before = inside(office, browse(who).client), state(engine)
    _, wrong = knocked(door, some(probe.other_methods(plan), who), refusals_of)
    none_of(wrong)
    foreign = browse(ADMIN).token
    forged = probe.forged_posts(plan, foreign, 2 if ALL else 1)
    _, wrong = knocked(door, some(forged, who), refusals_of)
    none_of(wrong)
    assert state(engine) == before


@pytest.mark.parametrize("who", [None, ADMIN])
@pytest.mark.usefixtures("busy")
def test_nothing_that_is_sent_names_where_to_go_next(office, browse, engine, plan, who):
    door, before = inside(office, browse(who).client), state(engine)
    _, wrong = knocked(door, some(probe.led_away(plan, browse(ADMIN).token), ADMIN, 2))
    none_of(wrong)
    assert state(engine) == before


def test_what_is_no_form_of_a_program_is_refused_in_json(office, engine, plan):
    before, ask = state(engine), inside(office)

    def unhurried(knock: Knock) -> probe.Answer:
        office.extensions["appbuilder"].sm.limiter.reset()
        return ask(knock)

    count, wrong = knocked(unhurried, probe.odd_programs(plan), probe.words_to_programs)
    none_of(wrong)
    assert count > 100
    assert state(engine) == before


@pytest.mark.usefixtures("busy")
def test_odd_forms_get_an_answer_and_tell_the_log_no_secret(office, browse, plan, caplog):
    caplog.set_level(logging.DEBUG)
    secrets = set()

    def as_a_new_browser(knock: Knock) -> probe.Answer:
        browser = browse(ADMIN)
        office.extensions["appbuilder"].sm.limiter.reset()
        with browser.client.session_transaction() as cookie:
            secrets.update({cookie["ticket"], cookie["csrf_token"]})
        secrets.add(browser.token)
        headers = tuple((k, v.replace("TOKEN", browser.token)) for k, v in knock.headers)
        body = (knock.body or b"").replace(b"TOKEN", browser.token.encode())
        return inside(office, browser.client)(replace(knock, headers=headers, body=body))

    _, wrong = knocked(as_a_new_browser, some(probe.odd_forms(plan, "TOKEN", 1), ADMIN, 5))
    none_of(wrong)
    said = [record.getMessage() for record in caplog.records]
    assert not [text for text in said for secret in secrets if secret in text]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    with office.app_context():
        db.session.remove()


# the probe itself finds what it looks for


def test_every_route_and_every_name_is_known(plan):
    assert "/counter/meter/<int:meter_id>/sell" in {route.rule for route in plan.routes}
    for name in ("username", "old_password", "q", "sold_from", "rowid", "after", "next", "value"):
        assert name in plan.names, name


def guarded() -> list[tuple[str, str]]:
    headers = [(name, "; ".join(parts)) for name, parts in probe.WANTED.items()]
    return [*headers, ("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]


def judged(*headers: tuple[str, str], status: int = 200, body: bytes = b"", path: str = "/"):
    named = {name for name, _ in headers}
    kept = [pair for pair in guarded() if pair[0] not in named]
    answer = probe.Answer(status=status, headers=[*kept, *headers], body=body)
    return list(faults(Knock(path=path), answer))


def test_a_guarded_answer_has_no_fault():
    assert judged() == []
    assert judged(("Set-Cookie", "vms=x; HttpOnly; Path=/; SameSite=Lax")) == []
    assert judged(body=b'<a href="/x">x</a> <a href="#y">y</a>') == []
    assert judged(("Cache-Control", "immutable"), path="/static/ui/x.css") == []


@pytest.mark.parametrize(("headers", "options", "fault"), [
    ([], {"status": 500}, "answers 500"),
    ([("Content-Security-Policy", "default-src 'none'")], {}, "object-src"),
    ([("Server", "waitress")], {}, "a header Server"),
    ([("X-Odd", "1")], {}, "a header X-Odd"),
    ([("X-Note", "a\r\nb")], {}, "line break"),
    ([("Location", "http://elsewhere.example/")], {}, "leads away"),
    ([("Location", "//elsewhere.example/")], {}, "leads away"),
    ([("Location", "/\\elsewhere.example/")], {}, "leads away"),
    ([], {"body": b'<a href="javascript:x">'}, "link that leads away"),
    ([], {"body": b'<form action="//elsewhere.example">'}, "link that leads away"),
    ([("Cache-Control", "private")], {}, "kept by browsers"),
    ([("Set-Cookie", "vms=x; Path=/; SameSite=Lax")], {}, "sets a cookie"),
    ([("Content-Type", "text/html")], {}, "how it is written"),
    ([("Content-Type", "")], {"body": b"x"}, "what it is"),
    ([], {"status": 405}, "what is allowed"),
    ([("Content-Disposition", "attachment; filename=a b.csv")], {}, "calls a file"),
    ([("Content-Disposition", "attachment; filename*=UTF-8''x.csv")], {}, "calls a file"),
    ([], {"body": b"Traceback (most recent call last)"}, "our inside"),
    ([], {"body": b"<p><odd-mark></p>"}, "as markup"),
])  # fmt: skip
def test_what_is_amiss_is_found(headers, options, fault):
    assert any(fault in found for found in judged(*headers, **options)), judged(*headers, **options)


def test_a_form_that_is_taken_without_its_token_is_found():
    taken = probe.Answer(status=302, headers=[], body=b"")
    assert list(refusals_of(Knock(method="POST", path="/users/add"), taken))
    for method, body in (("DELETE", b""), ("HEAD", b"x"), ("TRACE", probe.MARK.encode())):
        answer = probe.Answer(status=200, headers=[], body=body)
        assert list(refusals_of(Knock(method=method, path="/"), answer)), method


def test_a_page_of_ours_is_no_answer_to_a_program():
    for status, kind in ((200, "application/json"), (400, "text/html"), (500, "application/json")):
        told = probe.Answer(status=status, headers=[("Content-Type", kind)], body=b"")
        assert list(probe.words_to_programs(Knock(path="/api/v1/x"), told)), (status, kind)


def test_an_address_is_made_of_any_rule():
    route = probe.Route("/floats/<int:pk>/<any(pay, take):deed>", frozenset())
    assert route.address("7") == "/floats/7/pay"
    assert probe.Route("/static/<path:filename>", frozenset()).address("x") == "/static/x"
