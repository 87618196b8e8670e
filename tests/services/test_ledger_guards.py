"""The ledger: balanced, never changed, and the counters, receipts and trail beside it."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.factories import DOMESTIC, HARBOUR, LEGACY_11, NOW, STS6_11
from tests.faults import down, request_lost
from vmsapp.models import (
    AccountKind,
    AuditEvent,
    Counter,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    VendingPointAccount,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import ledger
from vmsapp.services.vending.settle import fail, read


def entries(shop, sale):
    """What a sale moved, by account."""
    statement = (
        select(LedgerAccount.kind, LedgerAccount.detail, func.sum(LedgerEntry.amount_minor))
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .join(LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
        .where(LedgerTransfer.sale_id == sale.id)
        .group_by(LedgerAccount.kind, LedgerAccount.detail)
    )
    return shop.change(
        lambda s: {(kind, detail): int(total) for kind, detail, total in s.execute(statement)}
    )


def test_a_sale_debits_cash_and_credits_what_was_paid_for(shop):
    sale = shop.sell(DOMESTIC, units="250")  # worked table: fee 2, 100 at 0.10, 150 at 0.20 + 5 %
    assert entries(shop, sale) == {
        ("cash", ""): 4350,
        ("fee", ""): -200,
        ("energy", "electricity"): -4000,
        ("tax", ""): -150,
    }


def test_a_limited_point_sells_from_its_float(shop):
    row = VendingPointAccount(
        vending_point_id=shop.utility.points[HARBOUR], limited=True, balance_minor=900
    )
    shop.change(lambda s: s.add(row))
    sale = shop.sell()
    assert entries(shop, sale) == {("float", ""): 500, ("energy", "electricity"): -500}


def test_a_pending_sale_counts_against_the_float_at_once(shop, module):
    row = VendingPointAccount(
        vending_point_id=shop.utility.points[HARBOUR], limited=True, balance_minor=900
    )
    shop.change(lambda s: s.add(row))
    module.once("issue_credit", request_lost)
    shop.sell()
    account = shop.account()
    assert (account.balance_minor, account.pending_minor, account.available_minor) == (
        900,
        500,
        400,
    )


def test_every_transfer_sums_to_zero_and_so_do_all_together(shop, module):
    shop.sell(DOMESTIC, units="250")
    module.once("issue_credit", down)
    shop.sell()
    module.once("issue_credit", request_lost)
    shop.sell(STS6_11)
    sums = shop.change(
        lambda s: s.scalars(
            select(func.sum(LedgerEntry.amount_minor)).group_by(LedgerEntry.transfer_id)
        ).all()
    )
    assert [int(total) for total in sums] == [0, 0, 0]
    assert shop.change(ledger.trial_balance) == 0
    assert sorted(t.state for t in shop.rows(LedgerTransfer)) == ["pending", "posted", "voided"]


def test_a_transfer_is_settled_once(shop):
    sale = shop.sell()
    for settle in (ledger.post, ledger.void):
        with pytest.raises(ledger.IllegalTransferMove):
            shop.change(lambda s, settle=settle: settle(s, sale, s.merge(shop.account()), NOW))
    assert shop.account().pending_minor == 0


def test_credits_that_are_not_what_was_charged_are_refused(shop):
    sale = shop.sell()
    wrong = {(AccountKind.ENERGY, "electricity"): sale.charged_minor - 1}
    with pytest.raises(ledger.Unbalanced):
        shop.change(lambda s: ledger.reserve(s, sale, s.merge(shop.account()), wrong))


GUARDED = [
    "UPDATE ledger_entry SET amount_minor = 1",
    "DELETE FROM ledger_entry",
    "UPDATE audit_event SET actor_name = 'x'",
    "DELETE FROM audit_event",
    "UPDATE token SET digits = '00000000000000000000'",
    "DELETE FROM token",
    "DELETE FROM ledger_transfer",
    "UPDATE ledger_transfer SET business_date = '2020-01-01'",
    "UPDATE ledger_transfer SET state = 'pending'",
    "UPDATE ledger_transfer SET state = 'voided'",
]


@pytest.mark.parametrize("deed", GUARDED)
def test_the_database_refuses_to_change_what_is_written_once(shop, deed):
    shop.sell()
    with pytest.raises(DBAPIError, match=r"only added|moves once"):
        shop.change(lambda s: s.connection().exec_driver_sql(deed))


def test_a_pending_transfer_may_move_but_not_change(shop, module):
    module.once("issue_credit", request_lost)
    shop.sell()
    with pytest.raises(DBAPIError, match="moves once"):
        shop.change(
            lambda s: s.connection().exec_driver_sql(
                "UPDATE ledger_transfer SET state = 'posted', sale_id = NULL"
            )
        )


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"])
def test_entries_that_do_not_balance_are_refused_when_the_transaction_ends(shop):
    sale = shop.sell()
    entry = shop.rows(LedgerEntry)[0]

    def add_one(session):
        session.add(
            LedgerEntry(
                vending_point_id=sale.vending_point_id, transfer_id=entry.transfer_id,
                account_id=entry.account_id, amount_minor=1,
            )
        )  # fmt: skip

    with pytest.raises(DBAPIError, match="does not balance"):
        shop.change(add_one)


def test_receipt_numbers_leave_no_gap_though_sales_fail_between_them(shop, module):
    numbers = []
    for fault in (None, down, None, down, None):
        if fault:
            module.once("issue_credit", fault)
        numbers.append(shop.sell().receipt_number)
    assert numbers == [1, None, 2, None, 3]


def test_each_vending_point_numbers_its_own_receipts(shop):
    assert shop.sell().receipt_number == 1
    other = shop.sell("of the other region", point="Market Square", by="operator2")
    assert (other.receipt_number, other.receipt_series) == (1, 1)
    assert shop.sell().receipt_number == 2


def test_a_counter_cannot_go_below_zero(shop, module):
    module.once("issue_credit", request_lost)
    sale = shop.sell(LEGACY_11)
    shop.change(lambda s: setattr(s.scalars(select(Counter)).one(), "units", Decimal("49.9")))
    with shop.session() as session, seen_by(SYSTEM):
        held = read(session, sale.id)
        with pytest.raises(IntegrityError):
            fail(session, SYSTEM, held, "test")
    assert (shop.again(sale).state, list(shop.counters(LEGACY_11).values())) == (
        "pending",
        [Decimal("49.9")],
    )


def test_units_go_back_to_the_day_they_were_counted_on_not_to_todays(shop, module):
    module.once("issue_credit", request_lost)
    shop.sell(DOMESTIC, units="60")
    shop.clock.forward(days=20)
    assert shop.reconcile() == {"failed": 1}
    shop.sell(DOMESTIC, units="10")
    assert shop.counters(DOMESTIC) == {
        date(2026, 3, 17): Decimal(0),
        date(2026, 4, 6): Decimal(10),
    }


TRAIL = [
    ("issued", (), ["sale.reserved", "sale.issued"]),
    ("failed", (down,), ["sale.reserved", "sale.failed"]),
    ("pending", (request_lost,), ["sale.reserved"]),
]


@pytest.mark.parametrize(("state", "faults", "actions"), TRAIL)
def test_every_move_of_a_sale_leaves_its_trail(shop, module, state, faults, actions):
    module.once("issue_credit", *faults)
    sale = shop.sell()
    rows = sorted(shop.rows(AuditEvent), key=lambda row: row.id)
    assert sale.state == state
    assert [row.action for row in rows] == actions
    for row in rows:
        assert (row.subject, row.subject_id, row.at) == ("sale", str(sale.id), NOW)
        assert (row.actor_name, row.vending_point_id) == ("operator", sale.vending_point_id)
