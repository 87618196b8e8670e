"""The description of the API (OpenAPI 3.1), made from what the operations declare.

Source: OpenAPI Specification 3.1.1; the forms are JSON Schema 2020-12, written by pydantic.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from vmsapp.api.errors import MEDIA, PHRASES
from vmsapp.api.operations import JSON, Operation
from vmsapp.api.paths import ROOT
from vmsapp.api.schemas import Problem

VERSION: Final = "1.0.0"
REFERENCE: Final = "#/components/schemas/{model}"

ALWAYS: Final = (400, 401, 403, 405, 413, 415, 422, 429, 500, 503)
"""Statuses of problems that every operation may answer."""

ALL: Final = (*ALWAYS, 404, 409)

DESCRIPTION: Final = (
    "For the utility's own channels. Each request shows a bearer: `Authorization: Bearer vms_…`."
    " A sale needs a quote of this moment and a key of its own; sent again under the same key"
    " with the same body it makes no second token. Errors are application/problem+json (RFC"
    " 9457)."
)


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Describe all operations."""
    operations = tuple(operations)
    schemas = _schemas(operations)
    paths: dict[str, Any] = {}
    for one in operations:
        paths.setdefault(one.address, {})[one.method.lower()] = _described(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VMS API",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": ROOT}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {_problem_name(status): _problem(status) for status in ALL},
        },
    }


def _models(one: Operation) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    sent = [model for model in (one.path, one.query, one.headers, one.body) if model is not None]
    return [
        *((model, "validation") for model in sent),
        *((model, "serialization") for model in one.answers.values()),
    ]


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    """All forms by name; a form that is sent and told is the same both ways."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
    for one in operations:
        wanted += (pair for pair in _models(one) if pair not in wanted)
    _, found = models_json_schema(wanted, ref_template=REFERENCE)
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _described(one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": _needs(one),
        "parameters": [*_parameters(one, schemas)],
        "responses": {
            str(status): _answer(model, status) for status, model in sorted(one.answers.items())
        }
        | {str(status): _reference(status) for status in sorted({*ALWAYS, *one.conflicts})},
    }
    if one.body is not None:
        form = {"$ref": REFERENCE.format(model=one.body.__name__)}
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": form}}}
    return described


def _needs(one: Operation) -> str:
    if one.scope is None:
        return "Any bearer will do."
    return f"The bearer needs the scope `{one.scope.value}`."


def _parameters(one: Operation, schemas: dict[str, Any]) -> Iterable[dict[str, Any]]:
    parts = (("path", one.path), ("query", one.query), ("header", one.headers))
    for place, model in parts:
        if model is None:
            continue
        form = schemas.pop(model.__name__, None) or model.model_json_schema()
        needed = form.get("required", ())
        for name, schema in form["properties"].items():
            described = schema.pop("description", None)
            yield {
                "name": name, "in": place, "required": name in needed, "schema": _plainly(schema),
            } | ({"description": described} if described else {})  # fmt: skip


def _plainly(schema: dict[str, Any]) -> dict[str, Any]:
    """Say of a parameter that may be left out what it is when it is there."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    rest = {
        name: value
        for name, value in schema.items()
        if name not in {"anyOf", "title"} and (name, value) != ("default", None)
    }
    return rest | kinds[0] if kinds else rest


def _answer(model: type[BaseModel], status: int) -> dict[str, Any]:
    form = {"$ref": REFERENCE.format(model=model.__name__)}
    return {"description": PHRASES[status], "content": {JSON: {"schema": form}}}


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _reference(status: int) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{_problem_name(status)}"}


def _problem(status: int) -> dict[str, Any]:
    form = {"$ref": REFERENCE.format(model=Problem.__name__)}
    return {"description": PHRASES[status], "content": {MEDIA: {"schema": form}}}
