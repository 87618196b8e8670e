"""The description of the API is that of the code, and the code keeps to it, whatever is sent."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from docs.write_openapi import FILE, text
from tests.factories import LEGACY_11
from tests.web.channels import ROOT, Channel, account, bearer_for, wanted
from vmsapp.api import v1
from vmsapp.models import BearerScope

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 25
"""Requests of each kind to each operation: with them the whole takes about ten seconds."""

OPERATIONS = [(one.address, one.method) for one in v1.OPERATIONS]


@pytest.fixture
def channel(shop, office, monkeypatch):
    often = office.extensions["vms_settings"].model_copy(update={"api_rate": "9999 per 1 second"})
    monkeypatch.setitem(office.extensions, "vms_settings", often)
    monkeypatch.setattr("vmsapp.services.vending.UNDERWAY_WAIT_S", 0.0)
    return Channel(office, bearer_for(shop, account(shop)).text)


def test_the_committed_description_is_that_of_the_code():
    assert Path(FILE).read_text(encoding="utf-8") == text(), "run docs/write_openapi.py"


def test_the_description_is_served_to_whoever_asks(office):
    answer = Channel(office, None).get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json == v1.document()
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_address_of_the_doors_is_described(office):
    described = {
        (f"{ROOT}{path}", method.upper())
        for path, methods in v1.document()["paths"].items()
        for method in methods
    }
    rules = [rule for rule in office.url_map.iter_rules() if rule.endpoint.startswith("Api.")]
    served = {
        (str(rule).replace("<", "{").replace(">", "}"), method)
        for rule in rules
        for method in rule.methods - {"HEAD"}
    }
    assert served - {(f"{ROOT}/openapi.json", "GET")} == described


def test_every_scope_is_asked_for_and_named_in_the_description(office):
    asked = {one.scope for one in v1.OPERATIONS} - {None}
    assert asked == set(BearerScope)
    for one in v1.OPERATIONS:
        told = v1.document()["paths"][one.address][one.method.lower()]["description"]
        assert one.scope is None or f"`{one.scope.value}`" in told


@pytest.mark.parametrize(("address", "method", "mode"), [
    (*operation, mode) for operation in OPERATIONS for mode in GenerationMode
    if (operation[0], mode) != ("/client", GenerationMode.NEGATIVE)  # takes nothing to be wrong
])  # fmt: skip
def test_whatever_is_sent_the_answer_is_as_described(office, channel, shop, address, method, mode):
    """What fits is asked of a meter that is there; else no more than its absence would be told."""
    number = shop.meter(LEGACY_11).drn
    schema = openapi.from_dict(v1.document())
    schema.config.generation.update(with_security_parameters=False)  # it is shown all the same
    operation = schema[address][method]
    shown = {"Authorization": f"Bearer {channel.bearer}"}

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case):
        if mode.is_positive and isinstance(case.body, dict):
            case.body = case.body | {"meter_number": number}
        case.call_and_validate(app=office, headers=shown, checks=CHECKS)

    holds()


def test_answers_of_a_day_are_as_described(office, channel, shop):
    """Answers of every operation that did what was asked of it."""
    number = shop.meter(LEGACY_11).drn
    sold = channel.sell(number)
    answers = {
        ("/client", "GET"): channel.get("/client"),
        ("/meters/{number}", "GET"): channel.get(f"/meters/{number}"),
        ("/quotes", "POST"): channel.post("/quotes", wanted(number, tender=2000)),
        ("/sales", "POST"): sold,
        ("/sales/{id}", "GET"): channel.get(f"/sales/{sold.json['id']}"),
        ("/sales/by-key/{key}", "GET"): channel.get(
            f"/sales/by-key/{sold.json['idempotency_key']}"
        ),
        ("/tokens", "GET"): channel.get("/tokens"),
    }
    assert answers.keys() == set(OPERATIONS)
    parts = {
        "/meters/{number}": {"number": number}, "/sales/{id}": {"id": sold.json["id"]},
        "/sales/by-key/{key}": {"key": sold.json["idempotency_key"]},
    }  # fmt: skip
    schema = openapi.from_dict(v1.document())
    for (address, method), answer in answers.items():
        assert answer.status_code in {200, 201}
        case = schema[address][method].Case(path_parameters=parts.get(address, {}))
        case.validate_response(answer, checks=CHECKS[:-1])
