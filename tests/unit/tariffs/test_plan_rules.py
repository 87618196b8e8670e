"""Every fault of a plan has its own sentence."""

from decimal import Decimal

import pytest

from vmsapp.tariffs import plan_errors as errors
from vmsapp.tariffs.checks import faults_of
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import (
    FeePeriod,
    FixedFee,
    Limits,
    Most,
    Penalty,
    Plan,
    Span,
    Step,
)

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


SALE = Span.SALE
LIMIT_FAULTS = [
    (Limits(D(0)), errors.PurchaseLimits),
    (Limits(smallest_minor=0), errors.PurchaseLimits),
    (Limits(D(10), most=(Most(SALE, D("9.9")),)), errors.PurchaseLimits),
    (Limits(None, 10, (Most(Span.MONTH, minor=9),)), errors.PurchaseLimits),
    (Limits(most=(Most(SALE, D(0)),)), errors.PurchaseLimits),
    (Limits(most=(Most(Span.DAY, minor=0),)), errors.PurchaseLimits),
    (Limits(most=(Most(SALE, D(9)), Most(SALE, D(8)))), errors.PurchaseLimits),
    (Limits(D("0.05")), errors.TooManyDecimals),
    (Limits(most=(Most(SALE, D("0.15")),)), errors.TooManyDecimals),
    (Limits(D("NaN")), errors.TooManyDecimals),
]


@pytest.mark.parametrize(("limits", "error"), LIMIT_FAULTS)
def test_fault_of_the_purchase_limits_is_named(limits, error):
    with pytest.raises(error):
        Plan("Faulty", (OPEN,), None, limits=limits)


def test_equal_limits_are_equal_values_in_whatever_order_they_are_written():
    day, month = Most(Span.DAY, D(5)), Most(Span.MONTH, D(50))
    assert Limits(most=(month, Most(SALE), day)) == Limits(most=(day, month))


FEE_FAULTS = [
    ((-1, None, "100"), errors.NegativeFee),
    ((10**12, None, "100"), errors.AmountOutOfRange),
    ((100, 0, "100"), errors.FeePeriods),
    ((100, None, "0"), errors.ArrearsShare),
    ((100, None, "100.0001"), errors.ArrearsShare),
    ((100, None, "0.00001"), errors.TooManyDecimals),
]


@pytest.mark.parametrize(("fee", "error"), FEE_FAULTS)
def test_fault_of_the_fixed_fee_is_named(fee, error):
    amount, most, share = fee
    with pytest.raises(error):
        Plan("Faulty", (OPEN,), FixedFee(amount, FeePeriod.MONTH, True, most, D(share)))


def percent(name="VAT", rate="10", *base: Base, of=(), on=()) -> PercentLevy:
    return PercentLevy(name, D(rate), frozenset(base), tuple(of), tuple(on))


ENERGY, TENDER = Base.ENERGY, Base.TENDER
FUEL = UnitLevy("Fuel", D("0.01"))
LEVY_FAULTS = [
    ([FUEL] * 2, errors.LevyName, "levy 2 needs a name that no other one has"),
    ([UnitLevy(" ", D(1))], errors.LevyName, "levy 1 needs a name"),
    ([UnitLevy("x" * 121, D(1))], errors.LevyName, "levy 1 needs a name"),
    ([UnitLevy(str(n), D(1)) for n in range(21)], errors.TooManyLevies, "at most 20"),
    ([UnitLevy("Fuel", D("-0.1"))], errors.LevyRate, "Fuel: a percent is from 0 to 100"),
    ([percent("VAT", "100.1", ENERGY)], errors.LevyRate, "VAT: a percent is from 0 to 100"),
    ([percent("VAT", "0.00001", ENERGY)], errors.TooManyDecimals, "at most 4 decimals"),
    ([UnitLevy("Fuel", D("0.0000001"))], errors.TooManyDecimals, "at most 6 decimals"),
    ([UnitLevy("Fuel", D("sNaN"))], errors.TooManyDecimals, "is not a number"),
    ([FlatLevy("Stamp", -1)], errors.AmountOutOfRange, "from 0 to 999999999999"),
    ([percent("VAT", "1")], errors.LevyWithoutBase, "VAT: say what the percent is of"),
    ([percent("All", "1", TENDER, ENERGY)], errors.LevyOfTender, "All: a percent of the whole"),
    ([percent("All", "1", TENDER, on=[1])], errors.LevyOfTender, "All: a percent of the whole"),
    ([FUEL, percent("All", "1", TENDER, of=["Fuel"])], errors.LevyOfTender, "All: a percent"),
    ([percent("VAT", "1", of=["Fuel"]), FUEL], errors.LevyOfUnknown, "VAT: Fuel is no tax"),
    ([percent("VAT", "1", of=["VAT"])], errors.LevyOfUnknown, "VAT: VAT is no tax"),
    (
        [percent("All", "1", TENDER), percent("VAT", "1", of=["All"])],
        errors.LevyOfTenderLevy,
        "VAT: All is a percent of the whole",
    ),
    ([UnitLevy("Fuel", D(1), (2,))], errors.LevySteps, "Fuel: the plan has no step 2"),
    ([UnitLevy("Fuel", D(1), (0,))], errors.LevySteps, "Fuel: the plan has no step 0"),
    (
        [percent("A", "60", TENDER), percent("B", "40", TENDER)],
        errors.LeviesTakeAll,
        "come to 100; they must stay below 100",
    ),
]


@pytest.mark.parametrize(("levies", "error", "sentence"), LEVY_FAULTS)
def test_fault_of_the_levies_is_named(levies, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        Plan("Faulty", (OPEN,), None, levies=tuple(levies))
    assert isinstance(caught.value, errors.InvalidPlan)


def test_price_lower_than_the_levies_it_includes_is_refused():
    # 0.02 a unit with 10 % on it is 0.022: a price of 0.022 holds it, 0.021999 does not.
    levies = (UnitLevy("Fuel", D("0.02")), percent("VAT", "10", of=["Fuel"]))
    assert Plan("Edge", (step(0, None, "0.022"),), None, levies=levies, tax_inclusive=True)
    with pytest.raises(errors.InclusiveTooLow, match="price of step 1 is lower"):
        Plan("Low", (step(0, None, "0.021999"),), None, levies=levies, tax_inclusive=True)


@pytest.mark.parametrize("name", ["", " ", "x" * 121])
def test_plan_needs_a_name_people_can_read(name):
    with pytest.raises(errors.NoName):
        Plan(name, (OPEN,), None)


def test_all_faults_are_found_at_once_in_the_order_of_the_form():
    class Draft(Plan):
        def __post_init__(self) -> None:
            """Keep the faults: forms show them all."""

    draft = Draft(
        "",
        (step(1, 5), step(6, None, "-1")),
        FixedFee(-1, FeePeriod.MONTH, True, 0, D(0)),
        (band(5, 1),),
        levies=(percent("VAT", "101", ENERGY),),
        limits=Limits(D(0)),
    )
    assert [(type(fault), fault.field, fault.row, fault.column) for fault in faults_of(draft)] == [
        (errors.NoName, "name", None, None),
        (errors.StepsNotFromZero, "steps", 1, "start"),
        (errors.StepGap, "steps", 2, "start"),
        (errors.NegativePrice, "steps", 2, "price"),
        (errors.NegativeFee, "fixed_fee", None, "amount"),
        (errors.FeePeriods, "fixed_fee", None, "max_periods"),
        (errors.ArrearsShare, "fixed_fee", None, "arrears_share"),
        (errors.BandEnd, "penalties", 1, "high"),
        (errors.LevyRate, "levies", 1, "rate"),
        (errors.PurchaseLimits, "limits", None, None),
    ]


def test_plan_at_the_edge_of_every_rule_is_taken():
    plan = Plan(
        "Edge",
        (step(0, "0.1", "0.123456", "100"), step("0.1", None, "0", "0.0001")),
        FixedFee(0, FeePeriod.SALE, recover_missed=False, max_periods=1),
        tuple(band(n, n + 1, 7) for n in range(5)),
        limits=Limits(D("0.1"), 1, (Most(SALE, D("0.1"), 1),)),
    )
    assert len(plan.steps) == 2
    assert len(plan.penalties) == 5
