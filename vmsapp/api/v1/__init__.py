"""The first version of the doors: all operations, at their addresses."""

from functools import cache
from typing import Final

from flask import Blueprint, Response, json, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from vmsapp.api import asking, described, errors
from vmsapp.api.operations import JSON, Operation
from vmsapp.api.paths import DOORS, ROOT
from vmsapp.api.v1 import client, meters, quotes, sales, tokens
from vmsapp.errors import VmsError

OPERATIONS: Final[tuple[Operation, ...]] = (
    client.GET_CLIENT,
    meters.GET_METER,
    quotes.MAKE_QUOTE,
    sales.MAKE_SALE,
    sales.GET_SALE,
    sales.GET_SALE_BY_KEY,
    tokens.LIST_TOKENS,
)

DESCRIPTION: Final = "openapi.json"


def blueprint() -> Blueprint:
    """Put every operation at its address; only the description asks for no bearer."""
    doors = Blueprint(DOORS, __name__, url_prefix=ROOT)
    doors.before_request(_begin)
    doors.after_request(asking.note_use)
    doors.register_error_handler(VmsError, errors.show)
    doors.register_error_handler(OperationalError, errors.show_database_error)
    doors.register_error_handler(HTTPException, errors.show_http)
    doors.add_url_rule(
        f"/{DESCRIPTION}", DESCRIPTION.partition(".")[0], _description,
        provide_automatic_options=False,
    )  # fmt: skip
    for one in OPERATIONS:
        doors.add_url_rule(
            one.rule, one.name, one.view, methods=[one.method], provide_automatic_options=False
        )
    return doors


def document() -> dict[str, object]:
    """The description of the API (OpenAPI 3.1)."""
    return described.document(OPERATIONS)


def _begin() -> None:
    if request.endpoint != f"{DOORS}.openapi":
        asking.begin()


def _description() -> Response:
    return Response(_written(), content_type=JSON)


@cache
def _written() -> str:
    return f"{json.dumps(document())}\n"
