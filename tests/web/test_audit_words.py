"""Every code the product writes to the audit trail has its words, in one family.

The codes are read out of the source: every call of ``audit.record``, whose action and
subject are followed through local names, branches and the callers of the function they
are handed to. Where that ends, ``OPEN`` says what may stand there.
"""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest

import vmsapp
from tests.web.office import LANGUAGES
from tests.web.records import views_of
from vmsapp.services.audit.notes import WHILE
from vmsapp.services.registration.meter_states import MOVES
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.exports import Exported
from vmsapp.views.people.audit_words import (
    ACTIONS,
    FAMILIES,
    SUBJECTS,
    WORDS,
    action_word,
    subject_word,
)
from vmsapp.views.reports.screens import ReportScreen

ROOT = Path(vmsapp.__file__).parent
ACTION, SUBJECT = 2, 3
"""Places of these in a call of ``audit.record``."""

Function = ast.FunctionDef


class Unresolved(Exception):
    """A value that the source alone does not tell."""


class Module:
    """A file of the product, with the function around each call."""

    def __init__(self, path: Path) -> None:
        self.name = str(path.relative_to(ROOT))
        self.tree = ast.parse(path.read_text())
        self.around = {
            node: function
            for function in ast.walk(self.tree) if isinstance(function, Function)
            for node in ast.walk(function) if isinstance(node, ast.Call)
        }  # fmt: skip

    def calls(self, name: str) -> Iterator[ast.Call]:
        """Calls of a function or method of a name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and called(node).rpartition(".")[2] == name:
                yield node

    def imports(self, name: str, module: str) -> bool:
        """Whether it takes a function of a name from a module."""
        return any(
            isinstance(node, ast.ImportFrom) and node.module == module
            and name in {one.name for one in node.names}
            for node in ast.walk(self.tree)
        )  # fmt: skip

    def calls_anywhere(self, name: str) -> Iterator[tuple["Module", ast.Call]]:
        """Calls of a function of this file, here and where it is imported."""
        dotted = f"vmsapp.{self.name.removesuffix('.py').replace('/', '.')}"
        for module in modules():
            if module.name == self.name or module.imports(name, dotted):
                yield from ((module, call) for call in module.calls(name))

    def values(self, node: ast.expr, function: Function | None) -> set[str]:
        """Every text an expression may be."""
        match node:
            case ast.Constant(value=str() as text):
                return {text}
            case ast.IfExp():
                return self.values(node.body, function) | self.values(node.orelse, function)
            case ast.JoinedStr():
                parts = [self.values(part, function) for part in node.values]
                return {"".join(texts) for texts in product(*parts)}
            case ast.FormattedValue():
                return self.values(node.value, function)
            case ast.Name() if function is not None:
                return self._named(node.id, function)
        raise Unresolved(ast.unparse(node))

    def _named(self, name: str, function: Function) -> set[str]:
        given = [
            node.value for node in ast.walk(function)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
        ]  # fmt: skip
        if given:
            return set().union(*(self.values(value, function) for value in given))
        known = [one.arg for one in function.args.args if one.arg != "self"]
        calls = list(self.calls_anywhere(function.name)) if name in known else []
        if not calls:
            raise Unresolved(name)
        handed = [
            next((word.value for word in call.keywords if word.arg == name), None)
            or call.args[known.index(name)]
            for _, call in calls
        ]
        return set().union(
            *(module.values(one, module.around.get(call))
              for one, (module, call) in zip(handed, calls, strict=True))
        )  # fmt: skip


def called(call: ast.Call) -> str:
    return ast.unparse(call.func)


@cache
def modules() -> list[Module]:
    return [Module(path) for path in sorted(ROOT.rglob("*.py"))]


def written(place: int) -> tuple[set[str], set[tuple[str, str]]]:
    """What stands at a place of all calls; and where the source does not tell."""
    texts, unknown = set(), set()
    for module in modules():
        for call in module.calls("record"):
            if called(call) != "audit.record":
                continue
            try:
                texts |= module.values(call.args[place], module.around[call])
            except Unresolved:
                unknown.add((module.name, ast.unparse(call.args[place])))
    return texts, unknown


def table(view) -> str:
    return view.model.__tablename__


def of_forms(app) -> Iterator[tuple[str, str]]:
    """Deeds of the forms that write rows by themselves, and the tables they write to."""
    for view in views_of(app):
        kind = type(view)
        if not isinstance(view, OfficeModelView) or kind._note is not OfficeModelView._note:
            continue
        if kind._saved is OfficeModelView._saved:
            yield from ((table(view), "added"), (table(view), "changed"))
        if kind.delete is OfficeModelView.delete:
            yield table(view), "deleted"


def exported(app) -> set[str]:
    return {view.exported_subject() for view in views_of(app) if isinstance(view, Exported)}


def report_pages(app) -> set[str]:
    views = app.extensions["appbuilder"].baseviews
    return {view.report for view in views if isinstance(view, ReportScreen)}


OPEN = {
    (ACTION, "views/lists/exports.py", "f'{subject}.exported'"): lambda app: {
        f"{name}.exported" for name in exported(app)
    },
    (ACTION, "views/lists/crud.py", "f'{subject}.{deed}'"): lambda app: {
        f"{name}.{deed}" for name, deed in of_forms(app)
    },
    (ACTION, "services/registration/meter_states.py", "action"): lambda _: {
        move.action for move in MOVES.values()
    },
    (ACTION, "views/people/users.py", "f'user.{deed}'"): lambda _: {"user.added", "user.changed"},
    (ACTION, "services/audit/notes.py", "note.action"): lambda _: set(WHILE),
    (ACTION, "services/delivery/states.py", "actions[new]"): lambda _: {
        "receipt.sent",
        "receipt.unsure",
    },
    (ACTION, "services/reports/sendings.py", "TOLD[new]"): lambda _: {
        "report.sent",
        "report.unsure",
        "report.not_sent",
    },
    (ACTION, "views/reports/screens.py", "f'{self.report}.exported'"): lambda app: {
        f"{name}.exported" for name in report_pages(app)
    },
    (SUBJECT, "views/reports/screens.py", "self.report"): report_pages,
    (SUBJECT, "views/lists/exports.py", "subject"): exported,
    (SUBJECT, "views/lists/crud.py", "subject"): lambda app: {name for name, _ in of_forms(app)},
}
"""What only the running product tells: where it stands, and what it may be."""


def all_codes(app, place: int) -> set[str]:
    texts, unknown = written(place)
    assert {(place, *where) for where in unknown} == {key for key in OPEN if key[0] == place}
    return texts.union(*(tell(app) for key, tell in OPEN.items() if key[0] == place))


def test_every_action_the_product_writes_has_words_and_no_other_has(office):
    codes = all_codes(office, ACTION)
    assert {"sale.issued", "user.suspended", "approval.expired", "product.deleted"} <= codes
    assert codes - WORDS.keys() == set(), "codes without words: add them to audit_words"
    assert WORDS.keys() - codes == set(), "words for codes that nothing writes"


def test_every_subject_the_product_writes_has_words_and_no_other_has(office):
    codes = all_codes(office, SUBJECT)
    assert codes - SUBJECTS.keys() == set(), "subjects without words: add them to audit_words"
    assert SUBJECTS.keys() - codes == set(), "words for subjects that nothing writes"


def test_nothing_writes_events_but_the_one_function():
    """What another way were written with, these tests would not read."""
    ways = {
        (module.name, called(call)) for module in modules()
        for name in ("record", "AuditEvent") for call in module.calls(name)
    }  # fmt: skip
    assert {way for way in ways if way[1] != "audit.record"} == {
        ("services/audit/__init__.py", "AuditEvent")
    }


def test_every_code_is_of_exactly_one_family():
    assert ACTIONS.keys() == FAMILIES.keys()
    assert sum(map(len, ACTIONS.values())) == len(WORDS)
    assert all(ACTIONS.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_codes_are_said_in_words_in_every_language(office, language):
    with office.test_request_context(f"/?_l_={language}"):
        said = {code: action_word(code) for code in WORDS}
        said |= {code: subject_word(code) for code in SUBJECTS}
    assert {code for code, word in said.items() if not word or word == code} == set()


def test_a_code_nobody_knows_is_shown_as_it_is(office):
    with office.test_request_context("/"):
        assert (action_word("odd.deed"), subject_word("oddity")) == ("odd.deed", "oddity")
