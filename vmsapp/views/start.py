"""The first page: straight to work for who is signed in, else to the sign-in page."""

from typing import Final

from flask import flash, redirect, url_for
from flask import session as cookie
from flask_appbuilder import IndexView, expose
from flask_babel import ngettext
from flask_login import current_user
from werkzeug.wrappers import Response

from vmsapp.scope import current_sight
from vmsapp.security import COUNTER, DASHBOARD, FIRST_STEPS
from vmsapp.services.approvals import inbox
from vmsapp.services.first_steps import is_ready
from vmsapp.views.base import actor, session
from vmsapp.views.help import first_steps

TOLD: Final = "told_of_requests"
"""In the cookie of who was told; signing in empties it."""


class Start(IndexView):
    """Where ``/`` leads."""

    @expose("/")
    def index(self) -> str | Response:
        """Lead to what is still missing, who may do it, else to where the day's work is.

        Whoever has a vending point begins at the counter, others with the figures of the day.
        """
        if not current_user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_login)
        may = self.appbuilder.sm.has_access
        if may("can_show", FIRST_STEPS):
            if not is_ready(session()):
                return redirect(url_for("FirstSteps.show"))
            first_steps.leave()
        _tell_of_requests()
        if may("can_find", COUNTER) and (own_point() or not may("can_show", DASHBOARD)):
            return redirect(url_for("Counter.find"))
        if may("can_show", DASHBOARD):
            return redirect(url_for("Dashboard.show"))
        return str(self.render_template("office/start.html"))


def own_point() -> bool:
    """Tell whether the reader sells at a vending point of their own."""
    return current_sight().vending_point_id is not None


def _tell_of_requests() -> None:
    """Say once, after signing in, how many requests wait for the reader to decide."""
    if cookie.get(TOLD):
        return
    cookie[TOLD] = True
    count = inbox.count_waiting(session(), actor())
    if count:
        flash(
            ngettext(
                "%(num)s request waits for you under Approvals.",
                "%(num)s requests wait for you under Approvals.",
                count,
            ),
            "info",
        )
