"""The framework's files and functions that ours replace or lean on, as we know them.

Ours are written for one version of it. When a new version changes one of theirs, this
says which of ours to read again; then keep the new version's with

    .venv/bin/python -c 'from tests.web import test_framework_files as pins; pins.renew()'
"""

import hashlib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import flask_appbuilder
import pytest

import vmsapp
from vmsapp import views
from vmsapp.security import manager

OURS = Path(vmsapp.__file__).parent / "templates"
THEIRS = Path(flask_appbuilder.__file__).parent / "templates"
TABLE = Path(__file__).with_name("framework_pins.txt")

LEANED_ON = {
    "baseviews:BaseView.__init__": "views/lists/pages.py",
    "baseviews:BaseView._register_urls": "views/lists/pages.py",
    "baseviews:BaseView.render_template": "views/base.py",
    "baseviews:BaseModelView.__init__": "views/lists/pages.py",
    "baseviews:BaseModelView._init_properties": "views/lists/pages.py",
    "baseviews:BaseModelView._init_forms": "views/lists/pages.py",
    "baseviews:BaseModelView._gen_labels_columns": "views/lists/pages.py",
    "baseviews:BaseCRUDView.__init__": "views/lists/pages.py",
    "baseviews:BaseCRUDView.process_form": "views/lists/crud.py",
    "baseviews:BaseCRUDView.prefill_form": "views/lists/crud.py",
    "baseviews:BaseCRUDView.pre_add": "views/lists/crud.py",
    "baseviews:BaseCRUDView.pre_update": "views/lists/crud.py",
    "baseviews:BaseCRUDView.pre_delete": "views/lists/crud.py",
    "baseviews:BaseFormView._init_vars": "views/people/account.py",
    "baseviews:BaseFormView._get_edit_widget": "views/people/account.py",
    "views:ModelView.download": "views/lists/pages.py",
    "views:SimpleFormView.this_form_get": "views/people/account.py",
    "views:SimpleFormView.this_form_post": "views/people/account.py",
    "base:AppBuilder.add_view": "views/__init__.py",
    "base:AppBuilder.add_view_no_menu": "views/__init__.py",
    "base:AppBuilder.add_link": "views/__init__.py",
    "actions:ActionItem": "views/lists/pages.py",
    "actions:action": "views/lists/pages.py",
    "fields:QuerySelectMultipleField": "views/forms.py",
    "fieldwidgets:Select2ManyWidget": "views/forms.py",
    "fieldwidgets:Select2Widget": "views/forms.py",
    "forms:DynamicForm.refresh": "views/lists/crud.py",
    "forms:FieldConverter.convert": "views/forms.py",
    "forms:GeneralModelConverter.create_form": "views/lists/crud.py",
    "forms:GeneralModelConverter._convert_simple": "views/lists/crud.py",
    "forms:GeneralModelConverter._convert_many_to_many": "views/lists/crud.py",
    "validators:Unique.__call__": "views/lists/crud.py",
    "models.base:BaseInterface.get_filters": "views/lists/pages.py",
    "menu:MenuItem.get_url": "views/look.py",
    "menu:Menu.get_list": "views/look.py",
    "security.decorators:has_access": "views/lists/pages.py",
    "security.decorators:permission_name": "views/lists/pages.py",
    "security.decorators:no_cache": "views/people/sign_in.py",
    "security.manager:BaseSecurityManager.has_access": "security/manager.py",
    "security.manager:BaseSecurityManager._has_view_access": "security/manager.py",
    "security.views:UserDBModelView.pre_add": "views/people/users.py",
    "security.views:UserDBModelView.pre_update": "views/people/users.py",
    "security.views:AuthView._get_safe_next_url": "views/people/sign_in.py",
    "utils.base:get_safe_redirect": "views/people/sign_in.py",
}
"""Functions of the framework that ours call, or rely on being called, and who does."""


def shadowed() -> Iterator[tuple[str, str]]:
    """Templates that ours replace, and those that ours lead on to."""
    for path in sorted((OURS / "appbuilder").rglob("*.html")):
        name = path.relative_to(OURS).as_posix()
        yield name, f"templates/{name}"
    for path in sorted(OURS.rglob("*.html")):
        for name in re.findall(r"""['"](appbuilder/[\w/-]+\.html)['"]""", path.read_text()):
            if not (OURS / name).exists():
                yield name, f"templates/{path.relative_to(OURS).as_posix()}"


def overridden() -> Iterator[tuple[str, str]]:
    """Functions of the framework that a class of ours replaces."""
    rooms = [importlib.import_module(room.name)
             for room in pkgutil.walk_packages(views.__path__, "vmsapp.views.")]  # fmt: skip
    for room in [views, manager, *rooms]:
        for _, cls in inspect.getmembers(room, inspect.isclass):
            if cls.__module__ == room.__name__:
                file = Path(str(room.__file__)).relative_to(Path(vmsapp.__file__).parent)
                yield from ((theirs, file.as_posix()) for theirs in replaced_by(cls))


def replaced_by(cls: type) -> Iterator[str]:
    """Functions of the framework's that a class has again."""
    for name, value in vars(cls).items():
        for base in cls.__mro__[1:]:
            if inspect.isfunction(value) and name in vars(base):
                if base.__module__.startswith("flask_appbuilder."):
                    room = base.__module__.removeprefix("flask_appbuilder.")
                    yield f"{room}:{base.__qualname__}.{name}"
                break


def known() -> dict[str, set[str]]:
    """Everything of the framework's that ours depend on, and the files of ours that do."""
    found: dict[str, set[str]] = {}
    for theirs, ours in [*shadowed(), *overridden(), *LEANED_ON.items()]:
        found.setdefault(theirs, set()).add(ours)
    return found


def digest(theirs: str) -> str:
    """A digest of a file or of a function's source; of neither if it is gone."""
    try:
        source = (THEIRS / theirs).read_text() if theirs.endswith(".html") else source_of(theirs)
    except (OSError, AttributeError, ImportError):
        return "gone"
    return hashlib.sha256(source.encode()).hexdigest()


def source_of(theirs: str) -> str:
    room, _, path = theirs.partition(":")
    value: object = importlib.import_module(f"flask_appbuilder.{room}")
    for name in path.split("."):
        value = getattr(value, name)
    return inspect.getsource(value)  # type: ignore[arg-type]


def table() -> dict[str, str]:
    """The digests as they were when ours were written."""
    lines = (line.split() for line in TABLE.read_text().splitlines())
    return {theirs: kept for kept, theirs in lines}


def renew() -> None:
    """Write the table anew."""
    TABLE.write_text("".join(f"{digest(theirs)} {theirs}\n" for theirs in sorted(known())))


def changed(found: dict[str, set[str]], kept: dict[str, str]) -> list[str]:
    """What differs from the table, and which of ours to read again."""
    return [
        f"{theirs} is {'gone' if digest(theirs) == 'gone' else 'another'}: see {sorted(ours)}"
        for theirs, ours in sorted(found.items())
        if digest(theirs) != kept.get(theirs)
    ]


def test_the_framework_is_the_one_ours_are_written_for():
    assert changed(known(), table()) == []


def test_the_table_holds_nothing_else():
    assert table().keys() == known().keys()
    assert "gone" not in table().values()


@pytest.mark.parametrize("theirs", [
    "views:ModelView.list", "views:ModelView.show", "views:ModelView.add", "views:ModelView.edit",
    "views:ModelView.delete", "views:ModelView.action", "views:ModelView.action_post",
    "baseviews:BaseCRUDView._init_forms", "baseviews:BaseCRUDView._init_titles",
    "base:AppBuilder._add_admin_views", "security.sqla.manager:SecurityManager.register_views",
    "appbuilder/baselayout.html", "appbuilder/general/model/edit.html",
])  # fmt: skip
def test_what_ours_replace_is_found_by_itself(theirs):
    assert theirs in known()


@pytest.mark.parametrize("theirs", ["menu:MenuItem.get_url", "appbuilder/navbar.html",
                                    "validators:Unique.__call__"])  # fmt: skip
def test_a_change_names_the_file_of_ours_to_look_at(theirs):
    kept = table() | {theirs: "0" * 64}
    (said,) = changed(known(), kept)
    (ours, *_) = known()[theirs]
    assert said.startswith(f"{theirs} is another: see")
    assert ours in said
    assert (OURS.parent / ours).is_file()


def test_what_is_gone_is_said_to_be_gone():
    missing = {"appbuilder/none.html": {"x"}, "views:ModelView.none": {"y"}, "none:x": {"z"}}
    assert changed(missing, dict.fromkeys(missing, "0")) == [
        "appbuilder/none.html is gone: see ['x']",
        "none:x is gone: see ['z']",
        "views:ModelView.none is gone: see ['y']",
    ]
