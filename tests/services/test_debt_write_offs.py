"""Debts given up by two people. Units of the flat tariff cost 0.10; figures are made by hand."""

import pytest
from sqlalchemy.exc import IntegrityError

from tests.services.pair import make_pair
from tests.services.test_debts import balance, consumer_of, owe
from vmsapp.errors import NotAllowed, NotFound
from vmsapp.models import AuditEvent, Debt, DebtWriteOff, Sale
from vmsapp.services import debts
from vmsapp.services.approvals import asking
from vmsapp.services.debt_write_offs import (
    WRITE_OFF,
    WriteOff,
    WriteOffAmountWrong,
    WriteOffReasonMissing,
)
from vmsapp.services.vending.reversal import REVERSE, Reversal


@pytest.fixture
def pair(shop):
    return make_pair(shop)


def give_up(pair, debt, amount, key="k1", reason="moved away"):
    return pair.ask(WRITE_OFF, key, params=WriteOff(debt.id, amount, reason))


def test_two_people_write_a_debt_off_and_it_is_on_record(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    request = give_up(pair, debt, 600)
    assert balance(shop, debt) == 1000
    assert pair.approve(request).state == "approved"
    assert balance(shop, debt) == 400
    written = shop.rows(DebtWriteOff)[0]
    assert (written.debt_id, written.amount_minor, written.reason) == (debt.id, 600, "moved away")
    event = shop.rows(AuditEvent, AuditEvent.action == "debt.written_off")[0]
    assert (event.details["amount_minor"], event.details["reason"]) == (600, "moved away")


def test_purchases_take_what_is_left_of_it_and_no_more(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    pair.approve(give_up(pair, debt, 700))
    # 10.00 less the 3.00 still owed buys 70 units; then nothing is owed
    assert [str(shop.sell(tender=1000, repeat_confirmed=True).units) for _ in range(2)] == [
        "70.000", "100.000",
    ]  # fmt: skip
    assert balance(shop, debt) == 0


def test_a_debt_wholly_written_off_is_taken_of_no_purchase(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    pair.approve(give_up(pair, debt, 1000))
    assert str(shop.sell(tender=1000).units) == "100.000"


@pytest.mark.parametrize("amount", [0, -1, 1001])
def test_not_more_than_is_owed_is_written_off(shop, pair, amount):
    with pytest.raises(WriteOffAmountWrong):
        give_up(pair, owe(shop, 1000, fixed=400), amount)


@pytest.mark.parametrize("reason", ["", "x" * 256])
def test_a_write_off_has_a_reason(shop, pair, reason):
    with pytest.raises(WriteOffReasonMissing):
        give_up(pair, owe(shop, 1000, fixed=400), 5, reason=reason)


def test_what_a_purchase_took_meanwhile_is_not_given_up_too(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    request = give_up(pair, debt, 1000)
    shop.sell(tender=1000)
    decided = pair.approve(request)
    assert decided.state == "failed"
    assert decided.outcome["code"] == "write_off_amount_wrong"
    assert balance(shop, debt) == 600


def test_the_same_form_writes_off_once(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    request = give_up(pair, debt, 300)
    pair.approve(request)
    assert give_up(pair, debt, 300).id == request.id
    assert balance(shop, debt) == 700


def test_a_sale_taken_back_afterwards_is_owed_again(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    for moved in (
        lambda: shop.sell(tender=1000),
        lambda: pair.approve(give_up(pair, debt, 600)),
    ):
        shop.clock.forward(minutes=1)
        moved()
    sale = shop.rows(Sale)[0]
    shop.clock.forward(minutes=1)
    pair.approve(pair.ask(REVERSE, "k2", params=Reversal(sale.id, 1000, "test")))
    assert balance(shop, debt) == 400
    lines = shop.do(lambda session, _actor: debts.statement(session, [debt]))
    assert [(line.amount_minor, line.balance_minor) for line in lines] == [
        (1000, 1000), (-400, 600), (-600, 0), (400, 400),
    ]  # fmt: skip
    assert [line.reason for line in lines] == [None, None, "moved away", None]


def test_the_database_itself_keeps_a_write_off_within_the_debt(shop):
    debt = owe(shop, 1000, fixed=400)
    shop.sell(tender=1000)
    with pytest.raises(IntegrityError):
        shop.change(lambda s: setattr(s.get(Debt, debt.id), "written_off_minor", 601))


def test_who_lacks_the_right_writes_nothing_off(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    with pytest.raises(NotAllowed):
        shop.do(asking.submit, WRITE_OFF, WriteOff(debt.id, 5, "x"), "k")


def test_a_debt_nobody_has_is_not_found(shop, pair):
    assert consumer_of(shop)
    with pytest.raises(NotFound):
        pair.ask(WRITE_OFF, params=WriteOff(99, 5, "x"))
