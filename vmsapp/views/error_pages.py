"""What a page says when something did not work: a sentence, what to do, and a reference."""

import logging
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, current_app, g, render_template, request
from flask.globals import request_ctx
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from werkzeug.exceptions import HTTPException, InternalServerError, Unauthorized

from vmsapp import logs
from vmsapp.errors import NotAllowed, VmsError
from vmsapp.extensions import db
from vmsapp.security.away import TRY_AGAIN_S, doubt_behind, is_away
from vmsapp.views.base import actor, came_from, sentence, status_of
from vmsapp.views.too_late import Sent, sent_too_late

log = logging.getLogger(__name__)

KEPT_FROM_ERRORS: Final = frozenset({"Allow", "Retry-After"})
"""Headers of an error that go with its page."""

READING: Final = frozenset({"GET", "HEAD"})


def init_app(app: Flask) -> None:
    """Show errors."""
    app.register_error_handler(VmsError, _show_error)
    app.register_error_handler(OperationalError, _show_database_error)
    app.register_error_handler(HTTPException, _show_http_error)


def _show_error(error: VmsError) -> tuple[str, int]:
    status = status_of(error)
    log.info("refused %s: %s", _reference(), error.code)
    return _error_page(sentence(error), status, _advice(status)), status


def _show_database_error(error: OperationalError) -> Any:  # noqa: ANN401 - whatever Flask may answer
    """Tell a reader that the database is away; what it says itself is our mistake.

    Raises:
        OperationalError: It is there.
    """
    if not is_away(error):
        raise error
    return _show_away(error)


def _show_http_error(error: HTTPException) -> Any:  # noqa: ANN401 - whatever Flask may answer
    if error.response is not None or error.code is None:
        return error
    told = current_app.extensions["vms_problems"](error)
    if told is not None:  # a program asked
        return told
    sent = sent_too_late() if isinstance(error, Unauthorized | CSRFError) else None
    if sent is not None:
        log.info("error page %s: sent too late: %s", _reference(), request.endpoint)
        return _too_late_page(sent)
    if isinstance(error, InternalServerError):
        if is_away(error.original_exception):  # while a page said something else
            return _show_away(error.original_exception)
        log.error("error page %s", _reference(), exc_info=error.original_exception)
    else:
        log.info("error page %s: %s %s", _reference(), error.code, request.endpoint)
    if error.code == HTTPStatus.FORBIDDEN:
        g.refusal = NotAllowed.code
    message = _http_sentence(error.code)
    if request_ctx.url_adapter is None:  # a Host that is no host: no page can link to anything
        return Response(f"{message}\n", error.code, mimetype="text/plain")
    kept = [(k, v) for k, v in error.get_headers() if k in KEPT_FROM_ERRORS]
    return _error_page(message, error.code, _advice(error.code)), error.code, kept


def _too_late_page(sent: Sent) -> tuple[str, int]:
    """Say that nothing was done of what was typed, and keep it, to be sent again.

    Somebody else may have signed in meanwhile, so it is said whose deed it would be.
    """
    advice = []
    if current_user.is_authenticated:
        status = HTTPStatus.BAD_REQUEST
        message = _(
            "You signed in after you had opened the form, so what you sent was not taken in."
            " Nothing of it is lost: press “Send again”."
        )
        name = current_user.get_full_name()
        advice.append(_("What is sent again is done in the name of %(name)s.", name=name))
    else:
        status = HTTPStatus.UNAUTHORIZED
        message = _(
            "You were signed out meanwhile, so what you sent was not taken in. Nothing of it is"
            " lost: sign in in a new tab, come back to this one and press “Send again”."
        )
    if sent.partly:
        advice.append(
            _("Passwords and files are not kept: choose or type them again where you are asked.")
        )
    return _error_page(message, status, " ".join(map(str, advice)), sent), status


def _show_away(error: BaseException | None) -> tuple[str, int, dict[str, str]]:
    """Say that the database is away, and of what was asked no more than is known.

    Who asks is found out before anything is done; until then nothing was.
    """
    log.error("error page %s: the database is away: %s", _reference(), error)
    doubt = doubt_behind(error)
    later = {"Retry-After": str(TRY_AGAIN_S)}
    away = _("The database cannot be reached.")
    if doubt is not None:
        return _bare_page(sentence(doubt), status_of(doubt), away), status_of(doubt), later
    if request.method in READING:
        advice = _(
            "Load this page again in a moment. If you were selling, look at the meter's last"
            " sales before you sell again."
        )
    elif "actor" not in g or actor().user_id is None:
        advice = _(
            "What you sent just now was not taken in: nothing was sold or changed by it. Go back"
            " in a moment and send it again."
        )
    else:
        advice = _(
            "Whether what you sent was done is not known yet. Wait a moment, then look whether it"
            " was before you do it again. If you were selling, do not give the money back and do"
            " not sell again before you have looked at the meter's last sales."
        )
    return _bare_page(away, 503, advice), HTTPStatus.SERVICE_UNAVAILABLE, later


def _reference() -> str:
    """The number under which this request stands in the log."""
    if "reference" not in g:
        g.reference = logs.request_id() or logs.id_for(None)
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


def _error_page(message: str, status: int, advice: str, sent: Sent | None = None) -> str:
    """Make the page with its menu; without, where the database cannot be asked for that.

    Args:
        message: What is the matter.
        status: Of the answer.
        advice: What to do.
        sent: What is kept on the page, to be sent again.
    """
    if "user" not in g:  # refused before the framework looked who asks: the menu wants to know
        g.user = current_user
    g.trouble = status  # what the help is about
    told = _told(message, status, advice)
    try:
        db.session.rollback()  # PostgreSQL answers nothing more in a transaction that failed
        base = current_app.extensions["appbuilder"].base_template
        return render_template("office/error.html", base_template=base, **told | {"sent": sent})
    except SQLAlchemyError:
        log.warning("error page %s has no menu", _reference(), exc_info=True)
        return _bare_page(message, status, advice)


def _bare_page(message: str, status: int, advice: str) -> str:
    """Make the page of what is known without the database: not even who reads it."""
    page = current_app.jinja_env.get_template("office/error_bare.html")
    return page.render(**_told(message, status, advice))


def _told(message: str, status: int, advice: str) -> dict[str, object]:
    titles = {401: _("You were signed out"), 403: _("Not allowed"), 404: _("Not found")}
    return {
        "appbuilder": current_app.extensions["appbuilder"],
        "title": titles.get(status, _("That did not work")),
        "message": message,
        "advice": advice,
        "status": status,
        "reference": _reference(),
        "back": came_from(),
        "sent": None,
    }
