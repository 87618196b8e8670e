"""An operation of the API: what it takes, what it needs, what it answers; and how it is run.

Each is declared once; it is checked, run and described from its declaration. In this order:
who asks, how often, what the bearer and its account may do, then what was sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Response, json, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from vmsapp.api import asking, errors
from vmsapp.api.schemas import FieldFault, InAddress, KeyHeader, Sent, SettlingTold, Told, told
from vmsapp.errors import NotAllowed
from vmsapp.models import BearerScope
from vmsapp.security import Permission
from vmsapp.security.away import TRY_AGAIN_S
from vmsapp.services.bearers import Client

JSON: Final = "application/json"
FAULTS_TOLD: Final = 20
JSON_INVALID: Final = "json_invalid"

Where = tuple[int | str, ...]
"""The way to a member of what was sent."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request holds, each part checked by its model."""

    client: Client
    path: Any = None
    query: Any = None
    headers: Any = None
    body: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a door answers."""

    told: Told
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Door = Callable[[Asked], Reply | Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that programs can ask for.

    Attributes:
        name: Its name in the description.
        scope: What the bearer must be for; any bearer will do without one.
        needs: What the account's user group must permit.
        answers: Form of each answer that is no problem, by status.
        conflicts: Statuses of its problems beyond those of all operations.
    """

    name: str
    method: str
    address: str
    summary: str
    door: Door
    answers: Mapping[int, type[Told]]
    scope: BearerScope | None = None
    needs: frozenset[Permission] = frozenset()
    path: type[InAddress] | None = None
    query: type[InAddress] | None = None
    headers: type[KeyHeader] | None = None
    body: type[Sent] | None = None
    conflicts: tuple[int, ...] = ()

    @property
    def rule(self) -> str:
        """The address as the framework has it."""
        return self.address.replace("{", "<").replace("}", ">")

    def view(self, **parts: str) -> Response:
        """Answer a request."""
        client = asking.current_client()
        if self.scope is not None and self.scope not in client.scopes:
            raise errors.ScopeMissing(scope=self.scope)
        if not self.needs <= client.actor.permissions:
            raise NotAllowed
        asked = self._read(client, parts)
        reply = self.door(asked)
        return reply if isinstance(reply, Response) else answer(reply)

    def _read(self, client: Client, parts: Mapping[str, str]) -> Asked:
        """Check all parts of a request.

        Raises:
            DoesNotFit: Says at once all that does not fit.
        """
        found: dict[str, Any] = {}
        faults: list[FieldFault] = []
        sent = {"path": parts, "query": _query(), "headers": _headers(self.headers)}
        for name, values in sent.items():
            model: type[BaseModel] = getattr(self, name) or InAddress
            try:
                found[name] = model.model_validate(values)
            except ValidationError as error:
                faults += _faults(name, model, error)
        if self.body is not None:
            try:
                found["body"] = _body(self.body)
            except ValidationError as error:
                faults += _faults("body", self.body, error)
        if faults:
            raise errors.DoesNotFit(*faults[:FAULTS_TOLD])
        return Asked(client, **found)


def answer(reply: Reply) -> Response:
    """Write an answer."""
    body = f"{json.dumps(told(reply.told))}\n"
    return Response(body, reply.status, dict(reply.headers), content_type=JSON)


def settling(sale_id: int | None, detail: str, fetch: str) -> Reply:
    """Say that what becomes of a sale is not known yet."""
    body = SettlingTold(state="pending", sale_id=sale_id, detail=detail, fetch=fetch)
    headers = {"Location": fetch, "Retry-After": str(TRY_AGAIN_S)}
    return Reply(body, 202, headers)


def _query() -> dict[str, Any]:
    """What stands behind the question mark; what stands there twice is a list, and refused."""
    given = request.args
    return {name: values[0] if len(values) == 1 else values for name, values in given.lists()}


def _headers(model: type[BaseModel] | None) -> dict[str, str]:
    if model is None:
        return {}
    names = [str(one.alias) for one in model.model_fields.values()]
    return {name: request.headers[name] for name in names if name in request.headers}


def _body(model: type[Sent]) -> Sent:
    """Read the body.

    Raises:
        UnsupportedMediaType: It says that it is something else than JSON.
        BadRequest: It is not what it says.
        ValidationError: It is JSON, and does not fit.
    """
    if request.mimetype != JSON:
        raise UnsupportedMediaType
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        if any(one["type"] == JSON_INVALID for one in error.errors(include_input=False)):
            raise BadRequest from None
        raise


def _faults(part: str, model: type[BaseModel], error: ValidationError) -> list[FieldFault]:
    at = "header" if part == "headers" else part
    return [
        FieldFault(at=at, pointer=_pointer(_without_tag(model, one["loc"])), code=one["type"])
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _without_tag(model: type[BaseModel], where: Where) -> Where:
    """Leave out what tells which of several kinds a member is: it is no part of what was sent."""
    field = model.model_fields.get(str(where[0])) if where else None
    return where if field is None or field.discriminator is None else (where[0], *where[2:])


def _pointer(where: Where) -> str:
    """Write a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(one).replace('~', '~0').replace('/', '~1')}" for one in where)
