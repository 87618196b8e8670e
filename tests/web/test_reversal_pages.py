"""A sale taken back in the browser: asked for, approved, told, printed, and its digits gone."""

import re
from datetime import timedelta

import pytest

from tests import factories
from tests.factories import DOMESTIC, HARBOUR, LEGACY_11, SOUTH_OPERATOR, SOUTHERN
from tests.web.office import ADMIN, NORTH_SUPERVISOR, main_part, said
from tests.web.records import links, read, rows, sent, the_form
from tests.web.test_second_person_pages import asked, decide
from vmsapp.models import ApprovalRequest, LedgerTransfer, Sale, SaleReversal, Setup

NO_DRAWER = (
    "No drawer: neither who asks for it nor the seller has an open shift. No shift’s count will"
    " tell of this money."
)


@pytest.fixture
def sold(operator, utility, shop):
    """250 units for 43.50, sold at the counter."""
    operator.buy(utility, DOMESTIC, value="250")
    return shop.rows(Sale)[0]


@pytest.fixture
def second(browse):
    return browse(NORTH_SUPERVISOR)


def fill(browser, sale, **typed):
    path = f"/sales/{sale.id}/reverse"
    return browser.post(path, sent(the_form(read(browser.get(path).text))) | typed)


def digits_in(page, shop, sale):
    return shop.digits(sale) in re.sub(r"\D", "", page) or shop.digits(sale) in page


def test_a_supervisor_asks_and_another_approves_and_the_digits_are_gone(
    supervisor, second, operator, shop, sold
):
    shown = operator.get(f"/counter/sale/{sold.id}").text
    assert digits_in(shown, shop, sold)
    asks = fill(supervisor, sold, reason="wrong_meter", note="Typed 12 for 21")
    request = asked(shop)
    assert asks.location == f"/approvals/show/{request.id}"
    assert shop.again(sold).state == "issued"
    page = main_part(second.get(f"/approvals/show/{request.id}").text)
    for told in ("Take a sale back", "43.50 USD", "Wrong meter", "Typed 12 for 21",
                 "digits cannot be recalled"):  # fmt: skip
        assert told in page
    decide(second, request, "approve")
    assert shop.again(sold).state == "reversed"
    for path in (
        f"/counter/sale/{sold.id}", f"/sales/show/{sold.id}", f"/sales/{sold.id}/reversal",
        f"/counter/sale/{sold.id}/why", f"/approvals/show/{request.id}", "/sales/list/",
        "/counter/open", f"/counter/meter/{sold.meter_id}", f"/meters/show/{sold.meter_id}",
    ):  # fmt: skip
        assert not digits_in(supervisor.get(path, follow_redirects=True).text, shop, sold), path
    exported = supervisor.post("/sales/export/csv")
    assert "43.5" in exported.text
    assert not digits_in(exported.text, shop, sold)


@pytest.mark.parametrize(
    ("opened_by", "said_of_it"),
    [
        (("operator",), "Shift 1 of operator at Harbour Street"),
        (("operator", "supervisor"), "Shift 2 of supervisor at Harbour Street"),
        ((), NO_DRAWER),
    ],
)  # fmt: skip
def test_the_second_person_sees_whose_drawer_pays_and_later_whose_did(
    supervisor, second, operator, utility, shop, opened_by, said_of_it
):
    point = str(utility.points[HARBOUR])
    for who in opened_by:
        browser = {"operator": operator, "supervisor": supervisor}[who]
        form = sent(the_form(read(browser.get("/shifts/open").text)))
        browser.post("/shifts/open", form | {"amount": "20", "vending_point": point})
    operator.buy(utility, DOMESTIC, value="250")
    fill(supervisor, shop.rows(Sale)[0], reason="test")
    request = asked(shop)
    page = read(second.get(f"/approvals/show/{request.id}").text)
    assert dict(row[:2] for row in rows(page))["The money comes from"] == said_of_it
    if opened_by:
        assert links(page)[said_of_it] == f"/shifts/show/{len(opened_by)}"
    decide(second, request, "approve")
    (paid_in,) = shop.rows(LedgerTransfer, LedgerTransfer.reason == "test")
    assert paid_in.shift_id == (len(opened_by) or None)
    done = dict(rows(read(second.get(f"/approvals/show/{request.id}").text)))
    assert done["The money comes from"] == (
        said_of_it if opened_by else "No drawer: no shift was open."
    )


def test_the_page_says_what_it_means_before_anything_is_asked(supervisor, shop, sold):
    page = main_part(supervisor.get(f"/sales/{sold.id}/reverse").text)
    assert "digits cannot be recalled" in page
    assert "43.50 USD goes back to the customer" in page
    assert "Mar 18, 2026, 12:30:00" in page  # until when: 24 hours from the sale, in Nairobi
    assert "not_handed_out" not in page  # the seller saw the digits


def test_a_refusal_stands_beside_its_field_and_loses_nothing(supervisor, shop, sold):
    refused = fill(supervisor, sold, reason="other", note="")
    assert refused.status_code == 422
    assert "Say what happened" in main_part(refused.text)
    refused = fill(supervisor, sold, reason="", note="Kept")
    assert refused.status_code == 422
    assert 'value="Kept"' in refused.text
    assert shop.count(ApprovalRequest) == 0
    assert fill(supervisor, sold, reason="test", note="x" * 256).status_code == 422


def test_when_the_window_is_over_there_is_no_button_and_no_form(supervisor, browse, shop, sold):
    assert "Reverse…" in main_part(supervisor.get(f"/counter/sale/{sold.id}").text)
    shop.change(
        lambda s: factories.add_setup(
            s, effective_at=shop.clock.now - timedelta(seconds=1), reversal_hours=0
        )
    )
    shop.clock.forward(seconds=1)
    assert "Reverse…" not in main_part(supervisor.get(f"/counter/sale/{sold.id}").text)
    assert "Reverse…" not in main_part(supervisor.get(f"/sales/show/{sold.id}").text)
    page = main_part(supervisor.get(f"/sales/{sold.id}/reverse").text)
    assert "cannot be taken back any more" in page
    late = supervisor.post(f"/sales/{sold.id}/reverse", {"key": "k", "reason": "test", "note": ""})
    assert late.status_code == 409
    assert "could be taken back until" in main_part(late.text)


def test_an_operator_is_offered_nothing_and_may_nothing(operator, shop, sold):
    assert "Reverse…" not in main_part(operator.get(f"/counter/sale/{sold.id}").text)
    operator.post(f"/sales/{sold.id}/reverse", {"key": "k", "reason": "test"})
    assert shop.count(ApprovalRequest) == 0


def test_who_may_not_is_told_whom_to_ask_as_long_as_it_is_possible(
    supervisor, operator, shop, sold
):
    asks = "Ask a supervisor to take the sale back; it is possible for 24 hours after it was"
    assert asks in main_part(operator.get(f"/counter/sale/{sold.id}").text)
    assert asks not in main_part(supervisor.get(f"/counter/sale/{sold.id}").text)
    shop.change(lambda session: session.query(Setup).update({"reversal_hours": 0}))
    shop.clock.forward(seconds=1)
    assert "Ask a supervisor" not in main_part(operator.get(f"/counter/sale/{sold.id}").text)


def test_a_sale_of_the_other_region_is_an_unknown_one(second, shop):
    shop.sell(SOUTHERN, point=factories.MARKET, by=SOUTH_OPERATOR)
    sale = shop.rows(Sale)[0]
    assert second.get(f"/sales/{sale.id}/reverse").status_code == 404
    assert second.get(f"/sales/{sale.id}/reversal").status_code == 404


def test_the_slip_names_both_people_and_what_goes_back(supervisor, second, shop, sold):
    assert supervisor.get(f"/sales/{sold.id}/reversal").status_code == 404
    fill(supervisor, sold, reason="test", note="Shown to a trainee")
    decide(second, asked(shop), "approve")
    slip = main_part(supervisor.get(f"/sales/{sold.id}/reversal").text)
    for told in ("REVERSAL", sold.receipt, "43.50 USD", "Shown to a trainee", "supervisor",
                 NORTH_SUPERVISOR, "250.0"):  # fmt: skip
        assert told in slip
    link = f'href="/sales/{sold.id}/reversal"'
    assert link in supervisor.get(f"/counter/sale/{sold.id}").text
    assert link in supervisor.get(f"/sales/show/{sold.id}").text
    assert shop.rows(SaleReversal)[0].key


def test_a_later_purchase_of_the_meter_is_flagged_where_revenue_is_protected(
    supervisor, second, browse, operator, utility, shop, sold
):
    fill(supervisor, sold, reason="test")
    decide(second, asked(shop), "approve")
    meter = utility.meters[DOMESTIC]
    card = operator.get(f"/counter/meter/{meter}", follow_redirects=True).text
    assert "its token may have been used" in card
    shop.clock.forward(minutes=5)
    operator.buy(utility, DOMESTIC)
    operator.buy(utility, LEGACY_11)
    later, other = shop.rows(Sale)[1:]
    listed = rows(read(browse(ADMIN).get("/sales/list/?after_reversal=yes").text))
    assert len(listed) == 1
    page = main_part(supervisor.get(f"/sales/show/{later.id}").text)
    assert f"Follows sale {sold.id} of this meter, which was taken back" in page
    assert "Follows sale" not in main_part(supervisor.get(f"/sales/show/{other.id}").text)


def test_one_who_asks_again_is_told_that_it_waits(supervisor, second, sold):
    fill(supervisor, sold, reason="test")
    page = main_part(second.get(f"/sales/{sold.id}/reverse").text)
    assert "supervisor asked for this already" in page
    refused = fill(second, sold, reason="test")
    assert refused.status_code == 409
    assert "still waits" in said(refused.text) or "still waits" in main_part(refused.text)


def test_the_reason_has_the_focus_until_something_is_wrong(supervisor, sold):
    page = main_part(supervisor.get(f"/sales/{sold.id}/reverse").text)
    (focused,) = re.findall(r"<[^>]*\bautofocus\b[^>]*>", page)
    assert 'id="reason"' in focused
    refused = fill(supervisor, sold, reason="other", note="")
    assert "autofocus" not in main_part(refused.text)  # the summary of what is wrong takes it
