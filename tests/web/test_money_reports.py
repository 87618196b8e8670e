"""Reports on taxes, steps, drawers, floats, second looks, gifts and keys, in the browser."""

import csv
import io
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest

from tests.factories import (
    DOMESTIC,
    HARBOUR,
    LEGACY_13,
    MARKET,
    NOW,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.services.gifts import Gifts
from tests.services.pair import make_pair
from tests.till import Till
from tests.web.office import (
    ADMIN,
    ENGINEER,
    LANGUAGES,
    NORTH_SUPERVISOR,
    contents,
    main_part,
    said,
    statements,
)
from tests.web.records import read
from tests.web.test_reversal_pages import fill
from tests.web.test_second_person_pages import asked, decide
from tests.web.test_statements import MOST, own
from vmsapp.models import AuditEvent, ReceiptPrint, Setup

OF_DAYS = ("taxes", "steps", "cash", "floats", "copies-and-reversals", "free-tokens")
REPORTS = (*OF_DAYS, "key-expiry")


def page(browser, report, **wanted):
    answer = browser.get(f"/reports/{report}/", query_string=wanted, follow_redirects=True)
    assert answer.status_code == 200, said(answer.text)
    return read(answer.text)


def lines(found):
    """The lines of a report, each as the text of its cells."""
    (table,) = found.all("table", id="report-lines")
    return [[cell.text for cell in row.all("th") + row.all("td")] for row in table.all("tr")[1:]]


def links(found, place):
    """Addresses of a line's figures, with the number that stands there."""
    (table,) = found.all("table", id="report-lines")
    return [(one["href"], one.text) for one in table.all("tr")[1:][place].all("a")]


def rows_at(browser, url):
    return len(read(browser.get(url).text).all("tr")[1:])


@pytest.fixture
def traded(shop, browse, utility):
    """A drawer; three sales, one taken back and one copied; a gift; on 17 March 2026."""
    shop.change(lambda session: session.query(Setup).update({
        "free_value_a_month": 1000, "free_tokens_a_day": 4,
    }))  # fmt: skip
    till = Till(shop)
    shift = till.open(2000)
    sales = [
        shop.sell(units="50"),  # 5.00
        shop.sell(DOMESTIC, units="250"),  # 43.50: 40.00 in two steps, 1.50 tax, 2.00 fee
        shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR),  # 6.00
    ]
    fill(browse(SUPERVISOR), sales[0], reason="wrong_meter", note="Typed 12 for 21")
    decide(browse(NORTH_SUPERVISOR), asked(shop), "approve")
    for nth in (1, 2, 3):
        shop.change(lambda session, nth=nth: session.add(ReceiptPrint(
            vending_point_id=sales[1].vending_point_id, sale_id=sales[1].id, nth=nth,
            kind="paper", language="en", printed_at=shop.clock.now,
            printed_by_id=utility.users[SUPERVISOR].id,
        )))  # fmt: skip
    till.count(shift, 2000 + 4350 - 30)
    till.finish(shift, "lost")
    pair = make_pair(shop)
    pair.ask(amount_minor=5000)
    Gifts(shop, pair).give(LEGACY_13, kind="free", reason="social", units="20")
    return sales


def test_taxes_stand_by_tax_and_rate(browse, traded):
    found = page(browse(ADMIN), "taxes")
    figures = ["Tax on energy", "5%", "1", "0", "30.00", "1.50", "0.00", "1.50"]
    assert lines(found) == [["March 2026", *figures], ["Total", *figures]]  # no tax is of units
    assert "All taxes, net" in found.text


def test_steps_stand_with_their_bounds_and_prices(browse, traded):
    told = lines(page(browse(ADMIN), "steps", by="vending_point"))
    assert [HARBOUR, "Domestic", "1", "0 to 100", "0.10", "1", "100.0 kWh", "10.00"] in told
    assert [HARBOUR, "Domestic", "2", "above 100", "0.20", "1", "150.0 kWh", "30.00"] in told
    assert [HARBOUR, "Flat", "1", "above 0", "0.10", "1", "0.0 kWh", "0.00"] in told  # taken back
    assert [MARKET, "Flat", "1", "above 0", "0.10", "1", "60.0 kWh", "6.00"] in told


def test_a_drawer_leads_to_its_shifts(browse, traded):
    admin = browse(ADMIN)
    found = page(admin, "cash")
    day, total = lines(found)
    assert day == [
        "Mar 17, 2026", HARBOUR, OPERATOR, "1", "20.00", "48.50", "5.00", "0.00", "0.00",
        "63.50", "63.20", "0.00", "0.30",
    ]  # fmt: skip
    assert total[:3] == ["Total", HARBOUR, ""]
    for place in (0, 1):
        (url, count), *sums = links(found, place)
        assert rows_at(admin, url) == int(count) == 1
        assert [figure for _url, figure in sums] == [
            "20.00", "48.50", "5.00", "63.50", "63.20", "0.30",
        ]  # fmt: skip
        assert {url for url, _figure in sums} == {url}


def test_the_keyboard_stops_once_for_figures_that_lead_to_one_place(browse, traded):
    (table,) = page(browse(ADMIN), "cash").all("table", id="report-lines")
    led = table.all("tr")[1].all("a")
    assert len({one["href"] for one in led}) == 1
    assert [one.get("tabindex") for one in led] == [None, *["-1"] * (len(led) - 1)]


def test_an_open_drawer_is_counted_and_found(browse, shop, utility):
    till, admin = Till(shop), browse(ADMIN)
    till.open(2000)
    till.count(till.open(900, by=SUPERVISOR), 100, by=SUPERVISOR)  # short: not closed yet
    found = page(admin, "cash")
    assert [line[2:5] for line in lines(found)] == [
        [OPERATOR, "0", "1"], [SUPERVISOR, "0", "1"], ["", "0", "2"],
    ]  # fmt: skip
    for place in range(3):
        ((url, count),) = links(found, place)
        assert rows_at(admin, url) == int(count)


def test_who_sees_no_figures_is_told_of_the_own_drawer_alone(browse, traded, shop):
    assert [line[2] for line in lines(page(browse(OPERATOR), "cash"))[:-1]] == [OPERATOR]
    text = page(browse(SOUTH_OPERATOR), "cash").text
    assert "No shift was opened in this period" in text


def test_copies_and_reversals_lead_to_their_sales(browse, traded):
    admin = browse(ADMIN)
    found = page(admin, "copies-and-reversals", by="operator")
    told = {line[0]: line[1:] for line in lines(found)}
    assert told[OPERATOR] == ["2", "48.50", "0", "0.0%", "0", "0.0%", "0.00"]
    assert told[SUPERVISOR] == ["0", "0.00", "2", "– empty", "1", "– empty", "5.00"]
    assert told["Total"] == ["3", "54.50", "2", "66.7%", "1", "33.3%", "5.00"]
    place = next(n for n, line in enumerate(lines(found)) if line[0] == SUPERVISOR)
    for url, figure in links(found, place):
        assert rows_at(admin, url) == 1, (url, figure)  # two copies are of one sale
    for url, _figure in links(found, -1):
        assert rows_at(admin, url) == {"sold": 3, "copied": 1, "back": 1}[days_of(url)], url


def days_of(url):
    return next(name for name in ("sold", "copied", "back") if f"{name}_from=" in url)


def test_gifts_lead_to_their_tokens_and_stand_beside_the_quotas(browse, traded):
    admin = browse(ADMIN)
    found = page(admin, "free-tokens")
    first, _total = lines(found)
    assert first == ["March 2026", "Social allowance", "1", "0", "20.0 kWh", "2.00"]
    for place in (0, 1):
        assert [figure for _url, figure in links(found, place)] == ["1", "20.0 kWh", "2.00"]
        for url, _figure in links(found, place):
            assert rows_at(admin, url) == 1
    quotas = found.all("table")[-1].all("tr")[1]
    assert [cell.text for cell in quotas.all("th") + quotas.all("td")] == [
        HARBOUR, "2.00 USD", "10.00 USD", "20.0%", "1", "4", "25.0%",
    ]  # fmt: skip


def test_a_float_leads_to_its_statement(browse, traded):
    admin = browse(ADMIN)
    found = page(admin, "floats")
    assert lines(found)[0] == [HARBOUR, "0.00", "50.00", "0.00", "0.00", "0.00", "50.00"]
    (url, _figure), *_more = links(found, 0)
    statement = admin.get(url)
    assert statement.status_code == 200
    assert "SLIP 7" in statement.text
    assert links(found, 1) == []
    assert MARKET not in {line[0] for line in lines(found)}


def test_a_key_leads_to_the_meters_that_need_it(browse, utility):
    admin = browse(ADMIN)
    found = page(admin, "key-expiry")
    told = lines(found)
    assert told[0][6:] == ["– empty", "– empty", "1"]  # in no module
    assert told[1][7] == "ended"
    for place, line in enumerate(told[:-1]):
        url, count = links(found, place)[-1]
        assert rows_at(admin, url) == int(count) == int(line[-1]), line


@pytest.mark.parametrize("report", OF_DAYS)
def test_days_that_cannot_be_are_refused_in_a_sentence(browse, utility, report):
    wrong = {"from": "2026-03-09", "to": "2026-03-01", "by": "colour", "point": "x"}
    answer = browse(ADMIN).get(f"/reports/{report}/", query_string=wrong)
    assert answer.status_code == 422
    assert "lies after the last" in said(answer.text)


@pytest.mark.parametrize("report", OF_DAYS)
def test_nothing_says_so_and_what_to_do(browse, utility, report):
    text = main_part(browse(ADMIN).get(f"/reports/{report}/?period=today").text)
    assert "period=this_year" in text
    assert 'id="report-lines"' not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_report_is_drawn_in_every_language(browse, traded, language):
    browser = browse(ADMIN, language)
    heads = set()
    for report in REPORTS:
        found = page(browser, report)
        (table,) = found.all("table", id="report-lines")
        heads |= {cell.text for cell in table.all("th", scope="col")}
        assert len(lines(found)) > 1
    assert ("Tax, net" in heads) == (language == "en")


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_as_a_file_is_on_record_and_leaves_the_rest_alone(
    browse, traded, shop, engine, report
):
    admin, before = browse(ADMIN), contents(engine, "audit_event")
    shown = [line for line in lines(page(admin, report)) if line[0] != "Total"]
    for kind in ("csv", "xlsx"):
        answer = admin.post(f"/reports/{report}/export/{kind}")
        assert answer.status_code == 200
    text = admin.post(f"/reports/{report}/export/csv").get_data().decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text))
    assert len(rows) == len(shown)
    assert all(len(row) == len(header) for row in rows)
    noted = shop.rows(AuditEvent, AuditEvent.action.like("%.exported"))
    assert [one.actor_name for one in noted] == [ADMIN] * 3
    assert contents(engine, "audit_event") == before
    assert admin.post(f"/reports/{report}/export/doc").status_code == 404


def test_taxes_in_a_file_are_exact(browse, traded):
    answer = browse(ADMIN).post("/reports/taxes/export/csv?by=day&period=today")
    header, row = csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig")))
    assert header[6:] == ["Taxed amount, net (USD)", "Taxed units, net", "Tax charged (USD)",
                          "Tax given back (USD)", "Tax, net (USD)"]  # fmt: skip
    assert row == ["2026-03-17", "Tax on energy", "5%", "", "1", "0", "30.00", "", "1.50",
                   "0.00", "1.50"]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS)
def test_the_browser_keeps_what_was_asked_and_paper_says_it(browse, traded, utility, report):
    admin = browse(ADMIN)
    north = str(utility.regions["north"].id)
    page(admin, report, region=north)
    again = admin.get(f"/reports/{report}/")
    assert again.status_code == 302
    assert f"region={north}" in again.location
    (paper,) = [one.text for one in read(admin.get(again.location).text).all("div", "on-paper")]
    for told in ("Test Utility", "North", ADMIN):
        assert told in paper


def test_who_may_not_see_where_a_figure_leads_is_not_led_there(browse, traded, shop):
    engineer = browse(ENGINEER)
    urls = [url for place in range(3) for url, _text in links(page(engineer, "key-expiry"), place)]
    assert urls
    assert not any(url.startswith("/modules/") for url in urls)


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_with_figures_takes_no_more_than_a_few_statements(browse, traded, engine, report):
    admin = browse(ADMIN)
    page(admin, report, period="this_year")
    with statements(engine) as seen:
        page(admin, report, period="this_year")
    assert len(own(seen)) <= MOST, own(seen)


def test_days_left_and_steps_are_numbers_in_a_sheet(browse, traded):
    admin = browse(ADMIN)
    keys = sheet(admin.post("/reports/key-expiry/export/xlsx").data)
    left = {row["Supply group"]: row["Days left"] for row in keys if row["Security module"]}
    lasts = (datetime(2014, 1, 1, tzinfo=UTC) + timedelta(minutes=2**24) - NOW).days
    assert left == {"990001": lasts, "990002": lasts, "990003": "ended", "990004": "ended"}
    assert {row["Key revision"] for row in keys if row["Security module"]} == {1}
    steps = sheet(admin.post("/reports/steps/export/xlsx?period=this_year").data)
    assert {row["Tariff step"] for row in steps} == {1, 2}


def sheet(content):
    """The rows of a workbook's sheet, by its headings."""
    head, *lines = openpyxl.load_workbook(io.BytesIO(content)).active.values
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_read_from_the_right_what_tells_series_apart_keeps_its_own_direction(browse, traded):
    legend = page(browse(ADMIN, "ar"), "steps").one("ul", "legend")
    words = [one.text for one in legend.all("li")]
    assert words
    assert all(said.startswith("\u2068") and said.endswith("\u2069") for said in words)
    plain = page(browse(ADMIN), "steps").one("ul", "legend")
    assert "Domestic · 2 · above 100 · 0.20" in [one.text for one in plain.all("li")]
