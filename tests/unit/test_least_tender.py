"""The least amount named where debts take their part of it: it sells, and a coin less does not."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.tariffs import anything as some
from tests.unit.tariffs.making import flat, monthly, months_due, standing, terms
from vmsapp.errors import InvalidInput
from vmsapp.services.vending.debts import least_tender, of_tender
from vmsapp.tariffs.credit import need_of_currency, quote_for_currency
from vmsapp.tariffs.engine import Debt, need_by_amount, quote_by_amount
from vmsapp.tariffs.errors import AmountTooSmall
from vmsapp.tariffs.levies import Base, PercentLevy
from vmsapp.tariffs.plan import Limits

LOOKED_AT = 100
"""Tenders below the one named that are tried, each by itself."""

WAYS = [(quote_by_amount, need_by_amount), (quote_for_currency, need_of_currency)]


@dataclass(frozen=True)
class Owing:
    balance_minor: int
    share_percent: int | None
    sum_minor: int | None
    id: int = 1
    name: str = "Loan"


shares = st.builds(Owing, st.integers(1, 10**9) | st.integers(1, 3000), st.integers(1, 99),
                   st.none())  # fmt: skip
sums = st.builds(Owing, st.integers(1, 3000), st.none(), st.integers(1, 1000))


def buys(quote, under, there, owed, tender) -> bool:
    debts = tuple(Debt("Loan", amount) for amount in of_tender(owed, tender) if amount)
    try:
        quote(under, replace(there, debts=debts), tender)
    except AmountTooSmall:
        return False
    return True


@pytest.mark.parametrize(("quote", "need"), WAYS)
@settings(max_examples=200)
@given(
    some.terms, some.standings(), st.lists(shares | sums, min_size=1, max_size=4),
    st.integers(1, 3000) | some.tenders,
)  # fmt: skip
def test_the_least_amount_buys_something_and_none_between_it_and_the_refused_one_does(
    quote, need, under, there, owed, tender
):
    units = under.plan.limits.smallest_units
    under = replace(under, plan=replace(under.plan, limits=Limits(units, None, ())))
    there = replace(there, debts=())
    try:
        refused = not buys(quote, under, there, owed, tender)
    except InvalidInput:  # nothing is sold now, whatever the amount
        refused = False
    assume(refused)
    least = least_tender(owed, need(under, there), tender)
    assert least > tender
    assert buys(quote, under, there, owed, least)
    for less in range(max(tender, least - LOOKED_AT), least):
        assert not buys(quote, under, there, owed, less)


@pytest.mark.parametrize(("way", "expected"), [(WAYS[0], 200_402), (WAYS[1], 200_401)])
def test_a_share_and_a_percent_of_the_whole_that_take_more_than_all_are_outgrown(way, expected):
    # Of each tender 60 % go to the debt and a half to the levy: the debt must be paid whole. Fee
    # 2.00, debt 1000.00 and 0.01 are half of 2004.02; a credit of half a cent is rounded up.
    quote, need = way
    levy = PercentLevy("Council", Decimal(50), frozenset({Base.TENDER}))
    under = terms(flat("0.10", fee=monthly(), levies=(levy,)))
    there = standing(0, months_due(200))
    owed = [Owing(100_000, 60, None)]
    assert least_tender(owed, need(under, there), 500) == expected
    assert buys(quote, under, there, owed, expected)
    assert not buys(quote, under, there, owed, expected - 1)


def test_two_debts_of_half_the_tender_buy_nothing_until_both_are_paid_whole():
    # of a tender of 2 000 000.00 each takes 1 000 000.00; fee and 0.1 unit are 2.01 more
    under, there = terms(flat("0.10", fee=monthly())), standing(0, months_due(200))
    owed = [Owing(100_000_000, 50, None)] * 2
    assert least_tender(owed, need_by_amount(under, there), 500) == 200_000_201
