"""What pages are drawn with: icons, the menu, the way back, links, cells, codes to scan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

import segno
from babel.dates import format_timedelta
from flask import Flask, current_app, g, request, url_for
from flask_appbuilder.menu import MenuItem
from jinja2 import pass_context
from markupsafe import Markup, escape
from werkzeug.datastructures import MultiDict

from vmsapp.i18n import _, date_text, moment_text, whole_text, written_as
from vmsapp.security import (
    CAMPAIGNS,
    COUNTER,
    REPORT_INDEX,
    SAVED_REPORTS,
    current_session,
)
from vmsapp.views.assets import asset, shape
from vmsapp.views.base import zone
from vmsapp.views.forms import control, shown_fields
from vmsapp.views.lists.listing import SIZES

MENU: Final = ("Vending", "Registration", "Engineering", "Reports", "System")
"""The groups of the side menu, in their order."""

THEMES: Final = ("light", "dark", "auto")

OPENED, CLOSED = Markup("<bdi>"), Markup("</bdi>")
DIGITS: Final = Markup('<bdi class="digits" dir="ltr">')

PART_OF: Final = {
    "Printing": COUNTER, "FreeTokens": COUNTER, "CampaignMeters": CAMPAIGNS,
    "CampaignLeftOut": CAMPAIGNS, "ReportSchedules": SAVED_REPORTS,
    "RevenueFindings": "RevenueRules",
    **dict.fromkeys(
        ("TaxReport", "StepReport", "CashReport", "FloatReport", "SecondLookReport",
         "FreeReport", "KeyReport"), REPORT_INDEX,
    ),
}  # fmt: skip
"""Views without an entry in the menu, and the one they belong to."""


@dataclass(frozen=True)
class MenuLink:
    """A page in the side menu; ``said`` is its label in any language."""

    label: str
    url: str
    here: bool
    said: object = ""


@dataclass(frozen=True)
class MenuGroup:
    """A group of the side menu with the pages its reader may open."""

    name: str
    label: str
    icon: str
    links: Sequence[MenuLink]

    @property
    def here(self) -> bool:
        """Whether the page shown is one of these."""
        return any(link.here for link in self.links)


def init_app(app: Flask) -> None:
    """Give templates what they draw with."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True  # lighter pages
    app.jinja_env.filters.update(control=control, cell=_cell_of, bdi=apart)
    app.jinja_env.globals.update(
        icon=icon, icon_here=icon_here, icons_here=icons_here, href=href, menu=menu,
        way_here=way_here, theme=theme, qr=qr, time_left=time_left, shown_fields=shown_fields,
        initials=initials, languages_offered=languages_offered, may_find=may_find,
        number=number_text, sizes=SIZES, session_number=session_number,
    )  # fmt: skip


def icon(name: str, look: str = "icon") -> Markup:
    """Draw an icon; it says nothing to who cannot see it, so a word stands beside it."""
    return Markup('<svg class="{}" aria-hidden="true"><use href="{}#i-{}"/></svg>').format(
        look, asset("icons.svg"), name
    )


def apart(text: object, direction: str = "") -> Markup:
    """Keep a text of unknown direction apart from the words around it."""
    toward = Markup(' dir="{}"').format(direction) if direction else Markup()
    return Markup("<bdi{}>{}</bdi>").format(toward, text)


def icons_here(*names: str) -> Markup:
    """Put the shapes of some icons into the page, for what draws them again and again."""
    shapes = Markup().join(shape(name) for name in names)
    return Markup('<svg class="shapes" aria-hidden="true">{}</svg>').format(shapes)


def icon_here(name: str) -> Markup:
    """Draw an icon whose shape is in the page already."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def theme() -> str:
    """The appearance this browser chose."""
    chosen = request.cookies.get("theme", "auto")
    return chosen if chosen in THEMES else "auto"


def menu() -> list[MenuGroup]:
    """The side menu as far as the reader may open it."""
    if "menu" not in g:
        g.menu = _menu()
    drawn: list[MenuGroup] = g.menu
    return drawn


def _menu() -> list[MenuGroup]:
    builder = current_app.extensions["appbuilder"]
    groups = sorted(
        (item for item in builder.menu.get_list() if item.name in MENU),
        key=lambda item: MENU.index(item.name),
    )
    opens = builder.sm.get_user_menu_access()
    drawn = (_group(item, opens) for item in groups)
    return [group for group in drawn if group.links]


def _group(group: MenuItem, opens: set[str]) -> MenuGroup:
    items = [item for item in group.childs if item.name in opens]
    current = _current(items)
    links = [
        MenuLink(str(item.label), item.get_url(), item is current, item.label) for item in items
    ]
    return MenuGroup(group.name, str(group.label), group.icon, links)


def _current(items: Sequence[MenuItem]) -> MenuItem | None:
    """Tell which item the page belongs to: the one of this address, else of this view."""
    exact = [item for item in items if item.get_url() == request.path]
    view = PART_OF.get(request.blueprint or "", request.blueprint)
    same = [item for item in items if item.baseview and item.baseview.endpoint == view]
    return next(iter([*exact, *same]), None)


def way_here(title: str) -> list[tuple[str, str | None]]:
    """The steps from the menu to this page, the page itself left out."""
    for group in menu():
        link = next((link for link in group.links if link.here), None)
        if link is not None:
            on_the_way = [] if link.label == title else [(link.label, link.url)]
            return [(group.label, None), *on_the_way]
    return []


def may_find() -> bool:
    """Whether the search for a meter, on every page, is for this reader."""
    return bool(current_app.extensions["appbuilder"].sm.has_access("can_find", COUNTER))


def session_number() -> int:
    """Tell this session from others, for what a browser keeps of it."""
    return current_session().id


def href(**changes: object) -> str:
    """Address of this page with some parameters changed; ``None`` leaves one out.

    The framework's own link filters drop parameters that are given twice.
    """
    parameters = MultiDict(request.args)
    for name, value in changes.items():
        parameters.poplist(name)
        if value is not None:
            parameters[name] = str(value)
    query = urlencode(list(parameters.items(multi=True)))
    return request.script_root + quote(request.path) + (f"?{query}" if query else "")


@pass_context
def _cell_of(_context: object, value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    """Do the same in a template: for each reader anew, of a constant, too."""
    return cell(value)


def cell(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    """Write a value into a table or a record the reader's way."""
    match value:
        case None | "":
            empty = escape(_("empty"))
            return Markup(
                '<span class="none">–<span class="visually-hidden"> {}</span></span>'
            ).format(empty)
        case bool():
            look, word = ("yes", _("Yes")) if value else ("no", _("No"))
            return Markup('<span class="mark-{}">{}</span>').format(look, word)
        case datetime():
            shown = moment_text(value, zone()) if value.tzinfo else str(value)
            return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), shown)
        case date():
            return Markup('<time datetime="{}">{}</time>').format(value, date_text(value))
        case Markup() | int() | Decimal():
            return value
        case _:
            return OPENED + str(value) + CLOSED


def digits(text: str) -> Markup:
    """Write a number that is read digit by digit: left to right in every language."""
    return DIGITS + text + CLOSED


def each_digits(texts: Iterable[str]) -> Markup:
    """Write several of them in one place; a line may end between two."""
    return Markup("<span>{}</span>").format(Markup(", ").join(map(digits, texts)))


def state(word: str, tone: str | None) -> Markup:
    """Write a state: its word, with a colour that only repeats it."""
    look = f"state tone-{tone}" if tone else "state"
    return Markup('<span class="{}">{}</span>').format(look, word)


def qr(text: str) -> Markup:
    """Draw a code that a telephone reads; dark on light in either theme."""
    code = segno.make(text, error="m", micro=False)
    drawing = code.svg_inline(scale=4, border=2, dark="#000", light="#fff", omitsize=True)
    return Markup(drawing)  # noqa: S704 - made of squares alone


def number_text(number: int) -> str:
    """Write a whole number with its thousands apart."""
    return whole_text(number)


def time_left(seconds: int) -> str:
    """Say how long something will take, as roughly as it is known."""
    return format_timedelta(
        max(seconds, 1), granularity="second", threshold=1.5, locale=written_as()
    )


def initials(name: str) -> str:
    """The first letters of up to two words of a name."""
    return "".join(word[0] for word in name.split()[:2]).upper()


def languages_offered() -> list[tuple[str, str, str]]:
    """Codes, own names and addresses of the languages a reader may choose."""
    names = current_app.config["LANGUAGES"]
    return [
        (code, str(spec["name"]), url_for("LocaleView.index", locale=code))
        for code, spec in names.items()
    ]
