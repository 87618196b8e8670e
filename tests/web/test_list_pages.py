"""Turning pages of a list: every row once and in order, whatever happens meanwhile."""

from datetime import datetime
from itertools import chain

import pytest
from sqlalchemy import delete, select

from tests import factories
from tests.factories import LEGACY_11, NOW, OPERATOR
from tests.web.office import ADMIN, BOTH, NOWHERE
from tests.web.records import ids, links, read, rows
from vmsapp.models import Consumer, Meter, OfficeUser
from vmsapp.scope import seen_by, unscoped
from vmsapp.views.lists import listing
from vmsapp.views.lists.listing import Page, Place, read_page
from vmsapp.views.lists.orders import Order

NAMES = ["Abel", "Bela", "Cora", "Dina"]
"""In one order under every collation; each is had by several."""

EMPTY_PLACES = [None, datetime(2026, 3, 1, 8), datetime(2026, 3, 2, 9)]  # noqa: DTZ001 - the framework's


@pytest.fixture
def crowd(shop, utility):
    """Thirty people more; some share a name or the time of their last sign-in, or have none."""

    def add(session):
        north = utility.regions["north"].id
        for number in range(30):
            name = NAMES[number * 7 % len(NAMES)]
            factories.add(session, Consumer(number=f"X{number:03}", name=name, region_id=north))
            user = factories.add_user(session, f"clerk {number:02}")
            user.last_login = EMPTY_PLACES[number * 5 % len(EMPTY_PLACES)]

    shop.change(add)


COLUMNS = [Consumer.id, Consumer.number, Consumer.name, OfficeUser.last_login, OfficeUser.username,
           Meter.tariff_id, Meter.state]  # fmt: skip


def sorted_by_hand(shop, column, *, descending: bool) -> list[int]:
    """Ids in the order a list promises: equals by id, rows without a value last going up."""
    values = [(getattr(row, column.key), row.id) for row in shop.rows(column.class_)]
    there = sorted(pair for pair in values if pair[0] is not None)
    upwards = there + sorted(pair for pair in values if pair[0] is None)
    found = [number for _, number in upwards]
    return found[::-1] if descending else found


class Reader:
    """Turns the pages of one list."""

    def __init__(self, shop, column, size: int, *, descending: bool = False, **options) -> None:
        self.shop, self.size = shop, size
        self.order = Order(column, column.class_.id, descending)
        self.statement = select(column.class_).where(*options.get("where", ()))

    def page(self, **place) -> Page:
        with self.shop.session() as session, unscoped("the test turns pages"):
            return read_page(session, self.statement, self.order, self.size, Place(**place))

    def forward(self) -> list[list[int]]:
        page, pages = self.page(), []
        assert not page.has_previous
        while True:
            pages.append([row.id for row in page.rows])
            if not page.has_next:
                return pages
            page = self.page(after=pages[-1][-1])
            assert page.has_previous

    def back(self) -> list[list[int]]:
        page, pages = self.page(last=True), []
        assert not page.has_next
        while True:
            pages.insert(0, [row.id for row in page.rows])
            if not page.has_previous:
                return pages
            page = self.page(before=pages[0][0])
            assert page.has_next


@BOTH
def test_every_row_is_met_once_and_in_order_both_ways(shop, crowd, backend):
    for column in COLUMNS:
        for descending in (False, True):
            expected = sorted_by_hand(shop, column, descending=descending)
            for size in (4, len(expected), len(expected) + 1):
                reader = Reader(shop, column, size, descending=descending)
                forward, back = reader.forward(), reader.back()
                case = (column.key, descending, size)
                assert list(chain(*forward)) == expected, case
                assert list(chain(*back)) == expected, case
                assert {len(page) for page in forward[:-1]} <= {size}, case
                assert {len(page) for page in back[1:]} <= {size}, case


@BOTH
def test_links_lead_through_a_list_and_back(browse, shop, crowd, backend):
    admin, expected = browse(ADMIN), sorted_by_hand(shop, OfficeUser.last_login, descending=True)
    path = "/users/list/?sort=-last_login&size=10"
    first = read(admin.get(path).text)
    second = read(admin.get(links(first)["Next page"]).text)
    last = read(admin.get(links(first)["Last page"]).text)
    assert ids(first) + ids(second) == expected[:20]
    assert ids(last) == expected[-10:]
    assert "Next page" not in links(last)
    assert "Last page" not in links(last)
    assert "Previous page" not in links(first)
    assert "First page" not in links(first)
    assert ids(read(admin.get(links(second)["Previous page"]).text)) == ids(first)
    assert ids(read(admin.get(links(last)["First page"]).text)) == ids(first)
    before_last = read(admin.get(links(last)["Previous page"]).text)
    assert ids(before_last) == expected[-20:-10]


def test_a_row_added_meanwhile_moves_nothing_else(shop, crowd, utility):
    reader = Reader(shop, Consumer.name, 10)
    first, second, third = reader.forward()[:3]
    north = utility.regions["north"].id
    early = Consumer(number="NEW", name="Aaron", region_id=north)
    new = shop.change(lambda session: factories.add(session, early).id)
    assert [row.id for row in reader.page(after=first[-1]).rows] == second
    assert [row.id for row in reader.page(before=third[0]).rows] == second
    assert [row.id for row in reader.page().rows] == [new, *first[:-1]]


def test_a_row_deleted_meanwhile_moves_nothing_else(shop, crowd):
    reader = Reader(shop, Consumer.name, 10)
    first, second, third = reader.forward()[:3]
    shop.change(lambda session: session.execute(delete(Consumer).where(Consumer.id == first[4])))
    assert [row.id for row in reader.page(after=first[-1]).rows] == second
    assert [row.id for row in reader.page(before=third[0]).rows] == second
    rest = [number for number in first if number != first[4]]
    assert [row.id for row in reader.page(before=second[0]).rows] == rest


@pytest.mark.parametrize("way", ["after", "before"])
def test_beside_a_row_that_is_gone_stands_the_first_page(shop, crowd, browse, way):
    reader = Reader(shop, Consumer.name, 10)
    first, second = reader.forward()[:2]
    assert [row.id for row in reader.page(**{way: NOWHERE}).rows] == first
    shop.change(lambda session: session.execute(delete(Consumer).where(Consumer.id == second[0])))
    page = reader.page(**{way: second[0]})
    assert [row.id for row in page.rows] == first
    assert not page.has_previous
    shown = browse(ADMIN).get(f"/consumers/list/?sort=name&size=10&{way}={second[0]}")
    assert ids(read(shown.text)) == first


def test_a_row_that_no_longer_fits_the_filter_still_marks_its_place(shop, crowd):
    reader = Reader(shop, Consumer.name, 10, where=[Consumer.retired.is_(False)])
    first, second = reader.forward()[:2]

    def retire(session):
        session.get_one(Consumer, first[-1]).retired_at = NOW

    shop.change(retire)
    assert [row.id for row in reader.page(after=first[-1]).rows] == second


def test_a_row_of_another_region_marks_no_place(shop, crowd, utility):
    south = utility.regions["south"].id
    elsewhere = shop.rows(Consumer, Consumer.region_id == south)[0].id
    seen = Reader(shop, Consumer.name, 10, where=[Consumer.region_id != south])
    order = Order(Consumer.name, Consumer.id)
    for place in (Place(after=elsewhere), Place(before=elsewhere)):
        with shop.session() as session, seen_by(shop.actor(OPERATOR)):
            page = read_page(session, select(Consumer), order, 10, place)
        assert [row.id for row in page.rows] == seen.forward()[0]


@pytest.mark.parametrize("way", ["after", "before"])
def test_beyond_the_end_of_a_list_stands_the_first_page(shop, crowd, browse, way):
    pages = Reader(shop, Consumer.name, 10).forward()
    edge = pages[-1][-1] if way == "after" else pages[0][0]
    shown = browse(ADMIN).get(f"/consumers/list/?sort=name&size=10&{way}={edge}")
    assert ids(read(shown.text)) == pages[0]
    assert "Previous page" not in links(read(shown.text))


def test_an_empty_list_has_one_page_without_turns(shop):
    for place in ({}, {"last": True}, {"after": 1}, {"before": 1}):
        page = Reader(shop, Consumer.name, 10, where=[Consumer.name == "nobody"]).page(**place)
        assert page == Page([], 0, more=False, has_previous=False, has_next=False), place


@BOTH
def test_rows_are_counted_up_to_a_limit(browse, monkeypatch, backend):
    admin = browse(ADMIN)
    for limit, said in ((9, "8 rows"), (8, "8 rows"), (7, "More than 7 rows")):
        monkeypatch.setattr(listing, "COUNT_LIMIT", limit)
        page = read(admin.get("/users/list/?sort=-last_login").text)
        assert len(rows(page)) == 8
        assert page.one("span", "count").text == said


def test_a_search_counts_what_it_finds(browse, shop):
    page = read(
        browse(ADMIN).get("/meters/list/", query_string={"q": shop.meter(LEGACY_11).drn}).text
    )
    assert page.one("span", "count").text == "1 row"
