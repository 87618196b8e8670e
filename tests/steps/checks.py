"""What must be true after every step, and what must be true when nothing is open any more.

The names I1 to I10 are those of ``docs/model/README.md``.
"""

from collections import Counter as Tally
from collections import defaultdict
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.processes.books import Books
from tests.steps.world import StepWorld
from vmsapp.models import (
    ChangeState,
    Counter,
    Debt,
    DebtPayment,
    KeyChange,
    KeyChangeToken,
    LedgerEntry,
    Sale,
    SaleAttempt,
    SaleReversal,
    SpentTid,
    Token,
    VendingPointAccount,
)
from vmsapp.scope import unscoped
from vmsapp.sts.meter import Result

OPEN = {"pending", "issued"}
"""Sales that count: their money and units are not given back."""

GIVEN_UP = {"failed", "reversed"}


def check_always(world: StepWorld) -> None:
    """Hold after every step, whatever is under way."""
    with world.shop.session() as session, unscoped("the test looks at everything"):
        sales = {sale.id: sale for sale in session.scalars(select(Sale))}
        _money_or_token(world, sales)
        _one_token(session, sales)
        _no_token_of_a_voided_sale(world, session, sales)
        _identifiers_once(session)
        _sums(session, sales)
        _debts(session, sales)
        _keys(session)


def check_settled(world: StepWorld, keystore: Any) -> None:
    """Hold when faults have stopped, the worker has run, and all slips were entered."""
    with world.shop.session() as session, unscoped("the test looks at everything"):
        Books(session, keystore, world.line.inner._results).check()
        reserved = session.scalars(select(KeyChange.id).where(KeyChange.state == "reserved"))
        assert not list(reserved), "a set nobody settles"
    for payment in world.payments:
        sale = world.sale_of(payment)
        stands = sale is not None and sale.state == "issued"
        assert stands != payment.back, "I1 money and token: one of the two, and never both"
        assert bool(payment.left) or not stands, "an issued token nobody can be shown"
    for name, customer in world.customers.items():
        while customer.enter_next():
            pass
        for sale_id, answer in customer.answers.items():
            sale = world.shop.rows(Sale, Sale.id == sale_id)[0]
            taken = answer is Result.ACCEPT or sale.state == "reversed"
            assert taken, f"I5 the meter {name} refused a credit: {answer.name}"


def _money_or_token(world: StepWorld, sales: dict[int, Sale]) -> None:
    by_key = {sale.idempotency_key: sale for sale in sales.values()}
    for payment in world.payments:
        sale = by_key.get(payment.form.key)
        assert len(payment.left) <= 1, "I2 two tokens for one payment"
        if payment.left:
            assert sale is not None, "I3 digits left without a sale"
            assert sale.state in {"issued", "reversed"}, "I3 digits left without a committed sale"
            assert sale.shown_at is not None
            assert sale.sealed_at is None, "digits of a sealed sale left"
        if payment.back and sale is not None:
            sealed = sale.state == "pending" and sale.sealed_at is not None
            assert sale.state in GIVEN_UP or sealed, f"I1 money back ({payment.told}), {sale.state}"


def _one_token(session: Session, sales: dict[int, Sale]) -> None:
    tokens = Tally(session.scalars(select(Token.sale_id)))
    for sale in sales.values():
        assert tokens[sale.id] == (sale.state in {"issued", "reversed"}), "I2"


def _no_token_of_a_voided_sale(world: StepWorld, session: Session, sales: dict[int, Sale]) -> None:
    for attempt in session.scalars(select(SaleAttempt)):
        sale, made = sales[attempt.sale_id], world.line.made(attempt.request_id)
        assert not (made and sale.state == "failed"), "I9 executed token of a voided sale"
        assert not made or attempt.request_id == sale.request_id, "I4 of another request"


def _identifiers_once(session: Session) -> None:
    spent = Tally(
        (row.meter_pan, row.base_date, row.tid) for row in session.scalars(select(SpentTid))
    )
    tokens = Tally(
        (sale.meter_pan, sale.base_date, tid)
        for sale, tid in session.execute(
            select(Sale, Token.tid).join(Token, Token.sale_id == Sale.id)
        )
    )
    assert set(spent.values()) | set(tokens.values()) <= {1}, "I4 an identifier twice"
    assert tokens.keys() <= spent.keys()


def _sums(session: Session, sales: dict[int, Sale]) -> None:
    entries: dict[int, int] = defaultdict(int)
    for entry in session.scalars(select(LedgerEntry)):
        entries[entry.transfer_id] += entry.amount_minor
    assert set(entries.values()) <= {0}, "I7 a transfer that does not add up"
    units: dict[Any, Decimal] = defaultdict(Decimal)
    charged: dict[Any, int] = defaultdict(int)
    pending: dict[int, int] = defaultdict(int)
    for sale in sales.values():
        if sale.state in OPEN:
            units[sale.service_point_id, sale.counter_period] += sale.units
            charged[sale.service_point_id, sale.counter_period] += sale.charged_minor
        if sale.state == "pending":
            pending[sale.vending_point_id] += sale.charged_minor
    for row in session.scalars(select(Counter)):
        place = (row.service_point_id, row.period_start)
        counted = (row.units, row.charged_minor)
        assert counted == (units[place], charged[place]), "I7 a counter is the sum of its sales"
    for account in session.scalars(select(VendingPointAccount)):
        assert account.pending_minor == pending[account.vending_point_id]


def _debts(session: Session, sales: dict[int, Sale]) -> None:
    recovered: dict[int, int] = defaultdict(int)
    for part in session.scalars(select(DebtPayment)):
        stands = sales[part.sale_id].state in OPEN
        assert stands == (part.given_back_at is None), "I8 a debt follows its sale"
        recovered[part.debt_id] += part.amount_minor if stands else 0
    for debt in session.scalars(select(Debt)):
        assert debt.recovered_minor == recovered[debt.id], "I8"
        assert 0 <= debt.balance_minor <= debt.amount_minor
    reversals = Tally(session.scalars(select(SaleReversal.sale_id)))
    assert set(reversals.values()) <= {1}, "a sale taken back twice"


def _keys(session: Session) -> None:
    changes = {row.id: row for row in session.scalars(select(KeyChange))}
    for state in (ChangeState.RESERVED, ChangeState.COMPLETED):
        open_ones = Tally(row.meter_pan for row in changes.values() if row.state == state)
        assert set(open_ones.values()) <= {1}, f"two {state} changes of one meter"
    digits = Tally(session.scalars(select(KeyChangeToken.key_change_id)))
    for change in changes.values():
        made = change.state in {"completed", "confirmed", "refused"}
        assert digits[change.id] == (change.token_count if made else 0), change.state
    for sale in session.scalars(select(Sale).where(Sale.key_change_id.is_not(None))):
        change = changes[sale.key_change_id]
        new = (change.new_sgc, change.new_krn, change.new_kt, change.new_ti, change.new_dkga)
        assert (sale.sgc, sale.krn, sale.kt, sale.ti, sale.dkga) == new, "I5 under another key"
        assert change.completed_at is not None, "a set before a token that may not have left"
