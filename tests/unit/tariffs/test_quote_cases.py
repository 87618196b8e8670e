"""Hand-computed quotes: currencies, settlements, coins, limits and every refusal."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from vmsapp.errors import InvalidInput
from vmsapp.money import Currency, Money
from vmsapp.tariffs import errors
from vmsapp.tariffs.engine import (
    Line,
    LineKind,
    Quote,
    Standing,
    Terms,
    quote_by_amount,
    quote_by_quantity,
)
from vmsapp.tariffs.plan import (
    Accumulation,
    FeePeriod,
    FixedFee,
    Penalty,
    Plan,
    Settlement,
    Step,
)
from vmsapp.tariffs.steps import spread

TODAY = date(2024, 3, 5)
D = Decimal
FRESH = Standing(D(0), (), TODAY)
MAX = D("1638.3")


def flat(price: str, tax: str = "0", **rest) -> Plan:
    return Plan("Flat", (Step(D(0), None, D(price), D(tax)),), rest.pop("fee", None), **rest)


def terms(plan: Plan, settlement=Settlement.DOWN, *, exponent=2, coin=1) -> Terms:
    return Terms(plan, Currency("XTS", exponent, coin), settlement, MAX)


def kinds(quote: Quote) -> list[tuple[LineKind, int]]:
    return [(line.kind, line.amount_minor) for line in quote.lines]


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
    steps = tuple(Step(D(n) / 10, D(n + 1) / 10, D("0.05"), D(0)) for n in range(5))
    quote = quote_by_quantity(terms(Plan("Halves", steps, None)), FRESH, D("0.5"))
    assert [line.amount_minor for line in quote.lines] == [1, 0, 1, 0, 1]


def test_later_step_may_be_cheaper():
    # 10 x 0.50 = 5.00, then 0.20: 6.00 buys 15, 5 of them in the second step.
    plan = Plan(
        "Falling", (Step(D(0), D(10), D("0.5"), D(0)), Step(D(10), None, D("0.2"), D(0))), None
    )
    quote = quote_by_amount(terms(plan), FRESH, 600)
    assert (quote.units, quote.change_minor) == (D(15), 0)


def test_single_purchase_accumulation_starts_every_sale_at_the_first_step():
    steps = (Step(D(0), D(10), D("0.1"), D(0)), Step(D(10), None, D(1), D(0)))
    plan = Plan("Sale", steps, None, accumulation=Accumulation.SALE)
    standing = Standing(D(500), (), TODAY)
    quote = quote_by_quantity(terms(plan), standing, D(10))
    assert quote.charged_minor == 100
    assert (quote.bought_before, quote.bought_after) == (D(500), D(510))
    assert (
        quote_by_quantity(
            terms(replace(plan, accumulation=Accumulation.MONTH)), standing, D(10)
        ).charged_minor
        == 1000
    )


# -- fees ---------------------------------------------------------------------------------


def test_arrears_come_before_the_current_fee_and_both_before_energy():
    fee = FixedFee(200, FeePeriod.MONTH, recover_missed=True, max_periods=None)
    due = (date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1))
    quote = quote_by_amount(terms(flat("0.1", fee=fee)), Standing(D(0), due, TODAY), 1000)
    assert kinds(quote) == [
        (LineKind.FEE_ARREARS, 200),
        (LineKind.FEE_ARREARS, 200),
        (LineKind.FEE, 200),
        (LineKind.ENERGY, 400),
    ]
    assert [line.period_start for line in quote.lines[:3]] == list(due)


def test_plan_without_fee_charges_none():
    standing = Standing(D(0), (date(2024, 3, 1),), TODAY)
    assert kinds(quote_by_quantity(terms(flat("0.1")), standing, D(10))) == [(LineKind.ENERGY, 100)]


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


JUMP = (Penalty(D(0), D(10), 0), Penalty(D(10), None, 500))


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
    steps = (
        Step(D(0), D(10), D(1), D(0)),
        Step(D(10), D(15), D(0), D(0)),
        Step(D(15), None, D(1), D(0)),
    )
    quote = quote_by_amount(terms(Plan("Free", steps, None), way), FRESH, 1000)
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

CLOSED = Plan("Closed", (Step(D(0), D(100), D(1), D(0)),), None)
ALL_BANDS_CLOSED = flat("1", penalties=(Penalty(D(0), D(50), 0),))
LIMITS = [
    (terms(CLOSED), "40", errors.AboveLastStep, "60"),
    (terms(flat("1", largest_units=D(30))), "40", errors.AboveLargestPurchase, "30"),
    (terms(ALL_BANDS_CLOSED), "0", errors.AboveLargestPurchase, "50"),
    (replace(terms(flat("1")), max_units=D("20.05")), "0", errors.AboveTokenLimit, "20.0"),
]


@pytest.mark.parametrize(("under", "bought", "error", "largest"), LIMITS)
def test_quantity_past_a_limit_is_refused_with_the_largest_possible(under, bought, error, largest):
    standing = Standing(D(bought), (), TODAY)
    assert quote_by_quantity(under, standing, D(largest)).units == D(largest)
    with pytest.raises(error) as caught:
        quote_by_quantity(under, standing, D(largest) + D("0.1"))
    assert caught.value.largest == D(largest)
    assert caught.value.params["largest"] == D(largest)


@pytest.mark.parametrize("way", list(Settlement))
@pytest.mark.parametrize(("under", "bought", "error", "largest"), LIMITS)
def test_amount_past_a_limit_buys_the_largest_and_gives_change(under, bought, error, largest, way):
    under = replace(under, settlement=way)
    quote = quote_by_amount(under, Standing(D(bought), (), TODAY), 20000)
    assert quote.units == D(largest)
    assert quote.charged_minor == int(D(largest) * 100)
    assert quote.change_minor == 20000 - quote.charged_minor


@pytest.mark.parametrize("quote", [quote_by_quantity, quote_by_amount])
@pytest.mark.parametrize("bought", ["100", "120"])
def test_used_up_last_step_sells_nothing(quote, bought):
    with pytest.raises(errors.AboveLastStep) as caught:
        quote(
            terms(CLOSED), Standing(D(bought), (), TODAY), D(5) if quote is quote_by_quantity else 5
        )
    assert caught.value.largest == 0


def test_room_below_the_smallest_purchase_sells_nothing():
    plan = replace(CLOSED, smallest_units=D(10))
    with pytest.raises(errors.AboveLastStep) as caught:
        quote_by_amount(terms(plan), Standing(D(95), (), TODAY), 10000)
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
    fee = FixedFee(200, FeePeriod.MONTH, recover_missed=True, max_periods=None)
    under = terms(flat("0.5", fee=fee), way)
    standing = Standing(D(0), (date(2024, 3, 1),), TODAY)
    with pytest.raises(errors.AmountTooSmall) as caught:
        quote_by_amount(under, standing, 204)
    assert caught.value.minimum == Money(205, "XTS")
    assert quote_by_amount(under, standing, 205).units == D("0.1")


def test_smallest_purchase_is_held_in_both_directions():
    plan = flat("1", smallest_units=D(5))
    with pytest.raises(errors.BelowSmallestPurchase) as caught:
        quote_by_quantity(terms(plan), FRESH, D("4.9"))
    assert caught.value.smallest == D(5)
    with pytest.raises(errors.BelowSmallestPurchase):
        quote_by_amount(terms(plan), FRESH, 499)
    assert quote_by_amount(terms(plan), FRESH, 500).units == D(5)


def test_amount_that_buys_nothing_names_what_the_smallest_purchase_costs():
    with pytest.raises(errors.AmountTooSmall) as caught:
        quote_by_amount(terms(flat("1", smallest_units=D(5))), FRESH, 9)
    assert caught.value.minimum == Money(500, "XTS")


def test_every_refusal_is_input_with_its_own_code_and_a_sentence_that_takes_its_values():
    refusals = [
        errors.InvalidQuantity(units=D("0.05")),
        errors.InvalidTender(),
        errors.AmountTooSmall(minimum=Money(205, "XTS")),
        errors.BelowSmallestPurchase(smallest=D(5)),
        errors.AboveLastStep(largest=D(60)),
        errors.AboveTokenLimit(largest=D(60)),
        errors.AboveLargestPurchase(largest=D(60)),
    ]
    assert all(isinstance(refusal, InvalidInput) for refusal in refusals)
    assert len({refusal.code for refusal in refusals}) == len(refusals)
    assert str(refusals[-1]) == "One purchase is at most 60 units."
    assert str(refusals[1]) == "The amount must be more than 0."
    assert all("%(" not in str(refusal) for refusal in refusals)


# -- our own mistakes ---------------------------------------------------------------------


@pytest.mark.parametrize(("received", "change", "charged"), [(10, 0, 9), (11, 0, 10), (9, -1, 10)])
def test_quote_whose_lines_do_not_add_up_cannot_be_made(received, change, charged):
    with pytest.raises(AssertionError):
        Quote(D(1), (Line(LineKind.ENERGY, 10),), received, change, charged, D(0), D(1))


def test_units_past_the_last_step_cannot_be_spread():
    with pytest.raises(AssertionError, match="past the last step"):
        spread(CLOSED.steps, D(0), D("100.1"))
