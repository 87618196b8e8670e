"""Where somebody is signed in: the own sessions, to be seen and ended."""

from flask import current_app, flash, redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response

from vmsapp.i18n import _
from vmsapp.security import SESSIONS, current_session
from vmsapp.services import sessions
from vmsapp.views.base import OfficeView, actor, session, zone


class Sessions(OfficeView):
    """For everybody, and only of their own."""

    route_base = "/sessions"
    default_view = "show"
    class_permission_name = SESSIONS

    @expose("/")
    @has_access
    @permission_name("end")
    def show(self) -> str:
        """List the browsers in which the asker is signed in."""
        return self.page(
            "office/sessions.html",
            sessions=sessions.own_sessions(
                session(), actor(), current_app.permanent_session_lifetime
            ),
            this_id=current_session().id,
            zone=zone(),
        )

    @expose("/<int:session_id>/end", methods=["POST"])
    @has_access
    @permission_name("end")
    def end(self, session_id: int) -> Response:
        """Sign one of them out."""
        sessions.end(session(), actor(), session_id)
        flash(_("That session has ended."), "success")
        return redirect(url_for("Sessions.show"))

    @expose("/end-others", methods=["POST"])
    @has_access
    @permission_name("end")
    def end_others(self) -> Response:
        """Sign all but this one out."""
        sessions.end_others(session(), actor(), current_session().id)
        flash(_("All other sessions have ended."), "success")
        return redirect(url_for("Sessions.show"))
