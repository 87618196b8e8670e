"""Tokens without money in the browser: asked for, looked at, approved, printed, found again."""

import re

import pytest

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    NO_CONSUMER,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
)
from tests.faults import answer_lost, down
from tests.till import Till
from tests.web.office import LANGUAGES, NORTH_SUPERVISOR, fields, main_part, said
from tests.web.records import read, sent, the_form
from tests.web.test_second_person_pages import asked, decide, in_fours, said_in_the_list
from vmsapp.models import ApprovalRequest, FreeToken, Sale

NAMED = {"en": "COMPENSATION", "fr": "COMPENSATION", "zh": "补偿", "ar": "تعويض",
         "pt": "COMPENSAÇÃO", "es": "COMPENSACIÓN", "sw": "FIDIA", "ru": "КОМПЕНСАЦИЯ"}  # fmt: skip
"""The word on the receipt, in the consumer's language."""


@pytest.fixture
def second(browse):
    return browse(NORTH_SUPERVISOR)


@pytest.fixture
def path(utility):
    return f"/counter/free/{utility.meters[LEGACY_11]}"


def fill(browser, path, point, **typed):
    """Fill the form in and have it looked at."""
    opened = browser.get(path)
    plain = {"point": str(point), "reason": "compensation-outage", "amount": "20"}
    return browser.post(path, sent(the_form(read(opened.text))) | plain | typed)


@pytest.fixture
def ask(supervisor, path, utility):
    """Ask for a token: filled in, looked at, sent."""

    def send(browser=supervisor, path=path, **typed):
        looked = fill(browser, path, utility.points[HARBOUR], **typed)
        assert looked.status_code == 200, said(looked.text)
        return browser.post(path, sent(the_form(read(looked.text))))

    return send


@pytest.fixture
def given(ask, second, shop):
    """20 units given by two people; nobody has opened them yet."""
    ask(note="Storm of Monday")
    decide(second, asked(shop), "approve")
    return shop.rows(Sale)[-1]


def digits_in(page, shop, sale):
    return shop.digits(sale) in re.sub(r"\D", "", page)


def test_it_is_looked_at_before_anybody_is_asked(supervisor, path, utility, shop):
    page = main_part(supervisor.get(path).text)
    assert "No money is taken" in page
    looked = fill(supervisor, path, utility.points[HARBOUR])
    page = main_part(looked.text)
    for told in ("For Consumer", "2.00 USD", "Given to this meter this month", "Ask for approval"):
        assert told in page, told
    assert shop.count(ApprovalRequest) == 0


def test_what_was_looked_at_and_changed_is_looked_at_again(supervisor, path, utility, shop):
    looked = sent(the_form(read(fill(supervisor, path, utility.points[HARBOUR]).text)))
    again = supervisor.post(path, looked | {"amount": "200"})
    assert (again.status_code, shop.count(ApprovalRequest)) == (200, 0)
    assert "20.00 USD" in main_part(again.text)


def test_a_supervisor_asks_another_approves_and_the_token_is_there(
    supervisor, second, operator, ask, shop
):
    answer = ask(note="Storm of Monday")
    request = asked(shop)
    assert answer.location == f"/approvals/show/{request.id}"
    assert shop.count(Sale) == 0
    page = main_part(second.get(answer.location).text)
    for told in ("Give a token without money", "Compensation for an outage", "Storm of Monday",
                 "2.00 USD", "None is taken.", "20.0"):  # fmt: skip
        assert told in page, told
    assert said_in_the_list(second) == f"Meter {in_fours(shop.meter(LEGACY_11).drn)}"
    approved = decide(second, request, "approve")
    page = second.get(approved.location).text
    assert "Approved, and the token is made." in page
    (sale,) = shop.rows(Sale)
    assert f'href="/counter/sale/{sale.id}"' in page
    assert (sale.state, sale.shown_at) == ("issued", None)
    assert not digits_in(page, shop, sale)
    token = operator.get(f"/counter/sale/{sale.id}").text
    assert digits_in(token, shop, sale)
    assert shop.again(sale).shown_at == shop.clock.now


def test_the_receipt_says_what_it_is_why_and_that_nothing_was_paid(operator, given):
    page = main_part(operator.get(f"/counter/sale/{given.id}").text)
    slip = page[page.index("<article") :]
    for told in ("COMPENSATION", "Compensation for an outage", "Units given", "0.00 USD"):
        assert told in slip, told
    assert "Received" not in slip
    assert "Why this amount?" not in page
    printed = operator.print(given.id)
    assert printed.status_code == 302


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_receipt_is_in_the_consumers_language(operator, given, language):
    opened = operator.get(f"/counter/receipts/{given.id}/preview?language={language}")
    assert opened.status_code == 200
    assert NAMED[language] in main_part(opened.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_is_read_in_every_language(browse, path, language):
    page = browse(NORTH_SUPERVISOR, language).get(path)
    assert page.status_code == 200
    english = "No money is taken. A second person must approve it before the token is made."
    assert (english in page.text) is (language == "en")


def test_the_sale_is_found_by_its_kind_and_tells_its_reason(supervisor, operator, utility, given):
    operator.buy(utility, DOMESTIC)
    listed = main_part(supervisor.get("/sales/list/?kind=compensation").text)
    assert f"/sales/show/{given.id}" in listed
    assert f"/sales/show/{given.id + 1}" not in listed
    assert f"/sales/show/{given.id}" not in main_part(supervisor.get("/sales/list/?kind=free").text)
    page = main_part(supervisor.get(f"/sales/show/{given.id}").text)
    for told in ("Compensation for an outage", "Storm of Monday", "Worth 2.00 USD."):
        assert told in page, told
    exported = supervisor.post("/sales/export/csv?kind=compensation").text
    assert len(exported.strip().splitlines()) == 2
    assert "Compensation" in exported


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"reason": ""}, "Choose why this token is given."),
        ({"reason": "free-outage"}, "Choose why this token is given."),
        ({"reason": "free-other"}, "Say why it is given"),
        ({"amount": ""}, "Say how much is given"),
        ({"amount": "0"}, "Say how much is given"),
        ({"amount": "abc"}, "number"),
        ({"amount": "99999999"}, "token"),
        ({"for_sale": "99"}, "is no purchase of this consumer"),
        ({"for_sale": "-1"}, "A sale has a number."),
        ({"note": "x" * 256}, "255"),
    ],
)
def test_a_refusal_stands_beside_its_field_and_loses_nothing(
    supervisor, path, utility, shop, typed, told
):
    refused = fill(supervisor, path, utility.points[HARBOUR], **typed)
    assert refused.status_code == 422, main_part(refused.text)
    assert 'id="errors"' in refused.text
    assert told in main_part(refused.text)
    kept = sent(the_form(read(refused.text)))
    assert {name: kept.get(name, "") for name in typed if name != "reason"} == {
        name: value for name, value in typed.items() if name != "reason"
    }
    assert shop.count(ApprovalRequest) == 0


def test_a_vending_point_that_nobody_chose_or_sees_gives_nothing(supervisor, second, path, utility):
    assert fill(supervisor, path, "").status_code == 422
    refused = fill(second, path, utility.points["Market Square"])
    assert refused.status_code == 409


def test_the_quota_is_refused_with_its_figures(supervisor, second, ask, path, utility, shop):
    Till(shop).setup(free_units_a_month=30)
    ask()
    decide(second, asked(shop), "approve")
    refused = fill(supervisor, path, utility.points[HARBOUR])
    assert refused.status_code == 409
    assert "20.0 of 30.0 free units of this meter" in main_part(refused.text)


def test_who_may_not_is_offered_nothing_and_asks_nothing(browse, operator, path, utility, shop):
    meter = utility.meters[LEGACY_11]
    card = operator.get(f"/counter/meter/{meter}", follow_redirects=True).text
    assert path not in card
    assert path not in browse(AUDITOR).get(f"/meters/show/{meter}").text
    assert operator.get(path).status_code == 403
    operator.post(path, {"key": "1-k", "reason": "compensation-outage", "amount": "5"})
    assert shop.count(ApprovalRequest) == 0


def test_who_may_is_led_there_from_the_card_and_from_the_meter(supervisor, path, utility):
    meter = utility.meters[LEGACY_11]
    assert path in supervisor.get(f"/counter/meter/{meter}", follow_redirects=True).text
    assert path in supervisor.get(f"/meters/show/{meter}").text


def test_a_meter_of_elsewhere_is_an_unknown_one_and_one_without_consumer_is_refused(
    second, supervisor, utility
):
    assert second.get(f"/counter/free/{utility.meters[SOUTHERN]}").status_code == 404
    assert second.get("/counter/free/1000000").status_code == 404
    assert supervisor.get(f"/counter/free/{utility.meters[NO_CONSUMER]}").status_code == 409


def test_a_module_that_is_down_leaves_the_request_waiting(supervisor, second, ask, shop, module):
    ask()
    module.once("status", down)
    answer = decide(second, asked(shop), "approve")
    assert answer.status_code == 503
    assert (asked(shop).state, shop.count(Sale)) == ("pending", 0)
    decide(second, asked(shop), "approve")
    assert shop.rows(Sale)[0].state == "issued"


def test_one_being_made_speaks_of_no_money_and_a_supervisor_gives_it_up(
    supervisor, second, ask, shop, module
):
    module.once("issue_credit", answer_lost)
    ask()
    approved = decide(second, asked(shop), "approve")
    assert "The token is being made" in second.get(approved.location).text
    (sale,) = shop.rows(Sale)
    page = main_part(supervisor.get(f"/counter/sale/{sale.id}").text)
    assert "is being made: do not sell to this meter meanwhile" in page
    assert "give the money back" not in page
    module.always("fetch_result", down)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    page = supervisor.get(f"/counter/sale/{sale.id}").text
    assert "A supervisor may give this token up" in page
    assert "Give this token up" in supervisor.get("/counter/open").text
    supervisor.post(f"/counter/sale/{sale.id}/give-back", fields(page, "/give-back"))
    assert "was given up" in main_part(supervisor.get(f"/counter/sale/{sale.id}").text)
    assert shop.again(sale).sealed_at == shop.clock.now


def test_one_that_failed_asks_for_no_money(second, operator, ask, shop, module):
    module.once("issue_credit", down)
    ask()
    approved = decide(second, asked(shop), "approve")
    assert "no token was made" in second.get(approved.location).text
    (sale,) = shop.rows(Sale)
    page = main_part(operator.get(f"/counter/sale/{sale.id}").text)
    assert "no money was taken" in page
    assert "Give the customer the money back" not in page


def test_it_is_taken_back_without_money(supervisor, second, shop, given):
    page = f"/sales/{given.id}/reverse"
    opened = supervisor.get(page).text
    assert "No money was taken, so none goes back." in main_part(opened)
    supervisor.post(page, sent(the_form(read(opened))) | {"reason": "test"})
    decide(second, asked(shop), "approve")
    assert shop.again(given).state == "reversed"
    slip = main_part(supervisor.get(f"/sales/{given.id}/reversal").text)
    assert "0.00 USD" in slip


def test_a_form_sent_twice_asks_once(supervisor, path, utility, shop):
    looked = fill(supervisor, path, utility.points[HARBOUR])
    form = sent(the_form(read(looked.text)))
    first, again = supervisor.post(path, form), supervisor.post(path, form)
    assert first.location == again.location
    assert shop.count(ApprovalRequest) == 1


def test_a_colleague_of_another_vending_point_sees_neither(browse, shop, utility, given):
    other = browse(SOUTH_OPERATOR)
    assert other.get(f"/counter/sale/{given.id}").status_code == 404
    assert shop.count(FreeToken) == 1
    assert browse(OPERATOR).get(f"/counter/sale/{given.id}").status_code == 200
