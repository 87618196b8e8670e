"""The language of a session: chosen by name, wherever one is."""

from flask import abort, current_app, redirect, session
from flask_appbuilder import expose
from werkzeug.wrappers import Response

from vmsapp.views.base import OfficeView, came_from


class LocaleView(OfficeView):
    """Choosing a language; open to all."""

    route_base = "/lang"
    default_view = "index"

    @expose("/<string:locale>")
    def index(self, locale: str) -> Response:
        """Keep the language and lead back to where it was chosen."""
        if locale not in current_app.config["LANGUAGES"]:
            abort(404)
        session["locale"] = locale
        return redirect(came_from())
