"""A sale too old to be asked for again is cancelled at its module, then given up."""

import pytest

from tests.faults import Late, answer_lost, during, put_off, request_lost
from vmsapp.hsm.answers import NotExecuted
from vmsapp.hsm.errors import ModuleRefused
from vmsapp.models import Sale, SaleAttempt, Token


@pytest.fixture
def old(shop, module):
    """A sale of eleven minutes ago, whose request is still on its way."""
    late = Late()
    module.once("issue_credit", late)
    sale = shop.sell()
    shop.clock.forward(minutes=11)
    sale.late = late
    return sale


def test_a_sale_of_ten_minutes_is_cancelled_and_then_failed(shop, module, old):
    assert shop.reconcile() == {"failed": 1}
    sale = shop.again(old)
    assert (sale.state, sale.failure) == ("failed", "cancelled")
    assert module.asked[-1] == ("cancel", sale.request_id)
    assert (shop.account().pending_minor, list(shop.counters("legacy 11").values())) == (0, [0])


def test_a_request_that_arrives_after_its_cancel_is_refused_by_the_module(shop, module, old):
    shop.reconcile()
    with pytest.raises(ModuleRefused) as caught:
        old.late.arrive()
    assert caught.value.reason == "cancelled"
    assert shop.count(Token) == 0


def test_void_waits_for_the_modules_cancel(shop, module, old):
    states = []
    module.once("cancel", during(lambda: states.append(shop.again(old).state)))
    shop.reconcile()
    assert states == ["pending"]


@pytest.mark.parametrize("silence", [request_lost, put_off("locked"), answer_lost])
def test_while_the_module_is_silent_about_the_cancel_the_sale_stays_pending(
    shop, module, old, silence
):
    module.once("cancel", silence)
    assert shop.reconcile() == {"pending": 1}
    assert shop.again(old).state == "pending"
    assert shop.reconcile() == {"failed": 1}


def test_a_cancel_that_finds_a_token_completes_the_sale(shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell()
    digits = module.inner.fetch_result(sale.request_id)[0].digits
    shop.clock.forward(minutes=11)
    module.once("fetch_result", lambda _: NotExecuted())  # it was executed after the question
    assert shop.reconcile() == {"issued": 1}
    assert (shop.digits(sale), module.count("cancel")) == (digits, 1)


def test_a_module_that_does_not_answer_questions_is_still_asked_to_cancel_an_old_sale(
    shop, module, old
):
    module.once("fetch_result", request_lost)
    assert shop.reconcile() == {"failed": 1}


def test_every_id_ever_asked_for_is_cancelled(shop, module):
    module.refuse("tid_spent", highest_tid=0)
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    shop.clock.forward(minutes=11)
    assert shop.reconcile() == {"failed": 1}
    cancelled = {request_id for method, request_id in module.asked if method == "cancel"}
    assert cancelled == {row.request_id for row in shop.rows(SaleAttempt)}
    assert len(cancelled) == shop.again(sale).attempt == 2


def test_one_id_that_cannot_be_cancelled_keeps_the_sale_pending(shop, module):
    module.refuse("tid_spent", highest_tid=0)
    module.once("issue_credit", request_lost)
    shop.sell()
    shop.clock.forward(minutes=11)
    module.once("cancel", lambda call: call(), request_lost)
    assert shop.reconcile() == {"pending": 1}
    assert shop.count(Sale, Sale.state == "pending") == 1


def test_a_sale_from_a_clock_that_was_ahead_is_settled_too(shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell()
    shop.clock.forward(days=-365)
    assert shop.reconcile() == {"issued": 1}
    assert shop.again(sale).state == "issued"
