"""What must be done before anything else: a password of one's own, a second factor."""

from typing import Final

from flask import Flask, flash, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from vmsapp.i18n import _
from vmsapp.security import owes_second_factor
from vmsapp.views.base import FOR_PROGRAMS

ALWAYS_OPEN: Final = frozenset({"AuthDBView", "LocaleView", "Help", FOR_PROGRAMS})
"""Screens that are open whatever is owed: the doors out, the choice of language, and the help; and
the doors for programs, which nobody who signed in comes to."""


def init_app(app: Flask) -> None:
    """Look at every request of who is signed in."""
    app.before_request(_lead_there)


def _lead_there() -> Response | None:
    if request.endpoint is None or request.endpoint.endswith("static"):
        return None
    if request.blueprint in ALWAYS_OPEN or not current_user.is_authenticated:
        return None
    if current_user.must_change_password:  # its page says why
        screen, door, why = "ResetMyPasswordView", "this_form_get", ""
    elif owes_second_factor(current_user):
        screen, door, why = "SecondFactor", "show", _("Set up the second factor first.")
    else:
        return None
    if request.blueprint == screen:
        return None
    if why:
        flash(why, "info")
    return redirect(url_for(f"{screen}.{door}"))
