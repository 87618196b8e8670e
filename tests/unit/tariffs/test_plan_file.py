"""Plan files: what is read, what is written, and where a fault is."""

import json
from datetime import date
from decimal import Decimal

import pytest

from vmsapp.money import Currency
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import (
    Accumulation,
    FeePeriod,
    FixedFee,
    Limits,
    Most,
    Penalty,
    Plan,
    Settlement,
    Span,
    Step,
)
from vmsapp.tariffs.plan_errors import InvalidPlan, StepGap
from vmsapp.tariffs.plan_faults import faults_in
from vmsapp.tariffs.plan_file import (
    MeterType,
    PlanFile,
    describe_fault,
    place_of,
    read_plan_file,
    write_plan_file,
)
from vmsapp.tariffs.reader import InvalidDocument

LEAST = {
    "format": "vms-tariff-plan/1",
    "currency": {"code": "TND", "decimals": 3},
    "name": "Home",
    "steps": [{"price": "0.176"}],
}
D = Decimal
WHOLE = PlanFile(
    Plan(
        "Été",
        (Step(D(0), D("99.9"), D("0.000001"), D("0.0001")), Step(D("99.9"), None, D(2), D(0))),
        FixedFee(1500, FeePeriod.WEEK, recover_missed=True, max_periods=4, arrears_share=D("12.5")),
        (Penalty(D("0.1"), D(5), 0), Penalty(D(5), None, 7)),
        Accumulation.EVER,
        (
            UnitLevy("Fuel", D("0.05"), (1,)),
            PercentLevy("VAT", D(16), frozenset({Base.FEE, Base.STEP_TAX}), ("Fuel",), (2,)),
            PercentLevy("Light", D(3), frozenset({Base.TENDER})),
            FlatLevy("Stamp", 100, (2,)),
        ),
        limits=Limits(D(1), 5, (Most(Span.DAY, D(50)), Most(Span.MONTH, None, 9000))),
    ),
    Currency("TND", 3, 10),
    MeterType.WATER,
    Settlement.NEAREST,
    date(2026, 1, 31),
    "Eau, domestique",
)


def test_what_is_left_out_has_the_value_of_a_new_plan():
    file = read_plan_file(json.dumps(LEAST))
    plan = Plan("Home", (Step(D(0), None, D("0.176"), D(0)),), None)
    assert file == PlanFile(plan, Currency("TND", 3, 1))
    assert (file.meter_type, file.settlement) == (MeterType.ELECTRICITY, Settlement.DOWN)
    assert (file.effective_on, file.tariff) == (None, None)


def test_null_is_as_good_as_left_out():
    nothing = dict.fromkeys(
        ["meter_type", "settlement", "effective_on", "tariff", "accumulation", "tax_inclusive",
         "fixed_fee", "penalties", "levies", "limits"]
    )  # fmt: skip
    currency = LEAST["currency"] | {"coin": None}
    steps = [{"price": "0.176", "start": None, "end": None, "tax_percent": None}]
    text = json.dumps(LEAST | nothing | {"currency": currency, "steps": steps})
    assert read_plan_file(text) == read_plan_file(json.dumps(LEAST))


def test_what_is_written_is_read_again_and_written_the_same():
    text = write_plan_file(WHOLE)
    assert read_plan_file(text) == WHOLE
    assert write_plan_file(read_plan_file(text)) == text


def test_a_file_is_written_in_a_fixed_order_for_people_to_read():
    text = write_plan_file(WHOLE)
    assert list(json.loads(text)) == [
        "format", "meter_type", "currency", "settlement", "effective_on", "tariff",
        "name", "accumulation", "tax_inclusive", "fixed_fee", "steps", "penalties", "levies",
        "limits",
    ]  # fmt: skip
    assert text.startswith('{\n  "format": "vms-tariff-plan/1",\n')
    assert text.endswith("\n}\n")
    assert '"name": "Été"' in text
    assert '"coin": "0.010"' in text


def test_money_is_read_in_units_of_the_currency_as_text_or_number():
    for amount in ("2.5", "2.500", 2.5):
        fee = {"amount": amount, "period": "month"}
        file = read_plan_file(json.dumps(LEAST | {"fixed_fee": fee}))
        assert file.plan.fixed_fee == FixedFee(
            2500, FeePeriod.MONTH, recover_missed=True, max_periods=None
        )


def test_a_number_is_exact_however_it_is_written():
    text = json.dumps(LEAST).replace('"0.176"', "0.1")
    assert read_plan_file(text).plan.steps[0].price == D("0.1")


@pytest.mark.parametrize(
    ("change", "place", "why"),
    [
        ({"format": None}, "format", "it is missing"),
        ({"format": "vms-tariff-plan/2"}, "format", "vms-tariff-plan/1 is expected"),
        ({"currency": None}, "currency", "it is missing"),
        ({"currency": "TND"}, "currency", "an object is expected"),
        ({"currency": {"code": "TND"}}, "currency.decimals", "it is missing"),
        ({"currency": {"code": "tnd", "decimals": 3}}, "currency.code", "three capital letters"),
        ({"currency": {"code": "TNÐ", "decimals": 3}}, "currency.code", "three capital letters"),
        ({"currency": {"code": "TND\n", "decimals": 3}}, "currency.code", "without control"),
        ({"currency": {"code": "TND", "decimals": 5}}, "currency.decimals", "0 to 4"),
        ({"currency": {"code": "TND", "decimals": -1}}, "currency.decimals", "0 to 4"),
        ({"currency": {"code": "TND", "decimals": True}}, "currency.decimals", "a whole number"),
        ({"currency": {"code": "TND", "decimals": 3, "coin": "0"}}, "currency.coin", "above 0"),
        ({"currency": {"code": "TND", "decimals": 3, "coin": "0.0005"}}, "currency.coin", "3 dec"),
        ({"currency": LEAST["currency"] | {"x": 1}}, "currency.x", "this key is not known"),
        ({"meter_type": "steam"}, "meter_type", "electricity, water, gas, time"),
        ({"settlement": "sideways"}, "settlement", "down, up, nearest"),
        ({"effective_on": "31.1.2026"}, "effective_on", "a date like 2026-01-31"),
        ({"tariff": " "}, "tariff", "a name of at most 120 characters"),
        ({"tariff": "x" * 121}, "tariff", "a name of at most 120 characters"),
        ({"tariff": 5}, "tariff", "a text without control"),
        ({"name": "\ud800"}, "name", "a text without control"),
        ({"steps": [{"price": True}]}, "steps[1].price", "a number is expected"),
        ({"steps": [{"price": "1"}, {"price": "2"}]}, "steps[2].start", "it is missing"),
        (
            {"levies": [{"name": "a", "kind": "tithe", "rate": "10"}]},
            "levies[1].kind",
            "percent, per_unit, flat",
        ),
        ({"notes": "x"}, "notes", "this key is not known"),
    ],
)
def test_a_fault_of_form_is_named_by_its_place(change, place, why):
    text = json.dumps(LEAST | change)
    with pytest.raises(InvalidDocument) as refused:
        read_plan_file(text)
    assert place_of(refused.value) == place
    assert why in describe_fault(refused.value)
    assert [place_of(fault) for fault in faults_in(text)] == [place]


def test_a_broken_rule_is_named_by_its_place():
    steps = [{"end": "10", "price": "1"}, {"start": "20", "price": "1"}]
    with pytest.raises(StepGap) as refused:
        read_plan_file(json.dumps(LEAST | {"steps": steps}))
    assert describe_fault(refused.value).startswith("steps[2].start: Step 2 starts at 20; ")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 10_000,
        "",
        "\x00",
    ],
    ids=lambda text: text[:30],
)
def test_text_that_is_no_json_is_refused_in_a_sentence(text):
    with pytest.raises(InvalidDocument, match="not JSON"):
        read_plan_file(text)
    assert [type(fault) for fault in faults_in(text)] == [InvalidDocument]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999999", "1e-999999"])
def test_a_number_without_an_end_is_no_price(constant):
    text = json.dumps(LEAST).replace('"0.176"', constant)
    with pytest.raises((InvalidDocument, InvalidPlan)) as refused:
        read_plan_file(text)
    assert place_of(refused.value) == "steps[1].price"


def test_a_key_that_stands_there_twice_is_refused():
    text = json.dumps(LEAST).replace('"price"', '"price": "9", "price"')
    with pytest.raises(InvalidDocument, match="price: this key stands there twice"):
        read_plan_file(text)


def test_all_faults_of_form_are_found_before_the_rules():
    text = json.dumps(LEAST | {"name": 5, "steps": [{"price": "-1"}, 7, {"price": "x"}]})
    assert [describe_fault(fault) for fault in faults_in(text)] == [
        "name: a text without control characters is expected.",
        "steps[2]: an object is expected.",
        "steps[3].start: it is missing.",
        "steps[3].price: a number is expected.",
    ]


def test_all_broken_rules_are_found():
    text = json.dumps(LEAST | {"name": "", "steps": [{"price": "-1", "tax_percent": "101"}]})
    assert [describe_fault(fault) for fault in faults_in(text)] == [
        "name: A plan needs a name of at most 120 characters.",
        "steps[1].price: Step 1 has a price below 0.",
        "steps[1].tax_percent: Step 1 has a tax of 101 percent; it must be from 0 to 100.",
    ]


def test_there_is_nothing_to_find_in_a_plan_that_can_be_priced():
    assert faults_in(write_plan_file(WHOLE)) == []
    assert faults_in(json.dumps(LEAST)) == []


def test_the_most_a_token_carries_comes_from_outside():
    terms = WHOLE.terms(D("1820162.4"))
    assert (terms.plan, terms.currency) == (WHOLE.plan, WHOLE.currency)
    assert (terms.settlement, terms.max_units) == (Settlement.NEAREST, D("1820162.4"))
