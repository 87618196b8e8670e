"""How a program is told what went wrong: one form for all errors, each with its code.

Source: RFC 9457 "Problem Details for HTTP APIs"; RFC 6750 for what stands beside 401 and 403.
"""

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, current_app, g, json, request
from flask_babel import gettext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from werkzeug.exceptions import HTTPException, InternalServerError

from vmsapp.api.paths import is_for_programs
from vmsapp.api.schemas import FieldFault, told
from vmsapp.errors import (
    N_,
    InvalidInput,
    NotAllowed,
    Refused,
    Unavailable,
    VmsError,
)
from vmsapp.extensions import db
from vmsapp.models import BearerScope
from vmsapp.security.away import TRY_AGAIN_S, DatabaseAway, is_away
from vmsapp.security.statuses import STATUS

log = logging.getLogger(__name__)

MEDIA: Final = "application/problem+json"

PHRASES: Final[Mapping[int, str]] = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""What statuses are called (RFC 9110, 15); Python's own words for some differ by its version."""

TOLD: Final = ("sale_id",)
"""Values of errors that a program can do something with."""

KEPT: Final = frozenset({"Allow", "Retry-After"})
"""Headers of an error that go with it."""


class Unreadable(VmsError):
    """The body is no JSON, or a header is none."""

    code = "unreadable"
    message = N_("The request cannot be read. Its body must be JSON.")


class DoesNotFit(InvalidInput):
    """The request is not as the description of the API says."""

    code = "does_not_fit"
    message = N_("The request does not fit the description of the API. Its “errors” say where.")

    def __init__(self, *faults: FieldFault) -> None:
        super().__init__()
        self.faults = faults


class BearerNeeded(VmsError):
    """Nobody's bearer was shown, or one that does not count."""

    code = "bearer_needed"
    message = N_("Show a bearer that counts: made here, not withdrawn, not past its last day.")


class ScopeMissing(NotAllowed):
    """The bearer is not for this."""

    code = "scope_missing"
    message = N_("This bearer is not for that: it lacks the scope %(scope)s.")

    def __init__(self, *, scope: BearerScope) -> None:
        super().__init__(scope=scope.value)


class TooOften(VmsError):
    """More requests than are allowed."""

    code = "too_often"
    message = N_("Too many requests. Wait as long as Retry-After says.")


class SaleFailed(Refused):
    """The sale stands on record as failed: there is no token, and nothing to pay."""

    code = "sale_failed"
    message = N_(
        "Sale %(sale_id)s failed: no token was made, and no money is due. Begin a new purchase."
    )

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


def init_app(app: Flask) -> None:
    """Answer programs, also at addresses that nothing answers."""
    app.extensions["vms_problems"] = _at_no_door


def status_of(error: VmsError) -> int:
    """Find the HTTP status of an error."""
    own = {Unreadable: 400, BearerNeeded: 401, TooOften: 429}.get(type(error))
    return own or next((status for family, status in STATUS if isinstance(error, family)), 500)


def problem(
    code: str,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401 - whatever JSON holds
) -> Response:
    """Make the answer that says what went wrong.

    Args:
        code: Stable name, for programs.
        status: HTTP status.
        detail: A sentence for people, in the language that was asked for.
        headers: Beside it.
        more: Further members.
    """
    body = {
        "type": f"urn:vms:problem:{code}",
        "title": PHRASES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "reference": _reference(),
        **more,
    }
    return Response(f"{json.dumps(body)}\n", status, headers, content_type=MEDIA)


def show(error: VmsError, **more: Any) -> Response:  # noqa: ANN401 - whatever JSON holds
    """Tell a program what the product refused, and why."""
    status = status_of(error)
    log.info("refused %s: %s", _reference(), error.code)
    sentence: str = current_app.extensions["vms_sentence"](error)
    values = {name: error.params[name] for name in TOLD if name in error.params}
    if isinstance(error, DoesNotFit):
        values["errors"] = [told(fault) for fault in error.faults]
    return problem(
        error.code, status, sentence, _headers(error), retry=error.retry, **values, **more
    )


def show_database_error(error: DBAPIError) -> Response:
    """Tell a program that the database is away; what it says itself is our mistake.

    Raises:
        DBAPIError: It is there.
    """
    if not is_away(error):
        raise error
    log.error("refused %s: the database is away: %s", _reference(), error)
    return show(DatabaseAway())


def show_http(error: HTTPException) -> Response:
    """Tell a program what went wrong before the product could look at it, or in it."""
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, InternalServerError):
        if is_away(error.original_exception):  # while something else was told
            return show_database_error(error.original_exception)
        log.error("error %s", _reference(), exc_info=error.original_exception)
    else:
        log.info("error %s: %s %s", _reference(), code, request.endpoint)
    try:
        db.session.rollback()  # PostgreSQL answers nothing more in a transaction that failed
    except SQLAlchemyError:
        log.warning("the transaction of %s could not be ended", _reference(), exc_info=True)
    name, sentence = _said(code)
    kept = {k: v for k, v in error.get_headers() if k in KEPT}
    return problem(name, code, sentence, kept)


def _at_no_door(error: HTTPException) -> Response | None:
    """Answer what no door was reached for; ``None`` for what is not asked by a program."""
    return show_http(error) if is_for_programs(request.path) else None


def _headers(error: VmsError) -> dict[str, str]:
    """What stands beside an error."""
    match error:
        case BearerNeeded():
            shown = ', error="invalid_token"' if "Authorization" in request.headers else ""
            return {"WWW-Authenticate": f'Bearer realm="vms"{shown}'}
        case ScopeMissing():
            scope = error.params["scope"]
            why = f'error="insufficient_scope", scope="{scope}"'
            return {"WWW-Authenticate": f'Bearer realm="vms", {why}'}
        case TooOften():
            return {"Retry-After": str(g.get("retry_after", TRY_AGAIN_S))}
        case Unavailable():
            return {"Retry-After": str(TRY_AGAIN_S)}
    return {}


def _reference() -> str:
    """The number under which this request stands in the log."""
    if "reference" not in g:
        g.reference = secrets.token_hex(4)
    reference: str = g.reference
    return reference


def _said(code: int) -> tuple[str, str]:
    """Name and sentence of an error that has no name of its own."""
    named = {
        400: ("unreadable", gettext(Unreadable.message)),
        404: ("no_such_address", gettext("There is nothing at this address.")),
        405: ("method_not_allowed", gettext("This address does not take that method.")),
        413: ("too_large", gettext("That is too large to be sent.")),
        415: ("unreadable", gettext(Unreadable.message)),
        429: (TooOften.code, gettext(TooOften.message)),
        500: (
            "went_wrong",
            gettext(
                "Something went wrong on our side. If you were selling, look at the meter's last"
                " sales before you try again."
            ),
        ),
    }
    return named.get(code, ("went_wrong", gettext("This did not work. Go back and try again.")))
