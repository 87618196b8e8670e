"""The line at the counter that tells the seller's shift, and leads to what is next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flask import Flask, current_app, g, url_for

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.i18n import _, labelled, moment_text
from vmsapp.models import Setup, Shift, ShiftState, VendingPoint
from vmsapp.security import SHIFTS
from vmsapp.services.setup import NotSetUp
from vmsapp.services.shifts.state import overdue, places
from vmsapp.views.base import actor, session, utility
from vmsapp.views.counter.typed import Typed

NONE_OPEN: Final = N_("You cannot sell yet: sales need an open shift, and you have none.")
ANOTHER_FIRST: Final = N_("You cannot sell before it is closed and another is open.")
OTHERS_OPEN: Final = N_(
    "You cannot sell: sales need an open shift, and you may not open one. Ask an administrator."
)


@dataclass(frozen=True, slots=True)
class ShiftLine:
    """What is said of a shift, and the one thing to do next.

    Attributes:
        url: Where that is done; empty where only somebody else can.
        warns: Nothing can be sold until it is done.
        opens: What is done next opens a shift: the purchase goes along.
    """

    text: str
    word: str
    url: str
    warns: bool = False
    opens: bool = False

    def href(self, typed: Typed, meter_id: int) -> str:
        """Where what is next is done, with the purchase that goes on afterwards."""
        if not self.opens:
            return self.url
        return url_for("Shifts.open", meter=meter_id, **typed.address())


def init_app(app: Flask) -> None:
    """Give templates the line."""
    app.jinja_env.globals.update(
        shift_lines=shift_lines, stopping_line=stopping_line, may_work_in_shifts=may_work
    )


def may_work() -> bool:
    """Tell whether the reader works in shifts."""
    return bool(current_app.extensions["appbuilder"].sm.has_access("can_work", SHIFTS))


def own_places() -> Sequence[tuple[VendingPoint, Shift | None]]:
    """Give the reader's vending points, each with the own shift there; read once a page."""
    if "places" not in g:
        g.places = places(session(), actor().user_id)
    found: Sequence[tuple[VendingPoint, Shift | None]] = g.places
    return found


def shift_lines() -> Sequence[ShiftLine]:
    """Tell of the reader's shifts, at each vending point; or that there is none."""
    try:
        setup = utility()
    except NotSetUp:
        return []
    if not may_work():
        return [ShiftLine(_(OTHERS_OPEN), "", "", warns=True)] if setup.shifts_used else []
    shifts = [(point, shift) for point, shift in own_places() if shift]
    if shifts:
        return [_line(point, shift, setup, several=len(shifts) > 1) for point, shift in shifts]
    said = _(NONE_OPEN) if setup.shifts_used else _("No open shift")
    url = url_for("Shifts.open")
    return [ShiftLine(said, _("Open a shift"), url, warns=setup.shifts_used, opens=True)]


def stopping_line() -> ShiftLine | None:
    """What must be done before anything can be sold; nothing where some shift takes sales."""
    lines = shift_lines()
    return lines[0] if lines and all(line.warns for line in lines) else None


def _line(point: VendingPoint, shift: Shift, setup: Setup, *, several: bool) -> ShiftLine:
    url = url_for("Shifts.close", pk=shift.id)
    since = moment_text(shift.opened_at, setup.time_zone)

    def there(said: str) -> str:
        return labelled(point.name, said) if several else said

    if shift.state == ShiftState.COUNTED:
        said = _("Shift %(id)s was counted and is not closed yet.", id=shift.id)
        return _ended(there(said), _("Finish closing"), url, setup)
    said = _("Shift %(id)s, open since %(since)s", id=shift.id, since=since)
    if overdue(shift, setup, now_utc()):
        said = _(
            "Shift %(id)s, open since %(since)s: longer than a shift may last.",
            id=shift.id, since=since,
        )  # fmt: skip
        return _ended(there(said), _("Close the shift"), url, setup)
    return ShiftLine(there(said), _("Close the shift"), url)


def _ended(said: str, word: str, url: str, setup: Setup) -> ShiftLine:
    """Tell of a shift that takes no more sales, where sales need one."""
    if not setup.shifts_used:
        return ShiftLine(said, word, url)
    return ShiftLine(f"{said} {_(ANOTHER_FIRST)}", word, url, warns=True)
