"""A shift: opened with a float, sold in, counted blindly, closed; every figure is made by hand.

50 units of the flat tariff cost 5.00, that is 500 minor units.
"""

import pytest
from sqlalchemy import select

from tests.factories import (
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SUPERVISOR,
    WATER,
    add_tariff,
    step,
)
from tests.faults import request_lost
from tests.shop import in_threads
from tests.till import Till
from vmsapp.errors import NotFound
from vmsapp.models import (
    AccountKind,
    AuditEvent,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Meter,
    Sale,
    Shift,
    ShiftCash,
    VendingPointAccount,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import ledger, setup_changes
from vmsapp.services.setup_rules import FixedBySales
from vmsapp.services.shifts import closing
from vmsapp.services.shifts.closing import Count
from vmsapp.services.shifts.errors import (
    BankTakesOnly,
    CashNegative,
    CashNothing,
    CashReasonMissing,
    CashTooLarge,
    FormSentOtherwise,
    PiecesDoNotAdd,
    ReasonMissing,
    SaleStillPending,
    ShiftBeingClosed,
    ShiftMoved,
    ShiftNeeded,
    ShiftOfAnother,
    ShiftOpenAlready,
    ShiftTooLong,
)
from vmsapp.services.shifts.state import may_see_figures, present
from vmsapp.services.vending.errors import VendingPointClosed
from vmsapp.services.vending.ground import lock_account


@pytest.fixture
def till(shop):
    def price_water(session):  # 2.00 a cubic metre
        tariff = add_tariff(session, "Water", step("0", None, "2.00"), meter_type="water")
        session.get_one(Meter, shop.utility.meters[WATER]).tariff_id = tariff.id

    shop.change(price_water)
    return Till(shop)


@pytest.fixture
def needed(till):
    """Sales need an open shift."""
    till.setup(shifts_used=True)


def accounts(shop, kind="shift"):
    """The sums of a kind of transfer, by account."""

    def add_up(session):
        rows = session.execute(
            select(LedgerAccount.kind, LedgerEntry.amount_minor)
            .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
            .join(LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
            .where(LedgerTransfer.kind == kind, LedgerTransfer.state == "posted")
        )
        return {row.kind: row.amount_minor for row in rows}

    return shop.change(add_up)


# the whole of it


def test_a_shift_adds_up_by_hand_made_figures_and_posts_what_is_short(till, shop):
    shift = till.open(2000)
    shop.sell()  # 500
    shop.sell(units="30")  # 300
    shop.sell(WATER, units="3")  # 600
    till.move(shift, 1000)
    till.move(shift, 250, out=False, reason="change")
    closed = till.count(shift, 2000 + 500 + 300 + 600 - 1000 + 250 - 75)
    assert closed.state == "counted"
    with pytest.raises(ReasonMissing):
        till.finish(shift, "  ")
    shop.clock.forward(minutes=3)
    closed = till.finish(shift, "change given twice")
    assert closed.expected_minor == 2650
    assert (closed.over_short_minor, closed.note) == (-75, "change given twice")
    assert closed.closed_at == shop.clock.now
    assert closed.closed_by_id == closed.operator_id
    assert accounts(shop) == {"cash": -75, "over_short": 75}
    assert shop.change(ledger.trial_balance) == 0
    did = till.figures(shift)
    assert [(one.meter_type.value, one.count, one.charged_minor) for one in did.sold] == [
        ("electricity", 2, 800), ("water", 1, 600),
    ]  # fmt: skip
    assert str(did.sold[0].units) == "80.000"
    point = shop.utility.points[HARBOUR]
    assert (did.first_receipt, did.last_receipt) == (f"{point}-1-000001", f"{point}-1-000003")
    assert (did.put_in_minor, did.taken_out_minor, did.taken_back) == (250, 1000, 0)
    assert did.paid_for == {AccountKind.ENERGY: 1400}
    trail = [e.action for e in shop.rows(AuditEvent, AuditEvent.subject == "shift")]
    assert trail == [
        "shift.opened", "shift.cash_moved", "shift.cash_moved", "shift.counted", "shift.closed",
    ]  # fmt: skip


@pytest.mark.parametrize(("counted", "state", "over"), [
    (2500, "closed", 0), (2600, "closed", 100), (2400, "closed", -100),
    (2601, "counted", None), (2399, "counted", None),
])  # fmt: skip
def test_what_lies_within_the_tolerance_closes_without_a_reason(till, shop, counted, state, over):
    till.setup(shift_tolerance_minor=100)
    shift = till.open(2000)
    shop.sell()
    closed = till.count(shift, counted)
    assert (closed.state, closed.over_short_minor) == (state, over)
    assert accounts(shop) == ({"cash": over, "over_short": -over} if over else {})


def test_without_counting_a_shift_is_closed_with_what_was_expected_alone(till, shop):
    till.setup(cash_counted=False)
    shift = till.open(2000)
    shop.sell()
    closed = till.count(shift, None)
    assert (closed.state, closed.expected_minor) == ("closed", 2500)
    assert (closed.counted_minor, closed.over_short_minor) == (None, None)
    assert accounts(shop) == {}


def test_a_point_that_sells_from_its_float_keeps_its_own_money_out_of_the_ledger(till, shop):
    point_id = shop.utility.points[HARBOUR]
    shift = till.open(0)

    def limit(session):
        session.get_one(VendingPointAccount, point_id).limited = True
        session.get_one(VendingPointAccount, point_id).credit_limit_minor = 9999

    shop.change(limit)
    shop.sell()
    till.count(shift, 400)
    assert till.finish(shift, "lost").over_short_minor == -100
    assert accounts(shop) == {}


def test_coins_and_notes_are_kept_and_must_add_up(till, shop):
    shift = till.open(2000)
    with pytest.raises(PiecesDoNotAdd):
        till.count(shift, 2000, {1000: 1, 500: 1})
    assert till.again(shift).counted_at is None
    assert till.count(shift, 2000, {1000: 1, 500: 2, 100: 0}).pieces == {"1000": 1, "500": 2}


def test_money_that_was_counted_fixes_the_currency(till, shop):
    till.open(100)
    with pytest.raises(FixedBySales):
        shop.change(lambda s: setup_changes.change(s, SYSTEM, {"currency": "EUR"}))


# which shift a sale belongs to


def test_sold_at_decides_the_shift_of_a_sale_and_another_operators_shift_is_not_it(till, shop):
    before = shop.sell()
    shift = till.open()
    other = till.open(by=SUPERVISOR)
    mine, theirs = shop.sell(), shop.sell(by=SUPERVISOR)
    till.count(shift, 2500)
    after = shop.sell()
    assert [shop.again(sale).shift_id for sale in (before, mine, theirs, after)] == [
        None, shift.id, other.id, None,
    ]  # fmt: skip


@pytest.mark.usefixtures("needed")
def test_without_a_shift_nothing_is_sold_and_nothing_is_written(till, shop, module):
    with pytest.raises(ShiftNeeded):
        shop.sell()
    till.open(by=SUPERVISOR)  # another's is not the seller's
    with pytest.raises(ShiftNeeded):
        shop.sell()
    assert (shop.count(Sale), shop.count(LedgerTransfer), module.asked) == (0, 0, [])
    till.open()
    assert shop.sell().state == "issued"


@pytest.mark.usefixtures("needed")
def test_a_counted_shift_takes_no_sale_and_another_can_be_opened_once_it_is_closed(till, shop):
    shift = till.open(100)
    till.count(shift, 1)
    with pytest.raises(ShiftBeingClosed):
        shop.sell()
    with pytest.raises(ShiftOpenAlready):
        till.open()
    till.finish(shift, "a coin rolled away")
    assert till.open().id != shift.id
    assert shop.sell().state == "issued"


@pytest.mark.usefixtures("needed")
def test_a_shift_that_lasted_too_long_takes_no_sale_where_one_is_needed(till, shop):
    till.setup(shift_hours=8)
    till.open()
    shop.clock.forward(hours=8)
    assert shop.sell().state == "issued"
    shop.clock.forward(seconds=1)
    with pytest.raises(ShiftTooLong) as refused:
        shop.sell()
    assert refused.value.params["hours"] == 8
    till.setup(shifts_used=False)
    assert shop.sell().state == "issued"


# sales whose outcome is open


def doubtful(shop, module):
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    module.once("fetch_result", request_lost)
    assert shop.reconcile() == {"pending": 1}
    return sale


def test_a_shift_with_a_pending_sale_waits_until_it_is_settled(till, shop, module):
    shift = till.open(2000)
    sale = doubtful(shop, module)
    with pytest.raises(SaleStillPending) as refused:
        till.count(shift, 2500)
    assert refused.value.params == {"sale_id": sale.id}
    assert till.again(shift).counted_at is None
    assert shop.reconcile() == {"issued": 1}
    closed = till.count(shift, 2500)
    assert (closed.state, closed.over_short_minor) == ("closed", 0)
    later = till.figures(shift).settled_later
    assert [(one.id, one.state, one.sealed) for one in later] == [(sale.id, "issued", False)]


def test_a_sealed_sale_blocks_no_shift_and_puts_nothing_into_its_drawer(till, shop, module):
    shift = till.open(2000)
    sale = doubtful(shop, module)
    shop.seal(sale)
    assert till.count(shift, 2000).over_short_minor == 0
    assert shop.reconcile() == {"reversed": 1}  # settled after the close: the figures stay
    did = till.figures(shift)
    assert (did.count, did.sold_minor, did.taken_back) == (0, 0, 0)
    assert [(one.state, one.sealed) for one in did.settled_later] == [("reversed", True)]
    assert till.again(shift).expected_minor == 2000


def test_a_reversal_posts_in_the_present_shift_and_pays_out_of_its_drawer(till, shop):
    first = till.open(2000)
    sale = shop.sell()
    till.count(first, 2500)
    second = till.open(3000)

    def take_back(session):
        account = lock_account(session, sale.vending_point_id)
        shift = present(session, sale.vending_point_id, sale.operator_id)
        ledger.reverse(
            session, sale, account, at=shop.clock.now, business_date=sale.business_date,
            reason="wrong_meter", shift_id=shift.id,
        )  # fmt: skip
        session.get_one(Sale, sale.id).state = "reversed"

    shop.change(take_back)
    did = till.figures(second)
    assert (did.taken_back, did.taken_back_minor) == (1, 500)
    assert till.count(second, 2500).over_short_minor == 0
    assert till.again(first).expected_minor == 2500
    assert till.figures(first).sold_minor == 500


# what is refused


def test_one_open_shift_for_each_operator_and_vending_point(till, shop):
    till.open()
    with pytest.raises(ShiftOpenAlready):
        till.open()
    till.open(by=SUPERVISOR)
    till.open(by=SUPERVISOR, point=MARKET)
    assert shop.count(Shift) == 3


def test_the_form_sent_twice_opens_one_shift_and_moves_cash_once(till, shop):
    shift = till.open(2000, key="same")
    assert till.open(2000, key="same").id == shift.id
    with pytest.raises(FormSentOtherwise):
        till.open(2001, key="same")
    for _ in range(2):
        till.move(shift, 300, key="same")
    with pytest.raises(FormSentOtherwise):
        till.move(shift, 301, key="same")
    assert [row.amount_minor for row in shop.rows(ShiftCash)] == [-300]


@pytest.mark.parametrize(("move", "error"), [
    ({"amount": 0}, CashNothing), ({"amount": -1}, CashNothing), ({"amount": 10**16}, CashTooLarge),
    ({"amount": 1, "out": False}, BankTakesOnly),
    ({"amount": 1, "reason": "other", "note": " "}, CashReasonMissing),
])  # fmt: skip
def test_cash_that_makes_no_sense_is_not_moved(till, shop, move, error):
    shift = till.open()
    with pytest.raises(error):
        till.move(shift, move.get("amount", 1), **{k: v for k, v in move.items() if k != "amount"})
    assert shop.count(ShiftCash) == 0


@pytest.mark.parametrize(("total", "error"), [(-1, CashNegative), (10**16, CashTooLarge)])
def test_what_no_drawer_holds_is_neither_opened_with_nor_counted(till, total, error):
    shift = till.open()
    with pytest.raises(error):
        till.count(shift, total)
    with pytest.raises(error):
        till.open(total, point=HARBOUR, by=SUPERVISOR)


def test_a_closed_shift_and_a_counted_one_are_not_changed(till, shop):
    shift = till.open(100)
    till.count(shift, 0)
    for deed in (lambda: till.move(shift, 1), lambda: till.count(shift, 100)):
        with pytest.raises(ShiftMoved):
            deed()
    till.finish(shift, "gone")
    for deed in (
        lambda: till.move(shift, 1), lambda: till.count(shift, 100), lambda: till.finish(shift, "x")
    ):  # fmt: skip
        with pytest.raises(ShiftMoved):
            deed()
    assert till.again(shift).over_short_minor == -100


def test_a_closed_vending_point_opens_no_shift(till, shop):
    shop.change(lambda s: s.execute(
        VendingPointAccount.metadata.tables["vending_point"].update().values(
            closed_at=shop.clock.now)
    ))  # fmt: skip
    with pytest.raises(VendingPointClosed):
        till.open()


# whose shift it is


def test_a_supervisor_closes_a_forgotten_shift_and_an_operator_does_not(till, shop):
    theirs = till.open(500, by=SUPERVISOR)
    mine = till.open(700)
    with pytest.raises(ShiftOfAnother):
        till.count(theirs, 500)
    with pytest.raises(ShiftOfAnother):
        till.move(theirs, 5)
    closed = till.count(mine, 700, by=SUPERVISOR)
    users = shop.utility.users
    assert (closed.operator_id, closed.closed_by_id) == (users[OPERATOR].id, users[SUPERVISOR].id)


def test_a_shift_of_another_vending_point_is_not_found(till):
    shift = till.open()
    for deed in (
        lambda: till.count(shift, 1, by=SOUTH_OPERATOR),
        lambda: till.finish(shift, "x", by=SOUTH_OPERATOR),
        lambda: till.move(shift, 1, by=SOUTH_OPERATOR),
        lambda: till.open(by=SOUTH_OPERATOR, point=HARBOUR),
    ):
        with pytest.raises(NotFound):
            deed()


def test_nobody_sees_what_is_expected_before_the_count(till):
    shift = till.open(100)
    operator, supervisor = till.actor(OPERATOR), till.actor(SUPERVISOR)
    assert not may_see_figures(operator, shift)
    assert not may_see_figures(supervisor, shift)
    counted = till.count(shift, 50)
    assert may_see_figures(operator, counted)
    other = till.actor(SOUTH_OPERATOR)
    assert not may_see_figures(other, counted)
    closed = till.finish(shift, "x")
    assert not may_see_figures(other, closed)
    assert may_see_figures(supervisor, closed)


# at the same time, and broken off


def test_two_tills_at_once_sell_into_their_own_shifts(till, shop):
    shifts = [till.open(1000), till.open(1000, by=SUPERVISOR)]
    forms = [shop.form(LEGACY_11, units="10"), shop.form(WATER, units="1")]
    sold = in_threads(lambda: shop.submit(forms[0]), lambda: shop.submit(forms[1], by=SUPERVISOR))
    assert [sale.state for sale in sold] == ["issued", "issued"]
    assert [sale.shift_id for sale in sold] == [shift.id for shift in shifts]
    assert till.count(shifts[0], 1100).over_short_minor == 0
    assert till.count(shifts[1], 1200, by=SUPERVISOR).over_short_minor == 0


def test_two_who_open_at_once_get_one_shift(till, shop):
    outcomes = in_threads(lambda: till.open(key="a"), lambda: till.open(key="b"))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Shift", "ShiftOpenAlready"]
    assert shop.count(Shift) == 1


@pytest.mark.usefixtures("needed")
def test_a_sale_and_a_count_at_once_leave_no_money_between_shifts(till, shop):
    shift = till.open(0)
    form = shop.form()
    sale, counted = in_threads(lambda: shop.submit(form), lambda: till.count(shift, 500))
    if isinstance(sale, Sale):  # it came first: the count saw it, or waits for it
        assert sale.shift_id == shift.id
        assert isinstance(counted, SaleStillPending) or counted.expected_minor == 500
    else:
        assert isinstance(sale, ShiftBeingClosed)
        assert counted.state == "counted"
        assert shop.count(Sale) == 0


def test_a_count_whose_commit_broke_is_not_written_and_one_that_was_lost_is(till, shop):
    shift = till.open(100)
    actor = till.actor(OPERATOR)
    for weather, counted in (("broken", None), ("lost", 40)):
        with shop.session() as session, seen_by(actor):
            session.weather = [weather]
            with pytest.raises(Exception, match=r"."):
                closing.count(session, actor, shift.id, Count(40))
        assert till.again(shift).counted_minor == counted
    with pytest.raises(ShiftMoved):  # sent once more: the page then shows what stands
        till.count(shift, 41)
    assert till.finish(shift, "x").over_short_minor == -60
