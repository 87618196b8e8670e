"""What lies outside a person's region or vending point does not exist, on any page."""

import re

import pytest

from tests import factories
from tests.factories import (
    AUDITOR,
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.faults import request_lost
from tests.web.office import (
    BOTH,
    ENGINEER,
    NORTH_SUPERVISOR,
    NOWHERE,
    contents,
    fields,
    main_part,
    said,
)
from vmsapp.models import Consumer, Meter, OfficeUser, Sale, VendingPoint

OF_A_SALE = [
    ("GET", "/counter/sale/{}"),
    ("GET", "/counter/sale/{}/state"),
    ("GET", "/counter/receipts/{}/preview"),
    ("GET", "/counter/receipts/{}/pdf?printed=1"),
    ("POST", "/counter/receipts/{}/print"),
    ("GET", "/counter/deliveries/{}/1/state"),
    ("POST", "/counter/deliveries/{}/1/retry"),
]
OF_A_METER = [
    ("GET", "/counter/meter/{}"),
    ("GET", "/counter/meter/{}?key=1-x&mode=quantity&value=5"),
    ("GET", "/counter/meter/{}/quote?mode=quantity&value=5"),
    ("POST", "/counter/meter/{}/sell"),
]


def answer(browser, method: str, path: str, number: int):
    """Status and text of a page, with everything that differs from call to call taken out."""
    path = path.format(number)
    if method == "GET":
        got = browser.get(path, follow_redirects=True)
    else:
        got = browser.post(path, {"mode": "quantity", "value": "5", "key": "1-x", "quote": "{}"})
    text = main_part(got.text) if "<main" in got.text else got.text
    text = text.replace('tabindex="-1"', "")  # no number of a row
    return got.status_code, re.sub(rf"\b{number}\b", "N", text)


@BOTH
def test_what_lies_elsewhere_gets_the_answer_of_what_does_not_exist(browse, shop, engine, backend):
    theirs = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    before = contents(engine)
    for who in (OPERATOR, NORTH_SUPERVISOR):
        browser = browse(who)
        for method, path in OF_A_SALE:
            hidden = answer(browser, method, path, theirs.id)
            assert hidden == answer(browser, method, path, NOWHERE), path
            assert hidden[0] == 404, path
        for method, path in OF_A_METER:
            hidden = answer(browser, method, path, theirs.meter_id)
            assert hidden == answer(browser, method, path, NOWHERE), path
            assert hidden[0] == 404, path
    assert contents(engine) == before


def test_a_supervisor_gives_back_no_money_of_another_province(browse, shop, engine):
    theirs = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    before = contents(engine)
    browser = browse(NORTH_SUPERVISOR)
    path = "/counter/sale/{}/give-back"
    hidden = answer(browser, "POST", path, theirs.id)
    assert hidden == answer(browser, "POST", path, NOWHERE)
    assert hidden[0] == 404
    assert contents(engine) == before


SOUTHERN_CONSUMER = {"phone": "+000 700 000006", "name": "Zola Südmann", "number": "C0006"}


@pytest.fixture
def southern(shop) -> Meter:
    """The southern meter, whose consumer can be told from all others."""

    def describe(session):
        for consumer in session.query(Consumer).where(Consumer.number == "C0006"):
            consumer.name, consumer.phone = SOUTHERN_CONSUMER["name"], SOUTHERN_CONSUMER["phone"]

    shop.change(describe)
    return shop.meter(SOUTHERN)


@pytest.mark.parametrize("by", ["drn", "phone", "name", "number"])
def test_the_search_finds_nothing_of_another_region(browse, southern, by):
    text = southern.drn if by == "drn" else SOUTHERN_CONSUMER[by]
    for who in (OPERATOR, NORTH_SUPERVISOR):
        found = browse(who).get("/counter/", query_string={"q": text})
        assert found.status_code == 200
        assert "matches" in main_part(found.text)
        assert f"/counter/meter/{southern.id}" not in found.text
    for who in (SOUTH_OPERATOR, SUPERVISOR):
        found = browse(who).get("/counter/", query_string={"q": text})
        assert found.location == f"/counter/meter/{southern.id}", who
    for who in (AUDITOR, ENGINEER):
        assert "Zola" in browse(who).get("/counter/", query_string={"q": text}).text


def test_the_list_of_open_sales_holds_the_own_ones_alone(browse, shop, module):
    module.always("issue_credit", request_lost)
    north, south = shop.sell(), shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    listed = {
        who: re.findall(r'href="/counter/sale/(\d+)"', browse(who).get("/counter/open").text)
        for who in (OPERATOR, NORTH_SUPERVISOR, SOUTH_OPERATOR, SUPERVISOR)
    }
    assert listed == {
        OPERATOR: [str(north.id)],
        NORTH_SUPERVISOR: [str(north.id)],
        SOUTH_OPERATOR: [str(south.id)],
        SUPERVISOR: [str(north.id), str(south.id)],
    }


@pytest.mark.parametrize("who", [OPERATOR, NORTH_SUPERVISOR])
def test_nothing_is_sold_at_a_vending_point_that_is_not_ones_own(browse, utility, engine, who):
    browser, meter_id = browse(who), utility.meters[LEGACY_11]
    form = browser.purchase(meter_id, mode="quantity", value="50")
    before = contents(engine)
    refused = browser.sell(meter_id, form | {"vending_point": str(utility.points[MARKET])})
    assert refused.status_code == 409
    assert "vending point" in said(refused.text)
    assert contents(engine) == before


def test_a_supervisor_of_all_chooses_where_the_sale_is_made(supervisor, utility, shop):
    meter_id = utility.meters[LEGACY_11]
    form = supervisor.purchase(meter_id, mode="quantity", value="50")
    assert "vending_point" not in form  # a list to choose from, nothing chosen
    refused = supervisor.sell(meter_id, form)
    assert refused.status_code == 422
    assert "Choose the vending point that sells." in refused.text
    assert shop.count(Sale) == 0
    chosen = fields(refused.text, "/sell") | {"vending_point": str(utility.points[HARBOUR])}
    assert supervisor.sell(meter_id, chosen).status_code == 302
    assert [sale.vending_point_id for sale in shop.rows(Sale)] == [utility.points[HARBOUR]]


def test_an_operator_sees_no_sale_of_the_next_counter_in_the_same_town(browse, shop, utility):
    north = utility.regions["north"].id
    pier = shop.change(
        lambda session: factories.add(session, VendingPoint(name="Pier", region_id=north)).id
    )
    meter_id, colleague = utility.meters[LEGACY_11], browse(NORTH_SUPERVISOR)
    form = colleague.purchase(meter_id, mode="quantity", value="50")
    sold = colleague.sell(meter_id, form | {"vending_point": str(pier)})
    assert sold.status_code == 302
    browser = browse(OPERATOR)
    assert browser.get(sold.location).status_code == 404
    card = browser.get(f"/counter/meter/{meter_id}", follow_redirects=True).text
    assert sold.location not in card  # not among the meter's last sales
    assert "50.0 kWh" in main_part(card)  # but the month's units count, wherever they were bought
    seen = colleague.get(f"/counter/meter/{meter_id}", follow_redirects=True).text
    assert sold.location in seen


def test_a_user_without_a_region_sees_nothing(browse, shop, people, utility):
    def move_away(session):
        user = session.get_one(OfficeUser, people[NORTH_SUPERVISOR].id)
        user.region_id = None

    sold = shop.sell()
    shop.change(move_away)
    browser = browse(NORTH_SUPERVISOR)
    assert browser.get(f"/counter/sale/{sold.id}").status_code == 404
    assert browser.get(f"/counter/meter/{sold.meter_id}?key=1-x").status_code == 404
    found = browser.get("/counter/", query_string={"q": shop.meter(LEGACY_11).drn})
    assert "You have no region yet" in main_part(found.text)
