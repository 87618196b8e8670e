"""Debts in the browser: entered, approved, told on the receipt and in a statement."""

import pytest

from tests.factories import LEGACY_11, MARKET, SOUTH_OPERATOR, SOUTHERN
from tests.web.office import NORTH_SUPERVISOR, main_part
from tests.web.records import read, sent, the_form
from tests.web.test_second_person_pages import asked, decide, said_in_the_list
from vmsapp.models import ApprovalRequest, Consumer, Debt, Sale, ServicePoint

TYPED = {"name": "Connection fee", "amount": "10", "share": "", "fixed": "4", "reason": "Agreed"}


def owner(shop, meter=LEGACY_11):
    return shop.rows(ServicePoint, ServicePoint.id == shop.point_of(meter))[0].consumer_id


def fill(browser, consumer_id, **typed):
    path = f"/consumers/{consumer_id}/debts/add"
    return browser.post(path, sent(the_form(read(browser.get(path).text))) | TYPED | typed)


@pytest.fixture
def second(browse):
    return browse(NORTH_SUPERVISOR)


@pytest.fixture
def owing(supervisor, second, shop):
    """A consumer who owes 10.00, recovered by 4.00 a purchase."""
    fill(supervisor, owner(shop))
    decide(second, asked(shop), "approve")
    return owner(shop)


def test_a_debt_is_entered_by_two(supervisor, second, shop):
    answer = fill(supervisor, owner(shop))
    request = asked(shop)
    assert answer.location == f"/approvals/show/{request.id}"
    page = main_part(second.get(f"/approvals/show/{request.id}").text)
    for told in ("Enter a debt of a consumer", "Connection fee", "10.00 USD", "4.00 USD", "Agreed"):
        assert told in page
    number = shop.rows(Consumer, Consumer.id == owner(shop))[0].number
    assert said_in_the_list(second) == f"Consumer {number}"
    assert shop.count(Debt) == 0
    decide(second, request, "approve")
    assert shop.rows(Debt)[0].balance_minor == 1000


def test_the_receipt_and_the_statement_tell_what_is_still_owed(
    supervisor, operator, utility, shop, owing
):
    sold = operator.buy(utility, LEGACY_11, mode="amount", value="10")
    slip = main_part(operator.get(sold.location).text)
    assert "Connection fee" in slip
    assert "Still owed: Connection fee" in slip
    assert "6.00" in slip
    assert str(shop.rows(Sale)[0].units) == "60.000"
    page = main_part(supervisor.get(f"/consumers/{owing}/debts").text)
    for told in ("Still owed in all: 6.00 USD", "4.00 USD a purchase", "Sale 1", "Agreed", "-4.00"):
        assert told in page.replace("\u2212", "-").replace("\u200e", ""), told
    assert f'href="/consumers/{owing}/debts"' in supervisor.get(f"/consumers/show/{owing}").text


def test_the_price_shown_before_selling_has_the_debt(operator, utility, owing):
    meter = utility.meters[LEGACY_11]
    page = operator.get(f"/counter/meter/{meter}/quote?mode=amount&value=10").text
    assert "Still owed: Connection fee" in page


@pytest.mark.parametrize(
    "typed",
    [{"amount": "0"}, {"amount": ""}, {"name": ""}, {"name": "x" * 121}, {"reason": "x" * 256},
     {"share": "100", "fixed": ""}, {"fixed": ""}, {"share": "5"}, {"reason": " "}],
)  # fmt: skip
def test_a_refused_form_says_why_and_keeps_what_was_typed(supervisor, shop, typed):
    refused = fill(supervisor, owner(shop), **typed)
    assert refused.status_code == 422
    assert 'id="errors"' in refused.text
    kept = sent(the_form(read(refused.text)))
    assert {name: kept[name].strip() for name in typed} == {
        name: value.strip() for name, value in typed.items()
    }
    assert shop.count(ApprovalRequest) == 0


def test_an_operator_looks_and_enters_nothing(operator, shop):
    page = operator.get(f"/consumers/{owner(shop)}/debts")
    assert page.status_code == 200
    assert "debts/add" not in page.text
    operator.post(f"/consumers/{owner(shop)}/debts/add", TYPED | {"key": "k"})
    assert shop.count(ApprovalRequest) == 0


def test_a_consumer_of_elsewhere_is_an_unknown_one(second, shop):
    shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    theirs = owner(shop, SOUTHERN)
    assert second.get(f"/consumers/{theirs}/debts").status_code == 404
    assert second.get(f"/consumers/{theirs}/debts/add").status_code == 404


def give_up(browser, consumer_id, debt_id=1, **typed):
    path = f"/consumers/{consumer_id}/debts/{debt_id}/write-off"
    shown = sent(the_form(read(browser.get(path).text)))
    return browser.post(path, shown | {"reason": "moved away"} | typed)


def test_a_debt_is_written_off_by_two(supervisor, second, shop, owing):
    path = f"/consumers/{owing}/debts/1/write-off"
    assert f'href="{path}"' in supervisor.get(f"/consumers/{owing}/debts").text
    shown = supervisor.get(path).text
    assert "Still owed: 10.00 USD" in main_part(shown)
    assert sent(the_form(read(shown)))["amount"] == "10.00"  # all of it, to begin with
    give_up(supervisor, owing, amount="6")
    request = asked(shop)
    page = main_part(second.get(f"/approvals/show/{request.id}").text)
    for told in ("Write off a debt of a consumer", "Connection fee", "6.00 USD", "moved away"):
        assert told in page
    number = shop.rows(Consumer, Consumer.id == owing)[0].number
    assert said_in_the_list(second) == f"Consumer {number}"
    assert shop.rows(Debt)[0].balance_minor == 1000
    decide(second, request, "approve")
    assert shop.rows(Debt)[0].balance_minor == 400
    page = main_part(supervisor.get(f"/consumers/{owing}/debts").text)
    assert "Still owed in all: 4.00 USD" in page
    assert "moved away" in page


@pytest.mark.parametrize("typed", [{"amount": "10.01"}, {"amount": "0"}, {"reason": " "}])
def test_a_refused_write_off_says_why_and_keeps_what_was_typed(supervisor, shop, owing, typed):
    requests = shop.count(ApprovalRequest)
    refused = give_up(supervisor, owing, **typed)
    assert refused.status_code == 422
    assert 'id="errors"' in refused.text
    kept = sent(the_form(read(refused.text)))
    assert {name: kept[name].strip() for name in typed} == {
        name: value.strip() for name, value in typed.items()
    }
    assert shop.count(ApprovalRequest) == requests


def test_a_debt_of_elsewhere_or_of_another_is_an_unknown_one(second, supervisor, shop, owing):
    shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    theirs = owner(shop, SOUTHERN)
    assert supervisor.get(f"/consumers/{theirs}/debts/1/write-off").status_code == 404
    assert supervisor.get(f"/consumers/{owing}/debts/9/write-off").status_code == 404


def test_an_operator_writes_nothing_off(operator, shop, owing):
    requests = shop.count(ApprovalRequest)
    assert "write-off" not in operator.get(f"/consumers/{owing}/debts").text
    operator.post(
        f"/consumers/{owing}/debts/1/write-off", {"amount": "1", "reason": "x", "key": "k"}
    )
    assert shop.count(ApprovalRequest) == requests


@pytest.mark.parametrize("field", ["share", "amount", "fixed"])
@pytest.mark.parametrize("typed", ["9" * 18, "9" * 19, "9" * 4000, "-" + "9" * 400])
def test_a_number_beyond_all_sense_is_refused_like_any_other(supervisor, shop, field, typed):
    answer = fill(supervisor, owner(shop), **{field: typed})
    assert answer.status_code == 422
    assert shop.count(ApprovalRequest) == 0
