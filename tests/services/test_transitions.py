"""Pending, then issued or failed; issued, then reversed; nothing else."""

import pytest
from sqlalchemy import update

from tests.faults import down, request_lost
from vmsapp.models import Sale, SaleState
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.vending.errors import IllegalTransition
from vmsapp.services.vending.settle import LostRace, complete, fail, move, read

FORBIDDEN = [
    ("issued", SaleState.ISSUED),
    ("issued", SaleState.FAILED),
    ("issued", SaleState.PENDING),
    ("failed", SaleState.ISSUED),
    ("failed", SaleState.REVERSED),
    ("failed", SaleState.PENDING),
    ("pending", SaleState.REVERSED),
    ("pending", SaleState.PENDING),
]
FAULTS = {"issued": (), "failed": (down,), "pending": (request_lost,)}


@pytest.mark.parametrize(("state", "to"), FORBIDDEN)
def test_a_move_that_is_not_in_the_table_is_refused(shop, module, state, to):
    module.once("issue_credit", *FAULTS[state])
    sale = shop.sell()
    assert sale.state == state
    with pytest.raises(IllegalTransition):
        shop.change(lambda s: move(s, sale, to))
    assert shop.again(sale).state == state


@pytest.mark.parametrize("changed", [{"state": "failed"}, {"request_id": "S-other-2"}])
def test_who_read_something_else_than_stands_loses_the_race(shop, module, changed):
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    shop.change(lambda s: s.execute(update(Sale).values(**changed)))
    with pytest.raises(LostRace):
        shop.change(lambda s: move(s, sale, SaleState.FAILED))


@pytest.mark.parametrize("state", ["issued", "failed"])
def test_a_settled_sale_is_neither_completed_nor_failed_again(shop, module, state):
    module.once("issue_credit", *FAULTS[state])
    sale = shop.sell()
    token = module.inner.issue_credit
    for deed in (lambda s, held: fail(s, SYSTEM, held, "test"),
                 lambda s, held: complete(s, SYSTEM, held, token, show=True)):  # fmt: skip
        with shop.session() as session, seen_by(SYSTEM):
            held = read(session, sale.id)
            with pytest.raises(IllegalTransition):
                deed(session, held)
    stands = shop.again(sale)
    assert (stands.state, stands.receipt_number) == (state, sale.receipt_number)
    assert shop.account().pending_minor == 0
