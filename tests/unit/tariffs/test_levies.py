"""Taxes and levies by hand: every kind, every base, on all steps and on some."""

from fractions import Fraction

import pytest

from tests.unit.tariffs.making import (
    D,
    bands,
    flat,
    kinds,
    monthly,
    months_due,
    named,
    standing,
    stepped,
    terms,
)
from vmsapp.tariffs.engine import Debt, LineKind, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy

ENERGY, STEP_TAX, FEE, PENALTY, TENDER = Base


def percent(rate: str, *base: Base, of=(), on=(), name="Levy") -> PercentLevy:
    return PercentLevy(name, D(rate), frozenset(base), of, on)


FUEL = UnitLevy("Fuel", D("0.01"))
STAMP = FlatLevy("Stamp", 75)

# 150 units of (0, 100] at 0.10, tax 5 %, and above at 0.20, tax 10 %:
# energy 10.00 + 10.00, step taxes 0.50 + 1.00. Two months' fee of 2.00; a fine of 12.00.
LEVIED = [
    ([percent("3", ENERGY)], {"Levy": 60}),  # 3 % of 20.00
    ([percent("3", ENERGY, on=(2,))], {"Levy": 30}),
    ([percent("20", STEP_TAX)], {"Levy": 30}),  # 20 % of 1.50
    ([percent("20", STEP_TAX, on=(2,))], {"Levy": 20}),
    ([percent("3", ENERGY, STEP_TAX)], {"Levy": 65}),  # 3 % of 21.50 = 0.645, half-up
    ([UnitLevy("Levy", D("0.013"))], {"Levy": 195}),  # 150 x 0.013
    ([UnitLevy("Levy", D("0.013"), (2,))], {"Levy": 65}),  # 50 x 0.013
    ([UnitLevy("Levy", D("0.013"), (1, 2))], {"Levy": 195}),
    ([STAMP], {"Stamp": 75}),
    ([FlatLevy("Stamp", 75, (2,))], {"Stamp": 75}),
    # 16 % of 20.00 and 150 x 0.01 = 1.50; in the second step alone of 10.00 and 0.50.
    ([FUEL, percent("16", ENERGY, of=("Fuel",))], {"Fuel": 150, "Levy": 344}),
    ([FUEL, percent("16", ENERGY, of=("Fuel",), on=(2,))], {"Fuel": 150, "Levy": 168}),
    ([FUEL, percent("16", of=("Fuel",))], {"Fuel": 150, "Levy": 24}),
    ([FUEL, percent("16", of=("Fuel", "Fuel"))], {"Fuel": 150, "Levy": 24}),
    # A levy on a levy on a levy: 10 % of 1.50, then 50 % of 0.15 and 1.50, 0.825.
    (
        [FUEL, percent("10", of=("Fuel",), name="A"), percent("50", of=("A", "Fuel"), name="B")],
        {"Fuel": 150, "A": 15, "B": 83},
    ),
    # What a step does not have is no base there: Fuel of step 1 alone is 1.00.
    (
        [UnitLevy("Fuel", D("0.01"), (1,)), percent("16", ENERGY, of=("Fuel",), on=(2,))],
        {"Fuel": 100, "Levy": 160},
    ),
    ([STAMP, percent("10", of=("Stamp",))], {"Stamp": 75, "Levy": 8}),  # 0.075, half-up
    ([STAMP, percent("10", of=("Stamp",), on=(1,))], {"Stamp": 75, "Levy": 8}),
    ([percent("15", FEE)], {"Levy": 60}),  # 15 % of 4.00, whatever the steps
    ([percent("15", FEE, on=(1,))], {"Levy": 60}),
    ([percent("5", PENALTY)], {"Levy": 60}),  # 5 % of 12.00
    ([percent("5", PENALTY, on=(2,))], {"Levy": 60}),
    ([percent("1", ENERGY, STEP_TAX, FEE, PENALTY)], {"Levy": 38}),  # 1 % of 37.50 = 0.375
    # All but it is 20.00 + 1.50 + 4.00 + 12.00 = 37.50, which is 75 % of 50.00.
    ([percent("25", TENDER)], {"Levy": 1250}),
    ([percent("15", TENDER, name="A"), percent("10", TENDER, name="B")], {"A": 750, "B": 500}),
]


@pytest.mark.parametrize(("levies", "expected"), LEVIED)
def test_levy_takes_its_part(levies, expected):
    plan = stepped(
        (100, "0.10", "5"),
        (None, "0.20", "10"),
        fee=monthly(),
        penalties=bands((140, None, 1200)),
        levies=tuple(levies),
    )
    quote = quote_by_quantity(terms(plan), standing(0, months_due(200, 200)), D(150))
    assert named(quote) == expected
    assert quote.charged_minor == 3750 + sum(expected.values())
    assert quote.total_minor(LineKind.TAX) == 150
    # Energy takes what roundings leave: here they come to half a cent at most.
    assert abs(quote.total_minor(LineKind.ENERGY) - 2000) <= 1
    back = quote_by_amount(terms(plan), standing(0, months_due(200, 200)), quote.charged_minor)
    assert (back.units, back.change_minor) == (150, 0)


@pytest.mark.parametrize(
    ("bought", "units", "charged"),
    [(0, "100", 0), (0, "100.1", 75), (99, "1", 0), (100, "0.1", 75), (200, "1", 75)],
)
def test_flat_levy_of_a_step_is_charged_when_the_purchase_touches_it(bought, units, charged):
    plan = stepped((100, "0.1"), (None, "0.1"), levies=(FlatLevy("Stamp", 75, (2,)),))
    quote = quote_by_quantity(terms(plan), standing(bought), D(units))
    assert named(quote).get("Stamp", 0) == charged
    assert quote.charged_minor == int(D(units) * 10) + charged


def test_units_stay_before_a_step_whose_flat_levy_the_money_cannot_pay():
    # 100 units cost 10.00; 100.1 cost 10.01 and 0.75.
    plan = stepped((100, "0.1"), (None, "0.1"), levies=(FlatLevy("Stamp", 75, (2,)),))
    quote = quote_by_amount(terms(plan), standing(), 1050)
    assert (quote.units, quote.charged_minor, quote.change_minor) == (100, 1000, 50)
    assert quote_by_amount(terms(plan), standing(), 1076).units == D("100.1")


def test_percent_of_the_tender_is_of_debts_and_fees_too():
    # Fee 2.00, debt 4.00, 30 units at 0.10: 9.00 is 90 % of 10.00.
    plan = flat("0.1", fee=monthly(), levies=(percent("10", TENDER),))
    there = standing(0, months_due(200), debts=(Debt("Loan", 400),))
    assert kinds(quote_by_amount(terms(plan), there, 1000)) == [
        (LineKind.FEE, 200),
        (LineKind.DEBT, 400),
        (LineKind.ENERGY, 300),
        (LineKind.LEVY, 100),
    ]


def test_each_levy_is_rounded_half_up_on_its_own():
    # No decimals: 3 x 50 = 150; 1.6667 % of it is 2.50005 -> 3; 5 a unit on 0.5 is 2.5 -> 3.
    levies = (percent("1.6667", ENERGY, name="A"), UnitLevy("B", D(5)))
    quote = quote_by_quantity(terms(flat("50", levies=levies), exponent=0), standing(), D(3))
    assert named(quote) == {"A": 3, "B": 15}
    half = quote_by_quantity(terms(flat("50", levies=levies), exponent=0), standing(), D("0.5"))
    # 25, 0.416675 and 2.5 come to 27.916675 -> 28; levies 0 and 3, so energy is 25.
    assert kinds(half) == [(LineKind.ENERGY, 25), (LineKind.LEVY, 0), (LineKind.LEVY, 3)]


def test_three_decimals_keep_thousandths_of_each_levy():
    # 12.3 x 0.18125 = 2.229375; 0.0035 a unit = 0.04305; 7 % of both = 0.15906975.
    # Together 2.43149475 -> 2.431: levies 0.043 and 0.159, energy 2.229.
    levies = (UnitLevy("Fuel", D("0.0035")), percent("7", ENERGY, of=("Fuel",)))
    quote = quote_by_quantity(
        terms(flat("0.18125", levies=levies), exponent=3), standing(), D("12.3")
    )
    assert [minor for _, minor in kinds(quote)] == [2229, 43, 159]


# -- prices that hold their taxes ---------------------------------------------------------


def test_inclusive_price_is_split_into_energy_tax_and_levies():
    # Net 0.20: tax 5 % 0.01, Fuel 0.02, VAT 10 % of 0.22 0.022: together 0.252 a unit.
    levies = (UnitLevy("Fuel", D("0.02")), percent("10", ENERGY, of=("Fuel",), name="VAT"))
    plan = flat("0.252", "5", levies=levies, tax_inclusive=True)
    quote = quote_by_quantity(terms(plan), standing(), D(100))
    assert kinds(quote) == [
        (LineKind.ENERGY, 2000),
        (LineKind.TAX, 100),
        (LineKind.LEVY, 200),
        (LineKind.LEVY, 220),
    ]
    assert quote.lines[0].rate == D("0.2")
    assert quote_by_amount(terms(plan), standing(), 2520).units == 100


def test_inclusive_fee_and_fine_hold_the_levies_on_them():
    # 2.30 is 2.00 and 15 % of it; 10.50 is 10.00 and 5 %.
    levies = (percent("15", FEE, name="A"), percent("5", PENALTY, name="B"))
    plan = flat(
        "1", fee=monthly(230), penalties=bands((0, None, 1050)), levies=levies, tax_inclusive=True
    )
    quote = quote_by_quantity(terms(plan), standing(0, months_due(230)), D(10))
    assert quote.charged_minor == 230 + 1050 + 1000
    assert kinds(quote) == [
        (LineKind.FEE, 200),
        (LineKind.PENALTY, 1000),
        (LineKind.ENERGY, 1000),
        (LineKind.LEVY, 30),
        (LineKind.LEVY, 50),
    ]


def test_flat_levies_and_percents_of_the_tender_come_on_top_of_inclusive_prices():
    # 100 x 0.1053 = 10.53, which holds 10.03 (rounded) and 5 %; with 0.27 it is 90 % of 12.00.
    levies = (FlatLevy("Stamp", 27), percent("10", TENDER, name="All"))
    plan = flat("0.1053", "5", levies=levies, tax_inclusive=True)
    quote = quote_by_quantity(terms(plan), standing(), D(100))
    # 10.53 / 1.05 = 10.02857, its tax 0.501428 -> 0.50; energy is the rest.
    assert quote.charged_minor == 1200
    assert kinds(quote) == [
        (LineKind.ENERGY, 1003),
        (LineKind.TAX, 50),
        (LineKind.LEVY, 27),
        (LineKind.LEVY, 120),
    ]
    assert quote.lines[0].rate == D("0.100286")  # 0.1053 / 1.05 goes on and on


def test_calculation_of_many_inclusive_prices_is_stored_in_digits_that_can_be_read():
    # 20 percents, each of the energy and of all before it, in 50 steps with taxes of their own.
    levies = []
    for number in range(20):
        before = tuple(levy.name for levy in levies)
        rate = str(D("3.1237") + D(number) / 1000)
        levies.append(percent(rate, ENERGY, of=before, name=str(number)))
    rows = [(20 * n, "0.123457", str(D("7.0001") + D(n * n) / 10000)) for n in range(1, 50)]
    plan = stepped(*rows, (None, "1.3"), levies=tuple(levies), tax_inclusive=True)
    quote = quote_by_quantity(terms(plan), standing(), D(1500))
    # 980 x 0.123457 = 120.98786 and 520 x 1.3 = 676: 796.98786.
    assert quote.charged_minor == 79699
    for line in quote.lines:
        stored = line.as_dict()
        for key in ("base_minor_exact", "rounding_minor_exact"):
            assert len(stored[key]) < 90
        error = Fraction(stored["base_minor_exact"]) - line.base_minor_exact
        assert abs(error) < Fraction(1, 10**30)


def test_free_energy_whose_taxes_round_up_past_the_whole_is_put_right_by_the_rounding_line():
    # Two levies of 0.6 minor units come to 1.2 -> 1, but each is 1: rounding takes 1 back.
    levies = (UnitLevy("A", D("0.06")), UnitLevy("B", D("0.06")))
    quote = quote_by_quantity(terms(flat("0", levies=levies)), standing(), D("0.1"))
    assert kinds(quote) == [
        (LineKind.ENERGY, 0),
        (LineKind.LEVY, 1),
        (LineKind.LEVY, 1),
        (LineKind.ROUNDING, -1),
    ]


def test_stored_line_of_a_levy_holds_what_it_is_of():
    levies = (UnitLevy("Fuel", D("0.01"), (2,)), percent("25", TENDER, name="All"))
    plan = stepped((100, "0.1"), (None, "0.2"), levies=levies)
    # 10.00 + 10.00 + 50 x 0.01 = 20.50; / 0.75 = 27.3333 -> 27.33, 25 % of it 6.8325.
    quote = quote_by_quantity(terms(plan), standing(), D(150))
    fuel, of_all = (line.as_dict() for line in quote.lines if line.name)
    assert (fuel["units"], fuel["rate"], fuel["amount_minor"]) == ("50.0", "0.01", 50)
    assert (of_all["base_minor_exact"], of_all["rate"], of_all["is_percent"]) == (
        "2733",
        "25",
        True,
    )
    assert (of_all["amount_minor"], of_all["rounding_minor_exact"]) == (683, "-1/4")
