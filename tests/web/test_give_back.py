"""Money given back at the counter: what a sale's page and the list say can be done now."""

import pytest

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    LEGACY_11,
    LEGACY_13,
    OPERATOR,
    STS6_11,
    STS6_13,
    SUPERVISOR,
)
from tests.faults import answer_lost, request_lost, works
from tests.web.office import BOTH, NORTH_SUPERVISOR, fields, main_part, said, statements
from tests.web.records import links, read, rows
from tests.web.test_second_person_pages import asked, decide, rule
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import ApprovalRequest, AuditEvent, Sale
from vmsapp.services.vending.give_back import GIVE_BACK


@pytest.fixture
def doubtful(operator, utility, shop, module):
    """The page of a sale whose outcome the worker could not find out: 5.00 USD received."""
    return doubt(operator, utility, shop, module)


def doubt(operator, utility, shop, module, meter=LEGACY_11, fault=request_lost):
    module.once("issue_credit", fault)
    path = operator.buy(utility, meter).location
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    return path


def press(browser, path):
    """Open a sale's page and press its button about the money."""
    return browser.post(f"{path}/give-back", fields(browser.get(path).text, "/give-back"))


@pytest.mark.parametrize(("start", "second"), [(None, True), (500, True), (501, False)])
def test_a_sales_page_says_beforehand_whether_a_second_person_must_approve(
    supervisor, shop, doubtful, start, second
):
    rule(shop, GIVE_BACK, start)
    page = main_part(supervisor.get(doubtful).text)
    assert ("A second person must approve this" in page) is second
    assert ("only once it is approved" in page) is second
    assert ("The money was given back</button>" in page) is not second
    assert press(supervisor, doubtful).location == doubtful
    assert (shop.count(ApprovalRequest), shop.rows(Sale)[0].sealed_at is None) == (
        (1, True) if second else (0, False)
    )


@BOTH
def test_a_part_that_reaches_the_amount_is_told_beforehand(
    supervisor, operator, utility, shop, module, doubtful, backend
):
    rule(shop, GIVE_BACK, 1000)
    other = doubt(operator, utility, shop, module, LEGACY_13)
    assert "A second person" not in main_part(supervisor.get(other).text)
    press(supervisor, doubtful)
    assert last_cells(supervisor)["2"] == "Ask a second person, if the customer cannot wait."
    assert "A second person must approve this" in main_part(supervisor.get(other).text)


def test_a_waiting_request_stands_on_the_sales_page_for_everybody_there(
    browse, operator, supervisor, shop, doubtful
):
    rule(shop, GIVE_BACK)
    press(supervisor, doubtful)
    link = f'href="/approvals/show/{asked(shop).id}"'
    for browser, leads in ((supervisor, True), (browse(NORTH_SUPERVISOR), True), (operator, False)):
        page = main_part(browser.get(doubtful).text)
        assert (
            f"{SUPERVISOR} asked on Mar 17, 2026, 12:31:00\u202fPM to give the money back" in page
        )
        assert "waits until Mar 18, 2026, 12:31:00\u202fPM" in page  # 24 hours, in Nairobi
        assert "Do not hand the money out before it is approved" in page
        assert (link in page) is leads
        assert "/give-back" not in page


def test_asking_once_more_while_one_waits_is_refused_with_a_link(
    browse, supervisor, shop, doubtful
):
    rule(shop, GIVE_BACK)
    second = browse(NORTH_SUPERVISOR)
    form = fields(second.get(doubtful).text, "/give-back")  # opened before the other asked
    press(supervisor, doubtful)
    refused = second.post(f"{doubtful}/give-back", form)
    assert refused.status_code == 409
    assert f"in request {asked(shop).id}, and still waits" in said(refused.text, "note note-bad")
    assert f'href="/approvals/show/{asked(shop).id}"' in main_part(refused.text)
    assert shop.count(ApprovalRequest) == 1
    assert shop.rows(Sale)[0].sealed_at is None


def test_what_became_of_a_request_is_told_and_it_may_be_asked_for_anew(
    browse, supervisor, shop, doubtful
):
    rule(shop, GIVE_BACK)
    second = browse(NORTH_SUPERVISOR)
    press(supervisor, doubtful)
    decide(second, asked(shop), "refuse", reason="The meter took it")
    page = main_part(supervisor.get(doubtful).text)
    assert f"{NORTH_SUPERVISOR} refused it on" in page
    assert "The meter took it" in page
    press(supervisor, doubtful)
    decide(supervisor, asked(shop), "withdraw")
    assert "and withdrew it on" in main_part(supervisor.get(doubtful).text)
    press(supervisor, doubtful)
    shop.clock.forward(hours=24)
    again = browse(SUPERVISOR)
    assert "nobody decided on it by" in main_part(again.get(doubtful).text)
    press(again, doubtful)
    decide(browse(NORTH_SUPERVISOR), asked(shop), "approve")
    page = main_part(again.get(doubtful).text)
    assert f"{NORTH_SUPERVISOR} approved it on" in page
    assert "do not give it back again" in page
    assert "/give-back" not in page
    assert shop.rows(Sale)[0].sealed_at == shop.clock.now


def test_a_request_about_a_sale_that_is_settled_by_now_says_so(
    supervisor, browse, shop, module, operator, doubtful
):
    rule(shop, GIVE_BACK)
    press(supervisor, doubtful)
    module.always("fetch_result", works)
    shop.clock.forward(minutes=10)
    module.always("issue_credit", request_lost)
    shop.reconcile()
    assert shop.rows(Sale)[0].state == "failed"
    page = main_part(operator.get(doubtful).text)
    assert "Give the customer the money back" in page
    assert "this request changes nothing any more" in page
    decide(browse(NORTH_SUPERVISOR), asked(shop), "approve")
    page = main_part(operator.get(doubtful).text)
    assert "but it could not be done: Sale 1 is not in doubt" in page
    assert "changes nothing any more" not in page


def test_money_noted_as_given_back_is_not_handed_out_once_more(
    browse, supervisor, operator, shop, module, doubtful
):
    late = browse(NORTH_SUPERVISOR)
    form = fields(late.get(doubtful).text, "/give-back")
    press(supervisor, doubtful)
    refused = late.post(f"{doubtful}/give-back", form)
    assert refused.status_code == 409
    assert "was given back already" in said(refused.text, "note note-bad")
    page = main_part(operator.get(doubtful).text)
    assert "do not give it back again" in page
    assert "do not give the money back, do not sell again" not in page
    module.always("fetch_result", works)
    module.always("issue_credit", request_lost)
    shop.clock.forward(minutes=10)
    shop.reconcile()
    assert shop.rows(Sale)[0].state == "failed"
    page = main_part(operator.get(doubtful).text)
    assert "do not give it back again" in page
    assert "Give the customer the money back" not in page


def test_a_form_that_noted_it_leads_to_the_same_page_when_sent_once_more(
    supervisor, shop, doubtful
):
    form = fields(supervisor.get(doubtful).text, "/give-back")
    for _ in range(2):
        assert supervisor.post(f"{doubtful}/give-back", form).location == doubtful
    assert "was given back already" in supervisor.get(doubtful).text
    assert shop.count(AuditEvent, AuditEvent.action == "sale.sealed") == 1


def test_before_a_sale_is_in_doubt_its_page_says_what_to_wait_for(
    supervisor, operator, utility, module
):
    module.once("issue_credit", request_lost)
    path = operator.buy(utility).location
    page = main_part(supervisor.get(path).text)
    assert "cannot be given back yet" in page
    assert "/give-back" not in page
    refused = supervisor.post(f"{path}/give-back")
    assert refused.status_code == 409
    assert "not in doubt" in said(refused.text, "note note-bad")


def test_an_operator_reads_who_may_give_the_money_back(operator, doubtful):
    page = main_part(operator.get(doubtful).text)
    assert "A supervisor may give back 5.00 USD" in page
    assert "/give-back" not in page


def test_the_warning_of_a_sale_in_doubt_agrees_with_what_may_be_done(
    operator, supervisor, doubtful, shop
):
    for browser in (operator, supervisor):
        page = main_part(browser.get(doubtful).text)
        assert "give the money back only as it says below" in page
    rule(shop, GIVE_BACK)
    for browser in (operator, supervisor):
        page = main_part(browser.get(doubtful).text)
        assert "do not give the money back unless it is approved below" in page
        assert "only as it says below" not in page
        assert "A second person must approve" in page
    assert "A supervisor may give back" not in main_part(operator.get(doubtful).text)


# the list of sales being settled


def last_cells(browser):
    """What can be done now, by sale."""
    return {row[0].split()[0]: row[-1] for row in rows(read(browser.get("/counter/open").text))}


def test_the_list_says_of_each_sale_what_can_be_done_and_leads_there(
    supervisor, operator, utility, shop, module, doubtful
):
    given = doubt(operator, utility, shop, module, LEGACY_13)
    press(supervisor, given)
    module.once("issue_credit", request_lost)
    operator.buy(utility, LEGACY_13, value="60")
    assert last_cells(supervisor) == {
        "1": "Give the money back, if the customer cannot wait.",
        "2": "Nothing: the money was given back.",
        "3": "Wait: the system is settling it.",
    }
    assert f'href="{doubtful}#money"' in supervisor.get("/counter/open").text
    assert 'id="money"' in supervisor.get(doubtful).text
    assert last_cells(operator)["1"] == "A supervisor may give the money back."
    rule(shop, GIVE_BACK, 1000)  # with the 5.00 given back before
    assert last_cells(supervisor)["1"] == "Ask a second person, if the customer cannot wait."
    assert last_cells(operator)["1"] == "A supervisor may give the money back."
    rule(shop, GIVE_BACK)
    assert last_cells(supervisor)["1"] == "Ask a second person, if the customer cannot wait."
    assert last_cells(operator)["1"] == (
        "A supervisor may give the money back once a second person approves it."
    )
    press(supervisor, doubtful)
    for browser, leads in ((supervisor, True), (operator, False)):
        assert last_cells(browser)["1"] == "Wait for the second person."
        link = f'href="/approvals/show/{asked(shop).id}"'
        assert (link in browser.get("/counter/open").text) is leads


def test_a_record_of_a_sale_leads_to_what_was_asked_for(browse, supervisor, shop, doubtful):
    word = "Request to give the money back"
    auditor = browse(AUDITOR)
    assert word not in auditor.get("/sales/show/1").text
    rule(shop, GIVE_BACK)
    press(supervisor, doubtful)
    for who in (auditor, supervisor):
        assert links(read(who.get("/sales/show/1").text))[word] == (
            f"/approvals/show/{asked(shop).id}"
        )
    assert word not in browse(OPERATOR).get("/sales/show/1").text


def test_a_record_of_a_sale_being_settled_leads_to_the_counter(
    supervisor, operator, utility, shop, doubtful
):
    assert "Open at the counter" in supervisor.get("/sales/show/1").text
    operator.buy(utility, LEGACY_13)
    assert "Open the receipt" in supervisor.get("/sales/show/2").text


def test_a_settled_sale_shows_its_token_to_nobody_who_came_too_late(
    supervisor, operator, utility, shop, module
):
    path = doubt(operator, utility, shop, module, fault=answer_lost)
    form = fields(supervisor.get(path).text, "/give-back")
    module.always("fetch_result", works)
    shop.reconcile()
    refused = supervisor.post(f"{path}/give-back", form)
    assert refused.status_code == 409
    assert "no money is to be given back" in refused.text
    assert shop.digits(shop.rows(Sale)[0]) not in refused.text
    assert shop.rows(Sale)[0].shown_at is None


@pytest.mark.parametrize("who", [OPERATOR, SUPERVISOR])
def test_the_pages_take_few_statements_however_many_sales_wait(
    office, browse, operator, supervisor, utility, shop, module, doubtful, who
):
    with office.app_context():
        engine = db.engine
    rule(shop, GIVE_BACK, 1000)
    browser = browse(who)

    def taken(path):
        browser.get(path)
        with statements(engine) as seen:
            assert browser.get(path).status_code == 200
        return own(seen)

    paths = [doubtful, "/counter/open"]
    few = {path: len(taken(path)) for path in paths}
    assert max(few.values()) <= MOST, [told(taken(path)) for path in paths]
    press(supervisor, doubt(operator, utility, shop, module, LEGACY_13))
    for meter in (STS6_11, STS6_13, DOMESTIC):
        press(supervisor, doubt(operator, utility, shop, module, meter))
    assert shop.count(ApprovalRequest) == 3
    assert {path: len(taken(path)) for path in paths} == few
