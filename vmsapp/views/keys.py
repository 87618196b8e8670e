"""The keys of the product, in one table: what templates announce and the overview shows.

A key that an element of a page announces is written there by its name, so that the element is
what it presses: ``<a href="…" {{ pressed_by('next') }}>``. ``keyboard.js`` knows no key by
itself; it presses what announces one. Keys of scripts that no element can announce name what
must be on the page for them to do anything, in the words of the script.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Flask
from flask_appbuilder import expose, has_access, permission_name
from flask_login import current_user
from markupsafe import Markup

from vmsapp.errors import N_
from vmsapp.security import KEYS as SCREEN
from vmsapp.views.base import OfficeView

SIGNS: Final[Mapping[str, str]] = {
    "Control": "Ctrl", "Meta": "⌘", "ArrowDown": "↓", "ArrowUp": "↑", "Escape": "Esc",
    "PageDown": "PgDn", "PageUp": "PgUp",
}  # fmt: skip
"""What is printed on keys whose names say otherwise."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or several that do the same.

    Attributes:
        name: How templates call it.
        keys: As ``aria-keyshortcuts`` has it: alternatives apart by spaces.
        does: What it does.
        found_by: What must be on a page for it, if no element announces it.
    """

    name: str
    keys: str
    does: str
    found_by: str = ""

    @property
    def alternatives(self) -> list[list[str]]:
        """What is to be pressed, as it is printed on keys."""
        return [[SIGNS.get(one, one) for one in keys.split("+")] for keys in self.keys.split(" ")]

    @property
    def single(self) -> bool:
        """Whether it is a sign that could as well be typed."""
        return len(self.keys) == 1


TABLE: Final[Mapping[str, Sequence[Key]]] = {
    N_("On every page"): (
        Key("palette", "Control+K Meta+K", N_("Go to a page, a meter or a consumer")),
        Key("find", "/", N_("Find a meter")),
        Key("overview", "?", N_("Show the keyboard shortcuts")),
        Key("help", "F1", N_("Help with this page")),
        Key("forward", "Tab Shift+Tab", N_("On to the next field or button, and back"), "body"),
        Key("close", "Escape", N_("Close a menu or a window"), "details.pop"),
        Key("message", "Alt+End", N_("To the message in the corner, to undo or close it")),
        Key("menu", "ArrowDown ArrowUp", N_("Choose in an open menu"), "details.pop"),
    ),
    N_("Counter"): (
        Key("go", "Enter", N_("Find; then sell; then print"), "form[data-purchase], #q"),
        Key("last", "F2", N_("Last sales")),
        Key("next", "F3", N_("Another meter, the next customer")),
        Key("hits", "ArrowDown ArrowUp", N_("Choose among the meters found; Enter opens one"),
            "[data-hits] a"),
        Key("mode", "F4", N_("By quantity or by amount")),
        Key("shift", "F8", N_("The shift")),
        Key("received", "F9", N_("What was received")),
    ),
    N_("Lists"): (
        Key("page_on", "Alt+PageDown", N_("Next page")),
        Key("page_back", "Alt+PageUp", N_("Previous page")),
        Key("chosen", "Control+Enter", N_("To what can be done with the chosen rows")),
    ),
    N_("Forms"): (
        Key("field", "Enter", N_("On to the next empty field; from the last one, send the form"),
            "form[data-enter-next]"),
        Key("rows", "Alt+ArrowUp Alt+ArrowDown", N_("Move a row of a plan up or down"),
            "form[data-plan]"),
    ),
    N_("Go to"): (
        Key("choose", "ArrowDown ArrowUp Home End", N_("Choose among what was found"), "#palette"),
        Key("open", "Enter", N_("Open it; a whole meter number opens its card"), "#palette"),
    ),
}  # fmt: skip
"""Every key, by where it works."""

BY_NAME: Final = {key.name: key for keys in TABLE.values() for key in keys}


def init_app(app: Flask) -> None:
    """Give templates the words for keys."""
    app.jinja_env.globals.update(pressed_by=announced, kbd=drawn, keys_at=keys_at)


def announced(name: str) -> Markup:
    """Announce a key on the element that it presses; a sign only to who wants such keys."""
    key = BY_NAME[name]
    if key.single and not getattr(current_user, "single_keys", True):
        return Markup()
    return Markup('aria-keyshortcuts="{}"').format(key.keys)


def drawn(name: str) -> Markup:
    """Draw a key beside the words of what it presses, which announces it already."""
    pressed = " ".join("+".join(keys) for keys in BY_NAME[name].alternatives)
    return Markup('<kbd aria-hidden="true">{}</kbd>').format(pressed)


def keys_at(place: str) -> Sequence[Key]:
    """The keys of one place."""
    return TABLE[place]


class Keys(OfficeView):
    """The overview of all keys, to be read and printed."""

    route_base = "/shortcuts"
    default_view = "show"
    class_permission_name = SCREEN

    @expose("/")
    @has_access
    @permission_name("use")
    def show(self) -> str:
        """Show them, by where they work."""
        return self.page("office/keys.html", table=TABLE)
