"""The conformance door must not let a wrong value through, nor fall over on a bad line."""

import json
from pathlib import Path

import pytest

from vmsapp.sts.conformance import check

FILE = Path(__file__).parents[2] / "vectors" / "vectors.jsonl"
VECTORS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
FIRST = {}
for each in VECTORS:
    FIRST.setdefault(each["op"], each)


def failures_of(vector):
    (outcome,) = check([vector if isinstance(vector, str) else json.dumps(vector)])
    assert outcome.passed is not bool(outcome.failures)
    return outcome.failures


def other(value):
    """A value of the same kind that is not the right one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value[:-1], other(value[-1])]
    last = value[-1]
    return value[:-1] + ("0" if last != "0" else "1")


@pytest.mark.parametrize("op", FIRST)
def test_a_wrong_expected_value_is_reported(op):
    vector = FIRST[op]
    assert failures_of(vector) == ()
    assert failures_of(vector | {"expected": other(vector["expected"])})


@pytest.mark.parametrize("vector", VECTORS[::7], ids=lambda v: v["id"])
def test_every_kind_of_line_fails_with_a_wrong_value(vector):
    assert failures_of(vector | {"expected": other(vector["expected"])})


@pytest.mark.parametrize(
    ("op", "changed", "says"),
    [
        ("credit", {"units": 11}, "token is"),
        ("credit", {"rnd": 4}, "token is"),
        ("credit", {"subclass": 8, "units_1e5": "5"}, "refused: SubClass 8"),
        ("credit", {"ea": 9}, "refused: EA 09 was withdrawn"),
        ("credit", {"key": "00"}, "refused: decoder key's length in bytes 1 is not 8"),
        ("credit", {"key": "zz"}, "cannot be read: ValueError"),
        ("credit", {"tid": 1441}, "refused: TID 1441 is reserved"),
        ("credit", {"tid": -1}, "refused: TID -1"),
        ("credit", {"units": -1}, "refused: amount in tenths -1"),
        ("credit", {"units": 1.5}, "refused: amount in tenths Decimal"),
        ("management", {"value": 65536}, "refused: Value 65536"),
        ("management", {"subclass": 3}, "refused: SubClass 3 does not manage"),
        ("test", {"control": 1 << 36}, "refused: Control"),
        ("test", {"manufacturer": 256}, "refused: MfrCode 256"),
        ("test", {"subclass": 3}, "refused: SubClass 3 is reserved"),
        ("crc", {"data": "zz"}, "cannot be read"),
        ("tid", {"issue": "yesterday"}, "cannot be read"),
        ("tid", {"issue": "1992-12-31 23:59"}, "refused: time of issue"),
        ("tid", {"base_date": 2000}, "refused: base date"),
        ("amount_field", {"units": 18_201_625}, "refused: amount in tenths"),
        ("amount_from_decimal", {"amount": "NaN"}, "refused: amount in units NaN"),
        ("amount_from_decimal", {"amount": "a lot"}, "cannot be read"),
        ("pan", {"drn": "12345678904"}, "refused: DRN 12345678904"),
        ("pan_block", {"iin": "0000"}, "IIN is '600727', not '0000'"),
        ("key_usable", {"ken": 256}, "refused: KEN 256"),
        ("encrypt_block", {"tables": "own"}, "refused: table set own"),
    ],
)
def test_a_wrong_input_is_reported_by_its_rule(op, changed, says):
    found = failures_of(FIRST[op] | changed)
    assert any(failure.startswith(says) for failure in found), found


def meter_vector():
    return next(v for v in VECTORS if v["op"] == "key_change" and "meter" in v)


@pytest.mark.parametrize(
    ("side", "changed", "says"),
    [
        ("new", {"kt": 0}, "refused: KT 0 (DITK) is not reached from DUTK"),
        ("new", {"pan": "600727000000000009"}, "refused: MeterPAN 600727000000000009 is another"),
        ("new", {"krn": 0}, "refused: KRN 0"),
        ("meter", {"kt": 3}, "refused: KT 3 (DCTK, a common key) is not derived"),
        ("meter", {"vk": "abababababababaa"}, "refused: vending key's byte 8"),
        ("meter", {"dkga": 1}, "refused: DKGA 01 is a legacy method"),
        ("meter", {"base_date": 2035}, "roll-over is True, not False"),
    ],
)
def test_rules_of_a_key_change_are_applied_where_both_keys_are_known(side, changed, says):
    vector = meter_vector()
    found = failures_of(vector | {side: vector[side] | changed})
    assert any(failure.startswith(says) for failure in found), found


def test_a_roll_over_that_is_none_is_reported():
    assert failures_of(meter_vector() | {"roll_over": 1})[0] == "roll-over is False, not True"


def test_rules_of_an_unknown_old_key_are_not_applied():
    # n721: to key type 0 from a key nothing is known of.
    assert failures_of(next(v for v in VECTORS if v["id"] == "n721")) == ()


def test_credit_by_a_default_key_or_after_expiry_is_reported():
    vector = next(v for v in VECTORS if v["id"] == "s001")
    for changed, says in (({"kt": 1}, "(DDTK) takes no credit"), ({"ken": 0}, "is past what KEN")):
        (failure,) = failures_of(vector | {"meter": vector["meter"] | changed})
        assert says in failure


def test_tid_and_issue_must_agree():
    vector = next(v for v in VECTORS if v["op"] == "credit" and "tid" in v and "issue" in v)
    assert any("TID of issue" in f for f in failures_of(vector | {"issue": "2004-01-01 00:05"}))


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"id": "x"}', '{"op": "pan"}', "null", "\ufeff{}", '"text"']
)
def test_a_line_that_is_no_vector_is_reported_by_its_number(line):
    good = json.dumps(FIRST["pan"])
    outcomes = list(check([good, "", line]))
    assert [outcome.passed for outcome in outcomes] == [True, False]
    assert outcomes[1].name == "line 3"


def test_an_unknown_operation_is_reported():
    (failure,) = failures_of({"id": "x", "op": "nothing", "expected": 0})
    assert failure.startswith("unknown operation; known are pan")


@pytest.mark.parametrize("op", FIRST)
def test_a_line_without_an_input_is_reported_and_the_rest_goes_on(op):
    vector = FIRST[op]
    optional = {"base_date", "issue", "tables", "watts", "tid", "three_token"}
    for name in set(vector) - {"id", "op", "source"} - optional:
        lines = [json.dumps({k: v for k, v in vector.items() if k != name}), json.dumps(vector)]
        assert [outcome.passed for outcome in check(lines)] == [False, True], name
