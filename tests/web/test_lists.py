"""Lists narrowed, sorted and written the reader's way: what the address says is what is shown."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from werkzeug.datastructures import MultiDict

from tests import factories
from tests.factories import (
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    MARKET,
    NOW,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
)
from tests.web.office import ADMIN, BOTH
from tests.web.records import chips, ids, links, read, rows, sent
from vmsapp.models import Consumer, Meter, Sale
from vmsapp.scope import unscoped
from vmsapp.views.lists import filters
from vmsapp.views.lists.filters import Days
from vmsapp.views.office.products import Products


@pytest.fixture
def listed(browse):
    """The records a list shows to the administrator."""
    admin = browse(ADMIN)

    def look(path: str, **narrowed: object) -> set[int]:
        answer = admin.get(path, query_string={"size": 100} | narrowed)
        assert answer.status_code == 200, answer.text
        return set(ids(read(answer.text)))

    return look


@BOTH
def test_each_kind_of_filter_leaves_the_rows_it_names(listed, shop, utility, backend):
    def retire(session):
        session.query(Consumer).where(Consumer.number == "C0003").one().retired_at = NOW

    shop.change(retire)
    meters, consumers = shop.rows(Meter), shop.rows(Consumer)
    south = utility.regions["south"].id
    product = meters[1].product_id
    blocked = {meter.id for meter in meters if meter.state == "blocked"}
    assert listed("/meters/list/", state="blocked") == blocked
    assert listed("/meters/list/", type="water") == {
        m.id for m in meters if m.meter_type == "water"
    }
    assert listed("/meters/list/", region=south) == {m.id for m in meters if m.region_id == south}
    assert listed("/meters/list/", product=product) == {
        m.id for m in meters if m.product_id == product
    }
    assert listed("/consumers/list/", retired="yes") == {c.id for c in consumers if c.retired}
    assert listed("/consumers/list/", retired="no") == {c.id for c in consumers if not c.retired}
    assert {len(listed("/consumers/list/", retired=word)) for word in ("yes", "no")} == {1, 14}


@BOTH
def test_sales_are_found_by_point_consumer_meter_and_day(listed, shop, utility, backend):
    moments = [
        datetime(2026, 3, 15, 20, 59, tzinfo=UTC),  # one minute to midnight in Nairobi
        datetime(2026, 3, 15, 21, 0, tzinfo=UTC),
        datetime(2026, 3, 16, 20, 59, tzinfo=UTC),
        datetime(2026, 3, 16, 21, 0, tzinfo=UTC),
    ]
    first, second, third, fourth = (
        shop.at(moment).sell(meter, units=str(50 + number)).id
        for number, (moment, meter) in enumerate(
            zip(moments, [LEGACY_11, DOMESTIC, LEGACY_11, DOMESTIC], strict=True)
        )
    )
    south = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    everything = {first, second, third, fourth, south.id}
    path = "/sales/list/"
    assert listed(path, point=utility.points[MARKET]) == {south.id}
    assert listed(path, point=utility.points[HARBOUR]) == everything - {south.id}
    assert listed(path, consumer=south.consumer_id) == {south.id}
    assert listed(path, meter=utility.meters[DOMESTIC]) == {second, fourth}
    assert listed(path, sold_from="2026-03-16", sold_to="2026-03-16") == {second, third}
    assert listed(path, sold_to="2026-03-15") == {first}
    assert listed(path, sold_from="2026-03-17") == {fourth, south.id}
    assert listed(path, sold_from="2026-03-17", sold_to="2026-03-15") == set()
    assert listed(path, sold_from="2026-03-16", meter=utility.meters[LEGACY_11]) == {third}


@BOTH
def test_a_sale_is_found_by_its_receipts_number(browse, listed, shop, utility, backend):
    first, second = shop.sell().id, shop.sell(DOMESTIC).id
    south = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    path, point, theirs = "/sales/list/", utility.points[HARBOUR], utility.points[MARKET]
    assert listed(path, receipt=f"{point}-1-000001") == {first}
    assert listed(path, receipt=f" {point} - 1 - 000002 ") == {second}
    assert listed(path, receipt=f"{theirs}-1-000001") == {south.id}
    assert listed(path, receipt=f"{point}-1-000003") == set()
    assert listed(path, receipt="nonsense") == {first, second, south.id}
    narrowed = {"receipt": f"{theirs}-1-000001"}
    assert ids(read(browse(OPERATOR).get(path, query_string=narrowed).text)) == []


DAYS = [
    ("Africa/Nairobi", "2026-03-16", "2026-03-15T21:00Z", "2026-03-16T21:00Z"),
    ("Pacific/Kiritimati", "2026-03-16", "2026-03-15T10:00Z", "2026-03-16T10:00Z"),
    ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),  # 23 hours
    ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours
    ("America/Asuncion", "2023-10-01", "2023-10-01T04:00Z", "2023-10-02T03:00Z"),  # no midnight
    ("America/Havana", "2026-11-01", "2026-11-01T04:00Z", "2026-11-02T05:00Z"),  # two midnights
]
"""A zone, a day, its first moment, and the first moment of the day after."""


@BOTH
def test_a_day_of_moments_is_the_day_of_the_utilitys_zone(
    office, shop, monkeypatch, backend, engine
):
    sale, minute = shop.sell(), timedelta(minutes=1)
    sold_on = Days(name="sold", label="Sold", column=Sale.sold_at)
    for zone, day, begins, ends in DAYS:
        monkeypatch.setattr(filters, "zone", lambda zone=zone: zone)
        wanted = sold_on.read(MultiDict({"sold_from": day, "sold_to": day}))
        first, after = datetime.fromisoformat(begins), datetime.fromisoformat(ends)
        moments = {first - minute: [], first: [sale.id], after - minute: [sale.id], after: []}
        for moment, expected in moments.items():
            with shop.session() as session, unscoped("the test looks for one sale"):
                session.get_one(Sale, sale.id).sold_at = moment
                found = session.scalars(select(Sale.id).where(sold_on.rows(wanted))).all()
                session.rollback()
            assert found == expected, (zone, moment)


def test_filters_and_the_search_are_combined(listed, shop, utility):
    north = utility.regions["north"].id
    narrowed = {"region": north, "state": "active", "algorithm": "sts6", "q": "0107"}
    expected = {
        meter.id for meter in shop.rows(Meter)
        if meter.region_id == north and meter.state == "active" and meter.algorithm == "sts6"
        and "0107" in meter.drn
    }  # fmt: skip
    assert len(expected) == 1
    assert listed("/meters/list/", **narrowed) == expected


SIGNS = ["100% sure", "100 sure", "under_score", "underscore", "back\\slash", "backslash",
         "sla/sh", "quo'te", "ÉCLAIR", "電表"]  # fmt: skip


@BOTH
def test_a_search_takes_every_sign_for_itself(listed, shop, utility, backend):
    def add(session):
        north = utility.regions["north"].id
        return {
            name: factories.add(
                session, Consumer(number=f"S{number}", name=name, region_id=north)
            ).id
            for number, name in enumerate(SIGNS)
        }

    made = shop.change(add)
    beginnings = {
        "%": [], "100%": ["100% sure"], "_": [], "under_": ["under_score"],
        "back\\": ["back\\slash"], "sla/": ["sla/sh"], "quo'": ["quo'te"],
        "ÉCLAIR": ["ÉCLAIR"], "éclair": ["ÉCLAIR"],
        "電": ["電表"], "UNDER": ["under_score", "underscore"], "% sure%": [],
        "  100  ": ["100% sure", "100 sure"],
    }  # fmt: skip
    parts = {
        "0% s": ["100% sure"], "r_s": ["under_score"], "k\\s": ["back\\slash"], "o't": ["quo'te"],
        "  sure ": ["100% sure", "100 sure"],
    }  # fmt: skip
    for part, found in (beginnings | (parts if any_part_found(shop) else {})).items():
        assert listed("/consumers/list/", q=part) == {made[name] for name in found}, part


def any_part_found(shop) -> bool:
    """Whether the database finds texts by any part of them, as a server with pg_trgm does."""
    with shop.session() as session:
        if session.get_bind().dialect.name == "sqlite":
            return True
        there = text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'")
        return session.scalar(there) == 1


@pytest.mark.parametrize("path", ["/sales", "/regions"])
def test_a_lookup_searches_as_its_list_does(browse, shop, path):
    shop.sell()
    admin, text = browse(ADMIN), "nothing of that name"
    found = admin.get(f"{path}/lookup", query_string={"q": text}).json
    page = read(admin.get(f"{path}/list/", query_string={"q": text}).text)
    assert {row["value"] for row in found} == set(ids(page))


def test_a_list_that_cannot_be_searched_says_nothing_of_a_search(browse, shop):
    sale = shop.sell()
    page = read(browse(ADMIN).get("/sales/list/?q=unheard").text)
    assert ids(page) == [sale.id]
    assert chips(page) == {}


def test_a_lookup_offers_what_a_person_can_choose_from(browse, shop, utility):
    admin = browse(ADMIN)
    for number in range(30):
        name, region = f"Crowd {number:02}", utility.regions["north"].id
        shop.change(lambda session, name=name, region=region: factories.add(
            session, Consumer(number=name, name=name, region_id=region)))  # fmt: skip
    offered = admin.get("/consumers/lookup?q=crowd").json
    assert len(offered) == 20
    assert {"value", "text"} == set(offered[0])
    assert offered[0]["text"] == "Crowd 00 · Crowd 00"
    assert admin.get("/consumers/lookup?q=nobody").json == []


NARROWED = {"state": "active", "algorithm": "legacy", "q": "07", "sort": "-drn", "size": "10"}


def test_a_chip_leads_to_the_list_without_its_filter(browse, utility):
    admin = browse(ADMIN)
    page = read(admin.get("/meters/list/", query_string=NARROWED).text)
    assert list(chips(page)) == ["“07”", "State: Active", "Algorithm: Legacy"]
    for said, without in chips(page).items():
        left = read(admin.get(without).text)
        assert list(chips(left)) == [other for other in chips(page) if other != said]
        assert "sort=-drn" in without
        assert "size=10" in without
    assert links(page)["Clear all"] == "/meters/list/"


def test_a_chip_of_days_removes_both_of_them(browse, shop):
    shop.sell()
    admin = browse(ADMIN)
    page = read(admin.get("/sales/list/?sold_from=2026-03-01&sold_to=2026-03-31&state=issued").text)
    assert list(chips(page)) == ["Business date: Mar 1, 2026 to Mar 31, 2026", "State: sold"]
    left = read(admin.get(chips(page)["Business date: Mar 1, 2026 to Mar 31, 2026"]).text)
    assert list(chips(left)) == ["State: sold"]
    half = read(admin.get("/sales/list/?sold_to=2026-03-31").text)
    assert list(chips(half)) == ["Business date: until Mar 31, 2026"]


def test_what_is_chosen_survives_searching_sorting_and_turning(browse, shop):
    admin = browse(ADMIN)
    page = read(admin.get("/meters/list/", query_string=NARROWED).text)
    finder = page.one("form", "finder")
    assert sent(finder) == {
        "sort": "-drn", "size": "10", "q": "07", "state": "active", "type": "",
        "algorithm": "legacy", "region": "", "product": "", "tariff": "", "bound": "",
        "consumer": "", "key": "",
    }  # fmt: skip
    header = links(page)["Meter type"]
    for kept in ("state=active", "algorithm=legacy", "q=07", "size=10", "sort=meter_type"):
        assert kept in header.partition("?")[2].split("&")
    size_form = next(form for form in page.all("form") if form.all("select", id="size"))
    assert sent(size_form) == NARROWED


def test_a_chosen_row_is_offered_again_by_its_searching_filter(browse, utility):
    north = utility.regions["north"].id
    page = read(browse(ADMIN).get(f"/meters/list/?region={north}").text)
    assert sent(page.one("form", "finder"))["region"] == str(north)
    assert page.one("select", id="filter-region").text == "North"
    assert list(chips(page)) == ["Region: North"]


def test_the_head_of_a_column_sorts_it_one_way_and_then_the_other(browse, shop):
    admin = browse(ADMIN)
    by_number = sorted(meter.drn for meter in shop.rows(Meter))
    page = read(admin.get("/meters/list/?after=3").text)
    assert page.one("th", aria_sort="ascending").text == "Meter number"
    turned = read(admin.get(links(page)["Meter number"]).text)
    assert turned.one("th", aria_sort="descending").text == "Meter number"
    shown = [row[0].replace(" ", "") for row in rows(turned)]
    assert shown == by_number[::-1]
    assert links(turned)["Meter number"] == "/meters/list/?sort=drn"


@pytest.mark.parametrize("sort", ["", "password", "-password", "__class__", "-", "--drn", "region",
                                  "meter_pan", "drn desc", "id"])  # fmt: skip
def test_a_list_sorts_by_no_column_but_those_it_offers(browse, shop, sort):
    page = read(browse(ADMIN).get("/meters/list/", query_string={"sort": sort}).text)
    numbers = sorted(meter.drn for meter in shop.rows(Meter))
    assert [row[0].replace(" ", "") for row in rows(page)] == numbers
    assert page.one("th", aria_sort="ascending").text == "Meter number"


@pytest.mark.parametrize(("size", "shown"), [("10", 10), ("25", 17), ("11", 17), ("0", 17),
                                             ("-1", 17), ("x", 17), ("9" * 5000, 17)])  # fmt: skip
def test_a_page_has_one_of_the_sizes_offered(browse, size, shown):
    page = read(browse(ADMIN).get("/meters/list/", query_string={"size": size}).text)
    assert len(rows(page)) == shown


def heads(page) -> list[str]:
    return [head.text for head in page.all("th", scope="col") if head.text not in {"", "Actions"}]


def test_a_browser_keeps_the_columns_it_was_told_to_show(browse, operator):
    admin = browse(ADMIN)
    page = read(admin.get("/consumers/list/?q=c&sort=name").text)
    usual = ["Consumer number", "Full name", "Region", "Address", "Telephone", "Meters"]
    assert heads(page) == usual
    form = next(form for form in page.all("form") if form["action"].endswith("/columns"))
    told = admin.post("/consumers/columns", sent(form) | {"column": ["retired", "name"]})
    assert told.location == "/consumers/list/?q=c&sort=name"
    assert heads(read(admin.get(told.location).text)) == ["Full name", "No longer a consumer"]
    assert heads(read(operator.get("/consumers/list/").text)) == usual
    assert "No longer a consumer" not in heads(read(admin.get("/meters/list/").text))
    admin.post("/consumers/columns", {"column": ["password", "x.y"]})
    assert heads(read(admin.get("/consumers/list/").text)) == [*usual, "No longer a consumer"]


def test_a_list_that_can_be_had_as_a_file_says_where(browse, monkeypatch):
    admin = browse(ADMIN)
    (offered,) = read(admin.get("/products/list/").text).all("form", action="/products/export/csv")
    assert offered.text == "CSV"
    monkeypatch.setattr(Products, "exports", lambda view: [("CSV", view.url("list") + "?as=file")])
    monkeypatch.setattr(Products, "export_limit", lambda _view: 7, raising=False)
    page = read(admin.get("/products/list/").text)
    (form,) = page.all("form", action="/products/list/?as=file")
    assert form.text == "CSV"
    assert "At most 7 rows" in page.text


def test_an_empty_list_says_what_to_do(browse):
    admin = browse(ADMIN)
    assert "Sales stand here as soon as" in read(admin.get("/sales/list/").text).text
    nothing = read(admin.get("/meters/list/?q=none").text)
    assert "No row fits this search" in nothing.text
    assert links(nothing)["Clear all"] == "/meters/list/"


def test_a_meter_is_found_by_its_number_however_it_is_grouped(listed, utility):
    for typed in ("0700 0000 013", "0700-0000-013", "07000000013", "0000 013"):
        assert utility.meters[LEGACY_11] in listed("/meters/list/", q=typed), typed
