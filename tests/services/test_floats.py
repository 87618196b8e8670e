"""A vending point's float: money in and out, its limits, its statement, and selling from it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.factories import HARBOUR, LEGACY_11, MARKET, OPERATOR, SOUTH_OPERATOR, TODAY
from tests.faults import answer_lost, request_lost, works
from tests.services.pair import CHECKER, MAKER, make_pair
from tests.shop import in_threads
from vmsapp.errors import NotFound
from vmsapp.models import (
    AccountKind,
    AuditEvent,
    FloatMovement,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
)
from vmsapp.money import Money
from vmsapp.scope import seen_by, unscoped
from vmsapp.services import float_statements, ledger
from vmsapp.services.approvals.errors import OtherFormSent
from vmsapp.services.float_terms import CHANGE_TERMS, CreditInUse, CreditLimitNegative, Terms
from vmsapp.services.floats import (
    PAY_IN,
    TAKE_OUT,
    AmountNotPositive,
    DayToCome,
    FloatTooSmall,
    ReferenceMissing,
    SlipEntered,
)
from vmsapp.services.vending.errors import InsufficientFunds
from vmsapp.services.vending.give_back import GIVE_BACK, GiveBack, NothingToGiveBack

FIFTY_UNITS = 500
"""Minor units that 50 units cost: 0.10 each, in the factory's flat tariff."""


@pytest.fixture
def pair(shop):
    return make_pair(shop)


def terms(pair, *, limited=True, credit=0, key="t1"):
    values = Terms(pair.shop.utility.points[HARBOUR], limited, credit)
    return pair.ask(CHANGE_TERMS, key=key, params=values)


def of_ledger(shop):
    """What the float holds by its entries: a credit makes it grow."""

    def add_up(session):
        return -session.scalar(
            select(func.coalesce(func.sum(LedgerEntry.amount_minor), 0))
            .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
            .join(LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
            .where(LedgerAccount.kind == AccountKind.FLOAT, LedgerTransfer.state == "posted")
        )

    return shop.change(add_up)


def proves(shop):
    """The balance is what the ledger says, and the ledger adds up to nothing."""
    assert shop.account().balance_minor == of_ledger(shop)
    assert shop.change(ledger.trial_balance) == 0


def read(shop, point=HARBOUR, who=OPERATOR, first=TODAY, last=TODAY, **limits):
    with shop.session() as session, seen_by(shop.actor(who)):
        return float_statements.statement(
            session, shop.utility.points[point], first, last, **limits
        )


def test_paid_in_money_is_owed_to_the_vending_point_and_kept_as_cash(pair, shop):
    pair.ask(amount_minor=5000)
    with shop.session() as session, unscoped("the test looks at everything"):
        entries = session.execute(
            select(LedgerAccount.kind, LedgerEntry.amount_minor).join(
                LedgerEntry, LedgerEntry.account_id == LedgerAccount.id
            )
        ).all()
    assert sorted(map(tuple, entries)) == [("cash", 5000), ("float", -5000)]
    (transfer,) = shop.rows(LedgerTransfer)
    assert (transfer.kind, transfer.state, transfer.business_date) == ("float", "posted", TODAY)
    (movement,) = shop.rows(FloatMovement)
    assert (movement.reference, movement.paid_on, movement.balance_minor) == ("SLIP 7", TODAY, 5000)
    proves(shop)


def test_the_whole_story_of_a_float(pair, shop):
    """Limited, paid in by one and approved by another, sold from until it is empty."""
    terms(pair)
    with pytest.raises(InsufficientFunds):
        shop.sell()
    pair.rule(PAY_IN)
    request = pair.ask(amount_minor=FIFTY_UNITS + 100, by=MAKER)
    with pytest.raises(InsufficientFunds):  # asked for is not paid in
        shop.sell()
    assert pair.approve(request, by=CHECKER).state == "approved"
    assert shop.sell().state == "issued"
    with pytest.raises(InsufficientFunds) as refused:
        shop.sell()
    assert refused.value.params == {
        "available": Money(100, "USD"), "needed": Money(FIFTY_UNITS, "USD"),
    }  # fmt: skip
    proves(shop)
    told = read(shop)
    assert [(row.kind, row.amount_minor, row.balance_minor) for row in told.rows] == [
        ("float", 600, 600), ("sale", -500, 100),
    ]  # fmt: skip
    assert (told.rows[0].reference, told.rows[0].entered_by) == ("SLIP 7", MAKER)


@pytest.mark.parametrize(("values", "error"), [
    ({"amount_minor": 0}, AmountNotPositive),
    ({"amount_minor": -5}, AmountNotPositive),
    ({"reference": "  "}, ReferenceMissing),
    ({"paid_on": TODAY + timedelta(days=1)}, DayToCome),
])  # fmt: skip
def test_money_moves_only_on_paper_that_makes_sense(pair, shop, values, error):
    pair.ask(amount_minor=100)
    for number, deed in enumerate((PAY_IN, TAKE_OUT)):
        with pytest.raises(error):
            pair.ask(deed, key=f"other {number}", **values)
    assert shop.account().balance_minor == 100


@pytest.mark.parametrize(("credit", "most"), [(0, 1000), (300, 1300)])
def test_no_more_is_taken_out_than_the_credit_limit_allows(pair, shop, credit, most):
    pair.ask(amount_minor=1000)
    terms(pair, credit=credit)
    with pytest.raises(FloatTooSmall) as refused:
        pair.ask(TAKE_OUT, key="k2", amount_minor=most + 1)
    assert refused.value.params == {"available": Money(most, "USD")}
    pair.ask(TAKE_OUT, key="k3", amount_minor=most)
    assert shop.account().available_minor == 0
    proves(shop)


def test_what_is_being_sold_is_not_taken_out(pair, shop, module):
    pair.ask(amount_minor=FIFTY_UNITS)
    terms(pair)
    module.once("issue_credit", request_lost)
    assert shop.sell().state == "pending"
    with pytest.raises(FloatTooSmall):
        pair.ask(TAKE_OUT, key="k2", amount_minor=1)


def test_two_who_take_out_at_once_do_not_take_out_more_than_there_is(pair, shop):
    pair.ask(amount_minor=1000)
    outcomes = in_threads(
        *[
            lambda n=n: pair.ask(TAKE_OUT, key=f"out {n}", reference=f"V {n}", amount_minor=700)
            for n in range(2)
        ]
    )
    assert [type(one) for one in outcomes].count(FloatTooSmall) == 1, outcomes
    assert shop.account().balance_minor == 300
    proves(shop)


def test_selling_and_paying_in_at_once_loses_neither(pair, shop):
    pair.ask(amount_minor=10 * FIFTY_UNITS)
    terms(pair)
    in_threads(
        shop.sell,
        *[
            lambda n=n: pair.ask(key=f"in {n}", reference=f"{n}", amount_minor=100)
            for n in range(3)
        ],
    )
    assert shop.account().balance_minor == 9 * FIFTY_UNITS + 300
    proves(shop)


def test_a_form_that_comes_back_with_other_values_moves_nothing(pair, shop):
    pair.ask(amount_minor=100)
    assert pair.ask(amount_minor=100) is None
    for values in ({"amount_minor": 200}, {"reference": "SLIP 8"}, {"point": MARKET}):
        with pytest.raises(OtherFormSent):
            pair.ask(**({"amount_minor": 100} | values))
    with pytest.raises(OtherFormSent):
        pair.ask(TAKE_OUT, amount_minor=100)
    assert shop.account().balance_minor == 100


def test_a_sale_is_taken_from_where_it_was_reserved_however_the_point_sells_by_now(
    pair, shop, module
):
    pair.ask(amount_minor=FIFTY_UNITS)
    module.once("issue_credit", answer_lost)
    from_cash = shop.sell()
    terms(pair, credit=FIFTY_UNITS)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert shop.again(from_cash).state == "issued"
    assert shop.account().balance_minor == FIFTY_UNITS
    module.once("issue_credit", answer_lost)
    from_float = shop.sell(units="20")
    terms(pair, limited=False, key="t2")
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert shop.again(from_float).state == "issued"
    assert shop.account().balance_minor == FIFTY_UNITS - 200  # 20 units at 0.10
    proves(shop)


def test_a_credit_limit_does_not_go_below_what_is_in_use(pair, shop):
    terms(pair, credit=FIFTY_UNITS)
    shop.sell()
    with pytest.raises(CreditInUse) as refused:
        terms(pair, credit=FIFTY_UNITS - 1, key="t2")
    assert refused.value.params == {"used": Money(FIFTY_UNITS, "USD")}
    with pytest.raises(CreditLimitNegative):
        terms(pair, credit=-1, key="t3")
    terms(pair, limited=False, key="t4")
    assert not shop.account().limited


@pytest.mark.parametrize(("limited", "credit", "asks"), [
    (True, 999, False), (True, 1000, True), (False, 0, True),
])  # fmt: skip
def test_a_rule_on_terms_compares_the_credit_and_always_asks_for_endless_credit(
    pair, limited, credit, asks
):
    pair.rule(CHANGE_TERMS, 1000)
    assert (terms(pair, limited=limited, credit=credit) is not None) is asks


def test_every_change_is_on_record_with_what_was_there_before(pair, shop):
    terms(pair, credit=200)
    pair.ask(amount_minor=700)
    pair.ask(TAKE_OUT, key="k2", amount_minor=300)
    events = [event for event in shop.rows(AuditEvent) if event.action.startswith("float.")]
    assert [(event.action, event.actor_id) for event in events] == [
        (action, pair.ids[MAKER])
        for action in ("float.terms_changed", "float.paid_in", "float.taken_out")
    ]
    assert {event.vending_point_id for event in events} == {shop.utility.points[HARBOUR]}
    assert events[0].details == {
        "limited": True, "was_limited": False, "credit_limit_minor": 200,
        "was_credit_limit_minor": 0,
    }  # fmt: skip
    assert events[2].details["balance_minor"] == 400


def test_the_same_slip_is_entered_once_unless_it_is_said_to_be_another(pair, shop):
    pair.ask(amount_minor=100)
    shop.clock.forward(days=400)
    for reference in ("SLIP 7", " slip 7"):
        with pytest.raises(SlipEntered) as refused:
            pair.ask(key="k2", amount_minor=100, reference=reference)
        assert refused.value.params == {"entered_on": TODAY, "by": MAKER}
    pair.ask(key="k3", amount_minor=101)
    pair.ask(key="k4", amount_minor=100, reference="SLIP 8")
    pair.ask(key="k5", amount_minor=100, point=MARKET)
    assert shop.account().balance_minor == 301
    assert pair.ask(key="k6", amount_minor=100, again=True) is None
    said = [event.details.get("again") for event in shop.rows(AuditEvent)]
    assert said == [None, None, None, None, True]


def test_two_who_enter_the_same_slip_at_once_pay_it_in_once(pair, shop):
    outcomes = in_threads(
        *[lambda who=who: pair.ask(key=who, by=who, amount_minor=100) for who in (MAKER, CHECKER)]
    )
    assert sorted(map(str, map(type, outcomes))) == sorted(map(str, (SlipEntered, type(None))))
    assert shop.account().balance_minor == 100


# who sees it


def test_money_is_moved_only_at_points_the_mover_sees(pair, shop):
    south = shop.utility.regions["south"]
    pair.shop.change(lambda s: setattr(s.get(type(shop.utility.users[OPERATOR]), pair.ids[MAKER]),
                                       "region_id", south.id))  # fmt: skip
    with pytest.raises(NotFound):
        pair.ask()
    assert pair.ask(point=MARKET) is None


def test_a_statement_shows_nothing_of_another_point(pair, shop):
    pair.ask(amount_minor=5000)
    mine, theirs = read(shop), read(shop, who=SOUTH_OPERATOR)
    assert (mine.closing_minor, len(mine.rows)) == (5000, 1)
    assert (theirs.closing_minor, theirs.rows) == (0, [])


# the statement


def test_a_statement_begins_where_the_one_before_ended(pair, shop):
    terms(pair)
    pair.ask(amount_minor=5000)
    shop.sell()
    shop.clock.forward(days=1)
    pair.ask(TAKE_OUT, key="k2", amount_minor=1500)
    shop.sell(LEGACY_11, units="10")
    tomorrow = TODAY + timedelta(days=1)
    first, second = read(shop), read(shop, first=tomorrow, last=tomorrow)
    both = read(shop, last=tomorrow)
    assert (first.opening_minor, first.closing_minor) == (0, 4500)
    assert (second.opening_minor, second.closing_minor) == (4500, 2900)
    assert (second.taken_out_minor, second.sold_minor) == (1500, 100)
    assert (both.paid_in_minor, both.sold_minor, both.closing_minor) == (5000, 600, 2900)
    assert [row.balance_minor for row in both.rows] == [5000, 4500, 3000, 2900]
    assert shop.account().balance_minor == both.closing_minor


def test_a_long_statement_says_so_and_its_totals_count_every_row(pair, shop):
    for number in range(3):
        pair.ask(key=f"in {number}", reference=f"SLIP {number}", amount_minor=100)
    told = read(shop, most=2)
    assert (len(told.rows), told.more) == (2, True)
    assert (told.paid_in_minor, told.closing_minor) == (300, 300)


def test_a_sale_taken_back_comes_back_to_the_float(pair, shop, module):
    pair.ask(amount_minor=FIFTY_UNITS)
    terms(pair)
    module.once("issue_credit", answer_lost)
    sale = shop.sell()
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    pair.do(MAKER, give_back, sale.id)
    module.always("fetch_result", works)
    shop.reconcile()
    assert shop.again(sale).state == "reversed"
    told = read(shop)
    assert (told.sold_minor, told.reversed_minor, told.closing_minor) == (500, 500, 500)
    proves(shop)


# money given back for a sale in doubt


def give_back(session, actor, sale_id, key="g1"):
    from vmsapp.services.approvals import asking  # noqa: PLC0415 - beside its only use
    from vmsapp.services.vending.give_back import give_back_for  # noqa: PLC0415

    return asking.submit(session, actor, GIVE_BACK, give_back_for(session, sale_id), key)


@pytest.fixture
def doubtful(shop, module):
    """A sale whose outcome the worker could not find out."""
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    return sale


def test_money_is_given_back_by_two_where_a_rule_says_so(pair, shop, doubtful):
    pair.rule(GIVE_BACK, 500)
    request = pair.do(MAKER, give_back, doubtful.id)
    assert shop.again(doubtful).sealed_at is None
    assert (request.amount_minor, request.vending_point_id) == (500, doubtful.vending_point_id)
    assert pair.approve(request).state == "approved"
    sealed = shop.again(doubtful)
    assert (sealed.sealed_at, sealed.sealed_by_id) == (shop.clock.now, pair.ids[MAKER])


def test_a_sale_that_was_settled_meanwhile_gives_no_money_back(pair, shop, module, doubtful):
    pair.rule(GIVE_BACK)
    request = pair.do(MAKER, give_back, doubtful.id)
    module.always("fetch_result", works)
    shop.reconcile()
    assert shop.again(doubtful).state == "issued"
    failed = pair.approve(request)
    assert (failed.state, failed.outcome["code"]) == ("failed", NothingToGiveBack.code)


def test_only_what_was_received_is_given_back(pair, doubtful):
    with pytest.raises(NothingToGiveBack):
        pair.ask(GIVE_BACK, params=GiveBack(doubtful.id, 499))
