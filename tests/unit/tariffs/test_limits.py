"""Least and most of a sale, a day and a month, in units and in money, at their edges."""

from dataclasses import replace

import pytest

from tests.unit.tariffs.making import D, flat, standing, stepped, terms
from vmsapp.money import Money
from vmsapp.tariffs import errors
from vmsapp.tariffs.engine import Used, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.plan import Limits, Most, Settlement, Span

USED = {Span.DAY: Used(D(12), 1200), Span.MONTH: Used(D(45), 4500)}
THERE = standing(45, used=USED)

# At 1.00 a unit: 30 at once; 40 - 12 in a day; 60 - 45 in a month.
MOST_UNITS = [
    (Span.SALE, 30, errors.AboveLargestPurchase, 30),
    (Span.DAY, 40, errors.AboveDaysUnits, 28),
    (Span.MONTH, 60, errors.AboveMonthsUnits, 15),
]


@pytest.mark.parametrize(("span", "most", "error", "largest"), MOST_UNITS)
def test_units_are_limited_in_a_span(span, most, error, largest):
    under = terms(flat("1", limits=Limits(most=(Most(span, D(most)),))))
    assert quote_by_quantity(under, THERE, D(largest)).units == largest
    with pytest.raises(error) as caught:
        quote_by_quantity(under, THERE, D(largest) + D("0.1"))
    assert caught.value.largest == largest
    quote = quote_by_amount(under, THERE, 100_00)
    assert (quote.units, quote.change_minor) == (largest, 100_00 - largest * 100)


MOST_MONEY = [
    (Span.SALE, 3000, errors.AboveLargestAmount, 3000),
    (Span.DAY, 4000, errors.AboveDaysMoney, 2800),
    (Span.MONTH, 6000, errors.AboveMonthsMoney, 1500),
]


@pytest.mark.parametrize(("span", "most", "error", "largest"), MOST_MONEY)
def test_money_is_limited_in_a_span(span, most, error, largest):
    under = terms(flat("1", limits=Limits(most=(Most(span, minor=most),))))
    assert quote_by_amount(under, THERE, largest).charged_minor == largest
    assert quote_by_quantity(under, THERE, D(largest) / 100).charged_minor == largest
    for make, wish in (
        (quote_by_amount, largest + 1),
        (quote_by_quantity, D(largest) / 100 + D("0.1")),
    ):
        with pytest.raises(error) as caught:
            make(under, THERE, wish)
        assert caught.value.largest == Money(largest, "XTS")


def test_limit_of_money_counts_what_the_coin_makes_of_an_amount():
    # 9.6 units at 1.00 come to a coin of 0.50 up: 10.00, which is the most.
    plan = flat("1", limits=Limits(most=(Most(Span.SALE, minor=999),)))
    assert quote_by_quantity(terms(plan), standing(), D("9.6")).charged_minor == 960
    with pytest.raises(errors.AboveLargestAmount):
        quote_by_quantity(terms(plan, Settlement.UP, coin=50), standing(), D("9.6"))


def test_tightest_of_all_limits_is_named():
    limits = Limits(most=tuple(Most(span, D(most)) for span, most, *_ in MOST_UNITS))
    plan = stepped((50, "1"), limits=limits)  # 50 - 45 are left of the last step
    with pytest.raises(errors.AboveLastStep) as caught:
        quote_by_quantity(terms(plan), THERE, D(10))
    assert caught.value.largest == 5
    with pytest.raises(errors.AboveTokenLimit) as caught:
        quote_by_quantity(replace(terms(plan), max_units=D("4.9")), THERE, D(10))
    assert caught.value.largest == D("4.9")


@pytest.mark.parametrize("used", ["40", "41", "39.95"])
def test_used_up_day_sells_nothing_whatever_the_money(used):
    limits = Limits(most=(Most(Span.DAY, D(40)),))
    there = standing(0, used={Span.DAY: Used(D(used), 0)})
    for make, wish in ((quote_by_amount, 500), (quote_by_quantity, D(1))):
        with pytest.raises(errors.AboveDaysUnits) as caught:
            make(terms(flat("1", limits=limits)), there, wish)
        assert caught.value.largest == 0


def test_used_up_money_of_a_month_is_named_as_nothing_left():
    limits = Limits(most=(Most(Span.MONTH, minor=4000),))
    with pytest.raises(errors.AboveMonthsMoney) as caught:
        quote_by_amount(terms(flat("1", limits=limits)), THERE, 1)
    assert caught.value.largest == Money(0, "XTS")


def test_least_money_is_held_in_both_directions():
    under = terms(flat("1", limits=Limits(smallest_minor=500)))
    assert quote_by_amount(under, standing(), 500).units == 5
    assert quote_by_quantity(under, standing(), D(5)).charged_minor == 500
    for make, wish in ((quote_by_amount, 499), (quote_by_quantity, D("4.9"))):
        with pytest.raises(errors.BelowSmallestAmount) as caught:
            make(under, standing(), wish)
        assert caught.value.smallest == Money(500, "XTS")


def test_quantity_below_the_least_is_named_before_any_limit_of_money():
    under = terms(flat("1", limits=Limits(D(5), 500)))
    with pytest.raises(errors.BelowSmallestPurchase) as caught:
        quote_by_quantity(under, standing(), D("4.9"))
    assert caught.value.smallest == 5
