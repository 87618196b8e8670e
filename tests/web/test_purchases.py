"""Purchase statistics and records in the browser: figures, whose they are, where they lead."""

import csv
import io

import pytest

from tests.factories import (
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
)
from tests.web.office import ADMIN, LANGUAGES, said
from tests.web.records import read
from vmsapp.models import AuditEvent, Consumer, Sale, SaleState

STATISTICS = "/reports/purchases/"
RECORDS = "/purchase-records/list/"


@pytest.fixture
def bought(shop):
    """In the north 50 kWh for 5.00 and 30 for 3.00, by two; in the south 60 for 6.00."""
    return [
        shop.sell(LEGACY_11, units="50"),
        shop.sell(STS6_11, units="30"),
        shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR),
    ]


def lines(browser, **wanted):
    answer = browser.get(STATISTICS, query_string=wanted)
    assert answer.status_code == 200, said(answer.text)
    table = read(answer.text).all("table")[0].all("tr")[1:]
    return {row.one("th").text: [cell.text for cell in row.all("td")] for row in table}


def listed(page):
    """What the lines of a page's first table say; below it may stand their sums."""
    tables = page.all("table")
    lines = tables[0].one("tbody").all("tr") if tables else []
    return [[row.one("th").text, *(cell.text for cell in row.all("td"))] for row in lines]


@pytest.mark.usefixtures("bought")
def test_each_reader_counts_the_purchases_of_the_own_region(browse):
    assert lines(browse(ADMIN), by="month")["March 2026"] == [
        "3", "14.00", "140.0 kWh", "3", "4.67", "46.7 kWh", "0.00",
    ]  # fmt: skip
    assert lines(browse(OPERATOR), by="hour")["12:00–13:00"][:4] == ["2", "8.00", "80.0 kWh", "2"]
    assert lines(browse(SOUTH_OPERATOR), by="week")["Total"][:2] == ["1", "6.00"]


def test_what_a_northern_consumer_bought_elsewhere_is_the_norths(browse, shop, bought):
    """Its sale cannot be opened from the north, since another vending point made it."""

    def elsewhere(session):
        sale = session.get_one(Sale, bought[0].id)
        sale.vending_point_id, sale.receipt_number = shop.utility.points[MARKET], 99

    shop.change(elsewhere)
    north = browse(OPERATOR)
    assert lines(north)["Total"][:2] == ["2", "8.00"]
    page = north.get(RECORDS).text
    found = {row[0]: row for row in listed(read(page))}
    assert found.keys() == {str(bought[0].id), str(bought[1].id)}
    assert MARKET in found[str(bought[0].id)]
    assert f'href="/sales/show/{bought[0].id}"' not in page
    assert f'href="/sales/show/{bought[1].id}"' in page
    assert north.get(f"/sales/show/{bought[0].id}").status_code == 404


@pytest.mark.usefixtures("bought")
def test_a_figure_leads_to_the_purchases_it_counts(browse):
    admin = browse(ADMIN)
    for by in ("week", "hour"):
        page = read(admin.get(STATISTICS, query_string={"by": by}).text)
        led = [link for link in page.one("table").all("a") if link.text == "3"]
        assert len(led) == (1 if by == "hour" else 2)
        for link in led:
            assert len(listed(read(admin.get(link["href"]).text))) == 3


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ({"from": "2026-03-09", "to": "2026-03-01"}, "lies after the last"),
        ({"from": "2020-01-01", "to": "2026-03-01", "by": "day"}, "at most 400 days"),
    ],
)
def test_days_that_cannot_be_are_refused_in_a_sentence(browse, days, sentence):
    answer = browse(ADMIN).get(STATISTICS, query_string=days)
    assert answer.status_code == 422
    assert sentence in said(answer.text)


def test_nothing_bought_says_so(browse):
    assert "Nothing was bought in this period" in browse(ADMIN).get(STATISTICS).text


@pytest.mark.usefixtures("bought")
def test_the_statistics_as_a_file_are_exact_and_on_record(browse, shop):
    answer = browse(ADMIN).post(f"{STATISTICS}export/csv?by=month")
    told = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert told[1] == [
        "2026-03-01", "Electricity", "3", "14.00", "140.000", "3", "4.67", "46.7", "0", "0.00",
    ]  # fmt: skip
    (noted,) = shop.rows(AuditEvent, AuditEvent.action == "purchase_statistics.exported")
    assert noted.actor_name == ADMIN
    assert browse(OPERATOR).post(f"{STATISTICS}export/csv").status_code == 403


def test_a_consumers_purchases_are_listed_with_their_sums(browse, shop, bought):
    shop.change(lambda s: s.get_one(Sale, bought[0].id).__setattr__("state", SaleState.REVERSED))
    second = shop.sell(LEGACY_11, units="25")  # 2.50
    consumer = second.consumer_id
    page = read(browse(ADMIN).get(f"{RECORDS}?consumer={consumer}").text)
    assert [row[0] for row in listed(page)] == [str(second.id), str(bought[0].id)]
    (sums,) = page.all("table")[1].all("tr")[1:]
    assert [cell.text for cell in sums.all("td")] == [
        "1", "1", "25.0 kWh", "2.50 USD", "5.00 USD",
    ]  # fmt: skip
    whole = read(browse(ADMIN).get(RECORDS).text)
    assert len(whole.all("table")) == 1  # all purchases ever are not added up
    days = f"{RECORDS}?consumer={consumer}&bought_from=2026-03-18"
    assert len(read(browse(ADMIN).get(days).text).all("table")) == 0


def test_a_consumers_page_leads_to_what_was_bought(browse, bought):
    pk = bought[0].consumer_id
    links = {
        link["href"] for link in read(browse(ADMIN).get(f"/consumers/show/{pk}").text).all("a")
    }
    assert {f"{RECORDS}?consumer={pk}", f"/purchase-records/statement/{pk}"} <= links


def test_the_statement_tells_all_meters_of_a_consumer_in_order(browse, shop, bought):
    first, other, _south = bought

    def same(session):
        session.get_one(Sale, other.id).consumer_id = first.consumer_id

    shop.change(same)
    answer = browse(OPERATOR).get(f"/purchase-records/statement/{first.consumer_id}")
    sums, meters, purchases = read(answer.text).all("table")
    assert [cell.text for cell in sums.all("tr")[1].all("td")] == [
        "2", "2", "80.0 kWh", "8.00 USD", "0.00 USD",
    ]  # fmt: skip
    assert [row.all("td")[2].text for row in meters.all("tr")[1:]] == ["5.00 USD", "3.00 USD"]
    told = [[cell.text for cell in row.all("td")] for row in purchases.all("tr")[1:]]
    assert [row[0] for row in told] == [str(first.id), str(other.id)]
    assert told[0][3:] == [HARBOUR, "50.0 kWh", "5.00 USD", "sold"]
    name = shop.rows(Consumer, Consumer.id == first.consumer_id)[0].name
    assert f"Purchases of {name}" in answer.text


def test_a_statement_of_a_consumer_out_of_sight_is_none(browse, bought):
    other = browse(SOUTH_OPERATOR)
    assert other.get(f"/purchase-records/statement/{bought[0].consumer_id}").status_code == 404
    odd = f"/purchase-records/statement/{bought[2].consumer_id}?from=2026-03-09&to=2026-03-01"
    refused = other.get(odd)
    assert refused.status_code == 422
    assert "lies after the last" in said(refused.text)


def test_the_printed_statement_says_whose_it_is_in_every_language(browse, bought):
    for language in LANGUAGES:
        browser = browse(ADMIN, language)
        text = browser.get(f"/purchase-records/statement/{bought[0].consumer_id}").text
        for told in ("Test Utility", "C0001", ADMIN, "data-print"):
            assert told in text


def test_the_records_as_a_file_name_the_consumer(browse, bought):
    answer = browse(ADMIN).post("/purchase-records/export/csv?sort=id")
    told = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert told[0][3:6] == ["Consumer number", "Consumer's name", "Meter number"]
    assert told[1][0] == str(bought[0].id)
    assert told[1][3] == "C0001"
    assert told[1][9:11] == ["5.00", "USD"]
