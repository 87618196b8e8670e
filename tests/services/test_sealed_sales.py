"""Money given back while a sale was in doubt: its digits are never shown."""

import pytest

from tests.factories import DOMESTIC, HARBOUR, SOUTH_OPERATOR, SUPERVISOR
from tests.faults import during, request_lost
from vmsapp.errors import NotFound
from vmsapp.models import AuditEvent, LedgerTransfer, ReceiptCounter, Sale, VendingPointAccount
from vmsapp.services import ledger
from vmsapp.services.vending import settle
from vmsapp.services.vending.errors import IllegalTransition


@pytest.fixture
def doubtful(shop, module):
    """A sale the worker has taken up and could not settle."""
    module.once("issue_credit", request_lost)
    sale = shop.sell(DOMESTIC)
    shop.clock.forward(minutes=1)
    module.once("fetch_result", request_lost)
    assert shop.reconcile() == {"pending": 1}
    return shop.again(sale)


def test_sealing_stamps_who_and_when_and_leaves_the_sale_pending(shop, doubtful):
    sale = shop.seal(doubtful)
    assert (sale.state, sale.sealed_at, sale.money_given_back) == ("pending", shop.clock.now, True)
    assert sale.sealed_by_id == shop.utility.users[SUPERVISOR].id
    assert shop.count(AuditEvent, AuditEvent.action == "sale.sealed") == 1


def test_a_sealed_sale_whose_token_was_made_is_issued_and_reversed_in_one_commit(
    shop, module, doubtful
):
    shop.seal(doubtful)
    assert shop.reconcile() == {"reversed": 1}
    sale = shop.again(doubtful)
    assert (sale.state, sale.shown_at, sale.issued_at) == ("reversed", None, shop.clock.now)
    assert len(shop.tokens(sale)) == 1
    transfers = {row.kind: row for row in shop.rows(LedgerTransfer)}
    assert [transfers[kind].state for kind in ("sale", "reversal")] == ["posted", "posted"]
    assert transfers["reversal"].answers_id == transfers["sale"].id
    assert shop.change(ledger.trial_balance) == 0
    assert (list(shop.counters(DOMESTIC).values()), shop.fees(DOMESTIC)) == ([0], [])


def test_a_sealed_sale_that_was_issued_has_its_receipt_number(shop, doubtful):
    shop.seal(doubtful)
    shop.reconcile()
    assert shop.again(doubtful).receipt_number == 1
    assert shop.rows(ReceiptCounter)[0].last_number == 1
    assert shop.sell().receipt_number == 2


def test_a_sealed_sale_gives_a_limited_point_its_money_back(shop, module):
    row = VendingPointAccount(
        vending_point_id=shop.utility.points[HARBOUR], limited=True, balance_minor=500
    )
    shop.change(lambda s: s.add(row))
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    module.once("fetch_result", request_lost)
    shop.reconcile()
    shop.seal(sale)
    assert shop.reconcile() == {"reversed": 1}
    assert (shop.account().balance_minor, shop.account().pending_minor) == (500, 0)


def test_a_sealed_sale_whose_token_was_never_made_fails(shop, module, doubtful):
    shop.seal(doubtful)
    shop.clock.forward(minutes=11)
    assert shop.reconcile() == {"failed": 1}
    assert shop.tokens(doubtful) == []


def test_a_sealed_sale_does_not_block_the_meter(shop, doubtful):
    shop.seal(doubtful)
    assert shop.sell(DOMESTIC, units="10").state == "issued"


def test_a_seal_that_comes_while_the_token_is_being_made_is_obeyed(shop, module, doubtful):
    module.once("issue_credit", during(lambda: shop.seal(doubtful)))
    assert shop.reconcile() == {"reversed": 1}
    assert shop.again(doubtful).shown_at is None


def test_only_a_sale_in_doubt_can_be_sealed(shop, module):
    module.once("issue_credit", request_lost)
    for sale in (shop.sell(), shop.sell(DOMESTIC)):  # pending without doubt, and issued
        with pytest.raises(IllegalTransition):
            shop.seal(sale)
        assert shop.again(sale).sealed_at is None


def test_sealing_twice_keeps_the_first_seal(shop, doubtful):
    first = shop.seal(doubtful).sealed_at
    shop.clock.forward(minutes=1)
    assert shop.seal(doubtful).sealed_at == first
    assert shop.count(AuditEvent, AuditEvent.action == "sale.sealed") == 1


def test_a_sale_out_of_sight_cannot_be_sealed(shop, doubtful):
    with pytest.raises(NotFound):
        shop.seal(doubtful, by=SOUTH_OPERATOR)
    assert shop.again(doubtful).sealed_at is None


def test_a_seller_whose_answer_comes_after_the_seal_does_not_show_the_digits(shop, module):
    def doubted_and_sealed():
        module.once("fetch_result", request_lost)
        shop.clock.forward(minutes=1)
        assert shop.reconcile() == {"pending": 1}
        shop.seal(shop.rows(Sale)[0])

    def answered_late(call):
        token = call()
        doubted_and_sealed()
        return token

    module.once("issue_credit", answered_late)
    sale = shop.sell()
    assert (sale.state, sale.shown_at, len(shop.tokens(sale))) == ("reversed", None, 1)


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"])
def test_a_seal_between_reading_and_writing_is_obeyed(shop, doubtful, monkeypatch):
    # on SQLite nobody can write between the two
    number, seals = settle._next_receipt, [lambda: shop.seal(doubtful)]

    def sealed_meanwhile(session, vending_point_id):
        if seals:
            seals.pop()()
        return number(session, vending_point_id)

    monkeypatch.setattr(settle, "_next_receipt", sealed_meanwhile)
    assert shop.reconcile() == {"reversed": 1}
    assert (shop.again(doubtful).shown_at, shop.again(doubtful).receipt_number) == (None, 1)
