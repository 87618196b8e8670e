"""``flask tariffs``: what a utility's engineer types, what is answered, and what is refused."""

import ast
import json
import os
import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from vmsapp.cli.tariff_options import MAX_FILE_BYTES
from vmsapp.cli.tariffs import EXAMPLE, tariffs
from vmsapp.clock import now_utc
from vmsapp.tariffs.plan_file import write_plan_file

ROOT = Path(__file__).parents[2]
MARCH = ["--date", "2026-03-05"]
PLAIN = {
    "format": "vms-tariff-plan/1",
    "currency": {"code": "USD", "decimals": 2},
    "name": "Plain",
    "steps": [{"price": "0.10"}],
}
MONTHLY = PLAIN | {"fixed_fee": {"amount": "3.00", "period": "month", "max_periods": 3}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``flask tariffs`` in an empty folder, on a machine where nothing is set up."""
    for name in [name for name in os.environ if name.startswith("VMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VMS_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worked.json").write_text(write_plan_file(EXAMPLE))
    before = sorted(tmp_path.iterdir())

    def run(*words, plan=None, typed=None, exits=0):
        if plan is not None:
            typed = json.dumps(plan)
        result = CliRunner().invoke(tariffs, [str(word) for word in words], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        assert "Traceback" not in result.output
        assert result.exit_code == exits, result.output
        return result.output

    yield run
    assert not (tmp_path / "instance").exists(), "nothing was made that was not asked for"
    assert set(before) <= set(tmp_path.iterdir())


@pytest.fixture
def quote(run):
    """Price a plan given as a dictionary; the answer is JSON."""

    def quote(plan, *options, exits=0):
        return json.loads(run("quote", "-", *MARCH, *options, "--json", plan=plan, exits=exits))

    return quote


# --- prices ---

# shared/TARIFFS.md, "Worked table".
BY_QUANTITY = [
    ("0", "1", "60", "8.00"),
    ("0", "1", "100", "12.00"),
    ("0", "1", "100.1", "12.02"),
    ("0", "1", "250", "43.50"),
    ("0", "1", "400", "80.25"),
    ("0", "1", "400.1", "92.28"),
    ("60", "0", "60", "8.20"),
    ("60", "0", "100", "16.60"),
]
BY_AMOUNT = [
    ("10", "80", "10.00", "0.00"),
    ("12", "100", "12.00", "0.00"),
    ("50", "280.9", "49.99", "0.01"),
    ("80", "399", "79.99", "0.01"),
    ("90", "400", "80.25", "9.75"),
    ("100", "429.5", "99.99", "0.01"),
]


@pytest.mark.parametrize(("bought", "due", "units", "charged"), BY_QUANTITY)
def test_the_worked_table_by_quantity(run, bought, due, units, charged):
    words = ["worked.json", "--quantity", units, "--bought", bought, "--fees-due", due]
    assert json.loads(run("quote", *words, "--json"))["charged"] == charged


@pytest.mark.parametrize(("tender", "units", "charged", "change"), BY_AMOUNT)
def test_the_worked_table_by_amount(run, tender, units, charged, change):
    said = json.loads(run("quote", "worked.json", "--amount", tender, "--json"))
    assert (said["units"], said["charged"], said["change"]) == (units, charged, change)
    assert said["received"] == f"{tender}.00"


def test_the_answer_for_people_lines_up(run):
    lines = run("quote", "worked.json", "--quantity", "400.1", *MARCH).splitlines()
    calculation = lines[3:10]
    assert calculation[0].split() == ["Fixed", "fee", "of", "2026-03-01", "2.00"]
    assert calculation[5].split() == ["Step", "3", "100.1", "kWh", "×", "0.25", "25.03"]
    assert len({len(line) for line in calculation}) == 1, "amounts end under one another"
    assert lines[-1] == "Units     400.1 kWh"


def test_the_day_is_the_clocks_when_none_is_given(run):
    said = json.loads(run("quote", "worked.json", "--quantity", "1", "--json"))
    assert said["date"] == now_utc().date().isoformat()


def test_a_token_of_many_units_says_what_it_carries(run):
    # TransferAmount: above 1638.3 steps of 1 from 1638.4, rounded up (IEC 62055-41).
    few = run("quote", "-", "--quantity", "1638.4", plan=PLAIN)
    many = run("quote", "-", "--quantity", "1638.5", plan=PLAIN)
    assert "carries" not in few
    assert "The token carries 1639.4 kWh" in many


def test_water_is_sold_in_cubic_metres_and_time_in_minutes(run):
    water = run("quote", "-", "--quantity", "2", plan=PLAIN | {"meter_type": "water"})
    time = run("quote", "-", "--quantity", "2", plan=PLAIN | {"meter_type": "time"})
    assert "2.0 m³ × 0.10" in water
    assert "2.0 min × 0.10" in time


def test_settlement_and_coin_of_the_options_win(quote):
    # 10.3 units are 1.03: to 5 cents down 1.00, up 1.05.
    plan = PLAIN | {"settlement": "up", "currency": PLAIN["currency"] | {"coin": "0.01"}}
    assert quote(plan, "--quantity", "10.3", "--coin", "0.05")["charged"] == "1.05"
    down = quote(plan, "--quantity", "10.3", "--coin", "0.05", "--settlement", "down")
    assert (down["charged"], down["settlement"], down["coin"]) == ("1.00", "down", "0.05")


def test_several_debts_are_taken_in_their_order(quote):
    said = quote(PLAIN, "--amount", "20", "--debt", "Connection=5", "--debt", "a=b=2.50")
    debts = [(line["name"], line["amount"]) for line in said["lines"] if line["kind"] == "debt"]
    assert debts == [("Connection", "5.00"), ("a=b", "2.50")]
    assert said["units"] == "125"


# --- fees due ---


def fees(said):
    return [
        (line["kind"], line["period_start"])
        for line in said["lines"]
        if line["kind"].startswith("fee")
    ]


def test_the_current_fee_is_due_until_something_was_bought(quote):
    assert fees(quote(MONTHLY, "--quantity", "1")) == [("fee", "2026-03-01")]
    assert fees(quote(MONTHLY, "--quantity", "1", "--bought", "0.1")) == []


def test_a_fee_for_each_sale_is_due_whatever_was_bought(quote):
    plan = PLAIN | {"fixed_fee": {"amount": "3.00", "period": "sale"}}
    assert fees(quote(plan, "--quantity", "1", "--bought", "50")) == [("fee", "2026-03-05")]


def test_fees_due_are_counted_back_from_the_current_period(quote):
    said = quote(MONTHLY, "--quantity", "1", "--fees-due", "3")
    assert fees(said) == [
        ("fee_arrears", "2026-01-01"),
        ("fee_arrears", "2026-02-01"),
        ("fee", "2026-03-01"),
    ]
    assert said["charged"] == "9.10"


def test_fees_due_follow_from_the_day_of_attaching(quote):
    attached = quote(MONTHLY, "--quantity", "1", "--attached", "2026-02-20")
    assert fees(attached) == [("fee_arrears", "2026-02-01"), ("fee", "2026-03-01")]
    days = ["--attached", "2025-02-20", "--paid-until", "2026-02-10"]
    assert fees(quote(MONTHLY, "--quantity", "1", *days)) == [("fee", "2026-03-01")]


def test_what_is_paid_is_not_due_again(quote):
    said = quote(MONTHLY, "--quantity", "1", "--paid-until", "2026-02-01")
    assert fees(said) == [("fee", "2026-03-01")]
    assert fees(quote(MONTHLY, "--quantity", "1", "--paid-until", "2026-03-01")) == []


def test_a_plan_that_comes_into_force_later_is_priced_as_if_it_were(quote):
    plan = MONTHLY | {"effective_on": "2027-01-01"}
    said = quote(plan, "--quantity", "1", "--attached", "2026-03-01")
    assert fees(said) == [("fee", "2026-03-01")]


def test_fees_before_the_plan_was_in_force_are_not_its_own(quote):
    plan = MONTHLY | {"effective_on": "2026-02-01"}
    said = quote(plan, "--quantity", "1", "--attached", "2025-12-01")
    assert fees(said) == [("fee_arrears", "2026-02-01"), ("fee", "2026-03-01")]


def test_fees_that_stay_due_are_named(quote, run):
    plan = MONTHLY | {"fixed_fee": MONTHLY["fixed_fee"] | {"arrears_share": "50"}}
    said = quote(plan, "--amount", "10", "--fees-due", "3")
    # 5.00 hold one missed fee of 3.00; February's stays.
    assert said["fees_left"] == [
        {"period": "month", "period_start": "2026-02-01", "amount": "3.00"}
    ]
    words = run("quote", "-", *MARCH, "--amount", "10", "--fees-due", "3", plan=plan)
    assert "Fees of earlier periods that stay due: 1" in words


@pytest.mark.parametrize(
    ("plan", "options", "sentence"),
    [
        (MONTHLY, ["--fees-due", "4"], "at most 3 can be due"),
        (MONTHLY, ["--fees-due", "-1"], "not in the range"),
        (MONTHLY, ["--fees-due", "1", "--attached", "2026-01-01"], "not both"),
        (MONTHLY, ["--attached", "2026-03-06"], "later than the purchase"),
        (MONTHLY, ["--paid-until", "2026-03-06"], "later than the purchase"),
        (PLAIN, ["--fees-due", "1"], "no fixed fee"),
        (PLAIN, ["--attached", "2026-01-01"], "no fixed fee"),
        (
            PLAIN | {"fixed_fee": {"amount": "1", "period": "day"}},
            ["--fees-due", "2"],
            "at most 1 can be due",
        ),
        (
            PLAIN | {"fixed_fee": {"amount": "1", "period": "day", "recover_missed": True}},
            ["--attached", "1990-01-01"],
            "at most 1000 are",
        ),
    ],
)
def test_fees_that_cannot_be_due(run, plan, options, sentence):
    said = run("quote", "-", "--quantity", "1", *MARCH, *options, plan=plan, exits=2)
    assert sentence in said


def test_a_window_of_a_million_periods_takes_no_time(quote):
    fee = {"amount": "1", "period": "day", "recover_missed": True, "max_periods": 10**12}
    said = quote(PLAIN | {"fixed_fee": fee}, "--quantity", "1", "--attached", "2026-03-04")
    assert fees(said) == [("fee_arrears", "2026-03-04"), ("fee", "2026-03-05")]


# --- refusals ---

LIMITED = PLAIN | {
    "steps": [{"end": "1000", "price": "0.10"}],
    "limits": {
        "smallest_units": "5",
        "smallest_amount": "1.00",
        "sale": {"units": "100", "amount": "9.00"},
        "day": {"units": "150", "amount": "12.00"},
        "month": {"units": "300", "amount": "20.00"},
    },
}
CLOSED = PLAIN | {"steps": [{"end": "50", "price": "0.10"}]}
REFUSED = [
    (MONTHLY, ["--amount", "3"], "amount_too_small", {"minimum": "3.01"}),
    (LIMITED, ["--quantity", "4"], "below_smallest_purchase", {"smallest": "5"}),
    (LIMITED, ["--amount", "0.99"], "below_smallest_amount", {"smallest": "1.00"}),
    (LIMITED, ["--quantity", "101"], "above_largest_purchase", {"largest": "100"}),
    (LIMITED, ["--amount", "9.01"], "above_largest_amount", {"largest": "9.00"}),
    (
        LIMITED,
        ["--quantity", "60", "--bought-today", "100"],
        "above_days_units",
        {"largest": "50"},
    ),
    (LIMITED, ["--amount", "5", "--spent-today", "8"], "above_days_money", {"largest": "4.00"}),
    (LIMITED, ["--quantity", "60", "--bought", "250"], "above_months_units", {"largest": "50"}),
    (
        LIMITED,
        ["--quantity", "60", "--bought", "9", "--bought-month", "290"],
        "above_months_units",
        {"largest": "10"},
    ),
    (LIMITED, ["--amount", "5", "--spent-month", "18"], "above_months_money", {"largest": "2.00"}),
    (CLOSED, ["--quantity", "20", "--bought", "40"], "above_last_step", {"largest": "10"}),
    (PLAIN, ["--quantity", "1820162.5"], "above_token_limit", {"largest": "1820162.4"}),
]


@pytest.mark.parametrize(("plan", "options", "code", "figures"), REFUSED)
def test_what_cannot_be_sold_is_a_sentence_and_exits_1(run, quote, plan, options, code, figures):
    sentence = run("quote", "-", *MARCH, *options, plan=plan, exits=1)
    assert sentence.startswith("Error: ")
    assert sentence.count("\n") == 1
    error = quote(plan, *options, exits=1)["error"]
    assert error.pop("message") == sentence.removeprefix("Error: ").strip()
    assert error == {"code": code} | figures
    assert next(iter(figures.values())) in sentence


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--quantity", "0"], "invalid_quantity"),
        (["--quantity", "-1"], "invalid_quantity"),
        (["--quantity", "0.15"], "invalid_quantity"),
        (["--quantity", "1e400"], "invalid_quantity"),
        (["--amount", "0"], "invalid_tender"),
        (["--quantity", "NaN"], "usage"),
        (["--quantity", "Infinity"], "usage"),
        (["--quantity", "1e99999999999999999999"], "usage"),
        (["--quantity", "ten"], "usage"),
        (["--amount", "-1"], "usage"),
        (["--amount", "1.001"], "usage"),
        (["--amount", "1e30"], "usage"),
        (["--amount", "NaN"], "usage"),
        (["--amount", ""], "usage"),
        ([], "usage"),
        (["--quantity", "1", "--amount", "1"], "usage"),
        (["--quantity", "1", "--bought", "-1"], "usage"),
        (["--quantity", "1", "--bought", "0.05"], "usage"),
        (["--quantity", "1", "--bought", "1e30"], "usage"),
        (["--quantity", "1", "--spent-today", "x"], "usage"),
        (["--quantity", "1", "--bought-month", "-3"], "usage"),
        (["--quantity", "1", "--debt", "5"], "usage"),
        (["--quantity", "1", "--debt", "=5"], "usage"),
        (["--quantity", "1", "--debt", "Loan=0"], "usage"),
        (["--quantity", "1", "--debt", "Loan=-1"], "usage"),
        (["--quantity", "1", "--coin", "0"], "usage"),
        (["--quantity", "1", "--settlement", "sideways"], "usage"),
        (["--quantity", "1", "--attached", "0001-01-01"], "usage"),
        (["--quantity", "1", "--attached", "yesterday"], "usage"),
        (["--quantity", "1", "--fees-due", "1.5"], "usage"),
        (["--quantity", "1", "--no-such-option"], "usage"),
        (["--quantity"], "usage"),
    ],
)
def test_what_is_not_valid_exits_2_in_words_and_in_json(run, quote, options, code):
    words = run("quote", "-", *MARCH, *options, plan=PLAIN, exits=2)
    assert "Error: " in words
    before = json.loads(run("quote", "--json", "-", *MARCH, *options, plan=PLAIN, exits=2))
    assert before["error"]["code"] == code
    assert before["error"]["message"].endswith(".")


def test_an_amount_of_a_currency_without_decimals_has_none(run):
    plan = PLAIN | {"currency": {"code": "XOF", "decimals": 0}}
    said = run("quote", "-", "--amount", "10.5", plan=plan, exits=2)
    assert "10.5 is not an amount of XOF, 0 or more with no decimals." in said


# --- JSON ---

TEXT = str
LINE_KEYS = {
    "kind": TEXT,
    "name": (TEXT, type(None)),
    "step": (int, type(None)),
    "units": (TEXT, type(None)),
    "rate": (TEXT, type(None)),
    "is_percent": bool,
    "base": (TEXT, type(None)),
    "amount": TEXT,
    "period_start": (TEXT, type(None)),
}
QUOTE_KEYS = {
    "format": TEXT,
    "plan": TEXT,
    "tariff": (TEXT, type(None)),
    "meter_type": TEXT,
    "currency": TEXT,
    "coin": TEXT,
    "settlement": TEXT,
    "date": TEXT,
    "by": TEXT,
    "units": TEXT,
    "token_units": TEXT,
    "exact": TEXT,
    "payable": TEXT,
    "charged": TEXT,
    "received": TEXT,
    "change": TEXT,
    "bought_before": TEXT,
    "bought_after": TEXT,
    "starts_at": TEXT,
    "fees_left": list,
    "lines": list,
}


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "plans").glob("*.json")), ids=str)
@pytest.mark.parametrize("wish", [("--quantity", "77.7"), ("--amount", "54321")])
def test_the_answer_in_json_has_its_shape_and_adds_up(run, path, wish):
    if path.stem == "pretoria-prepaid-2025" and wish[0] == "--amount":
        wish = ("--amount", "321")
    said = json.loads(run("quote", path, *wish, *MARCH, "--json"))
    assert list(said) == list(QUOTE_KEYS)
    assert all(isinstance(said[key], kind) for key, kind in QUOTE_KEYS.items())
    for line in said["lines"]:
        assert list(line) == list(LINE_KEYS)
        assert all(isinstance(line[key], kind) for key, kind in LINE_KEYS.items())
    total = sum(Decimal(line["amount"]) for line in said["lines"])
    assert total == Decimal(said["charged"])
    assert Decimal(said["charged"]) + Decimal(said["change"]) == Decimal(said["received"])
    assert Decimal(said["token_units"]) >= Decimal(said["units"])
    assert said["by"] == wish[0].removeprefix("--")


def test_a_line_can_be_worked_out_again(quote):
    plan = PLAIN | {
        "steps": [{"price": "0.123456", "tax_percent": "7.5"}],
        "levies": [{"name": "Fuel", "kind": "per_unit", "rate": "0.05"}],
    }
    energy, tax, fuel = quote(plan, "--quantity", "33.3")["lines"]
    assert (energy["units"], energy["rate"], energy["base"]) == ("33.3", "0.123456", "4.1110848")
    assert (tax["rate"], tax["base"], tax["amount"]) == ("7.5", "4.1110848", "0.31")
    assert (fuel["name"], fuel["units"], fuel["base"], fuel["amount"]) == (
        "Fuel",
        "33.3",
        "1.665",
        "1.67",
    )


def test_a_figure_without_an_end_is_a_fraction(quote):
    # 3 % of the whole: 5.00 / 0.97.
    levy = {"name": "Light", "kind": "percent", "rate": "3", "base": ["tender"]}
    assert quote(PLAIN | {"levies": [levy]}, "--quantity", "50")["exact"] == "500/97"


# --- files ---


def test_a_plan_is_read_from_standard_input(run):
    assert "6.00" in run("quote", "-", "--quantity", "60", plan=PLAIN)
    assert run("check", "-", plan=PLAIN) == "Plain: in order.\n"


def test_a_band_no_purchase_reaches_is_told_and_is_no_fault(run):
    ending = PLAIN | {"steps": [{"end": "2000", "price": "0.10"}]}
    bands = [
        {"low": "0", "high": "2000", "fine": "0"},
        {"low": "2000", "high": "5000", "fine": "1"},
    ]
    assert run("check", "-", plan=ending | {"penalties": bands}) == (
        "penalties[2].low: Penalty band 2 is never reached: the last step ends at 2000.\n"
        "Plain: in order.\n"
    )
    assert run("check", "-", plan=PLAIN | {"penalties": bands}) == "Plain: in order.\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_plan_is_read_as_an_editor_saved_it(run, tmp_path, encoding):
    plan = json.dumps(PLAIN | {"name": "Été, 电价"}, ensure_ascii=False)
    (tmp_path / "plan.json").write_bytes(plan.encode(encoding))
    assert run("quote", "plan.json", "--quantity", "1").startswith("Été, 电价, ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\t ", "is empty"),
        (b"\xef\xbb\xbf", "not JSON"),
        ('{"name": "Été"}'.encode("latin-1"), "not a text file in UTF-8"),
        (b"\xff\xfe\x00", "not a text file in UTF-8"),
        (b"\x00\x00\x00\x00\xff", "not a text file in UTF-8"),
        (b"{", "Line 1 is not JSON"),
        (b"[]", "An object is expected"),
        (b"null", "An object is expected"),
        (b"[" * 100_000, "This is not JSON"),
        (b"9" * 5000, "This is not JSON"),
        (b"{}", "format: it is missing"),
        (b'{"format": "vms-tariff-plan/2"}', "format: vms-tariff-plan/1 is expected"),
        (b'{"format": 1, "format": 2}', "format: this key stands there twice"),
        (b" " * MAX_FILE_BYTES + b"{}", "larger than a plan file may be, 1 MB"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_is_no_plan_is_refused_in_a_sentence(run, tmp_path, content, sentence):
    (tmp_path / "plan.json").write_bytes(content)
    assert sentence in run("quote", "plan.json", "--quantity", "1", exits=2)
    assert sentence in run("check", "plan.json", exits=2)
    said = json.loads(run("quote", "plan.json", "--quantity", "1", "--json", exits=2))
    assert sentence in said["error"]["message"]


@pytest.mark.parametrize("name", ["nowhere.json", ".", "a\0b", "x" * 5000, ""])
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(run, name):
    assert "cannot be read: " in run("quote", name, "--quantity", "1", exits=2)


def test_the_largest_file_is_still_read(run, tmp_path):
    text = json.dumps(PLAIN)
    (tmp_path / "plan.json").write_text(text + " " * (MAX_FILE_BYTES - len(text)))
    assert "in order" in run("check", "plan.json")


def test_a_name_cannot_command_the_terminal(run):
    said = run("quote", "-", "--quantity", "1", plan=PLAIN | {"name": "\u202eHome"})
    assert "\u202e" not in said
    assert "\\u202eHome" in said
    said = run("quote", "-", "--quantity", "1", plan=PLAIN | {"name": "\x1b[2J"}, exits=2)
    assert "\x1b" not in said


def test_a_fault_of_the_plan_is_named_by_its_place(run):
    plan = PLAIN | {"steps": [{"end": "100", "price": "0.10"}, {"start": "90", "price": "0.20"}]}
    said = run("quote", "-", "--quantity", "1", plan=plan, exits=2)
    assert said.startswith("Error: The plan: steps[2].start: Step 2 starts at 90; ")
    error = json.loads(run("quote", "-", "--quantity", "1", "--json", plan=plan, exits=2))["error"]
    assert (error["code"], error["place"]) == ("plan_step_overlap", "steps[2].start")


def test_check_lists_every_fault_of_form(run):
    plan = PLAIN | {
        "currency": {"code": "dollar", "decimals": 9},
        "settlement": "sideways",
        "steps": [{"price": "cheap", "prise": "0.10"}, 5],
        "fixed_fee": {"amount": "1.00", "period": "fortnight"},
        "levies": [{"name": "VAT", "kind": "percent"}],
        "colour": "green",
    }
    assert run("check", "-", plan=plan, exits=2).splitlines() == [
        "currency.code: three capital letters are expected.",
        "currency.decimals: 0 to 4 is expected.",
        "settlement: one of these is expected: down, up, nearest.",
        "steps[1].price: a number is expected.",
        "steps[1].prise: this key is not known.",
        "steps[2]: an object is expected.",
        "fixed_fee.period: one of these is expected: sale, day, week, month, year.",
        "levies[1].rate: it is missing.",
        "colour: this key is not known.",
    ]


def test_check_lists_every_rule_that_is_broken(run):
    plan = PLAIN | {
        "name": " ",
        "steps": [{"end": "100", "price": "-1"}, {"start": "120", "price": "0.1234567"}],
        "penalties": [{"low": "0", "high": "9", "fine": "5"}, {"low": "9", "fine": "4"}],
        "levies": [{"name": "VAT", "kind": "percent", "rate": "16", "of_levies": ["Fuel"]}],
    }
    places = [line.split(": ")[0] for line in run("check", "-", plan=plan, exits=2).splitlines()]
    assert places == [
        "name",
        "steps[2].start",
        "steps[1].price",
        "steps[2].price",
        "penalties[2].fine",
        "levies[1].of_levies",
    ]


def test_the_template_is_a_plan_and_the_one_of_the_documentation(run, tmp_path):
    text = run("template")
    assert text == (ROOT / "docs" / "plans" / "worked-table.json").read_text("utf-8")
    (tmp_path / "mine.json").write_text(text)
    assert run("check", "mine.json") == "Domestic 2026: in order.\n"


# --- hostile files ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
WHOLE = json.loads(write_plan_file(EXAMPLE)) | {
    "levies": [
        {"name": "Fuel", "kind": "per_unit", "rate": "0.05", "steps": [1]},
        {"name": "VAT", "kind": "percent", "rate": "16", "base": ["fee"], "of_levies": ["Fuel"]},
        {"name": "Stamp", "kind": "flat", "amount": "0.10"},
    ],
    "limits": {"smallest_units": "1", "day": {"units": "500", "amount": "400.00"}},
}


def places(value, way=()):
    yield way
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*way, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*way, number))


FIGURES = st.sampled_from(
    ["-1", "0", "1e999999999", "NaN", "0.0000001", "999999999999", 10**30, -0.0, "100", "1e-9"]
)


@settings(max_examples=150)
@given(st.sampled_from([way for way in places(WHOLE) if way]), JSON | FIGURES, st.booleans())
def test_a_plan_with_anything_in_any_place_is_priced_or_refused(way, value, by_amount):
    plan = json.loads(json.dumps(WHOLE))
    inner = plan
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    wish = ["--amount", "50"] if by_amount else ["--quantity", "50"]
    for words in (["quote", "-", *wish, "--json"], ["quote", "-", *wish], ["check", "-"]):
        result = CliRunner().invoke(tariffs, words, input=json.dumps(plan))
        assert result.exception is None or isinstance(result.exception, SystemExit), plan
        assert result.exit_code in (0, 1, 2)
        assert result.output


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_priced_or_refused(content):
    for words in (["quote", "-", "--quantity", "1", "--json"], ["check", "-"]):
        result = CliRunner().invoke(tariffs, words, input=content)
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code == 2
        assert result.output


@settings(max_examples=60)
@given(
    st.decimals("0.1", "1000", places=1, allow_nan=False),
    st.decimals("0", "500", places=1, allow_nan=False),
)
def test_what_a_quantity_costs_buys_it_back(units, bought):
    plan = json.dumps(WHOLE | {"limits": None, "penalties": None})

    def priced(*wish):
        words = ["quote", "-", "--json", "--bought", f"{bought}", *wish]
        return json.loads(CliRunner().invoke(tariffs, words, input=plan).output)

    cost = priced("--quantity", f"{units}")
    back = priced("--amount", cost["charged"])
    assert Decimal(back["units"]) >= units
    assert Decimal(back["charged"]) == Decimal(cost["charged"])


# --- nothing is needed ---


def test_flask_finds_it_in_an_installed_checkout_and_needs_nothing(tmp_path):
    """As pip installs it: the entry points of pyproject.toml beside the package."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = tmp_path / "site" / "vmsapp-0.1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: vmsapp\nVersion: 0.1.0\n")
    commands = "".join(f"{name}={at}\n" for name, at in table["flask.commands"].items())
    (installed / "entry_points.txt").write_text(f"[flask.commands]\n{commands}")
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{installed.parent}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
    result = subprocess.run(
        [sys.executable, "-m", "flask", "tariffs", "quote", "-", "--amount", "10"],
        cwd=empty,
        env=environment,
        input=json.dumps(PLAIN),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "100.0 kWh × 0.10" in result.stdout
    assert result.stderr == ""
    assert list(empty.iterdir()) == []


def test_the_commands_import_neither_the_application_nor_a_database():
    code = "import sys, vmsapp.cli.tariffs; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    modules = set(loaded.stdout.split())
    assert "vmsapp.tariffs.engine" in modules
    for unwanted in (  # flask itself runs the commands
        "sqlalchemy",
        "celery",
        "pydantic",
        "Crypto",
        "cryptography",
        "vmsapp.models",
        "vmsapp.extensions",
        "vmsapp.i18n",
    ):
        assert unwanted not in modules, unwanted


def test_an_application_at_start_does_not_import_it():
    for path in (ROOT / "vmsapp" / "cli" / "__init__.py", ROOT / "vmsapp" / "cli" / "vms.py"):
        tree = ast.parse(path.read_text())
        named = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not [line for line in named if "cli.tariff" in line]
