"""The pages that a reader may reach, and the deeds that begin on a page of their own.

A screen in the menu, a list to which something can be added and a report are found by
themselves. Any other page is a line in ``DEEDS``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import current_app, url_for
from flask_babel import force_locale, gettext

from vmsapp.errors import N_
from vmsapp.security import (
    CAMPAIGNS,
    COUNTER,
    ENGINEERING,
    KEYS,
    SECOND_FACTOR,
    SESSIONS,
    SHIFTS,
    TEST_TOKENS,
    Permission,
)
from vmsapp.views.lists.matching import distance
from vmsapp.views.look import menu
from vmsapp.views.reports.reported import reports

DEEDS: Final[Sequence[tuple[str, str, Permission]]] = (
    (N_("Last sales"), "Printing.last", ("can_receipt", COUNTER)),
    (N_("Open a shift"), "Shifts.open", ("can_work", SHIFTS)),
    (N_("Make engineering tokens"), "EngineeringTokens.find", ("can_make", ENGINEERING)),
    (N_("Make test tokens"), "TestTokens.make", ("can_make", TEST_TOKENS)),
    (N_("Plan a campaign"), "Campaigns.new", ("can_make", CAMPAIGNS)),
    (N_("My account"), "Users.userinfo", ("can_userinfo", "UserDBModelView")),
    (N_("Change password"), "ResetMyPasswordView.this_form_get",
     ("can_this_form_get", "ResetMyPasswordView")),
    (N_("Name and language"), "UserInfoEditView.this_form_get",
     ("can_this_form_get", "UserInfoEditView")),
    (N_("Second factor"), "SecondFactor.show", ("can_set_up", SECOND_FACTOR)),
    (N_("Where you are signed in"), "Sessions.show", ("can_end", SESSIONS)),
    (N_("Keyboard shortcuts"), "Keys.show", ("can_use", KEYS)),
)  # fmt: skip
"""Words, where they lead, and the permission for it."""

SINGULAR: Final = {
    "Consumers": N_("consumer customer subscriber"),
    "Meters": N_("meter"),
    "Shifts": N_("shift"),
    "Regions": N_("region"),
    "Campaigns": N_("campaign"),
    "Vending points": N_("vending point"),
    "Token records": N_("token"),
    "Token desk": N_("token"),
    "Token journal": N_("token"),
    "Test tokens": N_("token"),
    "All reports": N_("report"),
    "Saved reports": N_("report"),
}
"""By the English names of pages: what one of their records is called, and other words for it.

Where a plural does not begin as its singular does, as in Arabic, the name alone is not enough.
"""

NEW: Final = N_("New create register")
"""Further words for what an "Add" begins."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page to go to.

    Attributes:
        label: Its name in the reader's language.
        place: The group of the menu it stands in, or nothing.
        url: Its address.
        english: Its name and further words in English.
        words: Further words in the reader's language.
    """

    label: str
    place: str
    url: str
    english: str
    words: str = ""


def pages_found(typed: str, most: int) -> list[Page]:
    """Find pages by words of their names, in the reader's language or in English.

    Args:
        typed: Words in any order; one slip in a longer word is forgiven.
        most: Pages at most.

    Returns:
        The nearest first.
    """
    found = []
    for order, page in enumerate(_pages()):
        far = distance(typed, page.label, page.english, page.words, page.place)
        if far is not None:
            found.append((far, order, page))
    return [page for _far, _order, page in sorted(found, key=lambda one: one[:2])[:most]]


def _pages() -> Iterator[Page]:
    """Every page the reader may open, once."""
    listed = set()
    for group in menu():
        for link in group.links:
            listed.add(link.url)
            english = _english(link.said)
            words = SINGULAR.get(english, "")
            said = gettext(words) if words else ""
            yield Page(link.label, group.label, link.url, f"{english} {words}".strip(), said)
    for page in (*_additions(), *_reports(), *_deeds()):
        if page.url not in listed:
            listed.add(page.url)
            yield page


def _additions() -> Iterator[Page]:
    """What can be added to lists."""
    for view in current_app.extensions["appbuilder"].baseviews:
        title = getattr(view, "add_title", None)
        if title and view.may("add"):
            english = f"{_english(title)} {NEW}"
            yield Page(str(title), str(view.list_title), view.url("add"), english, gettext(NEW))


def _reports() -> Iterator[Page]:
    for report in reports().values():
        if report.opened_here():
            title: Any = getattr(report, "title", None) or report.report_title()
            label = report.report_title()
            yield Page(
                label, gettext("Reports"), report.report_url(), _english(title), gettext("report")
            )


def _deeds() -> Iterator[Page]:
    may = current_app.extensions["appbuilder"].sm.has_access
    for word, endpoint, permission in DEEDS:
        if may(*permission):
            yield Page(gettext(word), "", url_for(endpoint), word)


def _english(said: object) -> str:
    with force_locale("en"):
        return str(said)
