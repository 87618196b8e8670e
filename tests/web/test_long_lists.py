"""Lists of meters and consumers, however narrowed, sorted and turned: few statements, small
pages, the right rows, and no plan that reads a whole table for one page."""

import re

import pytest
from sqlalchemy import event, insert, select, update

from tests.factories import OPERATOR
from tests.web.office import ADMIN, BOTH, statements
from tests.web.records import ids, read
from tests.web.test_statements import own, told
from vmsapp.extensions import db
from vmsapp.models import Consumer, Meter, Region
from vmsapp.models.folding import search_key
from vmsapp.views.lists import listing

MOST, LARGEST = 6, 100 * 1024
MANY = 400
LIMIT = 50
"""Rows that count as many in these tests, in which there are few."""

METERS = ["", "last=", "sort=-drn&last=", "sort=state", "sort=-algorithm", "sort=meter_type",
          "state=stock", "state=stock&sort=-drn", "bound=no", "bound=yes&last=", "type=electricity",
          "product=1", "region=2", "tariff=1", "q=0700", "q=991", "q=99", "q=nothing",
          "q=0700&state=stock&sort=-state", "size=50"]  # fmt: skip
CONSUMERS = ["", "last=", "sort=name", "sort=-name&last=", "meter=no", "gender=unknown",
             "retired=no", "region=2", "q=жук", "q=ж", "q=nobody", "q=b0&sort=-name"]  # fmt: skip
ASKED = [f"/meters/list/?{one}" for one in METERS] + [f"/consumers/list/?{o}" for o in CONSUMERS]


@pytest.fixture
def many(shop, utility, monkeypatch):
    """Some hundred meters and consumers more, and a limit that takes them for many."""
    monkeypatch.setattr(listing, "COUNT_LIMIT", LIMIT)

    def add(session):
        meter = session.scalars(select(Meter)).first()
        columns = {c.key: getattr(meter, c.key) for c in Meter.__table__.c if c.key != "id"}
        session.execute(insert(Meter.__table__), [
            columns | {"drn": f"0700{n:06}0", "meter_pan": f"9{n:017}",
                       "state": "stock" if n % 3 else "retired",
                       "region_id": utility.regions["south" if n % 2 else "north"].id}
            for n in range(MANY)
        ])  # fmt: skip
        session.execute(insert(Consumer.__table__), [
            {"number": f"B{n:05}", "name": f"Жук {n % 7}", "phone": "", "gender": "unknown",
             "search_key": search_key(f"B{n:05}", f"Жук {n % 7}", ""), "address": "",
             "id_number": "", "email": "", "language": "en",
             "region_id": utility.regions["south" if n % 2 else "north"].id}
            for n in range(MANY)
        ])  # fmt: skip

    shop.change(add)


@pytest.mark.parametrize("who", [ADMIN, OPERATOR])
def test_each_page_takes_few_statements_and_bytes(office, browse, many, who, backend):
    with office.app_context():
        engine = db.engine
    browser, faults = browse(who), []
    for path in ASKED:
        browser.get(path)
        with statements(engine) as seen:
            answer = browser.get(path)
        assert answer.status_code == 200, path
        if len(own(seen)) > MOST:
            faults.append(f"{path}: {told(seen)}")
        if len(answer.data) > LARGEST:
            faults.append(f"{path}: {len(answer.data)} bytes")
    assert faults == []


def turned(browser, path: str) -> list[int]:
    """All ids of a list, page after page."""
    found, page = [], read(browser.get(path).text)
    while some := ids(page):
        found += some
        assert len(found) <= 2 * MANY, path
        page = read(browser.get(f"{path}&after={some[-1]}").text)
        if ids(page)[:1] == found[:1]:  # beyond the last row stands the first page
            break
    return found


def test_many_rows_are_the_rows_few_would_be(browse, shop, many, monkeypatch, backend):
    admin = browse(ADMIN)
    rows = shop.rows(Meter)
    asked = {
        "sort=-state": (lambda _row: True, lambda row: (row.state, row.drn, row.id), True),
        "state=stock&sort=drn": (
            lambda row: row.state == "stock",
            lambda row: (row.drn, row.id),
            False,
        ),
        "q=0039&sort=drn": (lambda row: "0039" in row.drn, lambda row: (row.drn, row.id), False),
        "q=07&sort=-drn": (
            lambda row: row.drn.startswith("07"),
            lambda row: (row.drn, row.id),
            True,
        ),
    }
    if backend == "postgres":
        del asked["q=0039&sort=drn"]  # found where the server has pg_trgm alone
    for query, (holds, key, backwards) in asked.items():
        expected = [row.id for row in sorted(filter(holds, rows), key=key, reverse=backwards)]
        for limit in (LIMIT, 10_000):
            monkeypatch.setattr(listing, "COUNT_LIMIT", limit)
            assert turned(admin, f"/meters/list/?size=100&{query}") == expected, (query, limit)


@BOTH
def test_a_region_merges_its_parts_to_the_rows_that_few_would_be(
    browse, shop, utility, many, monkeypatch, backend
):
    def into_parts(session):
        """Divide the north, in which the operator is, into two cities more."""
        north = utility.regions["north"]
        cities = [
            Region(name=name, level="city", parent_id=north.id, path=f"{north.path}{name}.")
            for name in ("8001", "8002")
        ]
        session.add_all(cities)
        session.flush()
        for number, city in enumerate(cities):
            for model, text in ((Meter, Meter.drn), (Consumer, Consumer.number)):
                mine = (model.region_id == north.id, text.like(f"%{number}__"))
                session.execute(update(model).where(*mine).values(region_id=city.id))

    shop.change(into_parts)
    regions = {
        row.id for row in shop.rows(Region) if row.path.startswith(utility.regions["north"].path)
    }
    assert len(regions) == 3
    clerk, rows = browse(OPERATOR), [row for row in shop.rows(Meter) if row.region_id in regions]
    asked = {
        "sort=drn": (lambda _row: True, False),
        "sort=-drn": (lambda _row: True, True),
        "q=07&sort=-drn": (lambda row: row.drn.startswith("07"), True),
        "state=stock&sort=drn": (lambda row: row.state == "stock", False),
        "sort=-state": (lambda _row: True, True),
        "q=07&sort=state": (lambda row: row.drn.startswith("07"), False),
    }
    for query, (holds, backwards) in asked.items():
        by_state = query.endswith("state")
        expected = sorted(filter(holds, rows), reverse=backwards,
                          key=lambda row: (row.state * by_state, row.drn, row.id))  # fmt: skip
        assert len(expected) > LIMIT, query
        for parts, compared in ((64, 100_000), (64, LIMIT), (1, LIMIT)):
            monkeypatch.setattr(listing, "MOST_PARTS", parts)
            monkeypatch.setattr(listing, "MOST_COMPARED", compared)
            found = turned(clerk, f"/meters/list/?size=25&{query}")
            assert found == [row.id for row in expected], (query, parts, compared)
    for limit, said in ((LIMIT, f"More than {LIMIT} rows"), (10_000, f"{len(expected)} rows")):
        monkeypatch.setattr(listing, "COUNT_LIMIT", limit)
        for parts, compared in ((64, 100_000), (64, LIMIT), (1, LIMIT)):
            monkeypatch.setattr(listing, "MOST_PARTS", parts)
            monkeypatch.setattr(listing, "MOST_COMPARED", compared)
            page = clerk.get(f"/meters/list/?{query}").text
            assert f'<span class="count">{said}</span>' in page, (limit, parts, compared)


def test_rows_that_lie_far_on_are_found_all_the_same(browse, shop, many, monkeypatch):
    monkeypatch.setattr(listing, "WINDOW", 1)
    stock = sorted(row.drn for row in shop.rows(Meter) if row.state == "stock")
    numbers = {row.id: row.drn for row in shop.rows(Meter)}
    page = read(browse(ADMIN).get("/meters/list/?q=07&state=stock&sort=drn&last=&size=10").text)
    assert [numbers[number] for number in ids(page)] == [
        one for one in stock if one.startswith("07")
    ][-10:]  # fmt: skip


PLANS = {
    "/meters/list/?": "ix_meter_drn",
    "/meters/list/?sort=-state&last=": "ix_meter_state",
    "/meters/list/?state=stock&sort=-drn": "ix_meter_state",
    "/meters/list/?region=2": "ix_meter_region",
    "/meters/list/?bound=no": "ix_meter_bound",
    "/consumers/list/?sort=name": "ix_consumer_name",
    "/consumers/list/?gender=unknown": "ix_consumer_gender",
}


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("path", PLANS)
def test_sqlite_goes_along_an_index_and_sorts_nothing_first(office, browse, many, path, backend):
    (plan,) = plans(office, browse(ADMIN), path)
    assert f"INDEX {PLANS[path]}" in plan
    assert "SCAN meter\n" not in plan
    assert "SCAN consumer\n" not in plan


SEEN = {
    "/meters/list/?": "meter USING COVERING INDEX ix_meter_region",
    "/meters/list/?state=stock": "meter USING INDEX ix_meter_region",
    "/meters/list/?bound=no&sort=-state": "meter USING INDEX ix_meter_region",
    "/meters/list/?q=0700&type=electricity": "meter USING INDEX ix_meter_region",
    "/consumers/list/?meter=no": "consumer USING INDEX ix_consumer_region",
    "/consumers/list/?gender=unknown&sort=name": "consumer USING INDEX ix_consumer_region",
    "/consumers/list/?q=жук": "consumer USING INDEX ix_consumer_region",
}


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("path", SEEN)
def test_sqlite_reads_the_regions_somebody_sees_and_no_others(office, browse, many, path, backend):
    (plan,) = plans(office, browse(OPERATOR), path)
    assert f"SEARCH {SEEN[path]} (region_id=?)" in plan, plan
    assert not re.search(r"SCAN (meter|consumer)(\n|$)|_search VIRTUAL", plan), plan


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("path", ["/meters/list/?q=00123", "/consumers/list/?q=b0012"])
def test_sqlite_finds_by_trigrams_first(office, browse, shop, many, path, backend):
    admin = browse(ADMIN)
    for plan in plans(office, admin, path, holding="instr("):
        assert "_search VIRTUAL TABLE" in plan, plan
        assert not re.search(r"SCAN (meter|consumer)(\n|$)", plan), plan


def plans(office, browser, path: str, holding: str = "LIMIT") -> list[str]:
    """The plans of a list's statements on its own table, the last of which reads the page."""
    browser.get(path)
    sent = []
    with office.app_context():
        engine = db.engine

        def note(_connection, _cursor, statement, parameters, *_rest) -> None:
            sent.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", note)
        try:
            browser.get(path)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        model = path.split("/")[1].removesuffix("s")
        asked = [one for one in sent if f"FROM {model}" in one[0] and holding in one[0]]
        with engine.connect() as connection:
            found = [
                "\n".join(row[-1] for row in connection.exec_driver_sql(
                    "EXPLAIN QUERY PLAN " + statement, parameters))
                for statement, parameters in asked
            ]  # fmt: skip
    return found if holding != "LIMIT" else found[-1:]
