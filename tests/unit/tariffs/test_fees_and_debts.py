"""What is due before energy, by hand: arrears, fees, debts, and the share for arrears."""

import pytest

from tests.unit.tariffs.making import (
    D,
    bands,
    flat,
    kinds,
    monthly,
    months_due,
    standing,
    terms,
)
from vmsapp.money import Money
from vmsapp.tariffs.engine import Debt, LineKind, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.errors import AmountTooSmall
from vmsapp.tariffs.levies import Base, PercentLevy
from vmsapp.tariffs.plan import Limits, Settlement

FEE_TAX = PercentLevy("VAT", D(10), frozenset({Base.FEE}))
OF_ALL = PercentLevy("Street light", D(10), frozenset({Base.TENDER}))


def test_money_is_taken_in_the_order_of_the_rules():
    # 1.00 + 2.00 arrears, 3.00 fee, debts 0.40 and 0.50, fine 5.00, 10 x 0.101 = 1.01 and
    # 10 % tax 0.101: 13.011 -> 13.01, brought up to a coin of 0.25: 13.25.
    plan = flat("0.101", "10", fee=monthly(300), penalties=bands((0, None, 500)))
    there = standing(0, months_due(100, 200, 300), debts=(Debt("Loan", 40), Debt("Meter", 50)))
    quote = quote_by_quantity(terms(plan, Settlement.UP, coin=25), there, D(10))
    assert kinds(quote) == [
        (LineKind.FEE_ARREARS, 100),
        (LineKind.FEE_ARREARS, 200),
        (LineKind.FEE, 300),
        (LineKind.DEBT, 40),
        (LineKind.DEBT, 50),
        (LineKind.PENALTY, 500),
        (LineKind.ENERGY, 101),
        (LineKind.TAX, 10),
        (LineKind.ROUNDING, 24),
    ]
    assert [line.name for line in quote.lines if line.kind is LineKind.DEBT] == ["Loan", "Meter"]
    assert [str(line.period_start) for line in quote.lines[:3]] == [
        "2024-01-01",
        "2024-02-01",
        "2024-03-01",
    ]


def test_arrears_of_another_plan_are_due_under_a_plan_without_a_fee():
    quote = quote_by_amount(terms(flat("0.1")), standing(0, months_due(200, 200)), 1000)
    assert kinds(quote) == [
        (LineKind.FEE_ARREARS, 200),
        (LineKind.FEE, 200),
        (LineKind.ENERGY, 600),
    ]


@pytest.mark.parametrize("exponent", [0, 2, 3])
def test_minimum_covers_all_that_is_due_with_the_levies_on_it(exponent):
    # Minor units: fees 200 + 300 with 10 %, 550; debt 100; 0.1 unit at 500 a unit, 50:
    # 700 is 90 % of 777.78 -> 778.
    price = str(D(500).scaleb(-exponent))
    plan = flat(price, fee=monthly(300), levies=(FEE_TAX, OF_ALL))
    there = standing(0, months_due(200, 300), debts=(Debt("Loan", 100),))
    under = terms(plan, exponent=exponent)
    with pytest.raises(AmountTooSmall) as caught:
        quote_by_amount(under, there, 777)
    assert caught.value.minimum == Money(778, "XTS")
    assert quote_by_amount(under, there, 778).units == D("0.1")


def test_minimum_rounds_half_up_as_the_amount_payable_does():
    # 0.1 unit at 0.25 costs 2.5 cents -> 3; at 0.24 it costs 2.4 -> 2.
    for price, minimum in (("0.25", 3), ("0.24", 2)):
        with pytest.raises(AmountTooSmall) as caught:
            quote_by_amount(terms(flat(price)), standing(), minimum - 1)
        assert caught.value.minimum.minor == minimum
        assert quote_by_amount(terms(flat(price)), standing(), minimum).units == D("0.1")


# -- a share for arrears ------------------------------------------------------------------

QUARTER = flat("0.1", fee=monthly(100, share="25"))
THREE = standing(0, months_due(100, 100, 100))

# A quarter of the tender against 1.00 for each of two missed months; 1.00 of this month.
BY_SHARE = [
    (1000, 2, "70.0"),
    (800, 2, "50.0"),  # 2.00 exactly
    (799, 1, "59.9"),
    (400, 1, "20.0"),
    (399, 0, "29.9"),
    (101, 0, "0.1"),
]


@pytest.mark.parametrize(("tender", "missed", "units"), BY_SHARE)
def test_share_of_the_tender_pays_as_many_missed_fees_as_it_covers(tender, missed, units):
    quote = quote_by_amount(terms(QUARTER), THREE, tender)
    assert (str(quote.units), quote.change_minor) == (units, 0)
    assert quote.fees == (*THREE.fees_due[:missed], THREE.fees_due[-1])
    assert quote.total_minor(LineKind.FEE_ARREARS) == 100 * missed


@pytest.mark.parametrize(
    ("units", "missed", "charged"),
    [
        ("20", 1, 400),  # 2.00 + 1.00 + one of 1.00: a quarter of 4.00
        ("19.9", 0, 299),  # a quarter of 3.99 is less than 1.00
        ("30", 1, 500),  # with two it would be 6.00, a quarter of it 1.50
        ("50", 2, 800),
    ],
)
def test_share_of_the_charge_pays_as_many_missed_fees_as_it_covers(units, missed, charged):
    quote = quote_by_quantity(terms(QUARTER), THREE, D(units))
    assert (quote.charged_minor, len(quote.fees) - 1) == (charged, missed)


def test_share_counts_missed_fees_with_their_levies():
    # 1.00 and 10 %: a quarter of 4.40 pays 1.10, of 4.39 it does not.
    plan = flat("0.1", fee=monthly(100, share="25"), levies=(FEE_TAX,))
    due = standing(0, months_due(100, 100))
    assert len(quote_by_amount(terms(plan), due, 440).fees) == 2
    assert len(quote_by_amount(terms(plan), due, 439).fees) == 1


def test_missed_fees_never_take_what_the_smallest_purchase_needs():
    # Half of 2.00 would cover the missed 1.00, but not beside the current 1.50.
    plan = flat("0.1", fee=monthly(150, share="50"))
    due = standing(0, months_due(100, 150))
    quote = quote_by_amount(terms(plan), due, 200)
    assert kinds(quote) == [(LineKind.FEE, 150), (LineKind.ENERGY, 50)]
    # 2.51 pays both and 0.1 unit.
    assert quote_by_amount(terms(plan), due, 250).units == 10
    assert kinds(quote_by_amount(terms(plan), due, 251))[0] == (LineKind.FEE_ARREARS, 100)


def test_minimum_under_a_share_is_the_current_fee_and_the_smallest_purchase():
    # 1.50 and 5 units, 0.50: 2.00. Half of it would cover the missed fee.
    plan = flat("0.1", fee=monthly(150, share="50"), limits=Limits(D(5)))
    due = standing(0, months_due(100, 150))
    for tender in (1, 199):
        with pytest.raises(AmountTooSmall) as caught:
            quote_by_amount(terms(plan), due, tender)
        assert caught.value.minimum == Money(200, "XTS")
    assert quote_by_amount(terms(plan), due, 200).units == 5


def test_share_of_all_takes_every_missed_fee_whatever_remains():
    plan = flat("0.1", fee=monthly(100))
    with pytest.raises(AmountTooSmall) as caught:
        quote_by_amount(terms(plan), THREE, 300)
    assert caught.value.minimum == Money(301, "XTS")


def test_share_by_quantity_is_of_the_amount_the_coin_makes_of_it():
    # 9 units 0.90 and the missed 1.00: 1.90, with coins of 0.50 2.00, half of it 1.00.
    plan = flat("0.1", fee=monthly(100, share="50"))
    under = terms(plan, Settlement.UP, coin=50)
    due = standing(0, months_due(100, 0)[:1])
    quote = quote_by_quantity(under, due, D(9))
    assert (quote.charged_minor, len(quote.fees)) == (200, 1)
    assert quote_by_amount(under, due, 200).fees == quote.fees


def test_what_stays_due_is_due_again_at_the_next_purchase():
    first = quote_by_amount(terms(QUARTER), THREE, 799)
    left = tuple(fee for fee in THREE.fees_due if fee not in first.fees)
    assert [str(fee.start) for fee in left] == ["2024-02-01"]
    again = quote_by_amount(terms(QUARTER), standing(0, left), 400)
    assert again.total_minor(LineKind.FEE_ARREARS) == 100
