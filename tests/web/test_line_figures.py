"""Figures of taxes and steps lead to the sales they are made of, whatever the tariff."""

from datetime import UTC, datetime
from itertools import product

import pytest

from tests.factories import ZONE
from tests.services.trading import World
from tests.web.office import ADMIN, BOTH
from tests.web.records import read
from tests.web.test_money_reports import lines, links, page
from tests.web.test_sales_report import numbers

YEAR = {"from": "2026-01-01", "to": "2026-12-31"}


@pytest.fixture
def world(shop):
    """Tariffs with taxes per cent, per unit and flat; sales, some taken back; and gifts."""
    return World(shop, ZONE, datetime(2026, 3, 30, 18, 0, tzinfo=UTC)).trade()


@BOTH
def test_every_figure_leads_to_its_sales(browse, world):
    for report, by in product(("taxes", "steps"), ("month", "day", "region", "vending_point")):
        leads_to_its_sales(browse(ADMIN), report, by)


def leads_to_its_sales(admin, report, by):
    found = page(admin, report, by=by, **YEAR)
    ways_of = [links(found, place) for place in range(len(lines(found)))]
    for ways in ways_of:
        listed = {}
        for url, text in reversed(ways):  # the first figure of a way is its number of sales
            for way in ("sold", "back", "counted"):
                if f"{way}_from=" in url:
                    listed[way] = numbers(admin, url), text
        counted, _text = listed.pop("counted", (None, ""))  # none where the two make nothing
        for sales, text in listed.values():
            assert len(sales) == int(text)
            assert counted is None or set(sales) <= set(counted)
        if counted is not None and report == "taxes":
            assert set(counted) == {sale for sales, _text in listed.values() for sale in sales}
    assert sum(map(bool, ways_of)) > 3


TAXES = (
    "", "percent", "percent:", "percent:x:VAT", "percent:NaN:VAT", "percent:Infinity:VAT",
    "percent:-1:VAT", "percent:1e9999:VAT", "percent:1E-300:VAT", "half:5:VAT",
    f"percent:{'9' * 40}:VAT",
)  # fmt: skip
STEPS = (
    "", "1", "1:0:-:1", "x:0:-:1:Levied", "-1:0:-:1:Levied", "99999:0:-:1:Levied",
    "1:a:-:1:Levied", "1:0:b:1:Levied", "1:0:-:c:Levied", "²:0:-:1:Levied",
)  # fmt: skip


@BOTH
def test_a_tax_or_step_that_is_none_narrows_nothing(browse, world):
    admin = browse(ADMIN)
    everything = numbers(admin, "/sales/list/")
    for name, codes in (("tax", TAXES), ("step", STEPS)):
        for code in codes:
            assert numbers(admin, "/sales/list/", **{name: code}) == everything, code
    assert numbers(admin, "/sales/list/", step="9:0:-:1:Levied") == []
    for name in ("No such tax", "VAT\0", "'", "%"):
        assert numbers(admin, "/sales/list/", tax=f"percent:16:{name}") == []


def test_the_list_says_what_it_is_narrowed_by_and_keeps_it(browse, world):
    text = browse(ADMIN).get("/sales/list/?tax=percent:16.0:VAT&step=1:0:30:0.0931:Levied").text
    assert "VAT: 16%" in read(text).text
    assert "Levied 1: 0 to 30 × 0.0931" in read(text).text
    chosen = [one for one in read(text).all("option") if one["value"] == "percent:16.0:VAT"]
    assert [one.text for one in chosen] == ["VAT: 16%"]
    assert 'id="filter-tax"' not in browse(ADMIN).get("/sales/list/").text
