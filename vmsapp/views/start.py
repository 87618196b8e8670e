"""The first page: straight to work for who is signed in, else to the sign-in page."""

from flask import redirect, url_for
from flask_appbuilder import IndexView, expose
from flask_login import current_user
from werkzeug.wrappers import Response

from vmsapp.security import COUNTER


class Start(IndexView):
    """Where ``/`` leads."""

    @expose("/")
    def index(self) -> str | Response:
        """Lead to the counter, or to the sign-in page."""
        if not current_user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_login)
        if self.appbuilder.sm.has_access("can_find", COUNTER):
            return redirect(url_for("Counter.find"))
        return str(self.render_template("office/start.html"))
