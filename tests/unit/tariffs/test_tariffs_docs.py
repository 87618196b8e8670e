"""The numbers of docs/tariffs.md are what the product says.

The page's tables that have a column ``quantity`` or ``tender`` are priced, row by row, under
the plan that stands before them. A heading in backticks is a key of the plan that the row
sets; other headings are options of ``flask tariffs quote`` or figures of its answer.
"""

import json
import re
import shlex
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.tariffs.test_published import figures_of
from vmsapp.cli.tariffs import tariffs

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "tariffs.md"
OPTIONS = {
    "bought": "--bought",
    "fees due": "--fees-due",
    "quantity": "--quantity",
    "tender": "--amount",
    "settlement": "--settlement",
    "date": "--date",
    "attached": "--attached",
    "paid until": "--paid-until",
    "debt": "--debt",
    "spent today": "--spent-today",
}
PRICED = re.compile(
    r"```json\n(?P<plan>\{.*?\n\})\n```"
    r"|(?P<table>(?:^\|[^\n]*\n)+)"
    r"|```console\n\$ (?P<command>.*?)```",
    re.DOTALL | re.MULTILINE,
)


def parts():
    text = PAGE.read_text("utf-8")
    for found in PRICED.finditer(text):
        yield found, text[: found.start()].count("\n") + 1


def rows_of(table):
    head, _, *rows = (
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()
    )
    return head, [dict(zip(head, row, strict=True)) for row in rows]


def worked_rows():
    plan, made = None, []
    for found, line in parts():
        if found["plan"] and '"vms-tariff-plan/1"' in found["plan"]:
            plan = json.loads(found["plan"])
        elif found["table"]:
            head, rows = rows_of(found["table"])
            if {"quantity", "tender"} & set(head):
                made += [pytest.param(plan, row, id=f"line {line}: {row}") for row in rows]
    return made


def commands():
    return [
        pytest.param(*found["command"].split("\n", 1), id=f"line {line}")
        for found, line in parts()
        if found["command"]
    ]


WORKED = worked_rows()


def set_in(plan, path, value):
    *way, key = path.split(".")
    for name in way:
        plan = plan[name]
    plan[key] = int(value) if key == "max_periods" else value


def answer(plan, row):
    plan = json.loads(json.dumps(plan))
    options = ["--json"]
    if "date" not in row:
        options += ["--date", "2026-03-05"]
    for name, cell in row.items():
        if not cell:
            continue
        if name.startswith("`"):
            set_in(plan, name.strip("`"), cell)
        elif name in OPTIONS:
            options += [OPTIONS[name], cell]
    result = CliRunner().invoke(tariffs, ["quote", "-", *options], input=json.dumps(plan))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    said = json.loads(result.output)
    if "error" in said:
        assert result.exit_code == 1
        error = said["error"]
        return error | {"refused": error["code"], "needed": error.get("minimum")}
    return figures_of(said) | {
        "cost": said["exact"],
        "carries": said["token_units"],
        "still due": len(said["fees_left"]),
    }


@pytest.mark.parametrize(("plan", "row"), WORKED)
def test_a_row_of_the_page_is_what_it_costs(plan, row):
    said = answer(plan, row)
    assert said.get("refused", "") == row.get("refused", "")
    ignored = {*OPTIONS, "working", "refused"}
    expected = {
        name: cell
        for name, cell in row.items()
        if name not in ignored and not name.startswith("`") and cell
    }
    assert {name: Decimal(said[name]) for name in expected} == {
        name: Decimal(cell) for name, cell in expected.items()
    }


@pytest.mark.parametrize(("plan", "row"), WORKED)
def test_a_blank_of_a_line_means_there_is_no_such_line(plan, row):
    said = answer(plan, row)
    blank = {name for name, cell in row.items() if not cell}
    lines = blank & {"fee", "fee_arrears", "step 2", "rounding", "Lamps", "Stamp"}
    assert not lines & set(said)


def test_the_page_has_the_tables_it_promises():
    assert len(WORKED) >= 100
    kinds = {row.get("`accumulation`") for _, row in (param.values for param in WORKED)}
    assert {"month", "sale", "first_of_month", "day", "week", "year", "ever"} <= kinds
    exponents = {plan["currency"]["decimals"] for plan, _ in (param.values for param in WORKED)}
    assert exponents == {0, 2, 3}


@pytest.mark.parametrize(("command", "shown"), commands())
def test_a_command_of_the_page_prints_what_the_page_shows(command, shown, monkeypatch):
    monkeypatch.chdir(ROOT)
    flask, group, *words = shlex.split(command)
    assert (flask, group) == ("flask", "tariffs")
    result = CliRunner().invoke(tariffs, words)
    status = f"[exit status {result.exit_code}]\n" if result.exit_code else ""
    assert result.output + status == shown


def test_the_page_names_every_key_of_a_plan_file():
    text = PAGE.read_text("utf-8")
    keys = set()
    for path in (ROOT / "docs" / "plans").glob("*.json"):
        keys |= set(re.findall(r'"(\w+)":', path.read_text("utf-8")))
    assert len(keys) > 20
    missing = [key for key in keys if not re.search(rf"[`.]{key}`", text)]
    assert missing == []
