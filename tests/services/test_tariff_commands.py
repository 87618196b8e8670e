"""``flask tariffs export`` and ``import`` within an installation."""

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from config import Settings
from vmsapp import create_app
from vmsapp.cli.tariff_files import export_command, import_command
from vmsapp.extensions import db
from vmsapp.models import AuditEvent, TariffPlan
from vmsapp.scope import SYSTEM, seen_by

Run = Callable[..., Result]


@pytest.fixture
def place(tmp_path, template_of) -> str:
    """A copy of the utility's database."""
    path = tmp_path / "vms.sqlite"
    shutil.copyfile(str(make_url(template_of("sqlite").url).database), path)
    return f"sqlite:///{path}"


@pytest.fixture
def run(tmp_path, place) -> Iterator[Run]:
    app = create_app(Settings.from_environ({"VMS_INSTANCE": str(tmp_path), "DATABASE_URL": place,
                                            "DEMO": "0"}))  # fmt: skip
    runner = app.test_cli_runner()

    def go(command: Any, *words: str, typed: str | None = None) -> Result:
        return runner.invoke(command, words, input=typed)

    yield go
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def stored(place: str, model: type) -> list[Any]:
    engine = create_engine(place)
    with Session(engine) as session, seen_by(SYSTEM):
        found = list(session.scalars(select(model).order_by(model.id)))
    engine.dispose()
    return found


def test_a_plan_goes_out_and_comes_in_as_it_was(run, place):
    out = run(export_command, "domestic", "--plan", "2026-01-01")
    assert out.exit_code == 0, out.output
    content = json.loads(out.output)
    assert (content["tariff"], content["effective_on"]) == ("Domestic", "2025-01-01")
    back = run(import_command, "-", "--tariff", "Flat", "--from", "2199-01-01", typed=out.output)
    assert back.output == "Domestic is in force from 2199-01-01 in Flat.\n"
    rows = {row.effective_on.year: row for row in stored(place, TariffPlan)}
    domestic = next(row for row in stored(place, TariffPlan) if row.name == "Domestic")
    assert rows[2199].rules == domestic.rules
    assert [event.action for event in stored(place, AuditEvent)][-2:] == [
        "tariff_plan.exported", "tariff_plan.imported",
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), [
    (["Dear"], "No tariff is called Dear. There are: Domestic, Flat, Future."),
    (["Domestic", "--plan", "2020-01-01"], "Domestic has no plan in force on 2020-01-01."),
    (["Domestic", "--plan", "soon"], "soon is not a day like 2027-12-31."),
])  # fmt: skip
def test_what_is_not_there_is_said_in_a_sentence(run, words, said):
    out = run(export_command, *words)
    assert out.exit_code in {1, 2}
    assert said in out.output
    assert "Traceback" not in out.output


def test_all_faults_of_a_file_are_said_by_their_place(run, place):
    content = json.loads(run(export_command, "Domestic", "--plan", "2026-01-01").output)
    before = len(stored(place, TariffPlan))
    content["steps"][1]["start"] = "120"
    content["steps"][0]["tax_percent"] = "101"
    out = run(import_command, "-", "--tariff", "Flat", typed=json.dumps(content))
    assert out.exit_code == 1
    assert out.output.splitlines() == [
        "Error: steps[2].start: Step 2 starts at 120; the step before it ends lower, at 100.",
        "steps[1].tax_percent: Step 1 has a tax of 101 percent; it must be from 0 to 100.",
    ]
    assert len(stored(place, TariffPlan)) == before


@pytest.mark.parametrize(("content", "said"), [
    (b"\xff\xfe", "not text in UTF-8"), (b" " * 1_000_001, "at most 1 MB"),
    (b"[]", "an object is expected"),
])  # fmt: skip
def test_another_file_is_refused(run, tmp_path, content, said):
    file = tmp_path / "odd.json"
    file.write_bytes(content)
    out = run(import_command, str(file), "--tariff", "Flat")
    assert (out.exit_code, said in out.output.lower() or said in out.output) == (1, True)


def test_a_rule_that_says_no_says_it_in_english(run):
    text = run(export_command, "Domestic", "--plan", "2026-01-01").output
    out = run(import_command, "-", "--tariff", "Flat", typed=text)
    assert out.exit_code == 1
    assert "begins on 2025-01-01 already" in out.output
