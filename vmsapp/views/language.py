"""The language of a session: chosen by name, wherever one is."""

from urllib.parse import urlsplit

from flask import abort, current_app, redirect, request, session
from flask_appbuilder import expose
from werkzeug.wrappers import Response

from vmsapp.views.base import OfficeView


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
        return redirect(_came_from())


def _came_from() -> str:
    """The page that led here, if it is one of ours; its path alone, so never another host."""
    came = urlsplit(request.referrer or "")
    if came.netloc != request.host or not came.path.startswith("/"):
        return "/"
    path = "/" + came.path.lstrip("/")
    return f"{path}?{came.query}" if came.query else path
