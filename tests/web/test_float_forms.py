"""Forms of the cash office: a slip entered twice, all faults at once, parts that count together."""

import pytest

from tests.factories import HARBOUR, MARKET, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, contents, said
from tests.web.records import read, rows, sent, the_form
from tests.web.test_second_person_pages import (
    asked,
    decide,
    fill,
    pay_in,
    rule,
    second_administrator,
)
from vmsapp.models import ApprovalRequest, AuditEvent, FloatMovement
from vmsapp.services.float_terms import CHANGE_TERMS
from vmsapp.services.floats import PAY_IN


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def checker(office, shop):
    return second_administrator(office, shop)


def faults(page: str) -> dict[str, str]:
    """What stands at each field, by the field's name."""
    found = read(page).all("div", "field-error")
    return {one["id"].removesuffix("-error"): one.text for one in found}


def helps(page: str) -> dict[str, str]:
    return {
        one["id"].removesuffix("-help"): one.text for one in read(page).all("div", "field-help")
    }


# the same slip twice


@pytest.mark.parametrize("reference", ["SLIP 7", "  slip 7 ", "ＳＬＩＰ–7"])
def test_the_same_slip_entered_twice_asks_for_a_tick_and_keeps_what_was_typed(
    browse, shop, engine, reference
):
    pay_in(browse(ADMIN), shop)
    shop.clock.forward(days=3)
    admin = browse(ADMIN)
    admin.get("/floats/list/")
    before = contents(engine)
    asks = pay_in(admin, shop, reference=reference, paid_on="2026-03-20")
    assert asks.status_code == 409
    assert faults(asks.text) == {
        "again": f"A slip with this reference and amount was entered here on Mar 17, 2026 by"
        f" {ADMIN}. Tick that it is another one, if it is."
    }
    assert contents(engine) == before
    form = sent(the_form(read(asks.text)))
    assert (form["amount"], form["reference"], form["paid_on"]) == (
        "50.00", reference.strip(), "2026-03-20",
    )  # fmt: skip
    assert "again" not in form
    point = shop.utility.points[HARBOUR]
    assert admin.post(f"/floats/{point}/pay-in", form | {"again": "y"}).status_code == 302
    assert shop.account().balance_minor == 10_000
    paid_in = [
        event.details for event in shop.rows(AuditEvent, AuditEvent.action == "float.paid_in")
    ]
    assert [details.get("again") for details in paid_in] == [None, True]


@pytest.mark.parametrize("typed", [
    {"reference": "SLIP 8"}, {"amount": "50.01"}, {"point": MARKET},
])  # fmt: skip
def test_another_slip_amount_or_point_asks_nothing(admin, shop, typed):
    assert "again" not in admin.get(f"/floats/{shop.utility.points[HARBOUR]}/pay-in").text
    pay_in(admin, shop)
    assert pay_in(admin, shop, **typed).status_code == 302
    assert shop.count(FloatMovement) == 2


def test_a_voucher_is_taken_out_once_and_is_no_slip_that_was_paid_in(admin, shop):
    pay_in(admin, shop)
    pay_in(admin, shop, reference="SLIP 8")
    path = f"/floats/{shop.utility.points[HARBOUR]}/take-out"
    assert fill(admin, path, amount="50", reference="SLIP 7").status_code == 302
    asks = fill(admin, path, amount="50", reference="SLIP 7")
    assert asks.status_code == 409
    assert "was entered here" in faults(asks.text)["again"]
    assert shop.account().balance_minor == 5000


def test_who_approves_is_told_that_a_slip_like_it_was_entered(admin, checker, shop):
    pay_in(admin, shop)
    rule(shop, PAY_IN)
    assert pay_in(admin, shop).status_code == 409
    assert shop.count(ApprovalRequest) == 0
    pay_in(admin, shop, again="y")
    page = read(checker.get(f"/approvals/show/{asked(shop).id}").text)
    assert ["A slip like it was entered before", "Yes"] in rows(page)
    decide(checker, asked(shop), "approve")
    assert shop.account().balance_minor == 10_000


def test_a_slip_entered_while_a_request_for_it_waited_is_not_paid_in_twice(admin, checker, shop):
    rule(shop, PAY_IN, 5000)
    pay_in(admin, shop)
    rule(shop, PAY_IN, 10_001)
    pay_in(checker, shop, paid_on="2026-03-16")
    decide(checker, asked(shop), "approve")
    page = checker.get(f"/approvals/show/{asked(shop).id}").text
    assert (asked(shop).state, asked(shop).outcome["code"]) == ("failed", "slip_entered")
    assert "was entered here on" in said(page, "note note-bad")
    assert shop.account().balance_minor == 5000


# all faults at once


def test_all_that_is_wrong_stands_at_its_field_at_once(admin, shop):
    refused = pay_in(admin, shop, amount="-3", reference=" ", paid_on="2026-03-18")
    assert refused.status_code == 422
    found = faults(refused.text)
    assert set(found) == {"amount", "reference", "paid_on"}
    assert "above zero" in found["amount"]
    assert "required" in found["reference"]
    assert "not come yet" in found["paid_on"]
    assert "3 fields need your attention" in said(refused.text, "note note-bad")


def test_too_much_taken_out_of_a_float_stands_at_the_amount(admin, shop):
    pay_in(admin, shop)
    path = f"/floats/{shop.utility.points[HARBOUR]}/take-out"
    both = fill(admin, path, amount="50.01", reference="V 1", paid_on="2026-03-18")
    assert both.status_code == 422
    assert faults(both.text) == {
        "amount": "At most 50.00 USD can be taken out.", "paid_on": "This day has not come yet.",
    }  # fmt: skip
    alone = fill(admin, path, amount="50.01", reference="V 1")
    assert alone.status_code == 409
    assert set(faults(alone.text)) == {"amount"}


def test_hints_say_what_is_expected(admin, shop):
    pay_in(admin, shop)
    point = shop.utility.points[HARBOUR]
    paying = helps(admin.get(f"/floats/{point}/pay-in").text)
    assert paying == {
        "amount": "The amount the slip bears.",
        "reference": "Number of the deposit slip, transfer or voucher.",
        "paid_on": "The day the slip bears: today or before.",
    }
    taking = helps(admin.get(f"/floats/{point}/take-out").text)
    assert taking["amount"] == "At most 50.00 USD can be taken out."
    assert set(helps(admin.get(f"/floats/{point}/terms").text)) == {"limited", "credit_limit"}


# asked for already, and parts


def test_the_same_asked_for_once_more_leads_to_what_waits(admin, checker, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    refused = pay_in(checker, shop)
    assert refused.status_code == 409
    assert f"in request {asked(shop).id}, and still waits" in said(refused.text, "note note-bad")
    assert f'href="/approvals/show/{asked(shop).id}"' in refused.text
    assert sent(the_form(read(refused.text)))["reference"] == "SLIP 7"
    assert shop.count(ApprovalRequest) == 1


def test_terms_asked_for_once_more_lead_to_what_waits(admin, checker, shop):
    rule(shop, CHANGE_TERMS)
    path = f"/floats/{shop.utility.points[HARBOUR]}/terms"
    fill(admin, path, limited="y", credit_limit="25")
    refused = fill(checker, path, limited="y", credit_limit="25")
    assert refused.status_code == 409
    assert f'href="/approvals/show/{asked(shop).id}"' in refused.text
    assert sent(the_form(read(refused.text)))["credit_limit"] == "25"


def test_a_form_whose_request_was_decided_says_which_one_it_was(admin, shop):
    rule(shop, PAY_IN)
    path = f"/floats/{shop.utility.points[HARBOUR]}/pay-in"
    form = sent(the_form(read(admin.get(path).text))) | {"amount": "50", "reference": "SLIP 7"}
    admin.post(path, form)
    decide(admin, asked(shop), "withdraw")
    again = admin.post(path, form, follow_redirects=True)
    assert f"it made request {asked(shop).id}" in again.text
    assert shop.count(FloatMovement) == 0


def test_what_counts_already_is_said_beforehand_and_parts_ask(admin, checker, shop):
    rule(shop, PAY_IN, 10_000)
    path = f"/floats/{shop.utility.points[HARBOUR]}/pay-in"
    assert "24 hours" not in admin.get(path).text
    pay_in(admin, shop)
    assert "You moved 50.00 USD here alone within the last 24 hours" in admin.get(path).text
    assert "24 hours" not in checker.get(path).text
    assert "/approvals/" not in pay_in(admin, shop, amount="49.99", reference="A").location
    answer = pay_in(admin, shop, amount="0.01", reference="B")
    assert answer.location == f"/approvals/show/{asked(shop).id}"


# nothing there


def test_a_float_in_which_nothing_moved_says_so(browse, admin, shop):
    point = shop.utility.points[HARBOUR]
    without = read(admin.get(f"/floats/show/{point}").text).one("div", "empty")
    assert "This vending point does not sell from a float" in without.text
    assert "Its sales do not stand here" in without.text
    fill(admin, f"/floats/{point}/terms", limited="y")
    page = read(admin.get(f"/floats/show/{point}").text).one("div", "empty")
    assert "Nothing moved in these days" in page.text
    assert [link["href"] for link in page.all("a")] == [f"/floats/{point}/pay-in"]
    for who in (OPERATOR, SUPERVISOR):  # who may not move money is not led to it
        assert not read(browse(who).get(f"/floats/show/{point}").text).one("div", "empty").all("a")
    pay_in(admin, shop)
    assert not read(admin.get(f"/floats/show/{point}").text).all("div", "empty")
