"""The conformance door must not let a wrong value through, nor fall over on a bad line."""

import json
from pathlib import Path

import pytest

from vmsapp.sts.conformance import check
from vmsapp.sts.meter_reader import read

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
        ("credit", {"key": "zz"}, "an input is not what the operation takes"),
        ("credit", {"tid": 1441}, "token is"),
        ("credit", {"tid": 1 << 24}, "refused: TID 16777216"),
        ("credit", {"tid": True}, "refused: TID True"),
        ("credit", {"rnd": True}, "refused: RND True"),
        ("credit", {"tid": -1}, "refused: TID -1"),
        ("credit", {"units": -1}, "refused: amount in tenths -1"),
        ("credit", {"units": 1.5}, "refused: amount in tenths 1.5"),
        ("management", {"value": 65536}, "refused: Value 65536"),
        ("management", {"subclass": 3}, "refused: SubClass 3 does not manage"),
        ("test", {"control": 1 << 36}, "refused: Control"),
        ("test", {"manufacturer": 256}, "refused: MfrCode 256"),
        ("test", {"subclass": 3}, "refused: SubClass 3 is reserved"),
        ("crc", {"data": "zz"}, "an input is not what the operation takes"),
        ("tid", {"issue": "yesterday"}, "an input is not what the operation takes"),
        ("tid", {"issue": "1992-12-31 23:59"}, "refused: time of issue"),
        ("tid", {"base_date": 2000}, "refused: base date"),
        ("amount_field", {"units": 18_201_625}, "refused: amount in tenths"),
        ("amount_from_decimal", {"amount": "NaN"}, "refused: amount in units NaN"),
        ("amount_from_decimal", {"amount": "a lot"}, "an input is not what the operation takes"),
        ("pan", {"drn": "12345678904"}, "refused: DRN 12345678904"),
        ("pan_block", {"iin": "0000"}, "IIN is '600727', not '0000'"),
        ("key_usable", {"ken": 256}, "refused: KEN 256"),
        ("encrypt_block", {"tables": "own"}, "refused: table set own"),
    ],
)
def test_a_wrong_input_is_reported_by_its_rule(op, changed, says):
    found = failures_of(FIRST[op] | changed)
    assert any(failure.startswith(says) for failure in found), found


@pytest.mark.parametrize(
    ("op", "changed"),
    [
        ("crc", {"expected": None}),
        ("crc", {"expected": 5}),
        ("decoder_key", {"expected": None}),
        ("pan_block", {"expected": 5}),
        ("drn_valid", {"drn": 12345678903, "expected": False}),
        ("drn_valid", {"drn": None, "expected": False}),
        ("amount_from_decimal", {"amount": [0, [1, 2], -1]}),
        ("key_change", {"roll_over": "false"}),
        ("key_change", {"roll_over": 2}),
        ("key_change", {"three_token": "0"}),
        ("key_change", {"new": []}),
        ("credit", {"tid": 85740.9}),
        ("credit", {"tid": "85740"}),
        ("encrypt_block", {"key": "0abc12def345678g"}),
    ],
)
def test_an_input_of_another_kind_is_never_taken_for_one(op, changed):
    vector = FIRST[op] | changed
    (failure, *_) = failures_of(vector)
    assert failure.startswith(("an input is not", "refused: ", "DRN is", "valid is"))
    assert "0abc12def345678" not in failure


@pytest.mark.parametrize("amount", [1.5, "1.5", "1e5", "9" * 41, 10**40, True, None])
def test_money_that_is_no_whole_number_is_not_taken(amount):
    vector = next(v for v in VECTORS if "units_1e5" in v)
    assert failures_of(vector | {"units_1e5": amount})


@pytest.mark.parametrize("power", ["1e9999", "1e1000000", "9" * 5000])
def test_an_absurd_number_takes_no_time(power):
    vector = json.dumps(next(v for v in VECTORS if "units_1e5" in v) | {"units_1e5": 7})
    assert failures_of(vector.replace('"units_1e5": 7', f'"units_1e5": {power}'))


def test_what_a_laboratory_may_write_otherwise_passes():
    by_id = {v["id"]: v for v in VECTORS}
    whole = by_id["s001"]
    limit = next(v for v in VECTORS if "watts" in v)
    money = next(v for v in VECTORS if "units_1e5" in v)
    change = by_id["n581"]
    crc = FIRST["crc"]
    for vector in (
        whole | {"issue": f"{whole['issue']}:59"},
        whole | {"issue": whole["issue"].replace(" 07:40", " 10:40") + "+03:00"},
        {k: v for k, v in limit.items() if k != "value"},
        money | {"units_1e5": int(money["units_1e5"])},
        change | {"roll_over": False},
        {k: v for k, v in change.items() if k not in ("roll_over", "three_token")},
        crc | {"data": crc["data"].upper(), "expected": crc["expected"].upper()},
        FIRST["encrypt_block"] | {"key": FIRST["encrypt_block"]["key"].upper()},
        by_id["n118"] | {"expected": by_id["n118"]["expected"].upper()},
        by_id["P0250"] | {"tables": None},
    ):
        assert failures_of(vector) == (), vector


def test_a_reserved_tid_given_outright_is_taken_as_meant():
    # SPEC 5.3: 00:01 may be used deliberately; checked by the meter's own reader.
    vector = FIRST["credit"] | {"tid": 1441, "expected": "41264211843016896168"}
    assert failures_of(vector) == ()
    assert read(vector["expected"], bytes.fromhex(vector["key"])).data >> 16 & 0xFFFFFF == 1441


def test_a_failing_decoder_key_is_not_shown():
    vector = FIRST["decoder_key"]
    (failure,) = failures_of(vector | {"expected": other(vector["expected"])})
    assert vector["expected"] not in failure


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
    "line",
    [
        "{",
        "[]",
        "7",
        '{"id": "x"}',
        '{"op": "pan"}',
        "null",
        "\ufeff{}",
        '"text"',
        "[" * 100_000,
        '{"id": 1, "op": "pan"}',
        '{"id": 1, "id": 2, "op": "pan", "drn": "1", "expected": "1"}',
    ],
    ids=range(11),
)
def test_a_line_that_is_no_vector_is_reported_by_its_number(line):
    good = json.dumps(FIRST["pan"])
    outcomes = list(check([good, "", line]))
    assert [outcome.passed for outcome in outcomes] == [True, False]
    assert outcomes[1].name == "line 3"


def test_an_unknown_operation_is_reported():
    for op in ("nothing", [], {}, None, 5):
        (failure,) = failures_of({"id": "x", "op": op, "expected": 0})
        assert failure.startswith("unknown operation; known are pan")
    (failure,) = failures_of({"id": "x", "op": "nothing", "expected": 0})
    assert failure.startswith("unknown operation; known are pan")


@pytest.mark.parametrize("op", FIRST)
def test_a_line_without_an_input_is_reported_and_the_rest_goes_on(op):
    vector = FIRST[op]
    optional = {"base_date", "issue", "tables", "watts", "tid", "manufacturer"}
    optional |= {"three_token", "roll_over"}
    for name in set(vector) - {"id", "op", "source"} - optional:
        lines = [json.dumps({k: v for k, v in vector.items() if k != name}), json.dumps(vector)]
        assert [outcome.passed for outcome in check(lines)] == [False, True], name
