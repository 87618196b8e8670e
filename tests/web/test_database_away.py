"""While the database is away: 503, a sentence, a reference, and of a sale no more than is known.

What may be said of a sale whose outcome is open: SALE.md, 1 and 8.
"""

import logging
import re

import pytest
from sqlalchemy import event, text

from tests.factories import LEGACY_11
from tests.faults import Outage, during
from tests.web.channels import KEY, Channel, account, bearer_for
from tests.web.office import BOTH, PASSWORD, contents, main_part
from vmsapp.extensions import db
from vmsapp.models import Sale
from vmsapp.services import meter_search, receipts, vending

AWAY = "The database cannot be reached."
SETTLING = "The sale is being settled. Do not give the money back and do not sell again"
NOT_TAKEN_IN = "was not taken in: nothing was sold or changed by it."
NOTHING = re.compile("nothing (was|is)|no money", re.IGNORECASE)
"""How a page would say that there is no sale."""


@pytest.fixture
def outage(office):
    with office.app_context():
        engine = db.engine
    outage = Outage(engine)
    yield outage
    if event.contains(engine, "do_connect", outage._refuse):
        outage.end()


@pytest.fixture
def channel(shop, office):
    return Channel(office, bearer_for(shop, account(shop)).text)


@pytest.fixture
def number(shop):
    return shop.meter(LEGACY_11).drn


def going_away(monkeypatch, outage, where, name):
    """The database goes away when a function is called."""
    does = getattr(where, name)

    def call(*args, **options):
        monkeypatch.undo()
        outage.begin()
        return does(*args, **options)

    monkeypatch.setattr(where, name, call)


# Pages


@BOTH
def test_a_page_says_so_with_a_reference_that_is_in_the_log(operator, outage, caplog):
    outage.begin()
    page = operator.get("/counter/open")
    tries = outage.tries
    outage.end()
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert AWAY in main_part(page.text)
    assert "last sales before you sell again" in main_part(page.text)
    assert not NOTHING.search(main_part(page.text))
    reference = re.search(r"Reference for support: ([0-9a-f]{12})", page.text)
    assert reference
    (record,) = [r for r in caplog.records if reference[1] in r.getMessage()]
    assert (record.levelno, record.exc_info) == (logging.ERROR, None)
    assert tries == 1  # who asks; the page itself asks nothing
    assert operator.get("/counter/open").status_code == 200


@pytest.mark.parametrize(("path", "status", "says"), [
    ("/", 503, AWAY), ("/login/", 503, AWAY), ("/meters/list/", 503, AWAY), ("/help/", 503, AWAY),
    ("/nowhere", 404, "There is no such page."),
])  # fmt: skip
def test_no_page_is_our_own_mistake_then(operator, outage, path, status, says):
    outage.begin()
    page = operator.get(path)
    assert page.status_code == status
    assert says in main_part(page.text)


@pytest.mark.parametrize("path", ["/login/", "/help/"])
def test_what_asks_the_database_nothing_is_there_for_who_is_not_signed_in(browse, outage, path):
    browser = browse()
    outage.begin()
    assert browser.get(path, follow_redirects=True).status_code == 200
    assert outage.tries == 0


def test_signing_in_was_not_taken_in(browse, outage):
    browser = browse()
    outage.begin()
    page = browser.post("/login/", {"username": "operator", "password": PASSWORD})
    assert page.status_code == 503
    assert NOT_TAKEN_IN in main_part(page.text)


def test_it_is_said_in_the_reader_s_language_as_the_browser_tells_it(browse, outage):
    browser = browse("operator", "ar")
    outage.begin()
    page = browser.get("/counter/open")
    assert page.status_code == 503
    assert '<html lang="ar" dir="rtl"' in page.text


def test_what_the_reader_chose_counts_more_than_the_browser(browse, outage):
    browser = browse("operator", "ar")
    browser.get("/lang/fr")
    outage.begin()
    assert '<html lang="fr" dir="ltr"' in browser.get("/counter/open").text


def test_a_refusal_that_is_told_meanwhile_is_told_without_the_menu(operator, outage, monkeypatch):
    going_away(monkeypatch, outage, meter_search, "find_meters")
    page = operator.get("/counter/?q=1")
    assert page.status_code == 503
    assert AWAY in main_part(page.text)


@BOTH
def test_what_the_database_says_of_a_statement_stays_our_mistake(operator, channel, monkeypatch):
    def ask_nonsense(*_: object, **__: object) -> None:
        db.session.execute(text("SELECT nonsense FROM nowhere"))

    monkeypatch.setattr(meter_search, "find_meters", ask_nonsense)
    assert operator.get("/counter/?q=1").status_code == 500
    monkeypatch.setattr("vmsapp.api.v1.meters.whole_number", ask_nonsense)
    told = channel.get("/meters/01234567897")
    assert (told.status_code, told.json["code"]) == (500, "went_wrong")


# A sale at the counter


@BOTH
def test_a_sale_that_reached_no_door_was_not_taken_in_and_can_be_sent_again(
    operator, utility, shop, outage, engine
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    before = contents(engine)
    outage.begin()
    page = operator.sell(meter_id, form)
    outage.end()
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert NOT_TAKEN_IN in main_part(page.text)
    assert contents(engine) == before
    assert operator.sell(meter_id, form).status_code == 302
    assert shop.count(Sale) == 1


def test_a_sale_whose_key_could_not_be_looked_up_is_not_called_unsold(
    operator, utility, shop, outage, monkeypatch
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    sold = operator.sell(meter_id, form)  # its answer is lost, and the form is sent again
    going_away(monkeypatch, outage, vending, "find_replay")
    page = operator.sell(meter_id, form)
    outage.end()
    assert page.status_code == 503
    assert "is not known yet" in main_part(page.text)
    assert not NOTHING.search(main_part(page.text))
    assert operator.sell(meter_id, form).location == sold.location
    assert shop.count(Sale) == 1


@BOTH
def test_a_sale_whose_token_was_being_made_is_being_settled(
    operator, utility, shop, module, outage
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    module.once("issue_credit", during(outage.begin))
    page = operator.sell(meter_id, form)
    outage.end()
    assert (page.status_code, page.headers["Retry-After"]) == (202, "5")
    assert SETTLING in main_part(page.text)
    assert AWAY in main_part(page.text)
    assert not NOTHING.search(main_part(page.text))
    (sale,) = shop.rows(Sale)
    assert sale.state == "pending"
    assert operator.sell(meter_id, form).location == f"/counter/sale/{sale.id}"
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}


@BOTH
def test_a_sale_cut_off_before_its_module_is_looked_up_is_being_settled_too(
    operator, utility, shop, outage, monkeypatch
):
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="50")
    going_away(monkeypatch, outage, vending, "issue")
    page = operator.sell(meter_id, form)
    outage.end()
    assert page.status_code == 202
    assert SETTLING in main_part(page.text)
    assert shop.count(Sale) == 1


def test_the_page_of_a_sale_just_made_does_not_call_it_unsold(operator, utility, outage):
    sold = operator.buy(utility)
    outage.begin()
    page = operator.get(sold.location)
    assert page.status_code == 503
    assert not NOTHING.search(main_part(page.text))


# Programs


@BOTH
@pytest.mark.parametrize("path", ["/client", "/tokens?limit=1", "/sales/1"])
def test_a_program_gets_a_problem_with_its_code(channel, outage, path, caplog):
    outage.begin()
    told = channel.get(path)
    tries = outage.tries
    assert (told.status_code, told.headers["Retry-After"]) == (503, "5")
    assert told.content_type == "application/problem+json"
    assert (told.json["code"], told.json["retry"]) == ("database_away", "yes")
    assert told.json["detail"].startswith(AWAY)
    assert told.json["reference"] in caplog.text
    assert tries == 1


@BOTH
def test_a_sale_asked_for_meanwhile_is_surely_not_made_and_asked_again_it_is(
    channel, number, outage, shop
):
    body = channel.body(number)
    send = {"headers": {"Idempotency-Key": KEY}}
    outage.begin()
    told = channel.post("/sales", body, **send)
    outage.end()
    assert (told.status_code, told.json["code"]) == (503, "database_away")
    assert shop.count(Sale) == 0
    assert channel.post("/sales", body, **send).status_code == 201


@BOTH
def test_a_program_s_sale_whose_token_was_being_made_is_being_settled(
    channel, number, outage, shop, module
):
    body = channel.body(number)
    send = {"headers": {"Idempotency-Key": KEY}}
    module.once("issue_credit", during(outage.begin))
    told = channel.post("/sales", body, **send)
    outage.end()
    assert told.status_code == 202
    assert told.json["detail"].startswith(SETTLING)
    (sale,) = shop.rows(Sale)
    assert channel.get(told.json["fetch"]).json["id"] == sale.id
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    again = channel.post("/sales", body, **send)
    assert (again.status_code, again.json["id"]) == (201, sale.id)


def test_a_sale_that_was_made_but_cannot_be_read_is_never_called_unsold(
    channel, number, outage, shop, monkeypatch
):
    body = channel.body(number)
    send = {"headers": {"Idempotency-Key": KEY}}
    going_away(monkeypatch, outage, receipts, "receipt")
    told = channel.post("/sales", body, **send)
    outage.end()
    (sale,) = shop.rows(Sale)
    assert sale.state == "issued"
    assert (told.status_code, told.json["sale_id"]) == (202, sale.id)
    assert channel.post("/sales", body, **send).status_code == 201
