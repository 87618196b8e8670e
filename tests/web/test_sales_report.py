"""The sales report in the browser: its figures, whose they are, where they lead, as a file."""

import csv
import io
import re

import pytest

from tests.factories import (
    DOMESTIC,
    HARBOUR,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.services.test_proof import broken
from tests.web.office import ADMIN, ENGINEER, LANGUAGES, NORTH_SUPERVISOR, contents, main_part, said
from tests.web.records import links, read, rows
from tests.web.test_reversal_pages import fill
from tests.web.test_second_person_pages import asked, decide
from vmsapp.models import AuditEvent

REPORT = "/reports/sales/"
FIFTEENTH = "2026-02-15"


@pytest.fixture
def sold(shop):
    """50 kWh for 5.00 and 80 for 8.00 in the north, 60 for 6.00 in the south; on 17 March 2026."""
    return [
        shop.sell(units="50"),
        shop.sell(units="80"),
        shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR),
    ]


def page(browser, **wanted):
    answer = browser.get(REPORT, query_string=wanted, follow_redirects=True)
    assert answer.status_code == 200, said(answer.text)
    return read(answer.text)


def compared(found):
    """Words of the figures, each with now, before and change."""
    rows = found.all("table")[0].all("tr")[1:]
    return {row.one("th").text: [cell.text for cell in row.all("td")] for row in rows}


def lines(found):
    """Names of the lines with sales, units and the amounts: gross, back, net, tax, fee, penalty."""
    rows = found.all("table")[1].all("tr")[1:]
    return {row.one("th").text: [cell.text for cell in row.all("td")] for row in rows}


def links_of(found, name):
    rows = found.all("table")[1].all("tr")
    (row,) = [row for row in rows if row.all("th")[0].text == name]
    return [link["href"] for link in row.all("a")]


def test_figures_of_this_month_stand_beside_as_much_of_the_month_before(browse, shop, sold):
    move(shop, sold[1], FIFTEENTH)
    found = page(browse(ADMIN))
    figures = compared(found)
    assert figures["Sales"] == ["2", "1", "+100.0%"]
    assert figures["Units, Electricity"] == ["110.0 kWh", "80.0 kWh", "+37.5%"]
    assert figures["Gross"] == ["11.00 USD", "8.00 USD", "+37.5%"]
    assert figures["Net"] == ["11.00 USD", "8.00 USD", "+37.5%"]
    assert figures["Taken back"][:2] == ["0.00 USD", "0.00 USD"]
    told = lines(found)
    assert told["Mar 17, 2026"][:5] == ["2", "110.0 kWh", "11.00", "0.00", "11.00"]
    assert told["Mar 1, 2026"][:5] == ["0", "0.0 kWh", "0.00", "0.00", "0.00"]
    assert told["Total"][:5] == ["2", "110.0 kWh", "11.00", "0.00", "11.00"]
    assert len(told) == 17 + 1  # the days of the month so far, and the total


def move(shop, sale, day):
    """Put a sale on another business date, as if it had been made then."""
    wanted = f"SET business_date = '{day}' WHERE"
    broken(
        shop, f"UPDATE sale {wanted} id = {sale.id}",
        f"UPDATE ledger_transfer {wanted} sale_id = {sale.id}",
    )  # fmt: skip


def test_a_crossing_of_too_many_days_is_refused_in_a_sentence_at_its_last_day(browse, sold):
    days = {"from": "2026-01-01", "to": "2026-03-31", "by": "hour"}
    answer = browse(ADMIN).get(REPORT, query_string=days | {"operator": sold[0].operator_id})
    assert answer.status_code == 422
    assert "reaches over 31 days at most" in said(answer.text)
    assert lines(page(browse(ADMIN), **days))["Total"][0] == "3"
    short = days | {"from": "2026-03-01", "operator": sold[0].operator_id}
    assert lines(page(browse(ADMIN), **short))["Total"][0] == "2"


@pytest.mark.usefixtures("sold")
def test_each_reader_sees_the_sales_of_the_own_place_alone(browse):
    sums = {
        who: compared(page(browse(who)))["Gross"][0] for who in (ADMIN, OPERATOR, SOUTH_OPERATOR)
    }
    assert sums == {
        ADMIN: "19.00 USD", OPERATOR: "13.00 USD", SOUTH_OPERATOR: "6.00 USD",
    }  # fmt: skip
    told = lines(page(browse(SOUTH_OPERATOR), by="vending_point"))
    assert told.keys() == {MARKET, "Total"}


@pytest.mark.usefixtures("sold")
def test_nobody_else_opens_it_and_operators_take_no_file_away(browse):
    assert browse(ENGINEER).get(REPORT).status_code == 403
    operator = browse(OPERATOR)
    assert operator.post(REPORT + "export/csv").status_code == 403
    assert "/export/" not in operator.get(REPORT).text


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("vending_point", {HARBOUR, MARKET}),
        ("operator", {OPERATOR, SOUTH_OPERATOR}),
        ("hour", {"12:00–13:00"}),
        ("week", {"Week from Mar 16, 2026"}),
        ("month", {"March 2026"}),
        ("year", {"2026"}),
    ],
)
def test_sales_are_told_apart(browse, by, names):
    told = lines(page(browse(ADMIN), by=by))
    gross = {name: cells[2] for name, cells in told.items() if cells[0] != "0"}
    assert gross.pop("Total") == "19.00"
    assert gross.keys() == names
    by_place = {HARBOUR: "13.00", MARKET: "6.00", OPERATOR: "13.00", SOUTH_OPERATOR: "6.00"}
    assert all(amount == by_place.get(name, "19.00") for name, amount in gross.items())


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize("by", ["vending_point", "operator", "tariff", "product", "day", "hour"])
def test_a_figure_leads_to_just_the_sales_it_counts(browse, by):
    admin = browse(ADMIN)
    found = page(admin, by=by)
    for name, cells in lines(found).items():
        for url in links_of(found, name):
            listed = read(admin.get(url).text).all("tr")[1:]
            assert len(listed) == int(cells[0]), (by, name, url)


def test_what_is_taken_back_counts_on_its_own_day(browse, shop, taken_back):
    told = lines(page(browse(ADMIN)))
    assert told["Total"][:5] == ["1", "0.0 kWh", "43.50", "43.50", "0.00"]
    fees = told["Total"][5:]
    assert fees == ["0.00"] * 3  # tax and fee of the sale went back with it


def test_net_figures_lead_to_what_was_sold_and_to_what_was_taken_back(browse, shop, taken_back):
    browser, later = browse(ADMIN), shop.sell(units="50")
    sold = f"UPDATE sale SET business_date = '{FIFTEENTH}' WHERE id = {taken_back.id}"
    broken(shop, sold)  # in February; taken back in March
    march = page(browser, **{"from": "2026-03-01", "to": "2026-03-31"})
    net = [url for url in links_of(march, "Total") if "counted_from=" in url]
    assert net
    for url in net:
        assert numbers(browser, url) == [later.id, taken_back.id], url


def test_of_an_hour_net_figures_lead_nowhere(browse, sold):
    found = page(browse(ADMIN), by="hour")
    hour = next(name for name in lines(found) if name != "Total")
    assert all("counted_from=" not in url for url in links_of(found, hour))
    assert any("counted_from=" in url for url in links_of(found, "Total"))


@pytest.fixture
def taken_back(browse, shop, utility):
    """250 units for 43.50, taken back by two people."""
    sale = shop.sell(DOMESTIC, units="250")
    fill(browse(SUPERVISOR), sale, reason="wrong_meter", note="Typed 12 for 21")
    decide(browse(NORTH_SUPERVISOR), asked(shop), "approve")
    assert shop.again(sale).state == "reversed"
    return sale


REFUSED = [
    ({"from": "2026-03-09", "to": "2026-03-01"}, "lies after the last"),
    ({"from": "2026-03-09"}, "Choose the first and the last day"),
    ({"from": "0001-01-01", "to": "9999-12-31"}, "Choose the first and the last day"),
    ({"from": "tomorrow", "to": "2026-03-01"}, "Choose the first and the last day"),
    ({"from": "1901-01-01", "to": "2026-03-01"}, "at most 10 years"),
    ({"from": "2020-01-01", "to": "2026-03-01", "by": "day"}, "at most 400 days"),
]


@pytest.mark.parametrize(("days", "sentence"), REFUSED)
def test_days_that_cannot_be_are_refused_in_a_sentence(browse, days, sentence):
    answer = browse(ADMIN).get(REPORT, query_string=days)
    assert answer.status_code == 422
    assert sentence in said(answer.text)
    kept = days.get("to", "")
    assert f'name="to" aria-label="to" value="{kept}"' in answer.text


def test_odd_parameters_are_left_out(browse):
    odd = {"period": "never", "by": "colour", "type": "sugar", "region": "x", "point": "999999",
           "operator": "-1", "tariff": "99999999999999999999", "product": "1 OR 1=1"}  # fmt: skip
    found = browse(ADMIN).get(REPORT, query_string=odd)
    assert found.status_code == 200
    assert "This month" in found.text


def test_nothing_sold_says_so_and_what_to_do(browse):
    text = main_part(browse(ADMIN).get(REPORT, query_string={"period": "yesterday"}).text)
    assert "Nothing was sold in this period" in text
    assert "Yesterday: Mar 16, 2026" in text


@pytest.mark.usefixtures("sold")
def test_the_browser_keeps_what_was_asked_and_a_link_shows_it_to_another(browse, utility):
    admin = browse(ADMIN)
    point = str(utility.points[HARBOUR])
    page(admin, by="operator", point=point, period="this_year")
    again = admin.get(REPORT)
    assert again.status_code == 302
    assert again.location == f"{REPORT}?period=this_year&by=operator&point={point}"
    shared = browse(SOUTH_OPERATOR).get(again.location)
    assert "Nothing was sold in this period" not in shared.text  # a place not seen narrows nothing
    assert compared(read(shared.text))["Gross"][0] == "6.00 USD"


@pytest.mark.usefixtures("sold")
def test_the_report_as_a_file_is_exact_and_on_record(browse, shop, engine):
    admin = browse(ADMIN)
    before = contents(engine, "audit_event")
    answer = admin.post(f"{REPORT}export/csv?by=vending_point&period=today")
    rows = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert rows[0][:3] == ["Vending point", "Meter type", "Sales"]
    assert rows[0][6:9] == ["Gross (USD)", "Taken back (USD)", "Net (USD)"]
    assert [row[:3] + row[6:9] for row in rows[1:]] == [
        [HARBOUR, "Electricity", "2", "13.00", "0.00", "13.00"],
        [MARKET, "Electricity", "1", "6.00", "0.00", "6.00"],
    ]
    (noted,) = shop.rows(AuditEvent, AuditEvent.action == "sales_report.exported")
    assert noted.actor_name == ADMIN
    assert contents(engine, "audit_event") == before


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_printed_page_says_what_it_shows(browse, utility, language):
    text = (
        browse(ADMIN, language)
        .get(REPORT, query_string={"by": "month", "point": utility.points[HARBOUR]})
        .text
    )
    (paper,) = re.findall(r'<div class="on-paper report">(.*?)</div>\n', text, re.DOTALL)
    for told in ("Test Utility", HARBOUR, "2026", ADMIN):
        assert told in paper


@pytest.mark.usefixtures("sold")
def test_of_many_lines_the_largest_are_shown_and_all_on_request(browse, monkeypatch):
    monkeypatch.setattr("vmsapp.views.reports.page.LISTED", 1)
    browser, days = browse(ADMIN), {"from": "2026-03-01", "to": "2026-03-31"}
    found = page(browser, by="vending_point", **days)
    assert lines(found).keys() == {HARBOUR, "Total"}
    assert lines(found)["Total"][2] == "19.00"
    more = links(found)["Show all lines"]
    assert lines(read(browser.get(more.partition("#")[0]).text)).keys() == {
        HARBOUR,
        MARKET,
        "Total",
    }
    file = browser.post(
        f"{REPORT}export/csv?by=vending_point&from=2026-03-01&to=2026-03-31"
    ).data.decode()
    assert MARKET in file
    assert len(lines(page(browser, by="day", **days))) > 2  # times follow one another


def test_records_of_some_days_follow_by_day_and_then_by_number(browse, shop, sold):
    move(shop, sold[1], FIFTEENTH)
    browser, [first, second, third] = browse(ADMIN), [sale.id for sale in sold]
    for way in ("/sales/list/", "/sales-tokens/list/"):
        days = {"sold_from": "2026-02-01", "asked": "yes"}
        assert numbers(browser, way, **days) == [third, first, second]
        assert numbers(browser, way, **days, after=third) == [first, second]
        assert numbers(browser, way, **days, before=second) == [third, first]
        assert numbers(browser, way, asked="yes") == [third, second, first]


def numbers(browser, way, **wanted):
    """Numbers of the sales a list shows."""
    table = rows(read(browser.get(way, query_string=wanted or None).text))
    return [int(row[0]) for row in table]
