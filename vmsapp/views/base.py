"""What all doors share: who asks, which sentence an error becomes, which status it has."""

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from flask import (
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    redirect,
    request,
    url_for,
)
from flask.json.provider import DefaultJSONProvider
from flask_appbuilder import BaseView
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.exceptions import Unauthorized
from werkzeug.routing import IntegerConverter, Map
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.clock import now_utc
from vmsapp.errors import (
    NotAllowed,
    Refused,
    VmsError,
)
from vmsapp.extensions import db
from vmsapp.hsm.registry import Registry
from vmsapp.i18n import figure_text, readable
from vmsapp.models import Setup
from vmsapp.money import Money
from vmsapp.scope import NOTHING, Actor, take_on
from vmsapp.security import current_actor
from vmsapp.security.statuses import STATUS
from vmsapp.services.audit.notes import REFUSED, Note, Notes
from vmsapp.services.setup import NotSetUp, setup_at
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.views import words
from vmsapp.views.too_late import own_referrer, sent_too_late

log = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; object-src 'none'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Scripts and styles come from our own files alone: none stands in a page."""

OPEN_TO_ALL: Final = frozenset({"AuthDBView", "LocaleView", "Start", "SecurityApi", "Help"})
"""Screens that answer people who are not signed in; the API asks for a bearer itself, the help
lets who is not in read how to get in."""

FOR_PROGRAMS: Final = "Api"
"""The doors of ``vmsapp.api``, which ask by themselves who comes, and know no browser."""

HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

HTTPS_ALONE: Final = "max-age=31536000; includeSubDomains"
"""What browsers are told where cookies go over HTTPS alone: a year without plain HTTP."""

ASK_AGAIN: Final = "no-cache"
"""What the library says of every file it sends: that it may be kept."""


class OfficeJson(DefaultJSONProvider):
    """JSON as the product reads and writes it."""

    def loads(self, s: str | bytes, **options: Any) -> Any:  # noqa: ANN401 - the framework's
        """Read it; what is nested beyond all use is no JSON to us.

        Raises:
            ValueError: It cannot be read.
        """
        try:
            return super().loads(s, **options)
        except RecursionError:
            msg = "nested too deeply"
            raise ValueError(msg) from None


class RowId(IntegerConverter):
    """Ids in addresses, as far as a database can count; a larger number leads nowhere."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=2**63 - 1)


class OfficeView(BaseView):
    """A screen of ours."""

    def page(self, template: str, **context: Any) -> str:  # noqa: ANN401 - the template's
        """Render a whole page."""
        return str(self.render_template(template, **context))


def session() -> Session:
    """The request's database session."""
    current: Session = db.session()
    return current


def actor() -> Actor:
    """Who asks."""
    current: Actor = g.actor
    return current


def modules() -> Registry:
    """The security modules."""
    registry: Registry = current_app.extensions["vms_modules"]
    return registry


def utility() -> Setup:
    """The utility's settings as they are now, read once a request."""
    if "utility" not in g:
        g.utility = setup_at(session(), now_utc())
    settings: Setup = g.utility
    return settings


def zone() -> str:
    """The utility's time zone; UTC until the utility is set up."""
    try:
        return utility().time_zone
    except NotSetUp:
        return "UTC"


def utility_name() -> str:
    """The utility's name, once it has one."""
    try:
        return utility().utility_name
    except NotSetUp:
        return ""


def currency_sign(code: str) -> str:
    """The utility's sign for a currency, or its code: money of a former currency keeps its code."""
    try:
        settings = utility()
    except NotSetUp:
        return code
    return (settings.currency == code and settings.currency_symbol) or code


def came_from() -> str:
    """The page that led here, if it is one of ours; its path alone, so never another host."""
    came = own_referrer()
    if came is None:
        return "/"
    path = "/" + came.path.lstrip("/")
    page = _page_of(path)
    return f"{path}?{came.query}" if came.query and page == path else page


def _page_of(path: str) -> str:
    """The page of a path: itself; where it only takes a form, the page which that form is of.

    A deed's address is its page's and one word more; a record's page may say ``show``.
    """
    root = request.script_root
    addresses = current_app.url_map.bind("", script_name=root)
    inside = path.removeprefix(root)
    if addresses.test(inside, "GET") or not addresses.allowed_methods(inside):
        return path
    above, _slash, number = inside.rpartition("/")[0].rpartition("/")
    pages = (f"{above}/{number}", f"{above}/show/{number}")
    return root + next((page for page in pages if addresses.test(page, "GET")), "/")


def status_of(error: VmsError) -> int:
    """Find the HTTP status of an error by its family."""
    return next((status for family, status in STATUS if isinstance(error, family)), 500)


def sentence(error: VmsError) -> str:
    """Put an error into the reader's language, its values written the reader's way.

    A refusal that is said is remembered: once answered, it is written to the audit trail.
    """
    if isinstance(error, Refused | NotAllowed):
        g.refusal = error.code
    plainly = isinstance(error, InvalidPlan)  # figures as they are typed
    values = {
        name: figure_text(value)
        if plainly and isinstance(value, Decimal) and value.is_finite()
        else _readable(words.worded(error, name, value))
        for name, value in error.params.items()
    }
    return str(_(error.message, **values) if values else _(error.message))


def _readable(value: object) -> object:
    """Write a value the reader's way; only money and moments need the utility's settings."""
    match value:
        case Money():
            return readable(value, exponent())
        case datetime():
            return readable(value, 0, zone())
    return readable(value, 0)


def exponent() -> int:
    """The decimals of the utility's currency; two until the utility is set up."""
    try:
        return utility().exponent
    except NotSetUp:
        return 2


def init_app(app: Flask) -> None:
    """Take on the asker's scope for each request, set headers."""
    app.json = OfficeJson(app)
    app.url_map.converters["int"] = RowId
    app.before_request(_begin)
    app.extensions["vms_notes"] = Notes()
    app.extensions["currency_sign"] = currency_sign
    app.extensions["vms_sentence"] = sentence
    app.after_request(_add_headers)
    app.after_request(_note_refusal)
    app.teardown_request(_end)


def _begin() -> BaseResponse | None:
    if request.endpoint is None or request.endpoint.endswith("static"):
        take_on(NOTHING)
        return None
    if request.blueprint == FOR_PROGRAMS:
        return None
    if any("\0" in value for _, value in request.values.items(multi=True)):
        abort(400)  # no database takes it as text
    g.actor = current_actor(request.remote_addr)
    take_on(g.actor.sight)
    if g.actor.user_id is None and request.blueprint not in OPEN_TO_ALL:
        return ask_to_sign_in()
    return None


def ask_to_sign_in() -> BaseResponse:
    """Lead to the door, and from there back to the page that was asked for, or the form's.

    Raises:
        Unauthorized: Something was typed; its error page keeps it.
    """
    if request.method == "GET":
        flash(_("Please sign in."), "info")
        return redirect(url_for("AuthDBView.login", next=request.full_path.rstrip("?")))
    if sent_too_late() is not None:
        raise Unauthorized
    came = came_from()
    if came == "/":
        flash(_("Please sign in."), "info")
        return redirect(url_for("AuthDBView.login"))
    flash(_("You were signed out meanwhile, so nothing was done. Sign in and try again."), "info")
    return redirect(url_for("AuthDBView.login", next=came))


def _end(_error: BaseException | None) -> None:
    take_on(NOTHING)


def _add_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers.setdefault("Strict-Transport-Security", HTTPS_ALONE)
    if response.location:
        _lead_within(response)
    if request.endpoint is None or not request.endpoint.endswith("static"):
        _keep_nowhere(response)
    return response


def _keep_nowhere(response: Response) -> None:
    """Have no browser keep an answer that does not say otherwise."""
    if response.headers.get("Cache-Control", ASK_AGAIN) == ASK_AGAIN:
        response.headers["Cache-Control"] = "no-store"


def note(response: Response, action: str, who: Actor, code: str = "") -> None:
    """Have something written to the audit trail when the answer is out.

    By then the request's own transaction has ended, whichever way.
    """
    ids = tuple((k, v) for k, v in sorted((request.view_args or {}).items()) if type(v) is int)
    noted = Note(action, who, request.endpoint or "", code, ids)
    notes, engine = current_app.extensions["vms_notes"], db.engine
    response.call_on_close(lambda: notes.write(engine, noted))


def _note_refusal(response: Response) -> Response:
    code = g.get("refusal")
    refused = request.method != "GET" or response.status_code >= HTTPStatus.BAD_REQUEST
    if code and refused and "actor" in g and actor().user_id is not None:
        note(response, REFUSED, actor(), code)
    return response


def _lead_within(response: Response) -> None:
    """Leave of where an answer leads what stands behind the host: that is the asker's word."""
    assert response.location
    parts = urlsplit(response.location)
    path = urlunsplit(("", "", "/" + parts.path.lstrip("/\\"), parts.query, parts.fragment))
    if path != response.location:
        response.location = path
        response.set_data(b"")  # the page that names the host, too
