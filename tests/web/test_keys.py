"""The overview of keys is true: templates and scripts know no key that the table does not."""

import re
from pathlib import Path

import vmsapp
from config import ROOT
from tests.web.office import ADMIN, main_part
from vmsapp.views.keys import BY_NAME, TABLE

TEMPLATES = sorted((Path(vmsapp.__file__).parent / "templates").rglob("*.html"))
SCRIPTS = "\n".join(path.read_text() for path in sorted((ROOT / "assets/scripts").glob("*.js")))
USED = re.compile(r"\{\{ (?:pressed_by|kbd)\('(\w+)'\) \}\}")
PRESSED = re.compile(r"'(F\d+|Arrow\w+|Enter|Escape|Home|End|PageUp|PageDown|Delete|Backspace)'"
                     r"|\b(Arrow\w+|Home|End): ")  # fmt: skip


def test_no_template_announces_a_key_by_itself():
    assert [path.name for path in TEMPLATES if "aria-keyshortcuts" in path.read_text()] == []


def test_every_key_that_elements_announce_is_announced_somewhere_and_no_other():
    used = {name for path in TEMPLATES for name in USED.findall(path.read_text())}
    assert used == {key.name for key in BY_NAME.values() if not key.found_by}


def test_what_a_script_knows_a_key_by_stands_in_a_script():
    known = {part for key in BY_NAME.values() for part in key.found_by.split(", ") if part}
    assert {part for part in known - {"body"} if part not in SCRIPTS} == set()


def test_every_key_that_a_script_listens_to_is_in_the_table():
    pressed = {one or other for one, other in PRESSED.findall(SCRIPTS)}
    told = set(re.findall(r"\w+", " ".join(key.keys for key in BY_NAME.values())))
    assert {"ArrowDown", "Enter", "Escape", "Home"} <= pressed
    assert pressed - told == set()


def test_no_key_is_announced_for_two_things():
    announced = [one for key in BY_NAME.values() if not key.found_by for one in key.keys.split()]
    assert len(announced) == len(set(announced))


def test_the_page_shows_every_key(operator):
    page = main_part(operator.get("/shortcuts/").text)
    keys = ("F2", "F3", "F4", "F8", "F9", "Ctrl", "⌘", "?", "/")
    assert [key for key in keys if f"<kbd>{key}</kbd>" not in page] == []
    assert page.count("<h2") == len(TABLE)


def test_single_keys_can_be_switched_off(browse):
    """A person who speaks presses none by accident. WCAG 2.2, 2.1.4 Character Key Shortcuts."""
    admin = browse(ADMIN)
    for sign in ("/", "?"):
        assert f'aria-keyshortcuts="{sign}"' in admin.get("/counter/").text
    admin.post("/hints/", {"shows_hints": "yes"})
    page = admin.get("/counter/").text
    announced = re.findall(r'aria-keyshortcuts="([^"]*)"', page)
    assert "Control+K Meta+K" in announced
    assert [keys for keys in announced if len(keys) == 1] == []
