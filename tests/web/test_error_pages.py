"""When something does not work: a sentence, and for our own mistakes a reference number."""

import logging
import re

import pytest
from sqlalchemy import text

from tests.factories import LEGACY_11
from tests.web.office import ADMIN, BOTH, PASSWORD, contents, fields, main_part, said
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.models import Sale
from vmsapp.services import meter_search, vending
from vmsapp.services.vending.errors import (
    Busy,
    IdempotencyConflict,
    OutcomeUnknown,
    TidAhead,
    UnknownMeter,
)
from vmsapp.tariffs.errors import InvalidTender
from vmsapp.views.base import status_of

SECRET = "postgresql://vms:hunter2@db/vms"


def test_a_page_that_is_not_there_says_so(operator, browse):
    for browser in (operator, browse()):
        page = browser.get("/nowhere")
        assert page.status_code == 404
        assert "There is no such page." in main_part(page.text)
        assert 'href="/"' in main_part(page.text)


def test_what_a_group_may_not_do_is_named(operator):
    page = operator.get("/clock/")
    assert page.status_code == 403
    assert "Your user group does not allow this." in main_part(page.text)


@pytest.mark.parametrize("path", ["/counter/receipts/1/print", "/clock/accept",
                                  "/counter/sale/1/give-back"])  # fmt: skip
def test_a_form_s_address_in_the_address_line_says_how_it_is_used(operator, path):
    page = operator.get(path)
    assert page.status_code == 405
    assert "Go back and use its buttons." in main_part(page.text)


def test_too_large_a_form_is_not_read(operator, utility, engine):
    before = contents(engine)
    page = operator.post(
        f"/counter/meter/{utility.meters[LEGACY_11]}/sell", {"value": "9" * 2_000_000}
    )
    assert page.status_code == 413
    assert "too large" in main_part(page.text)
    assert contents(engine) == before


def test_an_upload_that_is_too_large_is_not_read_either(operator, engine):
    page = operator.client.post(
        "/clock/accept", data=b"x" * 2_000_000, content_type="application/octet-stream"
    )
    assert page.status_code in {400, 413}


@pytest.fixture
def crash(monkeypatch):
    """Make the search stumble over a mistake of ours that carries a secret."""

    def stumble(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(meter_search, "find_meters", stumble)


def test_our_own_mistake_gives_a_reference_that_is_in_the_log(operator, crash, caplog):
    page = operator.get("/counter/?q=1")
    assert page.status_code == 500
    assert "Something went wrong on our side." in main_part(page.text)
    assert "last sales" in main_part(page.text)
    reference = re.search(r"Reference for support: ([0-9a-f]{12})", page.text)
    assert reference
    (record,) = [r for r in caplog.records if reference[1] in r.getMessage()]
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert SECRET in caplog.text  # the log says what it was


def test_our_own_mistake_tells_the_reader_nothing_of_our_inside(operator, crash):
    pages = [operator.get("/counter/?q=1") for _ in range(2)]
    for page in pages:
        for inside in (SECRET, "hunter2", "Traceback", "RuntimeError", ".py", "sqlalchemy"):
            assert inside not in page.text
    references = [re.search(r"support: (\w+)", page.text)[1] for page in pages]
    assert references[0] != references[1]


@BOTH
def test_a_broken_transaction_still_gives_the_page_with_its_reference(
    operator, monkeypatch, shop, backend
):
    def ask_nonsense(session, _text, **_options):
        session.execute(text("SELECT nonsense FROM nowhere"))

    monkeypatch.setattr(meter_search, "find_meters", ask_nonsense)
    page = operator.get("/counter/?q=1")
    assert page.status_code == 500
    assert "Reference for support" in page.text
    assert "nonsense" not in page.text
    monkeypatch.undo()
    assert operator.get("/counter/?q=1").status_code == 200  # the next request begins afresh


def test_a_mistake_within_a_sale_leaves_the_sale_to_the_worker(
    operator, utility, shop, monkeypatch
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")

    def stumble(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(vending, "issue", stumble)
    page = operator.sell(meter_id, form)
    assert page.status_code == 500
    monkeypatch.undo()
    (sale,) = shop.rows(Sale)
    assert sale.state == "pending"
    assert operator.sell(meter_id, form).location == f"/counter/sale/{sale.id}"
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}


def test_a_database_that_broke_off_says_that_the_sale_is_being_settled(
    operator, utility, shop, monkeypatch
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")

    def unknown(*_: object, **__: object) -> None:
        raise OutcomeUnknown

    monkeypatch.setattr(vending, "sell", unknown)
    page = operator.sell(meter_id, form)
    assert page.status_code == 202
    assert "being settled" in said(page.text)
    kept = fields(page.text, "/sell")
    assert (kept["key"], kept["value"]) == (form["key"], "50")


@pytest.mark.parametrize(("error", "status"), [
    (InvalidTender(), 422), (UnknownMeter(number="1"), 404), (IdempotencyConflict(sale_id=1), 409),
    (ModuleRefused("key_expired"), 409), (Busy(), 503), (HsmUnavailable("down", sent=False), 503),
    (HsmTimeout(), 202), (OutcomeUnknown(), 202),
    (TidAhead(drn="1", reached=None), 409),  # type: ignore[arg-type]
])  # fmt: skip
def test_each_family_of_errors_has_the_status_the_house_names(error, status):
    assert status_of(error) == status


def test_passwords_typed_are_in_no_log(browse, caplog):
    caplog.set_level(logging.DEBUG)
    browser = browse()
    browser.post("/login/", {"username": "operator", "password": "not-my-Password-1"})
    browser.post("/login/", {"username": "operator", "password": PASSWORD})
    browser.get("/logout/")
    assert PASSWORD not in caplog.text
    assert "not-my-Password-1" not in caplog.text


def test_an_error_page_has_a_menu_only_of_what_the_reader_may(browse):
    assert 'href="/clock/"' in browse(ADMIN).get("/nowhere").text
    assert 'href="/clock/"' not in browse("operator").get("/nowhere").text
    assert 'href="/counter/"' not in browse().get("/nowhere").text
