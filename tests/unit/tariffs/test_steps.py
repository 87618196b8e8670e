"""Steps and penalty bands by hand: what is counted, where a step ends, which fine is taken."""

import pytest

from tests.unit.tariffs.making import D, bands, flat, kinds, standing, stepped, terms
from vmsapp.tariffs import errors
from vmsapp.tariffs.engine import LineKind, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.plan import Accumulation, Settlement

STEPS = ((10, "0.10"), (20, "0.20"), (None, "0.50"))

# 4 units at a service point that bought 8 already:
# counted on: 2 x 0.10 + 2 x 0.20 = 0.60; by themselves: 4 x 0.10 = 0.40;
# after the month's first purchase the first step is gone: 4 x 0.20 = 0.80.
ACCUMULATED = [
    (Accumulation.MONTH, 8, 60, 8),
    (Accumulation.DAY, 8, 60, 8),
    (Accumulation.WEEK, 8, 60, 8),
    (Accumulation.YEAR, 8, 60, 8),
    (Accumulation.EVER, 8, 60, 8),
    (Accumulation.SALE, 8, 40, 0),
    (Accumulation.SALE, 5000, 40, 0),
    (Accumulation.FIRST_OF_MONTH, 0, 40, 0),
    (Accumulation.FIRST_OF_MONTH, "0.1", 80, 10),
    (Accumulation.FIRST_OF_MONTH, 8, 80, 10),
    (Accumulation.FIRST_OF_MONTH, 18, 140, 18),  # 2 x 0.20 + 2 x 0.50
]


@pytest.mark.parametrize(("kind", "bought", "charged", "starts_at"), ACCUMULATED)
def test_steps_count_what_the_plan_accumulates(kind, bought, charged, starts_at):
    quote = quote_by_quantity(terms(stepped(*STEPS, accumulation=kind)), standing(bought), D(4))
    assert (quote.charged_minor, quote.starts_at) == (charged, starts_at)
    assert (quote.bought_before, quote.bought_after) == (D(bought), D(bought) + 4)


@pytest.mark.parametrize(("kind", "bought", "charged", "starts_at"), ACCUMULATED)
def test_what_was_charged_for_buys_the_same_units(kind, bought, charged, starts_at):
    under = terms(stepped(*STEPS, accumulation=kind))
    assert quote_by_amount(under, standing(bought), charged).units == 4


# Each tenth costs 0.01 up to 10, 0.02 up to 20, 0.05 above.
AT_THE_EDGE = [
    (0, "10", 100),
    (0, "10.1", 102),
    ("9.9", "0.1", 1),
    (10, "0.1", 2),
    ("19.9", "0.2", 7),
    (0, "20", 300),
    (0, "20.1", 305),
]


@pytest.mark.parametrize(("bought", "units", "charged"), AT_THE_EDGE)
def test_unit_that_reaches_the_end_of_a_step_still_has_its_price(bought, units, charged):
    assert (
        quote_by_quantity(terms(stepped(*STEPS)), standing(bought), D(units)).charged_minor
        == charged
    )


def test_later_step_may_be_cheaper_in_both_directions():
    # 10 x 0.50 = 5.00, then 0.20: 6.00 buys 15, 5 of them in the second step.
    under = terms(stepped((10, "0.5"), (None, "0.2")))
    assert quote_by_quantity(under, standing(), D(15)).charged_minor == 600
    quote = quote_by_amount(under, standing(), 600)
    assert (quote.units, quote.change_minor) == (D(15), 0)


def test_largest_quantity_under_a_closed_last_step_counts_from_where_the_purchase_begins():
    # After 5 units the first step is gone: from 10 to the end, 30, there are 20.
    plan = stepped((10, "0.1"), (30, "0.2"), accumulation=Accumulation.FIRST_OF_MONTH)
    with pytest.raises(errors.AboveLastStep) as caught:
        quote_by_quantity(terms(plan), standing(5), D("20.1"))
    assert caught.value.largest == 20
    assert quote_by_quantity(terms(plan), standing(5), D(20)).charged_minor == 400


FINES = bands((10, 20, 300), (20, 30, 300), (30, None, 1000))


@pytest.mark.parametrize(
    ("units", "fine"),
    [("10", 0), ("10.1", 300), ("20", 300), ("20.1", 300), ("30", 300), ("30.1", 1000)],
)
def test_purchase_exactly_on_a_limit_takes_the_lower_fine(units, fine):
    plan = flat("0.1", penalties=FINES)
    quote = quote_by_quantity(terms(plan), standing(500), D(units))
    assert quote.total_minor(LineKind.PENALTY) == fine
    assert quote.charged_minor == int(D(units) * 10) + fine


# 10 units cost 10.00; 10.1 cost 10.10 and a fine of 5.00. On the line past the fine 15.01 is
# 10.01 units, which up brings to 10.1; nearest does from 15.05 on. What does not reach that
# is change: 15.02 is nearest to 10 units, but the fine in it buys nothing there.
CROSSES_AT = {Settlement.DOWN: 1510, Settlement.NEAREST: 1505, Settlement.UP: 1501}


@pytest.mark.parametrize("way", list(Settlement))
@pytest.mark.parametrize("tender", [1300, *range(1499, 1511)])
def test_fine_is_never_taken_as_rounding(way, tender):
    plan = flat("1", penalties=bands((0, 10, 0), (10, None, 500)))
    quote = quote_by_amount(terms(plan, way), standing(), tender)
    crosses = tender >= CROSSES_AT[way]
    expected = ("10.1", tender, 0) if crosses else ("10.0", 1000, tender - 1000)
    assert (str(quote.units), quote.charged_minor, quote.change_minor) == expected
    assert abs(quote.total_minor(LineKind.ROUNDING)) < 10


def test_currency_without_decimals_over_two_steps_and_a_fine():
    # 50 x 89.5 = 4475; 10.5 x 212.25 = 2228.625, 18 % of it 401.1525; fine 500.
    # Together 7604.7775 -> 7605: fine 500, tax 401, energy 6704: 4475 and the rest, 2229.
    plan = stepped((50, "89.5"), (None, "212.25", "18"), penalties=bands((60, None, 500)))
    quote = quote_by_quantity(terms(plan, exponent=0), standing(), D("60.5"))
    assert kinds(quote) == [
        (LineKind.PENALTY, 500),
        (LineKind.ENERGY, 4475),
        (LineKind.ENERGY, 2229),
        (LineKind.TAX, 401),
    ]


def test_currency_with_three_decimals_over_two_steps():
    # In thousandths: 100 x 62 = 6200; 50.3 x 96.5 = 4853.95, 19 % of it 922.2505.
    # Together 11976.2005 -> 11976: tax 922, energy 11054: 6200 and the rest, 4854.
    plan = stepped((100, "0.062"), (None, "0.0965", "19"))
    quote = quote_by_quantity(terms(plan, exponent=3), standing(), D("150.3"))
    assert kinds(quote) == [
        (LineKind.ENERGY, 6200),
        (LineKind.ENERGY, 4854),
        (LineKind.TAX, 922),
    ]
