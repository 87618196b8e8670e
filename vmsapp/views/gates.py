"""What must be done before anything else: a password of one's own, a second factor."""

from typing import Final

from flask import Flask, current_app, flash, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from vmsapp.i18n import _
from vmsapp.models import OfficeUser
from vmsapp.security import ADMINISTRATORS

ALWAYS_OPEN: Final = frozenset({"AuthDBView", "LocaleView"})
"""Screens that are open whatever is owed: the doors out, and the choice of language."""


def init_app(app: Flask) -> None:
    """Look at every request of who is signed in."""
    app.before_request(_lead_there)


def _lead_there() -> Response | None:
    if request.endpoint is None or request.endpoint.endswith("static"):
        return None
    if request.blueprint in ALWAYS_OPEN or not current_user.is_authenticated:
        return None
    if current_user.must_change_password:
        screen, why = "ResetMyPasswordView", _("Choose a password of your own first.")
        door = f"{screen}.this_form_get"
    elif owes_second_factor(current_user):
        screen, why = "SecondFactor", _("Set up the second factor first.")
        door = f"{screen}.show"
    else:
        return None
    if request.blueprint == screen:
        return None
    flash(why, "info")
    return redirect(url_for(door))


def owes_second_factor(user: OfficeUser) -> bool:
    """Tell whether a user must set up the second factor and has not."""
    asked = current_app.extensions["vms_settings"].second_factor
    if asked == "optional" or user.totp_since is not None:
        return False
    return asked == "everybody" or ADMINISTRATORS in {group.ready_made for group in user.roles}
