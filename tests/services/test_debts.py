"""Debts: entered by two people, recovered by purchases, owed again when one is taken back.

Units of the flat tariff cost 0.10; hand-made figures are in minor units.
"""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tests.factories import DOMESTIC, LEGACY_11, LEGACY_13
from tests.faults import down, request_lost
from tests.services.pair import make_pair
from tests.shop import in_threads
from vmsapp.errors import NotAllowed
from vmsapp.models import (
    AuditEvent,
    Debt,
    DebtPayment,
    LedgerAccount,
    LedgerEntry,
    Meter,
    Sale,
    ServicePoint,
    Setup,
)
from vmsapp.services import debts, ledger
from vmsapp.services.approvals import asking
from vmsapp.services.debts import (
    ENTER,
    DebtAmountWrong,
    DebtNameMissing,
    DebtReasonMissing,
    DebtWayWrong,
    NewDebt,
)
from vmsapp.services.vending.debts import of_cost, of_tender
from vmsapp.services.vending.reversal import REVERSE, Reversal
from vmsapp.tariffs.errors import AboveLargestAmount, AmountTooSmall, BelowSmallestAmount


@pytest.fixture
def pair(shop):
    return make_pair(shop)


def consumer_of(shop, meter=LEGACY_11):
    return shop.rows(ServicePoint, ServicePoint.id == shop.point_of(meter))[0].consumer_id


def owe(shop, amount=1000, share=None, fixed=None, meter=LEGACY_11, name="Connection"):
    """Write a debt down without the two people."""
    debt = Debt(
        consumer_id=consumer_of(shop, meter), name=name, amount_minor=amount, recovered_minor=0,
        share_percent=share, sum_minor=fixed, reason="x", entered_at=shop.clock.now,
        key=f"{name}-{amount}-{share}-{fixed}",
    )  # fmt: skip
    shop.change(lambda s: s.add(debt))
    return debt


def balance(shop, debt):
    return shop.rows(Debt, Debt.id == debt.id)[0].balance_minor


def new(shop, **changed):
    values = {
        "consumer_id": consumer_of(shop), "name": "Connection", "amount_minor": 1000,
        "share_percent": 20, "sum_minor": None, "reason": "Agreed on 3 March",
    }  # fmt: skip
    return NewDebt(**values | changed)


# entering


def test_two_people_enter_a_debt_and_it_is_on_record(shop, pair):
    request = pair.ask(ENTER, params=new(shop))
    assert shop.count(Debt) == 0
    assert pair.approve(request).state == "approved"
    row = shop.rows(Debt)[0]
    assert (row.name, row.amount_minor, row.balance_minor) == ("Connection", 1000, 1000)
    assert (row.share_percent, row.sum_minor, row.reason) == (20, None, "Agreed on 3 March")
    event = shop.rows(AuditEvent, AuditEvent.action == "debt.entered")[0]
    assert event.details["amount_minor"] == 1000


def test_who_lacks_the_right_enters_none(shop, pair):
    with pytest.raises(NotAllowed):
        shop.do(asking.submit, ENTER, new(shop), "k")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"amount_minor": 0}, DebtAmountWrong),
        ({"amount_minor": -5}, DebtAmountWrong),
        ({"name": ""}, DebtNameMissing),
        ({"name": "x" * 121}, DebtNameMissing),
        ({"reason": ""}, DebtReasonMissing),
        ({"share_percent": None}, DebtWayWrong),
        ({"sum_minor": 100}, DebtWayWrong),
        ({"share_percent": 100}, DebtWayWrong),
        ({"share_percent": None, "sum_minor": 0}, DebtWayWrong),
    ],
)
def test_what_makes_no_debt_is_refused(shop, pair, changed, refusal):
    with pytest.raises(refusal):
        pair.ask(ENTER, params=new(shop, **changed))


# recovering


def test_a_fixed_sum_is_taken_of_each_purchase_until_all_is_paid(shop):
    debt = owe(shop, 1000, fixed=400)
    sales = [shop.sell(tender=1000, repeat_confirmed=True) for _ in range(4)]
    # 10.00 less 4.00 buys 60 units; then again; then 2.00 is left; then nothing
    assert [str(sale.units) for sale in sales] == ["60.000", "60.000", "80.000", "100.000"]
    assert {sale.charged_minor for sale in sales} == {1000}
    assert balance(shop, debt) == 0
    assert [row.amount_minor for row in shop.rows(DebtPayment)] == [400, 400, 200]


def test_a_share_of_the_tender_is_taken_and_the_receipt_says_what_is_left(shop):
    debt = owe(shop, 1000, share=25)
    sale = shop.sell(tender=1000)  # 2.50 of 10.00; 7.50 buys 75 units
    assert str(sale.units) == "75.000"
    line = next(one for one in sale.calculation["lines"] if one["kind"] == "debt")
    assert (line["name"], line["amount_minor"], line["balance_minor"]) == ("Connection", 250, 750)
    assert balance(shop, debt) == 750


def test_by_quantity_the_share_is_of_what_is_paid_in_the_end(shop):
    owe(shop, 1000, share=20)
    sale = shop.sell(units="80")  # 8.00 of energy is four fifths of 10.00
    assert (sale.charged_minor, str(sale.units)) == (1000, "80.000")


def too_small(shop, meter, tender):
    with pytest.raises(AmountTooSmall) as caught:
        shop.quote(meter, tender=tender)
    return caught.value.minimum.minor


@pytest.mark.parametrize(("meter", "ways", "tender", "minimum"), [
    # 5.00 of the debt, and 0.1 unit for 0.01
    (LEGACY_11, [{"fixed": 500}], 100, 501),
    # Fee 2.00 and 0.01 of energy are the larger half of 4.01; of 4.00 but 2.00 would be left.
    (DOMESTIC, [{"share": 50}], 150, 401),
    # Of 2.99 the share is 0.98, parts left out, and 2.01 remain; of 2.98 it is 0.98, too.
    (DOMESTIC, [{"share": 33}], 100, 299),
    # The halves leave an odd cent at most, and that pays no fee, till each debt is paid whole.
    (DOMESTIC, [{"share": 50}, {"share": 50}], 150, 2000 + 201),
    # The first debt is paid whole of 12.50; then 17.15 less 10.00 less 5.14 leave 2.01.
    (DOMESTIC, [{"share": 80}, {"share": 30}], 150, 1715),
    # 2.01 and the sum of 5.00 are the larger half of 14.01.
    (DOMESTIC, [{"fixed": 500}, {"share": 50}], 150, 1401),
])  # fmt: skip
@pytest.mark.parametrize("in_money", [False, True])
def test_the_least_amount_is_named_with_what_debts_take_of_it(
    shop, meter, ways, tender, minimum, in_money
):
    """A meter that rates itself needs 0.01 of credit where another needs 0.1 unit for 0.01."""
    for number, way in enumerate(ways):
        owe(shop, 1000, meter=meter, name=f"Debt {number}", **way)
    if in_money:
        shop.change(lambda s: setattr(s.get_one(Meter, shop.utility.meters[meter]),
                                      "credit_mode", "currency"))  # fmt: skip
    assert too_small(shop, meter, tender) == minimum
    assert too_small(shop, meter, minimum - 1) == minimum
    assert shop.sell(meter, tender=minimum).charged_minor == minimum


@pytest.mark.parametrize("wish", [{"units": "40"}, {"tender": 600}])
def test_the_smallest_amount_is_of_all_that_is_paid_debts_included(shop, wish):
    owe(shop, 1000, fixed=200)
    shop.change(lambda s: setattr(s.scalars(select(Setup)).one(), "smallest_minor", 500))
    sale = shop.sell(**wish)  # 2.00 of the debt and 40 units at 0.10
    assert (sale.charged_minor, str(sale.units)) == (600, "40.000")


@pytest.mark.parametrize("wish", [{"units": "20"}, {"tender": 400}])
def test_less_than_the_smallest_amount_is_refused_though_it_pays_a_debt(shop, wish):
    owe(shop, 1000, fixed=200)
    shop.change(lambda s: setattr(s.scalars(select(Setup)).one(), "smallest_minor", 500))
    with pytest.raises(BelowSmallestAmount) as caught:
        shop.sell(**wish, shown={})
    assert caught.value.smallest.minor == 500


@pytest.mark.parametrize("wish", [{"units": "40"}, {"tender": 600}])
def test_the_largest_amount_is_of_all_that_is_paid_debts_included(shop, wish):
    owe(shop, 1000, fixed=200)
    shop.change(lambda s: setattr(s.scalars(select(Setup)).one(), "largest_minor", 599))
    with pytest.raises(AboveLargestAmount):
        shop.sell(**wish, shown={})


def test_the_money_is_credited_to_debts_and_the_ledger_adds_up(shop):
    owe(shop, 1000, fixed=400)
    shop.sell(tender=1000)
    accounts = {row.id: (row.kind, row.detail) for row in shop.rows(LedgerAccount)}
    found = {accounts[row.account_id]: row.amount_minor for row in shop.rows(LedgerEntry)}
    assert found == {
        ("cash", ""): 1000, ("debt", "Connection"): -400, ("energy", "electricity"): -600,
    }  # fmt: skip
    assert shop.change(ledger.trial_balance) == 0


def test_fees_come_before_debts(shop):
    owe(shop, 1000, fixed=400, meter=DOMESTIC)
    sale = shop.sell(DOMESTIC, tender=1000)  # fee 2.00, debt 4.00, 40 units at 0.10
    kinds = [line["kind"] for line in sale.calculation["lines"]]
    assert kinds.index("fee") < kinds.index("debt") < kinds.index("energy")
    assert str(sale.units) == "40.000"


def test_a_debt_is_the_consumers_and_nobody_elses(shop):
    debt = owe(shop, 1000, fixed=400)
    shop.sell(LEGACY_13, tender=1000)
    assert balance(shop, debt) == 1000


class Owing:
    def __init__(self, balance_minor, share_percent=None, sum_minor=None):
        self.name = "x"
        self.balance_minor = balance_minor
        self.share_percent, self.sum_minor = share_percent, sum_minor


@pytest.mark.parametrize(
    ("owed", "tender", "taken"),
    [
        ([Owing(1000, 33)], 100, [33]),
        ([Owing(1000, 33)], 101, [33]),  # 33.33: parts of a unit are left out
        ([Owing(20, 50)], 100, [20]),
        ([Owing(1000, 60), Owing(1000, 60)], 100, [60, 40]),
        ([Owing(1000, None, 80), Owing(1000, 50)], 100, [80, 20]),
        ([], 100, []),
    ],
)
def test_what_is_taken_of_a_tender(owed, tender, taken):
    assert of_tender(owed, tender) == taken


@pytest.mark.parametrize(
    ("owed", "cost", "taken"),
    [
        ([Owing(1000, 20)], 800, [200]),
        ([Owing(1000, 50)], 100, [100]),
        ([Owing(1000, 20), Owing(1000, 30)], 500, [200, 300]),
        ([Owing(1000, None, 200), Owing(1000, 50)], 300, [200, 500]),
        ([Owing(30, 20)], 800, [30]),
        ([Owing(70, 60), Owing(80, 60)], 500, [70, 80]),  # more than the whole: all of both
    ],
)
def test_what_is_taken_beside_a_cost(owed, cost, taken):
    assert of_cost(owed, cost) == taken


# owed again


def test_a_failed_sale_owes_it_again(shop, module):
    debt = owe(shop, 1000, fixed=400)
    module.once("issue_credit", down)
    sale = shop.sell(tender=1000)
    assert sale.state == "failed"
    assert balance(shop, debt) == 1000
    assert shop.rows(DebtPayment)[0].given_back_at == shop.clock.now


def test_a_sale_taken_back_owes_it_again_once(shop, pair):
    debt = owe(shop, 1000, fixed=400)
    sale = shop.sell(tender=1000)
    assert balance(shop, debt) == 600
    pair.approve(pair.ask(REVERSE, params=Reversal(sale.id, 1000, "test")))
    assert balance(shop, debt) == 1000
    assert shop.change(ledger.trial_balance) == 0


def test_while_a_sale_is_pending_what_it_takes_is_not_taken_twice(shop, module):
    debt = owe(shop, 400, fixed=400)
    module.once("issue_credit", request_lost)
    shop.sell(tender=1000)
    assert balance(shop, debt) == 0


def test_the_statement_tells_every_movement_with_what_was_owed_after_it(shop, pair):
    owe(shop, 1000, fixed=400)
    shop.clock.forward(minutes=5)
    first = shop.sell(tender=1000)
    shop.clock.forward(minutes=5)
    shop.sell(tender=1000)
    shop.clock.forward(minutes=5)
    pair.approve(pair.ask(REVERSE, params=Reversal(first.id, 1000, "test")))
    told = shop.do(
        lambda s, _a: debts.statement(s, debts.debts_of(s, consumer_of(shop))), by="supervisor"
    )
    assert [(one.amount_minor, one.balance_minor) for one in told] == [
        (1000, 1000), (-400, 600), (-400, 200), (400, 600),
    ]  # fmt: skip


def test_the_database_keeps_what_is_recovered_between_nothing_and_all(shop):
    debt = owe(shop, 1000, fixed=400)
    for wrong in (-1, 1001):

        def spoil(session, wrong=wrong):
            session.get_one(Debt, debt.id).recovered_minor = wrong

        with pytest.raises(IntegrityError):
            shop.change(spoil)


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_two_meters_of_one_consumer_sold_to_at_once_take_no_more_than_is_owed(shop):
    debt = owe(shop, 400, fixed=400)

    def move_in(session):
        point = session.get_one(ServicePoint, shop.point_of(LEGACY_13))
        point.consumer_id = debt.consumer_id

    shop.change(move_in)
    forms = [shop.form(meter, tender=1000) for meter in (LEGACY_11, LEGACY_13)]
    in_threads(*(lambda form=form: shop.submit(form) for form in forms))
    assert balance(shop, debt) == 0
    assert [row.amount_minor for row in shop.rows(DebtPayment)] == [400]
    assert shop.count(Sale) == 1  # the other's price has changed: it is asked again
