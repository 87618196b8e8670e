"""What all doors share: who asks, which sentence an error becomes, which status it has."""

import logging
import secrets
from collections.abc import Mapping
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
    render_template,
    request,
    url_for,
)
from flask.globals import request_ctx
from flask.json.provider import DefaultJSONProvider
from flask_appbuilder import BaseView
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import IntegerConverter, Map
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.clock import now_utc
from vmsapp.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    Refused,
    Unavailable,
    Uncertain,
    VmsError,
)
from vmsapp.extensions import db
from vmsapp.hsm.registry import Registry
from vmsapp.i18n import figure_text, readable
from vmsapp.models import Setup
from vmsapp.scope import NOTHING, Actor, take_on
from vmsapp.security import current_actor
from vmsapp.services.audit.notes import REFUSED, Note, Notes
from vmsapp.services.setup import NotSetUp, setup_at
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.views import words

log = logging.getLogger(__name__)

STATUS: Final[tuple[tuple[type[VmsError], int], ...]] = (
    (InvalidInput, 422),
    (NotFound, 404),
    (NotAllowed, 403),
    (Refused, 409),
    (Conflict, 409),
    (Unavailable, 503),
    (Uncertain, 202),
)
"""Families of errors and the HTTP status each has."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; object-src 'none'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Scripts and styles come from our own files alone: none stands in a page."""

OPEN_TO_ALL: Final = frozenset({"AuthDBView", "LocaleView", "Start", "SecurityApi"})
"""Screens that answer people who are not signed in; the API asks for a bearer itself."""

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

KEPT_FROM_ERRORS: Final = frozenset({"Allow", "Retry-After"})
"""Headers of an error that go with its page."""


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
    try:
        came = urlsplit(request.referrer or "")
    except ValueError:
        return "/"
    if came.netloc != request.host or not came.path.startswith("/"):
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
    try:
        exponent = utility().exponent
    except NotSetUp:
        exponent = 2
    plainly = isinstance(error, InvalidPlan)  # figures as they are typed
    values = {
        name: figure_text(value)
        if plainly and isinstance(value, Decimal) and value.is_finite()
        else readable(words.worded(error, name, value), exponent, zone())
        for name, value in error.params.items()
    }
    return str(_(error.message, **values) if values else _(error.message))


def init_app(app: Flask) -> None:
    """Take on the asker's scope for each request, set headers, show errors."""
    app.json = OfficeJson(app)
    app.url_map.converters["int"] = RowId
    app.before_request(_begin)
    app.extensions["vms_notes"] = Notes()
    app.extensions["currency_sign"] = currency_sign
    app.after_request(_add_headers)
    app.after_request(_note_refusal)
    app.teardown_request(_end)
    app.register_error_handler(VmsError, _show_error)
    app.register_error_handler(HTTPException, _show_http_error)


def _begin() -> BaseResponse | None:
    if request.endpoint is None or request.endpoint.endswith("static"):
        take_on(NOTHING)
        return None
    if any("\0" in value for _, value in request.values.items(multi=True)):
        abort(400)  # no database takes it as text
    g.actor = current_actor(request.remote_addr)
    take_on(g.actor.sight)
    if g.actor.user_id is None and request.blueprint not in OPEN_TO_ALL:
        flash(_("Please sign in."), "info")
        wanted = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("AuthDBView.login", next=wanted))
    return None


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


def _show_error(error: VmsError) -> tuple[Any, int]:
    status = status_of(error)
    log.info("refused %s: %s", _reference(), error.code)
    return _error_page(sentence(error), status), status


def _show_http_error(error: HTTPException) -> Any:  # noqa: ANN401 - whatever Flask may answer
    if error.response is not None or error.code is None:
        return error
    if isinstance(error, InternalServerError):
        log.error("error page %s", _reference(), exc_info=error.original_exception)
    else:
        log.info("error page %s: %s %s", _reference(), error.code, request.endpoint)
    if error.code == HTTPStatus.FORBIDDEN:
        g.refusal = NotAllowed.code
    message = _http_sentence(error.code)
    if request_ctx.url_adapter is None:  # a Host that is no host: no page can link to anything
        return Response(f"{message}\n", error.code, mimetype="text/plain")
    try:
        db.session.rollback()  # PostgreSQL answers nothing more in a transaction that failed
        kept = [(k, v) for k, v in error.get_headers() if k in KEPT_FROM_ERRORS]
        return _error_page(message, error.code), error.code, kept
    except SQLAlchemyError:  # the menu asks the database, and that is what does not work
        reference = _("Reference for support: %(reference)s", reference=_reference())
        return Response(f"{message}\n{reference}\n", error.code, mimetype="text/plain")


def _reference() -> str:
    """The number under which this request's refusal stands in the log."""
    if "reference" not in g:
        g.reference = secrets.token_hex(4)
    reference: str = g.reference
    return reference


def _http_sentence(code: int) -> str:
    sentences = {
        400: _("The page was sent in a way that cannot be read. Go back, reload and try again."),
        403: _("Your user group does not allow this. Ask an administrator."),
        404: _("There is no such page."),
        405: _("This page cannot be used that way. Go back and use its buttons."),
        413: _("That is too large to be sent."),
        429: _("Too many attempts. Wait a minute, then try again."),
        500: _(
            "Something went wrong on our side. If you were selling, look at the meter's last"
            " sales before you try again."
        ),
    }
    return str(sentences.get(code, _("This did not work. Go back and try again.")))


def _advice(status: int) -> str:
    advice = {
        403: _("If you need it for your work, tell an administrator which page it was."),
        404: _("The address may be mistyped, or what stood here was removed."),
        405: _("Nothing was changed."),
        413: _("Nothing was changed. Send less at once."),
        503: _("Nothing was changed. Try again in a moment."),
    }
    return str(advice.get(status, ""))


def _error_page(message: str, status: int) -> str:
    if "user" not in g:  # refused before the framework looked who asks: the menu wants to know
        g.user = current_user
    titles = {403: _("Not allowed"), 404: _("Not found")}
    return render_template(
        "office/error.html",
        base_template=current_app.extensions["appbuilder"].base_template,
        appbuilder=current_app.extensions["appbuilder"],
        title=titles.get(status, _("That did not work")),
        message=message,
        advice=_advice(status),
        status=status,
        reference=_reference(),
        back=came_from(),
    )
