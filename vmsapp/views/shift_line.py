"""The line at the counter that tells the seller's shift, and leads to what is next."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Flask, current_app, g, url_for

from vmsapp.clock import now_utc
from vmsapp.i18n import _, moment_text
from vmsapp.models import Setup, Shift, ShiftState, VendingPoint
from vmsapp.security import SHIFTS
from vmsapp.services.setup import NotSetUp
from vmsapp.services.shifts.state import overdue, places
from vmsapp.views.base import actor, session, utility


@dataclass(frozen=True, slots=True)
class ShiftLine:
    """What is said of a shift, and the one thing to do next.

    Attributes:
        warns: Nothing can be sold until it is done.
        opens: What is done next opens a shift: the purchase goes along.
    """

    text: str
    word: str
    url: str
    warns: bool = False
    opens: bool = False


def init_app(app: Flask) -> None:
    """Give templates the line."""
    app.jinja_env.globals.update(shift_lines=shift_lines, may_work_in_shifts=may_work)


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
    if not may_work():
        return []
    try:
        setup = utility()
    except NotSetUp:
        return []
    shifts = [(point, shift) for point, shift in own_places() if shift]
    if shifts:
        return [_line(point, shift, setup, several=len(shifts) > 1) for point, shift in shifts]
    said = _("No open shift: sales need one.") if setup.shifts_used else _("No open shift")
    url = url_for("Shifts.open")
    return [ShiftLine(said, _("Open a shift"), url, warns=setup.shifts_used, opens=True)]


def _line(point: VendingPoint, shift: Shift, setup: Setup, *, several: bool) -> ShiftLine:
    url = url_for("Shifts.close", pk=shift.id)
    since = moment_text(shift.opened_at, setup.time_zone)
    where = f"{point.name}: " if several else ""
    if shift.state == ShiftState.COUNTED:
        said = _("Shift %(id)s was counted and is not closed yet.", id=shift.id)
        return ShiftLine(where + said, _("Finish closing"), url, warns=setup.shifts_used)
    said = _("Shift %(id)s, open since %(since)s", id=shift.id, since=since)
    if overdue(shift, setup, now_utc()):
        said = _(
            "Shift %(id)s, open since %(since)s: longer than a shift may last.",
            id=shift.id, since=since,
        )  # fmt: skip
        return ShiftLine(where + said, _("Close the shift"), url, warns=setup.shifts_used)
    return ShiftLine(where + said, _("Close the shift"), url)
