"""Published tariffs and receipts: what real utilities say a purchase costs, is what we say.

Each file of tests/vectors/tariffs names its source, what was published, word for word, and
the figures worked out by hand from the tariff. Where the two differ the file says why.
"""

import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmsapp.cli.tariffs import tariffs
from vmsapp.tariffs.plan_file import read_plan_file, write_plan_file

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "tests" / "vectors" / "tariffs").glob("*.json"))
PLANS = sorted((ROOT / "docs" / "plans").glob("*.json"))
GRID = Decimal("0.1")


def cases():
    for path in FILES:
        vectors = json.loads(path.read_text("utf-8"))
        assert vectors["source"], path.name
        assert vectors["how_checked"], path.name
        for case in vectors["cases"]:
            yield pytest.param(case, id=f"{path.stem}: {case['note']}")


CASES = list(cases())


def priced(case):
    options = [word for name, value in case["given"].items() for word in (f"--{name}", value)]
    plan = str(ROOT / case["plan"])
    result = CliRunner().invoke(
        tariffs, ["quote", plan, "--json", "--date", "2026-03-05", *options]
    )
    assert result.exit_code == 0, result.output
    return figures_of(json.loads(result.output))


def figures_of(quote):
    """Name every figure of a quote as the files do; lines of one name are added."""
    figures = {name: quote[name] for name in ("units", "charged", "received", "change")}
    for line in quote["lines"]:
        step = line["step"]
        name = {"energy": f"step {step}", "tax": f"tax of step {step}"}.get(line["kind"])
        name = name or line["name"] or line["kind"]
        figures[name] = str(Decimal(figures.get(name, 0)) + Decimal(line["amount"]))
    return figures


@pytest.mark.parametrize("case", CASES)
def test_the_figures_are_those_worked_out_from_the_tariff(case):
    got = priced(case)
    assert {name: Decimal(got[name]) for name in case["expected"]} == {
        name: Decimal(value) for name, value in case["expected"].items()
    }


@pytest.mark.parametrize("case", CASES)
def test_the_figures_are_those_published_or_it_is_said_why_not(case):
    got = priced(case)
    apart = {
        name: (got[name], published)
        for name, published in case["published"].items()
        if not same(name, Decimal(got[name]), Decimal(published))
    }
    assert sorted(apart) == sorted(case.get("differs", {})), apart


def same(name, ours, published):
    """Tell whether a published figure is ours, as far as it was written out."""
    if name == "units":
        return abs(ours - published) < GRID
    return ours.quantize(published, ROUND_HALF_UP) == published


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_of_the_documentation_is_written_as_the_product_writes_it(path):
    text = path.read_text("utf-8")
    assert write_plan_file(read_plan_file(text)) == text


def test_there_are_eight_utilities_and_as_many_plans_as_they_need():
    assert len(FILES) == 8
    used = {case.values[0]["plan"] for case in CASES}
    known = {str(path.relative_to(ROOT)) for path in PLANS}
    assert known - used == {"docs/plans/worked-table.json"}
    assert used <= known
