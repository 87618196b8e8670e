"""Every fault of a plan has its own sentence."""

from decimal import Decimal

import pytest

from vmsapp.tariffs import errors
from vmsapp.tariffs.plan import FeePeriod, FixedFee, Penalty, Plan, Step

D = Decimal
OPEN = Step(D(0), None, D(1), D(0))


def step(start, end, price="1", tax="0") -> Step:
    return Step(D(start), None if end is None else D(end), D(price), D(tax))


def band(low, high, fine=0) -> Penalty:
    return Penalty(D(low), None if high is None else D(high), fine)


STEP_FAULTS = [
    ([], errors.NoSteps, "A plan needs at least one step."),
    ([step(1, None)], errors.StepsNotFromZero, "The first step starts at 1; it must start at 0."),
    ([step(-1, None)], errors.StepsNotFromZero, "starts at -1"),
    ([step(0, 0)], errors.StepEnd, "Step 1 ends at 0"),
    ([step(0, 10), step(10, 5)], errors.StepEnd, "Step 2 ends at 5"),
    ([step(0, 10), step(11, None)], errors.StepGap, "Step 2 starts at 11"),
    ([step(0, 10), step(9, None)], errors.StepOverlap, "Step 2 starts at 9"),
    ([step(0, None), step(10, None)], errors.StepAfterOpen, "Step 2 comes after"),
    ([step(0, None, "-0.01")], errors.NegativePrice, "Step 1 has a price below 0."),
    ([step(0, None, "1", "100.1")], errors.TaxOutOfRange, "a tax of 100.1 percent"),
    ([step(0, None, "1", "-1")], errors.TaxOutOfRange, "a tax of -1 percent"),
    ([step(0, None, "0.1234567")], errors.TooManyDecimals, "at most 6 decimals"),
    ([step(0, None, "1", "0.00001")], errors.TooManyDecimals, "at most 4 decimals"),
    ([step(0, "10.05")], errors.TooManyDecimals, "10.05 is not a number with at most 1 decimals"),
    ([step(0, None, "NaN")], errors.TooManyDecimals, "NaN"),
    ([step(0, "1E+12")], errors.TooManyDecimals, "1E\\+12"),
]


@pytest.mark.parametrize(("steps", "error", "sentence"), STEP_FAULTS)
def test_fault_of_the_steps_is_named(steps, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        Plan("Faulty", tuple(steps), None)
    assert isinstance(caught.value, errors.InvalidPlan)


BAND_FAULTS = [
    ([band(n, n + 1) for n in range(6)], errors.TooManyBands, "at most 5 penalty bands"),
    ([band(-1, 10)], errors.BandStart, "starts at -1"),
    ([band(10, 10)], errors.BandEnd, "Penalty band 1 ends at 10"),
    ([band(0, 10), band(11, None)], errors.BandGap, "Penalty band 2 starts at 11"),
    ([band(0, 10), band(9, None)], errors.BandOverlap, "Penalty band 2 starts at 9"),
    ([band(0, None), band(10, None)], errors.BandAfterOpen, "Penalty band 2 comes after"),
    ([band(0, 10, -1)], errors.NegativeFine, "Penalty band 1 has a fine below 0."),
    ([band(0, 10, 5), band(10, None, 4)], errors.FallingFine, "Penalty band 2 has a lower fine"),
    ([band(0, "0.05")], errors.TooManyDecimals, "at most 1 decimals"),
]


@pytest.mark.parametrize(("bands", "error", "sentence"), BAND_FAULTS)
def test_fault_of_the_penalty_bands_is_named(bands, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        Plan("Faulty", (OPEN,), None, tuple(bands))
    assert isinstance(caught.value, errors.InvalidPlan)


@pytest.mark.parametrize(
    ("smallest", "largest", "error"),
    [
        ("0", None, errors.PurchaseLimits),
        ("10", "9.9", errors.PurchaseLimits),
        (None, "0", errors.PurchaseLimits),
        ("0.05", None, errors.TooManyDecimals),
        (None, "0.15", errors.TooManyDecimals),
    ],
)
def test_fault_of_the_purchase_limits_is_named(smallest, largest, error):
    limits = [None if text is None else D(text) for text in (smallest, largest)]
    with pytest.raises(error):
        Plan("Faulty", (OPEN,), None, smallest_units=limits[0], largest_units=limits[1])


@pytest.mark.parametrize(("amount", "most"), [(-1, None), (100, 0)])
def test_fault_of_the_fixed_fee_is_named(amount, most):
    with pytest.raises(errors.InvalidFee):
        FixedFee(amount, FeePeriod.MONTH, recover_missed=True, max_periods=most)


def test_plan_at_the_edge_of_every_rule_is_taken():
    plan = Plan(
        "Edge",
        (step(0, "0.1", "0.123456", "100"), step("0.1", None, "0", "0.0001")),
        FixedFee(0, FeePeriod.SALE, recover_missed=False, max_periods=1),
        tuple(band(n, n + 1, 7) for n in range(5)),
        smallest_units=D("0.1"),
        largest_units=D("0.1"),
    )
    assert len(plan.steps) == 2
    assert len(plan.penalties) == 5
