"""The first page: straight to work for who is signed in, else to the sign-in page."""

from flask import redirect, url_for
from flask_appbuilder import IndexView, expose
from flask_login import current_user
from werkzeug.wrappers import Response

from vmsapp.security import COUNTER, FIRST_STEPS
from vmsapp.services.first_steps import is_ready
from vmsapp.views.base import session


class Start(IndexView):
    """Where ``/`` leads."""

    @expose("/")
    def index(self) -> str | Response:
        """Lead to what is still missing, who may do it, else to the counter or to sign in."""
        if not current_user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_login)
        may = self.appbuilder.sm.has_access
        if may("can_show", FIRST_STEPS) and not is_ready(session()):
            return redirect(url_for("FirstSteps.show"))
        if may("can_find", COUNTER):
            return redirect(url_for("Counter.find"))
        return str(self.render_template("office/start.html"))
