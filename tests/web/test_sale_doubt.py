"""Sales whose outcome is open: what the counter says, follows, gives back and never shows."""

import re

import pytest

from tests import faults
from tests.factories import LEGACY_11, LEGACY_13
from tests.web.office import contents, fields, main_part, said
from tests.web.records import read, rows
from vmsapp.models import Sale, SaleState, Token
from vmsapp.services import vending

SETTLING = "being settled: do not give the money back, do not sell again"


def made_digits(shop, module) -> str:
    """The digits a module has made for the newest sale, whoever knows of them."""
    return module.inner.fetch_result(shop.rows(Sale)[-1].request_id)[0].digits


def in_doubt(shop, module) -> None:
    """Let the worker take the sale up while the module says nothing."""
    module.always("fetch_result", faults.request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()


@pytest.mark.parametrize("fault", [faults.answer_lost, faults.request_lost,
                                   faults.put_off("rate")])  # fmt: skip
def test_an_unknown_outcome_says_what_not_to_do_and_follows_it(
    operator, utility, shop, module, fault
):
    module.once("issue_credit", fault)
    sold = operator.buy(utility)
    assert sold.status_code == 302
    page = operator.get(sold.location).text
    assert SETTLING in said(page, "note note-warn")
    assert f'data-state="{sold.location}/state"' in page
    assert operator.get(f"{sold.location}/state").json == {"state": "pending"}
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert operator.get(f"{sold.location}/state").json == {"state": "issued"}
    (sale,) = shop.rows(Sale)
    assert sale.shown_at is None
    assert shop.digits(sale) in operator.get(sold.location).text
    assert shop.again(sale).shown_at == shop.clock.now


def test_a_pending_sale_shows_no_digits_even_when_they_were_made(operator, utility, shop, module):
    module.once("issue_credit", faults.answer_lost)
    sold = operator.buy(utility)
    digits = made_digits(shop, module)
    for path in (sold.location, f"{sold.location}/state", "/counter/open",
                 f"/counter/meter/{utility.meters[LEGACY_11]}?key=1-x"):  # fmt: skip
        text = operator.get(path).text
        assert digits not in text
        assert digits not in re.sub(r"<[^>]*>|\s", "", text)
    assert shop.count(Token) == 0


def test_a_module_that_is_down_fails_the_sale_and_trying_again_is_a_new_purchase(
    operator, utility, shop, module
):
    module.once("issue_credit", faults.down)
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    failed = operator.sell(meter_id, form)
    page = operator.get(failed.location).text
    assert "No token was made" in main_part(page)
    assert "The security module does not answer. Try again in a minute" in main_part(page)
    assert operator.get(f"{failed.location}/state").json == {"state": "failed"}
    again = re.search(r'href="([^"]+)">Try again', page)
    assert again
    fresh = operator.get(again[1], follow_redirects=True).text
    assert fields(fresh, "/sell")["key"] not in {"", form["key"]}
    repeated = operator.sell(meter_id, form)  # the old form still leads to the failed sale
    assert repeated.location == failed.location
    assert operator.buy(utility).status_code == 302  # no question about a repeat
    assert [sale.state for sale in shop.rows(Sale)] == ["failed", "issued"]


def test_the_money_of_a_sale_that_failed_does_not_read_like_money_taken(
    operator, supervisor, utility, shop, module
):
    module.once("issue_credit", faults.down)
    path = operator.buy(utility).location
    (sale,) = shop.rows(Sale)
    assert sale.state == "failed"
    record = f"/sales/show/{sale.id}"
    for page in (operator.get(path).text, supervisor.get(record).text):
        assert "It goes back to the customer." in page
    (row,) = rows(read(supervisor.get("/sales/list/").text))
    assert row[:2] == ["1", "not sold"]
    assert '<span class="muted">5.00' in supervisor.get("/sales/list/").text
    sold = operator.buy(utility, LEGACY_13).location
    assert "It goes back" not in operator.get(sold).text


@pytest.mark.parametrize("reason", ["key_not_found", "parameters", "tid_reserved", "cancelled"])
def test_a_definite_no_of_the_module_is_told_with_its_reason(
    operator, utility, shop, module, reason
):
    module.refuse(reason)
    page = main_part(operator.get(operator.buy(utility).location).text)
    assert "No token was made" in page
    assert "security module" in page
    assert "%(" not in page
    assert [sale.failure for sale in shop.rows(Sale)] == [reason]


def test_a_second_sale_waits_and_is_then_refused_with_a_link_to_the_first(
    operator, utility, shop, module, monkeypatch
):
    monkeypatch.setattr(vending, "UNDERWAY_WAIT_S", 0.2)
    module.once("issue_credit", faults.request_lost)
    first = operator.buy(utility)
    refused = operator.buy(utility, value="60")
    assert refused.status_code == 409
    assert "is being settled" in said(refused.text)
    assert f'href="{first.location}"' in refused.text
    assert fields(refused.text, "/sell")["value"] == "60"
    assert shop.count(Sale) == 1


def test_the_list_shows_what_is_open_until_it_is_settled(operator, utility, shop, module):
    assert "Nothing to do here" in operator.get("/counter/open").text
    module.once("issue_credit", faults.request_lost)
    sold = operator.buy(utility)
    listed = operator.get("/counter/open").text
    assert f'href="{sold.location}"' in listed
    assert "Consumer 1" in listed
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert "Nothing to do here" in operator.get("/counter/open").text


def test_money_is_given_back_only_by_a_supervisor_and_only_in_doubt(
    operator, supervisor, utility, shop, module, engine
):
    module.once("issue_credit", faults.request_lost)
    path = operator.buy(utility).location
    before = contents(engine)
    assert operator.post(f"{path}/give-back").status_code == 403
    too_early = supervisor.post(f"{path}/give-back")
    assert too_early.status_code == 409
    assert contents(engine) == before
    assert "/give-back" not in supervisor.get(path).text
    in_doubt(shop, module)
    assert "/give-back" not in operator.get(path).text
    offered = supervisor.get(path).text
    assert fields(offered, "/give-back")["csrf_token"]
    assert "5.00 USD" in main_part(offered)
    assert supervisor.post(f"{path}/give-back").location == path
    (sale,) = shop.rows(Sale)
    assert (sale.state, sale.sealed_at) == (SaleState.PENDING, shop.clock.now)
    sealed = supervisor.get(path).text
    assert "will never be shown" in main_part(sealed)
    assert "/give-back" not in sealed


def test_the_digits_of_a_sealed_sale_are_never_shown(operator, supervisor, utility, shop, module):
    module.once("issue_credit", faults.answer_lost)
    path = operator.buy(utility).location
    in_doubt(shop, module)
    supervisor.post(f"{path}/give-back")
    module.always("fetch_result", faults.works)
    shop.reconcile()
    (sale,) = shop.rows(Sale)
    assert (sale.state, sale.shown_at) == ("reversed", None)
    for browser in (operator, supervisor):
        page = browser.get(path)
        assert "taken back" in main_part(page.text)
        assert shop.digits(sale) not in re.sub(r"<[^>]*>|\s", "", page.text) + page.text
    assert shop.again(sale).shown_at is None


@pytest.mark.parametrize("fault", [faults.works, faults.down])
def test_a_settled_sale_gives_no_money_back(supervisor, operator, utility, shop, module, fault):
    module.once("issue_credit", fault)
    path = operator.buy(utility).location
    state = shop.rows(Sale)[0].state
    refused = supervisor.post(f"{path}/give-back")
    assert refused.status_code == 409
    assert "no money is to be given back" in refused.text
    assert shop.rows(Sale)[0].state == state


def test_a_sealed_sale_does_not_hold_up_the_next(operator, supervisor, utility, shop, module):
    module.once("issue_credit", faults.request_lost)
    path = operator.buy(utility).location
    in_doubt(shop, module)
    supervisor.post(f"{path}/give-back")
    assert operator.buy(utility, value="60").status_code == 302
    assert sorted(sale.state for sale in shop.rows(Sale)) == ["issued", "pending"]
