"""The model of the sale: each rule left out breaks what it is there for; all of them hold.

Only the beginning of the larger explorations is walked here; ``docs/model/run_all.py`` walks all.
"""

import inspect
import sys
from importlib import import_module
from pathlib import Path

import pytest

MODEL = Path(__file__).resolve().parents[2] / "docs" / "model"
BREAKS_WITHIN = 10_000
HOLDS_WITHIN = 700
ADDED = {"setback", "takeback", "spending", "shift", "campaign"}
"""Models of what the code adds to the rules: small, and walked to their ends."""
DEEPER = {"core, all of it, the same money pressed again in a new form while pending"}
"""Broken only further on."""


@pytest.fixture(scope="module")
def parts():
    """The models, whose modules name each other as they do beside each other."""
    names = [path.stem for path in MODEL.glob("*.py")]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MODEL))
        yield import_module("run_all").PARTS
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def cases(parts):
    return [case for part in parts for case in part.CASES]


def explored(case, limit, **options):
    return import_module("engine").explore(case.model, limit, **options)


def test_every_rule_that_is_left_out_breaks_what_it_is_there_for(cases):
    left_out = [case for case in cases if case.broken and case.title not in DEEPER]
    assert len(left_out) > 40
    for case in left_out:
        codes = explored(case, BREAKS_WITHIN, first=True).codes
        assert codes, case.title
        assert codes <= case.expected, case.title


def test_with_every_rule_nothing_is_broken(cases):
    whole = [case for case in cases if not case.broken]
    assert len(whole) > 30
    complete = 0
    for case in whole:
        added = type(case.model).__module__ in ADDED
        found = explored(case, 100_000 if added else HOLDS_WITHIN)
        assert not found.codes, case.title
        assert found.complete or not added, case.title
        complete += found.complete
    assert complete > 12


def test_every_switch_of_the_rules_the_code_adds_is_left_out_once(cases):
    models = {type(c.model) for c in cases if type(c.model).__module__ in ADDED}
    assert len(models) == 6
    for model in models:
        switches = [
            name
            for name, parameter in inspect.signature(model).parameters.items()
            if parameter.default is True and name != "way"
        ]
        for name in switches:
            off = [
                c for c in cases
                if type(c.model) is model and c.broken and not vars(c.model)[name.rstrip("_")]
            ]  # fmt: skip
            assert off, f"{model.__name__}: {name} is never left out"
            assert f"  {name.rstrip('_')} " in (inspect.getsource(inspect.getmodule(model))), name


def test_the_table_of_the_readme_names_every_file(parts):
    page = (MODEL / "README.md").read_text()
    for part in parts:
        assert f"| `{part.__name__}.py` |" in page


def test_every_invariant_a_model_may_break_is_explained(cases):
    page = (MODEL / "README.md").read_text()
    for code in {code for case in cases for code in case.expected}:
        assert f"| {code} |" in page, code


def test_a_model_with_no_way_on_is_stuck(parts):
    class Trap:
        def initial(self):
            yield 0

        def steps(self, state):
            if state < 2:
                yield "on", state + 1
            if state == 1:
                yield "!rescue", 9

        def bad(self, state):
            return ()

        def settled(self, state):
            return state == 9

    found = import_module("engine").explore(Trap())
    assert found.codes == {"I6"}
    assert found.stuck == []
