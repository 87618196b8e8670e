"""The worked table of the tariff rules, both directions, figure by figure."""

import json
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from vmsapp.money import Currency
from vmsapp.tariffs.cost import Cost
from vmsapp.tariffs.engine import (
    FeeDue,
    LineKind,
    Standing,
    Terms,
    quote_by_amount,
    quote_by_quantity,
)
from vmsapp.tariffs.plan import FeePeriod, FixedFee, Penalty, Plan, Settlement, Step

TODAY = date(2024, 3, 5)
MARCH = FeeDue(FeePeriod.MONTH, date(2024, 3, 1), 200, missed=False)
PLAN = Plan(
    "Worked table",
    (
        Step(Decimal(0), Decimal(100), Decimal("0.10"), Decimal(0)),
        Step(Decimal(100), Decimal(300), Decimal("0.20"), Decimal(5)),
        Step(Decimal(300), None, Decimal("0.25"), Decimal(5)),
    ),
    FixedFee(200, FeePeriod.MONTH, recover_missed=True, max_periods=None),
    (
        Penalty(Decimal(0), Decimal(400), 0),
        Penalty(Decimal(400), Decimal(800), 1200),
        Penalty(Decimal(800), None, 4000),
    ),
)
TERMS = Terms(PLAN, Currency("USD", 2), Settlement.DOWN, Decimal("1638.3"))


def standing(bought: str, *, fee: bool) -> Standing:
    return Standing(Decimal(bought), (MARCH,) if fee else (), TODAY)


FORWARD = [
    ("0", True, "60", "8.00", 800),
    ("0", True, "100", "12.00", 1200),
    ("0", True, "100.1", "12.021", 1202),
    ("0", True, "250", "43.50", 4350),
    ("0", True, "400", "80.25", 8025),
    ("0", True, "400.1", "92.27625", 9228),
    ("60", False, "60", "8.20", 820),
    ("60", False, "100", "16.60", 1660),
]


@pytest.mark.parametrize(("bought", "fee", "units", "cost", "charged"), FORWARD)
def test_quantity_costs_what_the_table_says(bought, fee, units, cost, charged):
    where = standing(bought, fee=fee)
    exact = Cost.of(TERMS, where, where.fees_due).exact_minor(int(Decimal(units) * 10))
    assert exact == Fraction(cost) * 100
    quote = quote_by_quantity(TERMS, where, Decimal(units))
    assert (quote.charged_minor, quote.received_minor, quote.change_minor) == (charged, charged, 0)
    assert quote.units == Decimal(units)
    assert quote.bought_after == Decimal(bought) + Decimal(units)


BACKWARD = [
    (1000, "80.0", 1000, 0),
    (1200, "100.0", 1200, 0),
    (5000, "280.9", 4999, 1),
    (8000, "399.0", 7999, 1),
    (9000, "400.0", 8025, 975),
    (10000, "429.5", 9999, 1),
]


@pytest.mark.parametrize(("tender", "units", "charged", "change"), BACKWARD)
def test_amount_buys_what_the_table_says(tender, units, charged, change):
    quote = quote_by_amount(TERMS, standing("0", fee=True), tender)
    assert (quote.units, quote.charged_minor, quote.change_minor) == (
        Decimal(units),
        charged,
        change,
    )
    assert quote.received_minor == tender


@pytest.mark.parametrize("tender", [t for t, *_ in BACKWARD])
def test_amount_of_the_table_does_not_reach_one_grid_step_more(tender):
    where = standing("0", fee=True)
    units = quote_by_amount(TERMS, where, tender).units
    assert quote_by_quantity(TERMS, where, units).charged_minor <= tender
    assert quote_by_quantity(TERMS, where, units + Decimal("0.1")).charged_minor > tender


def test_lines_come_in_the_order_money_is_taken():
    # 2.00 fee; fine 12.00; 100 x 0.10 = 10.00; 200 x 0.20 = 40.00, 5 % = 2.00;
    # 100.1 x 0.25 = 25.025, 5 % = 1.25125 -> 1.25. All 92.27625 -> 92.28; energy takes what
    # fees, fine and taxes leave, 75.03: running totals 10.00, 50.00 and the rest, 25.03.
    quote = quote_by_quantity(TERMS, standing("0", fee=True), Decimal("400.1"))
    assert [(line.kind, line.step, line.amount_minor) for line in quote.lines] == [
        (LineKind.FEE, None, 200),
        (LineKind.PENALTY, None, 1200),
        (LineKind.ENERGY, 1, 1000),
        (LineKind.ENERGY, 2, 4000),
        (LineKind.TAX, 2, 200),
        (LineKind.ENERGY, 3, 2503),
        (LineKind.TAX, 3, 125),
    ]
    assert quote.lines[0].period_start == MARCH.start


def test_stored_calculation_holds_base_rate_and_rounding_of_each_line():
    quote = quote_by_quantity(TERMS, standing("0", fee=True), Decimal("400.1"))
    stored = json.loads(json.dumps(quote.as_dict()))
    assert stored["units"] == "400.1"
    assert (stored["bought_before"], stored["bought_after"]) == ("0", "400.1")
    assert stored["charged_minor"] == 9228
    energy, tax = stored["lines"][-2:]
    assert (energy["units"], energy["rate"], energy["base_minor_exact"]) == (
        "100.1",
        "0.25",
        "5005/2",
    )
    assert energy["rounding_minor_exact"] == "1/2"
    assert (tax["rate"], tax["base_minor_exact"], tax["rounding_minor_exact"]) == (
        "5",
        "5005/2",
        "-1/8",
    )
    assert stored["lines"][0]["period_start"] == "2024-03-01"


def test_figures_are_equal_for_the_same_purchase_and_survive_json():
    first = quote_by_amount(TERMS, standing("0", fee=True), 5000).figures()
    again = quote_by_amount(TERMS, standing("0.0", fee=True), 5000).figures()
    assert json.loads(json.dumps(first)) == again
    assert first["units"] == "280.9"
    assert first["fee_minor"] == 200


def test_figures_differ_once_the_counter_has_moved():
    before = quote_by_amount(TERMS, standing("0", fee=True), 5000)
    after = quote_by_amount(TERMS, standing("10", fee=True), 5000)
    assert before.figures() != after.figures()
