"""Hand-computed quotes: currencies, settlements, coins, limits and every refusal."""

from dataclasses import replace

import pytest

from tests.unit.tariffs.making import (
    D,
    bands,
    flat,
    kinds,
    monthly,
    months_due,
    standing,
    stepped,
    terms,
)
from vmsapp.errors import InvalidInput
from vmsapp.money import Money
from vmsapp.tariffs import errors
from vmsapp.tariffs.engine import LineKind, Quote, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.plan import Limits, Most, Settlement, Span

FRESH = standing()


# -- currencies ---------------------------------------------------------------------------


def test_currency_without_decimals_rounds_to_whole_units_of_money():
    # 10.3 x 33.5 = 345.05; 18 % = 62.109; together 407.159 -> 407, tax 62, energy 345.
    quote = quote_by_quantity(terms(flat("33.5", "18"), exponent=0), FRESH, D("10.3"))
    assert kinds(quote) == [(LineKind.ENERGY, 345), (LineKind.TAX, 62)]


def test_amount_without_decimals_fits_once_rounded():
    # 33.5 x 1.18 = 39.53 a unit; 1000.5 / 39.53 = 25.3099 -> 25.3, which costs 1000.109 -> 1000.
    quote = quote_by_amount(terms(flat("33.5", "18"), exponent=0), FRESH, 1000)
    assert (quote.units, quote.charged_minor, quote.change_minor) == (D("25.3"), 1000, 0)


def test_currency_with_three_decimals_keeps_thousandths():
    # 12.3 x 0.181250 = 2.229375; 7 % = 0.15605625; together 2.38543125 -> 2.385, tax 0.156.
    quote = quote_by_quantity(terms(flat("0.181250", "7"), exponent=3), FRESH, D("12.3"))
    assert kinds(quote) == [(LineKind.ENERGY, 2229), (LineKind.TAX, 156)]


def test_energy_takes_the_remainder_when_tax_rounds_up():
    # 0.5 x 0.11 = 5.5 cents; 10 % = 0.55 -> 1; together 6.05 -> 6, so energy is 5.
    quote = quote_by_quantity(terms(flat("0.11", "10")), FRESH, D("0.5"))
    assert kinds(quote) == [(LineKind.ENERGY, 5), (LineKind.TAX, 1)]


def test_drift_over_many_steps_makes_no_line_negative():
    # Five steps of half a cent: running totals .5 1 1.5 2 2.5 round to 1 1 2 2 3.
    halves = [(f"0.{n}", "0.05") for n in range(1, 6)]
    quote = quote_by_quantity(terms(stepped(*halves)), FRESH, D("0.5"))
    assert [line.amount_minor for line in quote.lines] == [1, 0, 1, 0, 1]


# -- settlement by amount -----------------------------------------------------------------

# 1.00 at 0.30 a unit: 3.333... units; 3.3 cost 0.99, 3.4 cost 1.02. 1.01: 3.3666... units.
BY_AMOUNT = [
    (Settlement.DOWN, 100, ("3.3", 99, 1, 0)),
    (Settlement.UP, 100, ("3.4", 100, 0, -2)),
    (Settlement.NEAREST, 100, ("3.3", 100, 0, 1)),
    (Settlement.DOWN, 101, ("3.3", 99, 2, 0)),
    (Settlement.UP, 101, ("3.4", 101, 0, -1)),
    (Settlement.NEAREST, 101, ("3.4", 101, 0, -1)),
    (Settlement.UP, 99, ("3.3", 99, 0, 0)),
]


@pytest.mark.parametrize(("way", "tender", "expected"), BY_AMOUNT)
def test_settlement_rounds_the_units(way, tender, expected):
    quote = quote_by_amount(terms(flat("0.3"), way), FRESH, tender)
    rounding = quote.total_minor(LineKind.ROUNDING)
    assert (str(quote.units), quote.charged_minor, quote.change_minor, rounding) == expected


JUMP = bands((0, 10, 0), (10, None, 500))


@pytest.mark.parametrize("way", list(Settlement))
def test_units_stay_below_a_fine_they_cannot_pay_whatever_the_settlement(way):
    # 10 units cost 10.00; 10.1 cost 10.10 and the fine, 15.10.
    quote = quote_by_amount(terms(flat("1", penalties=JUMP), way), FRESH, 1300)
    assert (quote.units, quote.charged_minor, quote.change_minor) == (D(10), 1000, 300)
    assert quote.total_minor(LineKind.ROUNDING) == 0


def test_tender_that_just_pays_the_fine_crosses_the_limit():
    quote = quote_by_amount(terms(flat("1", penalties=JUMP)), FRESH, 1510)
    assert (quote.units, quote.change_minor) == (D("10.1"), 0)
    assert quote.total_minor(LineKind.PENALTY) == 500


def test_bands_need_not_start_at_zero_and_nothing_is_fined_below():
    plan = flat("1", penalties=JUMP[1:])
    assert quote_by_quantity(terms(plan), FRESH, D(10)).total_minor(LineKind.PENALTY) == 0
    assert quote_by_quantity(terms(plan), FRESH, D("10.1")).total_minor(LineKind.PENALTY) == 500
    assert quote_by_amount(terms(plan), FRESH, 1300).units == D(10)


@pytest.mark.parametrize("way", list(Settlement))
def test_free_units_after_the_tender_is_reached_are_given(way):
    # 10 units at 1.00, then 5 free, then 1.00: 10.00 buys 15 in every settlement.
    free = stepped((10, "1"), (15, "0"), (None, "1"))
    quote = quote_by_amount(terms(free, way), FRESH, 1000)
    assert (quote.units, quote.change_minor) == (D(15), 0)


@pytest.mark.parametrize("way", list(Settlement))
def test_grid_step_below_the_minor_unit_gives_all_that_costs_the_same(way):
    # 1 minor a unit: 1.4 units cost 1.4 -> 1, and 1.5 cost 2.
    quote = quote_by_amount(terms(flat("1"), way, exponent=0), FRESH, 1)
    assert (quote.units, quote.charged_minor, quote.change_minor) == (D("1.4"), 1, 0)


def test_cost_of_exactly_half_a_minor_unit_too_much_does_not_fit():
    # 0.5 units at 0.05 cost 2.5 cents, which is 3 by half-up: 2 cents buy 0.4.
    assert quote_by_amount(terms(flat("0.05")), FRESH, 2).units == D("0.4")


# -- coins by quantity --------------------------------------------------------------------

# 8.3 units at 0.15 cost 1.245 -> 1.25 (half-up); a coin of 0.10.
BY_QUANTITY = [(Settlement.DOWN, 120, -5), (Settlement.UP, 130, 5), (Settlement.NEAREST, 130, 5)]


@pytest.mark.parametrize(("way", "charged", "rounding"), BY_QUANTITY)
def test_settlement_rounds_the_money_to_the_coin(way, charged, rounding):
    quote = quote_by_quantity(terms(flat("0.15"), way, coin=10), FRESH, D("8.3"))
    assert (quote.received_minor, quote.charged_minor, quote.change_minor) == (charged, charged, 0)
    assert kinds(quote) == [(LineKind.ENERGY, 125), (LineKind.ROUNDING, rounding)]


def test_amount_that_is_already_payable_has_no_rounding_line():
    quote = quote_by_quantity(terms(flat("0.15"), Settlement.UP, coin=5), FRESH, D("8.3"))
    assert kinds(quote) == [(LineKind.ENERGY, 125)]


# -- limits -------------------------------------------------------------------------------

CLOSED = stepped((100, "1"))
ALL_BANDS_CLOSED = flat("1", penalties=bands((0, 50, 0)))
AT_MOST_30 = flat("1", limits=Limits(most=(Most(Span.SALE, units=D(30)),)))
LIMITS = [
    (terms(CLOSED), "40", errors.AboveLastStep, "60"),
    (terms(AT_MOST_30), "40", errors.AboveLargestPurchase, "30"),
    (terms(ALL_BANDS_CLOSED), "0", errors.AboveLargestPurchase, "50"),
    (replace(terms(flat("1")), max_units=D("20.05")), "0", errors.AboveTokenLimit, "20.0"),
]


@pytest.mark.parametrize(("under", "bought", "error", "largest"), LIMITS)
def test_quantity_past_a_limit_is_refused_with_the_largest_possible(under, bought, error, largest):
    there = standing(bought)
    assert quote_by_quantity(under, there, D(largest)).units == D(largest)
    with pytest.raises(error) as caught:
        quote_by_quantity(under, there, D(largest) + D("0.1"))
    assert caught.value.largest == D(largest)
    assert caught.value.params["largest"] == D(largest)


@pytest.mark.parametrize("way", list(Settlement))
@pytest.mark.parametrize(("under", "bought", "error", "largest"), LIMITS)
def test_amount_past_a_limit_buys_the_largest_and_gives_change(under, bought, error, largest, way):
    under = replace(under, settlement=way)
    quote = quote_by_amount(under, standing(bought), 20000)
    assert quote.units == D(largest)
    assert quote.charged_minor == int(D(largest) * 100)
    assert quote.change_minor == 20000 - quote.charged_minor


@pytest.mark.parametrize("quote", [quote_by_quantity, quote_by_amount])
@pytest.mark.parametrize("bought", ["100", "120"])
def test_used_up_last_step_sells_nothing(quote, bought):
    with pytest.raises(errors.AboveLastStep) as caught:
        quote(terms(CLOSED), standing(bought), D(5) if quote is quote_by_quantity else 5)
    assert caught.value.largest == 0


def test_room_below_the_smallest_purchase_sells_nothing():
    plan = replace(CLOSED, limits=Limits(D(10)))
    with pytest.raises(errors.AboveLastStep) as caught:
        quote_by_amount(terms(plan), standing(95), 10000)
    assert caught.value.largest == 0


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "units",
    ["0", "-1", "-0.1", "0.05", "10.01", "NaN", "sNaN", "Infinity", "1E+100000", "1E-100000"],
)
def test_quantity_off_the_grid_or_not_above_zero_is_refused(units):
    with pytest.raises(errors.InvalidQuantity):
        quote_by_quantity(terms(flat("1")), FRESH, D(units))


def test_quantity_written_with_idle_zeros_is_on_the_grid():
    assert quote_by_quantity(terms(flat("1")), FRESH, D("10.100")).units == D("10.1")


@pytest.mark.parametrize("tender", [0, -1])
def test_tender_not_above_zero_is_refused(tender):
    with pytest.raises(errors.InvalidTender):
        quote_by_amount(terms(flat("1")), FRESH, tender)


@pytest.mark.parametrize("way", list(Settlement))
def test_tender_below_what_is_due_names_the_minimum(way):
    # Fee 2.00 and 0.1 unit at 0.50, 0.05: 2.05.
    under = terms(flat("0.5", fee=monthly()), way)
    due = standing(0, months_due(200))
    with pytest.raises(errors.AmountTooSmall) as caught:
        quote_by_amount(under, due, 204)
    assert caught.value.minimum == Money(205, "XTS")
    assert quote_by_amount(under, due, 205).units == D("0.1")


def test_smallest_purchase_is_held_in_both_directions():
    plan = flat("1", limits=Limits(D(5)))
    with pytest.raises(errors.BelowSmallestPurchase) as caught:
        quote_by_quantity(terms(plan), FRESH, D("4.9"))
    assert caught.value.smallest == D(5)


@pytest.mark.parametrize("way", list(Settlement))
@pytest.mark.parametrize("tender", [9, 499])
def test_amount_below_the_smallest_purchase_names_what_that_costs(way, tender):
    # 5 units at 1.00 cost 5.00, whichever way units are rounded.
    under = terms(flat("1", limits=Limits(D(5))), way)
    with pytest.raises(errors.AmountTooSmall) as caught:
        quote_by_amount(under, FRESH, tender)
    assert caught.value.minimum == Money(500, "XTS")
    assert quote_by_amount(under, FRESH, 500).units == D(5)


def test_every_refusal_is_input_with_its_own_code_and_a_sentence_that_takes_its_values():
    refusals = [
        errors.InvalidQuantity(units=D("0.05")),
        errors.InvalidTender(),
        errors.AmountTooSmall(minimum=Money(205, "XTS")),
        errors.BelowSmallestPurchase(smallest=D(5)),
        errors.AboveLastStep(largest=D(60)),
        errors.AboveTokenLimit(largest=D(60)),
        errors.AboveLargestPurchase(largest=D(60)),
        errors.AboveDaysUnits(largest=D(60)),
        errors.AboveMonthsUnits(largest=D(60)),
        errors.BelowSmallestAmount(smallest=Money(5, "XTS")),
        errors.AboveLargestAmount(largest=Money(5, "XTS")),
        errors.AboveDaysMoney(largest=Money(5, "XTS")),
        errors.AboveMonthsMoney(largest=Money(5, "XTS")),
    ]
    assert all(isinstance(refusal, InvalidInput) for refusal in refusals)
    assert len({refusal.code for refusal in refusals}) == len(refusals)
    assert str(refusals[6]) == "One purchase is at most 60 units."
    assert str(refusals[1]) == "The amount must be more than 0."
    assert all("%(" not in str(refusal) for refusal in refusals)


# -- our own mistakes ---------------------------------------------------------------------


def test_quote_that_charges_more_than_it_receives_cannot_be_made():
    with pytest.raises(AssertionError, match="change below nothing"):
        Quote(terms(flat("1")), FRESH, D(1), (), 100, charged_minor=100, received_minor=99)


def test_change_and_lines_are_what_the_figures_of_a_quote_say():
    quote = Quote(terms(flat("1")), FRESH, D(1), (), 100, charged_minor=90, received_minor=95)
    assert (quote.change_minor, kinds(quote)) == (
        5,
        [(LineKind.ENERGY, 100), (LineKind.ROUNDING, -10)],
    )
