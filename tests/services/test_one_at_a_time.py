"""A meter is sold to once at a time, and the operator is asked before selling it twice."""

import pytest

from tests.factories import LEGACY_11, STS6_11, SUPERVISOR
from tests.faults import during, request_lost
from vmsapp.models import Sale
from vmsapp.services import vending
from vmsapp.services.vending.errors import LooksRepeated, SaleUnderway


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits five seconds for a sale that will not settle."""
    monkeypatch.setattr(vending, "UNDERWAY_WAIT_S", 0.25)
    monkeypatch.setattr(vending, "UNDERWAY_POLL_S", 0.05)


def test_while_a_sale_is_pending_a_second_one_waits_and_is_then_refused(shop, module, impatient):
    module.once("issue_credit", request_lost)
    first = shop.sell()
    with pytest.raises(SaleUnderway) as caught:
        shop.sell(units="10")
    assert caught.value.params == {"sale_id": first.id}
    assert shop.count(Sale) == 1


def test_a_second_sale_goes_through_when_the_first_settles_while_it_waits(
    shop, module, monkeypatch
):
    module.once("issue_credit", request_lost)
    first = shop.sell()
    shop.clock.forward(minutes=1)
    monkeypatch.setattr(vending.time, "sleep", lambda _: shop.reconcile())
    second = shop.sell(units="10")
    assert (shop.again(first).state, second.state) == ("issued", "issued")
    assert second.tid > first.tid


def test_another_meter_does_not_wait(shop, module):
    module.once("issue_credit", request_lost)
    shop.sell()
    assert shop.sell(STS6_11).state == "issued"


def test_two_sales_reserved_at_the_same_moment_to_one_meter_cannot_both_be_pending(
    shop, module, impatient
):
    refusals = []

    def sell_in_another_window():
        with pytest.raises(SaleUnderway) as caught:
            shop.sell(units="10", repeat_confirmed=True)
        refusals.append(caught.value)

    module.once("issue_credit", during(sell_in_another_window))
    assert shop.sell().state == "issued"
    assert len(refusals) == 1


def test_the_same_purchase_within_two_minutes_asks_first_and_names_the_sale(shop):
    first = shop.sell()
    shop.clock.forward(seconds=119)
    with pytest.raises(LooksRepeated) as caught:
        shop.sell(repeat_confirmed=False)
    assert caught.value.params == {"sale_id": first.id, "state": "issued"}
    assert shop.count(Sale) == 1
    assert shop.sell(repeat_confirmed=True).state == "issued"


def test_the_same_amount_within_two_minutes_asks_too(shop):
    shop.sell(tender=700)
    with pytest.raises(LooksRepeated):
        shop.sell(tender=700, repeat_confirmed=False)


NOT_THE_SAME = [
    ("two minutes later", {"minutes": 2}, {}),
    ("another quantity", {}, {"units": "49"}),
    ("by amount", {}, {"tender": 500}),
    ("another meter", {}, {"meter": STS6_11}),
    ("another person", {}, {"by": SUPERVISOR}),
]


@pytest.mark.parametrize(("why", "later", "sale"), NOT_THE_SAME)
def test_what_is_not_the_same_is_not_asked_about(shop, why, later, sale):
    shop.sell()
    shop.clock.forward(**later)
    assert shop.sell(**{"meter": LEGACY_11} | sale, repeat_confirmed=False).state == "issued"


def test_after_a_failed_sale_the_same_purchase_is_not_asked_about(shop, module):
    module.refuse("key_not_found")
    assert shop.sell().state == "failed"
    assert shop.sell(repeat_confirmed=False).state == "issued"
