"""The token journal's page: what disagrees, comparing now, and saying what became of it."""

from dataclasses import replace

import pytest

from tests.factories import AUDITOR, LEGACY_11, OPERATOR
from tests.faults import answer_lost, down
from tests.web.office import ADMIN
from vmsapp.models import AuditEvent, JournalCheck, JournalFinding
from vmsapp.services.vending.issue import credit_request

GHOST = "beside-1"


@pytest.fixture
def ghost(shop, module):
    """A token that somebody had the module make beside us."""
    sale = shop.sell(LEGACY_11)
    request = replace(credit_request(sale), request_id=GHOST, tid=sale.tid + 9)
    token = module.inner.issue_credit(request)
    shop.clock.forward(minutes=10)
    return token


def finding(shop):
    return shop.rows(JournalFinding)[0]


def test_comparing_now_finds_the_token_nobody_sold(browse, shop, ghost):
    browser = browse(ADMIN)
    answer = browser.post("/journal/compare")
    assert answer.status_code == 302
    page = browser.get(answer.location).text
    assert "new findings: 1" in page
    assert "Made, and not sold here" in page
    assert ghost.digits not in page
    assert shop.count(JournalCheck) == 1
    shown = browser.get(f"/journal/show/{finding(shop).id}").text
    assert GHOST in shown
    assert "Somebody asked the module beside this system" in shown


def test_a_journal_that_agrees_says_so(browse, shop):
    shop.sell(LEGACY_11)
    browser = browse(ADMIN)
    answer = browser.post("/journal/compare")
    page = browser.get(answer.location).text
    assert "nothing new disagrees" in page
    assert "No findings" in browser.get("/journal/list/").text


def test_a_finding_is_settled_with_words_once(browse, shop, ghost):
    browser = browse(ADMIN)
    browser.post("/journal/compare")
    number = finding(shop).id
    empty = browser.post(f"/journal/settle/{number}", {"note": "  "})
    assert empty.status_code == 422
    assert "Say in a few words" in empty.text
    long = browser.post(f"/journal/settle/{number}", {"note": "x" * 256})
    assert long.status_code == 422
    assert "x" * 256 in long.text, "nothing typed is lost"
    assert browser.post(f"/journal/settle/{number}", {"note": "Engineer's test"}).status_code == 302
    assert finding(shop).note == "Engineer's test"
    again = browser.post(f"/journal/settle/{number}", {"note": "Another"})
    assert again.status_code == 409
    assert "settled already" in again.text
    assert finding(shop).note == "Engineer's test"
    shown = browser.get(f"/journal/show/{number}").text
    assert "/journal/settle/" not in shown
    events = shop.rows(AuditEvent, AuditEvent.action == "journal.settled")
    assert [event.details["note"] for event in events] == ["Engineer's test"]


def test_auditors_see_and_touch_nothing_and_operators_see_nothing(browse, shop, ghost):
    browse(ADMIN).post("/journal/compare")
    number = finding(shop).id
    auditor = browse(AUDITOR)
    assert "Made, and not sold here" in auditor.get("/journal/list/").text
    shown = auditor.get(f"/journal/show/{number}").text
    assert "/journal/settle/" not in shown
    assert "/journal/compare" not in auditor.get("/journal/list/").text
    assert auditor.post(f"/journal/settle/{number}", {"note": "x"}).status_code == 403
    assert auditor.post("/journal/compare").status_code == 403
    assert browse(OPERATOR).get("/journal/list/").status_code == 403
    assert finding(shop).settled_at is None


def test_findings_are_narrowed_by_state(browse, shop, ghost):
    browser = browse(ADMIN)
    browser.post("/journal/compare")
    open_page = browser.get("/journal/list/?state=open").text
    settled_page = browser.get("/journal/list/?state=settled").text
    assert f"/journal/show/{finding(shop).id}" in open_page
    assert f"/journal/show/{finding(shop).id}" not in settled_page


def test_a_silent_module_is_told_of(browse, shop, module):
    browser = browse(ADMIN)
    module.always("journal", down)
    page = browser.get(browser.post("/journal/compare").location).text
    assert "did not answer" in page
    assert shop.count(JournalCheck) == 0


def test_what_is_being_settled_waits_for_the_sale_and_not_for_a_person(browse, shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell(LEGACY_11)
    browser = browse(ADMIN)
    browser.post("/journal/compare")
    number = finding(shop).id
    shown = browser.get(f"/journal/show/{number}").text
    assert "the next comparison looks again" in shown
    assert "/journal/settle/" not in shown
    assert f"/sales/show/{sale.id}" in shown
    shop.clock.forward(minutes=1)
    shop.reconcile()
    shop.clock.forward(minutes=10)
    browser.post("/journal/compare")
    shown = browser.get(f"/journal/show/{number}").text
    assert "The sale was settled, and agrees." in shown
    assert "looks again" not in shown
