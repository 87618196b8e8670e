"""How many SQL statements a page takes: few, and no more for more rows."""

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import BLOCKED, DOMESTIC, LEGACY_11, SUPERVISOR
from tests.faults import answer_lost, request_lost, works
from tests.web.office import ADMIN, statements
from vmsapp.extensions import db
from vmsapp.models import Meter, Product, Region, Tariff

MOST = 9
"""Statements a page may take, the user's permissions included; shifts and debts are two
of a counter page."""

SELLING = 33
"""Statements of a whole sale: three transactions, whose locks are taken one by one."""


@pytest.fixture
def app_engine(office):
    """The application's own engine."""
    with office.app_context():
        return db.engine


def told(seen: list[str]) -> str:
    """The statements, for whoever must find the one too many."""
    lines = [shown(" ".join(statement.split())) for statement in own(seen)]
    return "\n".join([f"{len(lines)} statements:", *lines])


def shown(statement: str) -> str:
    """The beginning of a statement, and where it reads; its columns are many."""
    columns, reads, source = statement.partition(" FROM ")
    return f"{columns[:40]} …{reads}{source[:160]}" if reads else columns[:110]


def own(seen: list[str]) -> list[str]:
    """What a page asked."""
    return [text for text in seen if not text.startswith("BEGIN")]


def taken(engine, browser, path: str, status: int = 200) -> list[str]:
    """The statements a page takes the second time, when its process is warm."""
    browser.get(path)
    with statements(engine) as seen:
        answer = browser.get(path)
    assert answer.status_code == status, path
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
    pages = dict.fromkeys(
        ["/counter/", "/counter/?q=0700", "/counter/?q=Consumer", "/counter/?q=nobody",
         "/counter/open", f"/counter/sale/{sale.id}", f"/counter/sale/{sale.id}/state",
         f"/counter/sale/{pending.id}"], 200,
    )  # fmt: skip
    for meter in (LEGACY_11, DOMESTIC, BLOCKED):
        pages |= pages_of(f"/counter/meter/{utility.meters[meter]}")
    too_many = []
    for who in ("operator", SUPERVISOR, ADMIN):
        browser = browse(who)
        for path, status in (pages | ({"/clock/": 200} if who == ADMIN else {})).items():
            seen = taken(app_engine, browser, path, status)
            if len(own(seen)) > MOST:
                too_many.append(f"{who} {path}: {told(seen)}")
    assert not too_many, "\n\n".join(too_many)


def pages_of(meter: str) -> dict[str, int]:
    """A meter's pages without a price, with one and with a refused one, and their status."""
    pages = {meter: 302, f"{meter}?key=1-x": 200}
    for wish, quoted in {
        "mode=quantity&value=70": 200, "mode=amount&value=7": 200,
        "mode=quantity&value=0.01": 422, "mode=amount&value=none": 422,
    }.items():  # fmt: skip
        pages |= {f"{meter}?key=1-x&{wish}": 200, f"{meter}/quote?{wish}": quoted}
    return pages


@pytest.mark.parametrize("who", ["operator", SUPERVISOR, ADMIN])
def test_showing_a_token_for_the_first_time_takes_few_statements(
    app_engine, browse, shop, module, who
):
    browser, shown_before = browse(who), shop.sell()
    module.once("issue_credit", answer_lost)
    sale = shop.sell(DOMESTIC)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    browser.get(f"/counter/sale/{shown_before.id}")  # the process is warm
    with statements(app_engine) as seen:
        page = browser.get(f"/counter/sale/{sale.id}")
    assert shop.again(sale).shown_at == shop.clock.now
    assert shop.digits(sale) in page.text
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
    assert operator.get(path).text.count("digits") == 20  # the page's most
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
