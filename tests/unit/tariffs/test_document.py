"""Plans as documents: what is read, what is refused and where, and that nothing else escapes."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.tariffs import anything
from tests.unit.tariffs.making import D, bands, steps
from vmsapp.money import Currency
from vmsapp.tariffs.document import parse, read_rules, rules_of
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import (
    Accumulation,
    FeePeriod,
    FixedFee,
    Limits,
    Most,
    Plan,
    Span,
    Step,
)
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.tariffs.reader import InvalidDocument

USD = Currency("USD", 2)


def read(text: str) -> Plan:
    return read_rules(parse(text), USD)


def with_(**rest) -> str:
    return json.dumps({"name": "Home", "steps": [{"price": "0.1"}]} | rest)


def test_every_part_of_a_plan_is_read_from_what_a_person_would_write():
    text = """{
      "name": "Home", "accumulation": "first_of_month", "tax_inclusive": true,
      "fixed_fee": {"amount": "2.00", "period": "week", "recover_missed": true,
                    "max_periods": 3, "arrears_share": 50},
      "steps": [{"start": 0, "end": 100, "price": 0.10},
                {"end": "300", "price": "0.20", "tax_percent": 5},
                {"price": 0.25, "tax_percent": "5.5"}],
      "penalties": [{"low": 400, "high": 800, "fine": 12}, {"low": 800, "fine": "40.00"}],
      "levies": [{"name": "Fuel", "kind": "per_unit", "rate": "0.013", "steps": [2, 3]},
                 {"name": "Stamp", "kind": "flat", "amount": 0.75},
                 {"name": "VAT", "kind": "percent", "rate": 16, "base": ["energy", "fee"],
                  "of_levies": ["Fuel"]},
                 {"name": "City", "kind": "percent", "rate": 1},
                 {"name": "On fuel", "kind": "percent", "rate": 2, "of_levies": ["Fuel"]}],
      "limits": {"smallest_units": 1, "smallest_amount": "0.50", "day": {"units": 50},
                 "sale": {"amount": 100}, "month": null}
    }"""
    assert read(text) == Plan(
        "Home",
        steps((100, "0.10"), (300, "0.20", "5"), (None, "0.25", "5.5")),
        FixedFee(200, FeePeriod.WEEK, True, 3, D(50)),
        bands((400, 800, 1200), (800, None, 4000)),
        Accumulation.FIRST_OF_MONTH,
        (
            UnitLevy("Fuel", D("0.013"), (2, 3)),
            FlatLevy("Stamp", 75),
            PercentLevy("VAT", D(16), frozenset({Base.ENERGY, Base.FEE}), ("Fuel",)),
            PercentLevy("City", D(1)),
            PercentLevy("On fuel", D(2), frozenset(), ("Fuel",)),
        ),
        True,
        Limits(D(1), 50, (Most(Span.SALE, minor=10000), Most(Span.DAY, D(50)))),
    )


def test_what_is_left_out_has_the_value_of_a_new_plan():
    assert read(with_()) == Plan("Home", (Step(D(0), None, D("0.1"), D(0)),), None)


@pytest.mark.parametrize(
    ("period", "recovered"),
    [("sale", False), ("day", False), ("week", False), ("month", True), ("year", True)],
)
def test_missed_fees_are_recovered_for_months_and_years_unless_the_plan_says_otherwise(
    period, recovered
):
    fee = {"amount": "1", "period": period}
    assert read(with_(fixed_fee=fee)).fixed_fee.recover_missed is recovered
    other = fee | {"recover_missed": not recovered}
    assert read(with_(fixed_fee=other)).fixed_fee.recover_missed is not recovered


@pytest.mark.parametrize("exponent", [0, 2, 3])
def test_money_is_written_in_units_of_the_currency(exponent):
    currency = Currency("XTS", exponent)
    plan = Plan("Fee", steps((None, "0.1")), FixedFee(1234, FeePeriod.DAY, False, None))
    written = rules_of(plan, currency)["fixed_fee"]["amount"]
    assert written == {0: "1234", 2: "12.34", 3: "1.234"}[exponent]


STEPS = '"steps": [{"price": "0.1"}]}'
REFUSED = [
    ("", "plan: line 1 is not JSON."),
    ('{"name":\n}', "plan: line 2 is not JSON."),
    ("[]", "plan: an object is expected."),
    ("null", "plan: an object is expected."),
    ("[" * 100_000, "plan: this is not JSON."),
    ('{"a":' * 100_000, "plan: this is not JSON."),
    ('{"name": ' + "1" * 5000 + ", " + STEPS, "plan: this is not JSON."),
    ('{"name": "A", "name": "B", ' + STEPS, "name: this key stands there twice."),
    (
        '{"name": "Home", "steps": [{"price": "1", "price": "2"}]}',
        "price: this key stands there twice.",
    ),
    ("{" + STEPS, "plan.name: it is missing."),
    ('{"name": null, ' + STEPS, "plan.name: it is missing."),
    (with_(name=5), "plan.name: a text without control characters is expected."),
    (with_(name="\0"), "plan.name: a text without control characters is expected."),
    (with_(name="\ud800"), "plan.name: a text without control characters is expected."),
    (
        with_(levies=[{"name": "A", "kind": "percent", "rate": 1, "of_levies": ["\0"]}]),
        "plan.levies[1].of_levies: a list of texts is expected.",
    ),
    (with_(nmae="x"), "plan.nmae: this key is not known."),
    (with_(tax_inclusive=1), "plan.tax_inclusive: true or false is expected."),
    (with_(tax_inclusive="yes"), "plan.tax_inclusive: true or false is expected."),
    (with_(accumulation="fortnight"), "plan.accumulation: one of these is expected: month, sale"),
    (with_(accumulation=["month"]), "plan.accumulation: one of these is expected"),
    (with_(steps={}), "plan.steps: a list is expected."),
    (with_(steps=[5]), "plan.steps[1]: an object is expected."),
    (with_(steps=[{}] * 1001), "plan.steps: a list is expected."),
    (with_(steps=[{"price": True}]), "plan.steps[1].price: a number is expected."),
    (with_(steps=[{"price": [1]}]), "plan.steps[1].price: a number is expected."),
    (with_(steps=[{"price": ""}]), "plan.steps[1].price: a number is expected."),
    (with_(steps=[{"price": "NaN"}]), "plan.steps[1].price: a number is expected."),
    (with_(steps=[{"price": "1", "tax": 5}]), "plan.steps[1].tax: this key is not known."),
    (with_(steps=[{"price": 1}, {"price": 2}]), "plan.steps[2].start: it is missing."),
    (with_(fixed_fee=5), "plan.fixed_fee: an object is expected."),
    (with_(fixed_fee={"amount": 1}), "plan.fixed_fee.period: it is missing."),
    (
        with_(fixed_fee={"amount": "0.001", "period": "day"}),
        "plan.fixed_fee.amount: an amount with at most 2 decimals is expected.",
    ),
    (
        with_(fixed_fee={"amount": "1.00" + "0" * 40 + "1", "period": "day"}),
        "plan.fixed_fee.amount: an amount with at most 2 decimals is expected.",
    ),
    (
        with_(fixed_fee={"amount": 1, "period": "day", "max_periods": True}),
        "plan.fixed_fee.max_periods: a whole number is expected.",
    ),
    (
        with_(fixed_fee={"amount": 1, "period": "day", "max_periods": 1.5}),
        "plan.fixed_fee.max_periods: a whole number is expected.",
    ),
    (with_(levies=[{"name": "A"}]), "plan.levies[1].kind: it is missing."),
    (
        with_(levies=[{"name": "A", "kind": "percentage", "rate": 1}]),
        "plan.levies[1].kind: one of these is expected: percent, per_unit, flat.",
    ),
    (
        with_(levies=[{"name": "A", "kind": "per_unit", "rate": 1, "base": ["energy"]}]),
        "plan.levies[1].base: this key is not known.",
    ),
    (
        with_(levies=[{"name": "A", "kind": "percent", "rate": 1, "base": ["units"]}]),
        "plan.levies[1].base[1]: one of these is expected: energy, step_tax",
    ),
    (
        with_(levies=[{"name": "A", "kind": "flat", "amount": 1, "steps": [True]}]),
        "plan.levies[1].steps: a list of whole numbers is expected.",
    ),
    (
        with_(levies=[{"name": "A", "kind": "percent", "rate": 1, "of_levies": "A"}]),
        "plan.levies[1].of_levies: a list is expected.",
    ),
    (with_(limits={"week": {"units": 5}}), "plan.limits.week: this key is not known."),
    (with_(limits={"day": {"kwh": 5}}), "plan.limits.day.kwh: this key is not known."),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_what_is_no_plan_is_refused_with_its_place(text, sentence):
    with pytest.raises(InvalidDocument) as caught:
        read(text)
    assert str(caught.value).startswith(sentence)


NUMBERS = [
    *("1e999999", "1e-999999", "1e99999999999999999999", "-1e99999999999999999999", "1e12"),
    *("NaN", "Infinity", "-Infinity", "9" * 4000, "0." + "3" * 6000, "0e999999", "-0"),
]
HOME = '{"name": "Home", "steps": [{"price": 1}], '
PLACES = [
    '{"name": "Home", "steps": [{"price": %s}]}',
    '{"name": "Home", "steps": [{"price": 1, "end": %s}]}',
    '{"name": "Home", "steps": [{"price": 1, "tax_percent": %s}]}',
    HOME + '"fixed_fee": {"amount": %s, "period": "day"}}',
    HOME + '"levies": [{"name": "L", "kind": "flat", "amount": %s}]}',
    HOME + '"limits": {"day": {"units": %s, "amount": %s}}}',
]


def read_if_a_plan(text: str) -> Plan | None:
    """Read a plan; refusals are as good, any other exception is not."""
    try:
        return read(text)
    except (InvalidDocument, InvalidPlan) as refusal:
        str(refusal)
        return None


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", NUMBERS)
def test_number_beyond_all_sense_is_refused(number, place):
    for written in (number, json.dumps(number)):
        plan = read_if_a_plan(place.replace("%s", written))
        assert plan is None or Decimal(number) == 0
        assert plan is None or read_rules(parse(json.dumps(rules_of(plan, USD))), USD) == plan


@pytest.mark.parametrize("name", ["人民用电", "تعرفة \u200cمنزلية", "Électricité"])
def test_names_of_any_script_are_texts(name):
    assert read(with_(name=name)).name == name


# -- broken documents ---------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["month", "percent", "energy", "1", "-1", "0.05", "1e999", "NaN", "sNaN"])
)
values = st.recursive(
    scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part)
)


def places(value, at=()):
    """Every place of a document, as the keys that lead there."""
    yield at
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*at, key))


def put(value, at, other):
    if not at:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = put(value[at[0]], at[1:], other)
    return copy


@settings(max_examples=300)
@given(anything.plans(), st.data(), values)
def test_document_with_anything_put_anywhere_is_a_plan_or_refused(plan, data, other):
    rules = rules_of(plan, USD)
    at = data.draw(st.sampled_from(list(places(rules))))
    found = read_if_a_plan(json.dumps(put(rules, at, other)))
    assert found is None or read_rules(parse(json.dumps(rules_of(found, USD))), USD) == found


@given(anything.plans(), st.data())
def test_document_cut_or_disturbed_is_a_plan_or_refused(plan, data):
    text = json.dumps(rules_of(plan, USD))
    at = data.draw(st.integers(0, len(text)))
    found = read_if_a_plan(text[:at] + data.draw(st.text(max_size=3)) + text[at + 1 :])
    assert found is None or isinstance(found, Plan)


@given(st.text() | values.map(json.dumps))
def test_any_other_text_is_refused(text):
    assert read_if_a_plan(text) is None
