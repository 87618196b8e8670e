"""JSON doors: what the utility's own channels (app, USSD gateway, bank, kiosk) sell through.

``init_app`` puts the doors of ``v1`` in their places. They know no cookies and no sessions:
each request shows its bearer, and is answered in JSON, whatever goes wrong.
"""

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

from vmsapp.api import errors, v1
from vmsapp.api.paths import knows_no_cookies
from vmsapp.extensions import csrf


class NoSession(SecureCookieSession):
    """What stands for a session where there is none."""


class PagesAlone(SecureCookieSessionInterface):
    """The cookie of the pages; at the doors for programs nobody's is read or given."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie, but for a program."""
        if knows_no_cookies(request.path):
            return NoSession()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie, but for a program."""
        if not isinstance(session, NoSession):
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    """Register the doors."""
    app.session_interface = PagesAlone()
    errors.init_app(app)
    doors = v1.blueprint()
    csrf.exempt(doors)
    app.register_blueprint(doors)
