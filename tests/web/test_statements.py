"""How many SQL statements a page takes: few, and no more for more rows."""

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import DOMESTIC, LEGACY_11, SUPERVISOR
from tests.faults import request_lost, works
from tests.web.office import ADMIN, statements
from vmsapp.extensions import db
from vmsapp.models import Meter, Product, Region, Tariff

MOST = 12
"""Statements a page may take, the user's permissions included."""

PRICED = 20
"""Statements of a page that shows a price: plan, steps, fines, counters and fees are read, too."""

SELLING = 64
"""Statements of a whole sale: three transactions, whose locks are taken one by one."""


@pytest.fixture
def app_engine(office):
    """The application's own engine."""
    with office.app_context():
        return db.engine


def told(seen: list[str]) -> str:
    """The statements, for whoever must find the one too many."""
    lines = [" ".join(statement.split())[:110] for statement in seen]
    return "\n".join([f"{len(seen)} statements:", *lines])


def own(seen: list[str]) -> list[str]:
    """What a page asked."""
    return [text for text in seen if text != "BEGIN"]


def taken(engine, browser, path: str) -> list[str]:
    """The statements a page takes the second time, when its process is warm."""
    browser.get(path)
    with statements(engine) as seen:
        answer = browser.get(path)
    assert answer.status_code == 200, path
    return seen


@pytest.fixture
def many(shop):
    """Two hundred meters more in the north."""

    def add(session):
        product = session.scalars(select(Product).where(Product.manufacturer_code == "07")).one()
        tariff = session.scalars(select(Tariff).where(Tariff.name == "Domestic")).one()
        north = session.scalars(select(Region).where(Region.name == "North")).one()
        for serial in range(1000, 1200):
            factories.add_meter(session, serial, product=product, tariff=tariff, region=north)

    shop.change(add)
    assert shop.count(Meter) > 200


def test_each_page_takes_few_statements(app_engine, browse, utility, shop, module, many):
    sale = shop.sell()
    module.once("issue_credit", request_lost)
    pending = shop.sell(DOMESTIC)
    meter = f"/counter/meter/{utility.meters[LEGACY_11]}"
    pages = {
        "/counter/": MOST, "/counter/?q=0700": MOST, "/counter/?q=Consumer": MOST,
        "/counter/?q=nobody": MOST, "/counter/open": MOST, f"{meter}?key=1-x": MOST,
        f"/counter/sale/{sale.id}": MOST, f"/counter/sale/{sale.id}/state": MOST,
        f"/counter/sale/{pending.id}": MOST, f"{meter}/quote?mode=quantity&value=70": MOST,
        f"{meter}?key=1-x&mode=quantity&value=70": PRICED,
        f"{meter}?key=1-x&mode=amount&value=7": PRICED,
    }  # fmt: skip
    for who in ("operator", SUPERVISOR, ADMIN):
        browser = browse(who)
        for path, most in pages.items():
            seen = taken(app_engine, browser, path)
            assert len(own(seen)) <= most, f"{who} {path}: {told(seen)}"
    seen = taken(app_engine, browse(ADMIN), "/clock/")
    assert len(own(seen)) <= MOST, told(seen)


def test_a_sale_takes_no_more_statements_than_its_three_phases_need(
    app_engine, operator, utility, shop
):
    operator.buy(utility, value="10")
    meter_id = utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="quantity", value="20")
    with statements(app_engine) as seen:
        assert operator.sell(meter_id, form).status_code == 302
    assert len(seen) <= SELLING, told(seen)


def test_a_longer_list_of_finds_takes_no_more_statements(app_engine, operator, shop, request):
    path = "/counter/?q=Consumer 1"
    few = taken(app_engine, operator, path)
    request.getfixturevalue("many")
    more = taken(app_engine, operator, path)
    assert operator.get(path).text.count("vms-number") == 20  # the page's most
    assert len(more) == len(few), told(more)


def test_a_meters_card_takes_no_more_statements_for_more_sales_and_meters(
    app_engine, operator, utility, shop, request
):
    path = f"/counter/meter/{utility.meters[DOMESTIC]}?key=1-x&mode=quantity&value=70"
    shop.sell(DOMESTIC, units="1")
    few = taken(app_engine, operator, path)
    for units in ("2", "3", "4"):
        shop.sell(DOMESTIC, units=units)
    request.getfixturevalue("many")
    more = taken(app_engine, operator, path)
    assert len(more) == len(few), told(more)


def test_a_longer_list_of_open_sales_takes_no_more_statements(app_engine, operator, shop, module):
    module.always("issue_credit", request_lost)
    shop.sell()
    few = taken(app_engine, operator, "/counter/open")
    for meter in (DOMESTIC, "legacy 13", "sts6 11", "sts6 13"):
        shop.sell(meter)
    more = taken(app_engine, operator, "/counter/open")
    module.always("issue_credit", works)
    assert len(more) == len(few), told(more)


def test_more_people_and_groups_make_no_page_slower(app_engine, operator, shop):
    few = taken(app_engine, operator, "/counter/")

    def hire(session):
        for number in range(30):
            factories.add_user(session, f"clerk {number}", all_regions=True)

    shop.change(hire)
    more = taken(app_engine, operator, "/counter/")
    assert len(more) == len(few), told(more)
