"""The security module down before, during and after the call, and what the worker makes of it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.factories import DOMESTIC, HARBOUR, TODAY
from tests.faults import Late, answer_lost, doubled, down, during, put_off, request_lost
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.models import AuditEvent, LedgerTransfer, Sale, SaleAttempt, Token, VendingPointAccount
from vmsapp.services import ledger
from vmsapp.services.vending.reconcile import Patience

MINUTE = timedelta(minutes=1)


def pending(shop, module, *faults, meter="legacy 11", **form):
    """Sell into faults that leave the sale pending."""
    module.once("issue_credit", *faults)
    sale = shop.sell(meter, **form)
    assert (sale.state, shop.tokens(sale)) == ("pending", [])
    return sale


def test_a_module_that_is_down_before_the_call_fails_the_sale_and_gives_all_back(shop, module):
    shop.sell(DOMESTIC, units="10")
    paid = shop.fees(DOMESTIC)
    module.once("issue_credit", down)
    sale = shop.sell(DOMESTIC, units="7")
    assert (sale.state, sale.failure, sale.failed_at) == (
        "failed",
        "unavailable_down",
        shop.clock.now,
    )
    assert shop.counters(DOMESTIC) == {TODAY: Decimal(10)}
    assert (shop.fees(DOMESTIC), shop.account().pending_minor) == (paid, 0)
    transfer = shop.rows(LedgerTransfer, LedgerTransfer.sale_id == sale.id)[0]
    assert (transfer.state, transfer.settled_at) == ("voided", shop.clock.now)


def test_a_failed_sale_that_paid_a_fee_makes_the_fee_due_again(shop, module):
    module.once("issue_credit", down)
    failed = shop.sell(DOMESTIC, units="60")
    assert (failed.charged_minor, shop.fees(DOMESTIC)) == (800, [])
    assert shop.sell(DOMESTIC, units="60").charged_minor == 800


def test_a_failed_sale_gives_a_limited_point_its_money_back(shop, module):
    row = VendingPointAccount(
        vending_point_id=shop.utility.points[HARBOUR], limited=True, balance_minor=500
    )
    shop.change(lambda s: s.add(row))
    module.once("issue_credit", down)
    assert shop.sell().state == "failed"
    assert (shop.account().balance_minor, shop.account().available_minor) == (500, 500)
    assert shop.sell().state == "issued"


@pytest.mark.parametrize("what", ["cannot be opened", "does not answer", "is locked"])
def test_a_module_that_is_not_there_is_told_before_anything_is_written(shop, module, what):
    """Whoever tries again and again must not send the meter's identifiers ahead of the clock."""

    def unavailable(_):
        raise HsmUnavailable("locked", sent=False)

    before = shop.sell().tid
    works = shop.registry
    if what == "cannot be opened":
        shop.registry = Registry((), {"soft": unavailable})
    elif what == "does not answer":
        module.always("status", unavailable)
    else:
        module.always("status", lambda call: replace(call(), locked=True))
    for _ in range(3):
        with pytest.raises(HsmUnavailable) as told:
            shop.sell()
        assert told.value.why == "locked"
    assert shop.count(Sale) == 1
    shop.registry = works
    module.always("status", lambda call: call())
    assert shop.sell().tid == before + 1


def test_a_failed_sales_identifier_stays_spent(shop, module):
    module.once("issue_credit", down)
    failed = shop.sell()
    assert shop.sell().tid == failed.tid + 1


@pytest.mark.parametrize("why", ["clock", "rate", "locked", "keystore"])
def test_a_refusal_before_the_id_was_looked_up_leaves_the_sale_pending(shop, module, why):
    sale = pending(shop, module, put_off(why))
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    assert shop.again(sale).doubt_at == shop.clock.now


def test_a_lost_answer_is_fetched_and_the_same_digits_complete_the_sale(shop, module, keystore):
    sale = pending(shop, module, answer_lost)
    made = module.inner.fetch_result(sale.request_id)[0].digits
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    assert shop.digits(sale) == made
    assert shop.decode(sale, keystore).tid == sale.tid
    assert module.count("issue_credit") == 1


def test_what_the_worker_completes_is_not_marked_as_shown(shop, module):
    sale = pending(shop, module, answer_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    sale = shop.again(sale)
    assert (sale.state, sale.shown_at, sale.issued_at) == ("issued", None, shop.clock.now)


def test_a_request_that_never_arrived_is_asked_again_with_the_same_inputs(shop, module, keystore):
    sale = pending(shop, module, request_lost)
    shop.clock.forward(minutes=9)
    assert shop.reconcile() == {"issued": 1}
    token = shop.decode(sale, keystore)
    assert (token.tid, token.rnd, token.amount_field) == (sale.tid, sale.rnd, sale.amount_field)
    issued = [request_id for method, request_id in module.asked if method == "issue_credit"]
    assert issued == [sale.request_id] * 2
    assert shop.count(SaleAttempt) == 1


def test_a_retry_reads_the_sale_and_not_what_the_meter_has_become(shop, module, keystore):
    sale = pending(shop, module, request_lost)
    before = shop.meter("legacy 11")

    def change(session):
        meter = session.get_one(type(before), before.id)
        meter.ti, meter.krn, meter.tariff_id, meter.state = "07", 5, None, "blocked"

    shop.change(change)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    shop.change(lambda s: setattr(s.get_one(type(before), before.id), "ti", "01"))
    shop.change(lambda s: setattr(s.get_one(type(before), before.id), "krn", 1))
    assert shop.decode(sale, keystore).tid == sale.tid


def test_a_doubled_request_makes_one_token(shop, module):
    module.once("issue_credit", doubled)
    sale = shop.sell()
    assert (sale.state, shop.count(Token)) == ("issued", 1)


def test_the_worker_leaves_a_sale_alone_for_half_a_minute(shop, module):
    sale = pending(shop, module, request_lost)
    shop.clock.forward(seconds=29)
    assert shop.reconcile() == {}
    assert shop.again(sale).doubt_at is None
    shop.clock.forward(seconds=1)
    assert shop.reconcile() == {"issued": 1}


def test_taking_a_sale_up_stamps_doubt_on_it_before_the_module_is_asked(shop, module):
    sale = pending(shop, module, request_lost)
    seen = []
    module.once("fetch_result", during(lambda: seen.append(shop.again(sale).doubt_at)))
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert seen == [shop.clock.now]


def test_the_first_doubt_is_the_one_that_is_kept(shop, module):
    sale = pending(shop, module, request_lost)
    module.always("fetch_result", down)
    first = shop.clock.forward(minutes=1)
    shop.reconcile()
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"pending": 1}
    assert shop.again(sale).doubt_at == first


def test_once_doubt_is_stamped_the_seller_may_not_fail_the_sale(shop, module):
    def worker_takes_it_up():
        module.once("fetch_result", request_lost)
        shop.clock.forward(minutes=1)
        assert shop.reconcile() == {"pending": 1}

    module.once("issue_credit", during(worker_takes_it_up, down))
    sale = shop.sell()
    assert (sale.state, sale.doubt_at) == ("pending", shop.clock.now)
    assert shop.reconcile() == {"issued": 1}


def test_a_definite_no_found_by_the_worker_fails_the_sale_at_once(shop, module):
    module.refuse("parameters", heard=False)
    sale = shop.sell()
    assert sale.state == "pending"
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"failed": 1}
    assert shop.again(sale).failure == "parameters"
    assert module.count("issue_credit") == 1


@pytest.mark.parametrize("reason", sorted(ModuleRefused.REASONS))
def test_every_definite_no_fails_the_sale_and_the_books_still_balance(shop, module, reason):
    module.refuse(reason, highest_tid=0, times=2)
    sale = shop.sell(DOMESTIC)
    assert (sale.state, sale.failure) == ("failed", reason)
    assert (shop.fees(DOMESTIC), list(shop.counters(DOMESTIC).values())) == ([], [Decimal(0)])
    assert shop.change(ledger.trial_balance) == 0
    assert shop.count(AuditEvent, AuditEvent.action == "sale.failed") == 1


def test_one_sale_that_cannot_be_settled_does_not_hold_the_others_up(shop, module):
    first = pending(shop, module, request_lost)
    second = pending(shop, module, request_lost, meter="sts6 11")
    module.once("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"pending": 1, "issued": 1}
    assert [shop.again(s).state for s in (first, second)] == ["pending", "issued"]


def test_a_late_request_that_overtakes_the_worker_gives_the_same_digits(shop, module):
    late = Late()
    sale = pending(shop, module, late)
    digits = late.arrive().digits
    shop.clock.forward(minutes=1)
    assert shop.reconcile(Patience(take_after=MINUTE)) == {"issued": 1}
    assert shop.digits(sale) == digits
