"""Lists and records show what the asker's region and vending point hold, and hint at no more."""

import re

import pytest
from flask_appbuilder.actions import ActionItem
from sqlalchemy import update

from tests import factories
from tests.factories import (
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR, NOWHERE, contents
from tests.web.records import RECORD_DEEDS, chips, ids, permit, read, rows, sent, the_form, views_of
from vmsapp.models import Consumer, Meter, Sale, ServicePoint, VendingPoint
from vmsapp.views.lists import listing

NAMED = "Zola Südmann"
"""A consumer in the south who can be told from all others."""


@pytest.fixture
def regions_shown(shop):
    """Open the screen of regions to operators and supervisors."""
    for group in ("Operator", "Supervisor"):
        permit(shop, "Regions", "can_list", "can_show", group=group)


@pytest.fixture
def sold(shop):
    """A sale in each of the two regions; the southern consumer has a name of its own."""

    def describe(session):
        session.query(Consumer).where(Consumer.number == "C0006").one().name = NAMED

    shop.change(describe)
    return {
        "north": shop.sell(),
        "south": shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR),
    }


def northern(shop, utility) -> dict[str, set[int]]:
    """What lies in the north, by list."""
    north = utility.regions["north"].id
    return {
        "/consumers": {row.id for row in shop.rows(Consumer) if row.region_id == north},
        "/meters": {row.id for row in shop.rows(Meter) if row.region_id == north},
        "/regions": {north},
        "/sales": {
            row.id for row in shop.rows(Sale) if row.vending_point_id == utility.points[HARBOUR]
        },
    }


@BOTH
def test_a_list_holds_the_rows_of_the_own_region_and_counts_no_others(
    browse, shop, utility, sold, regions_shown, backend
):
    for who in (OPERATOR, NORTH_SUPERVISOR):
        browser = browse(who)
        for path, expected in northern(shop, utility).items():
            page = read(browser.get(f"{path}/list/?size=100").text)
            assert set(ids(page)) == expected, (who, path)
            count = f"{len(expected)} row{'s' if len(expected) > 1 else ''}"
            assert page.one("span", "count").text == count
            offered = {row["value"] for row in browser.get(f"{path}/lookup").json}
            assert offered <= expected
            assert NAMED not in page.text


def test_who_sees_everything_finds_both_regions(browse, shop, sold):
    page = read(browse(SUPERVISOR).get("/sales/list/").text)
    assert set(ids(page)) == {sold["north"].id, sold["south"].id}
    assert NAMED in page.text


@pytest.mark.parametrize("path", ["/consumers", "/meters", "/regions"])
def test_a_search_finds_nothing_of_another_region(browse, shop, utility, sold, regions_shown, path):
    text = {"/consumers": NAMED, "/meters": shop.meter(SOUTHERN).drn, "/regions": "South"}[path]
    for who in (OPERATOR, NORTH_SUPERVISOR):
        browser = browse(who)
        assert ids(read(browser.get(f"{path}/list/", query_string={"q": text}).text)) == []
        assert browser.get(f"{path}/lookup", query_string={"q": text}).json == []
    everywhere = browse(SUPERVISOR)
    assert len(ids(read(everywhere.get(f"{path}/list/", query_string={"q": text}).text))) == 1
    assert len(everywhere.get(f"{path}/lookup", query_string={"q": text}).json) == 1


def answer(browser, path: str, number: int) -> tuple[int, str]:
    """Status and words of a page, without what differs from call to call."""
    got = browser.get(path.format(number))
    return got.status_code, re.sub(rf"\b{number}\b|\b[0-9a-f]{{12}}\b", "N", read(got.text).text)


def test_a_record_of_another_region_is_as_unknown_as_one_that_is_not(
    browse, utility, sold, regions_shown
):
    south = sold["south"]
    hidden = {
        "/consumers/show/{}": south.consumer_id, "/meters/show/{}": south.meter_id,
        "/regions/show/{}": utility.regions["south"].id, "/sales/show/{}": south.id,
    }  # fmt: skip
    for who in (OPERATOR, NORTH_SUPERVISOR):
        browser = browse(who)
        for path, number in hidden.items():
            assert answer(browser, path, number) == answer(browser, path, NOWHERE), path
            assert answer(browser, path, number)[0] == 404, path
    for path, number in hidden.items():
        assert answer(browse(SUPERVISOR), path, number)[0] == 200, path


def test_a_filter_by_something_unseen_is_left_out_and_names_nothing(browse, shop, utility, sold):
    south, region = sold["south"], utility.regions["south"].id
    for who in (OPERATOR, NORTH_SUPERVISOR):
        browser = browse(who)
        for path, query in (
            ("/consumers", f"region={region}"), ("/meters", f"region={region}"),
            ("/sales", f"consumer={south.consumer_id}"), ("/sales", f"meter={south.meter_id}"),
            ("/sales", f"point={utility.points[MARKET]}"),
        ):  # fmt: skip
            page = read(browser.get(f"{path}/list/?size=100&{query}").text)
            assert chips(page) == {}, (path, query)
            assert set(ids(page)) == northern(shop, utility)[path], (path, query)
            for unseen in (NAMED, "South", "Market Square", shop.meter(SOUTHERN).drn):
                assert unseen not in page.text, (path, query)


def test_the_points_a_list_can_be_narrowed_by_are_the_own_ones(browse, shop, sold):
    shown = {
        who: read(browse(who).get("/sales/list/").text).one("select", id="filter-point").text
        for who in (OPERATOR, NORTH_SUPERVISOR, SUPERVISOR)
    }
    assert shown == {
        OPERATOR: "AnyHarbour Street", NORTH_SUPERVISOR: "AnyHarbour Street",
        SUPERVISOR: "AnyHarbour StreetMarket Square",
    }  # fmt: skip


def test_a_region_does_not_name_the_one_above_it_to_who_sees_it_alone(
    browse, utility, regions_shown
):
    north = utility.regions["north"].id
    assert "Meridia" in read(browse(SUPERVISOR).get(f"/regions/show/{north}").text).text
    for who in (OPERATOR, NORTH_SUPERVISOR):
        page = browse(who).get(f"/regions/show/{north}").text
        assert "Meridia" not in page


def test_the_lists_under_a_record_keep_to_the_askers_counter(browse, shop, utility):
    north = utility.regions["north"].id
    pier = shop.change(
        lambda session: factories.add(session, VendingPoint(name="Pier", region_id=north)).id
    )
    mine, colleague = shop.sell(), browse(NORTH_SUPERVISOR)
    form = colleague.purchase(mine.meter_id, mode="quantity", value="51")
    assert colleague.sell(mine.meter_id, form | {"vending_point": str(pier)}).status_code == 302
    theirs = next(sale.id for sale in shop.rows(Sale) if sale.id != mine.id)
    for record in (f"/consumers/show/{mine.consumer_id}", f"/meters/show/{mine.meter_id}"):
        assert ids(read(browse(OPERATOR).get(record).text)) == [mine.id]
        assert ids(read(colleague.get(record).text)) == [theirs, mine.id]


def test_the_meters_under_a_product_keep_to_the_askers_region(browse, shop):
    permit(shop, "Products", "can_show")
    product = shop.meter(SOUTHERN).product_id
    assert product == shop.meter(LEGACY_11).product_id

    def numbers(who: str) -> list[str]:
        page = read(browse(who).get(f"/products/show/{product}").text)
        assert [row[0] for row in rows(page)]
        return [row[0].replace(" ", "") for row in rows(page)]

    newest = sorted(
        (meter for meter in shop.rows(Meter) if meter.product_id == product),
        key=lambda meter: -meter.id,
    )
    north = [meter for meter in newest if meter.id != shop.meter(SOUTHERN).id]
    assert numbers(NORTH_SUPERVISOR) == [meter.drn for meter in north[:5]]
    assert numbers(ADMIN) == [meter.drn for meter in newest[:5]]


@pytest.fixture
def keeper(browse, shop):
    """A supervisor of the north who may write vending points."""
    permit(shop, "VendingPoints", *RECORD_DEEDS)
    return browse(NORTH_SUPERVISOR)


def test_no_form_writes_into_another_region(keeper, utility, engine):
    market, south = utility.points[MARKET], str(utility.regions["south"].id)
    harbour = utility.points[HARBOUR]
    before = contents(engine)
    for deed in ("edit", "delete"):
        assert keeper.post(f"/vending-points/{deed}/{market}").status_code == 404
    assert keeper.get(f"/vending-points/edit/{market}").status_code == 404
    for path in ("/vending-points/add", f"/vending-points/edit/{harbour}"):
        typed = sent(the_form(read(keeper.get(path).text)))
        refused = keeper.post(path, typed | {"name": "Quay", "region": south})
        assert refused.status_code == 422
        assert "not there any more" in read(refused.text).text
        assert "South" not in refused.text
    assert contents(engine) == before


def test_deeds_touch_only_rows_the_asker_sees(office, keeper, utility, monkeypatch):
    view = next(view for view in views_of(office) if view.route_base == "/vending-points")
    done: list[object] = []
    item = ActionItem(
        "can_edit", "Mark", "", "", True, True, lambda rows: done.append(rows) or "ok"
    )
    monkeypatch.setitem(view.actions, "can_edit", item)
    harbour, market = utility.points[HARBOUR], utility.points[MARKET]
    everything = [str(number) for number in (market, harbour, 0, -1, 2**63, 10**30, NOWHERE)]
    answer = keeper.post("/vending-points/action_post", {"action": "can_edit", "rowid": everything})
    assert answer.status_code == 200
    assert [[row.id for row in rows] for rows in done] == [[harbour]]
    nothing = keeper.post("/vending-points/action_post", {"action": "can_edit", "rowid": [market]})
    assert nothing.location == "/vending-points/list/"
    hidden = keeper.post(f"/vending-points/action/can_edit/{market}")
    unknown = keeper.post(f"/vending-points/action/can_edit/{NOWHERE}")
    assert (hidden.status_code, hidden.location) == (unknown.status_code, unknown.location)
    assert len(done) == 1
    assert keeper.post(f"/vending-points/action/can_edit/{harbour}").status_code == 200
    assert done[1].id == harbour


@BOTH
def test_who_has_a_meter_is_told_as_far_as_the_meter_is_seen(
    browse, shop, utility, monkeypatch, backend
):
    """A consumer of the north whose one meter hangs in the south has none for the north."""
    north, south = (utility.regions[name].id for name in ("north", "south"))
    both = {"yes", "no"}
    here = {row.id for row in shop.rows(Consumer) if row.region_id == north}

    def listed(who: str, word: str) -> set[int]:
        return set(ids(read(browse(who).get(f"/consumers/list/?size=100&meter={word}").text)))

    before = {word: listed(NORTH_SUPERVISOR, word) for word in both}
    assert before["yes"] | before["no"] == here
    mover = min(before["yes"])
    assert mover in listed(ADMIN, "yes")
    point = ServicePoint.consumer_id == mover
    shop.change(lambda s: s.execute(update(ServicePoint).where(point).values(region_id=south)))
    for limit in (1, 10_000):
        monkeypatch.setattr(listing, "COUNT_LIMIT", limit)
        assert listed(NORTH_SUPERVISOR, "yes") == before["yes"] - {mover}
        assert listed(NORTH_SUPERVISOR, "no") == before["no"] | {mover}
        assert mover in listed(ADMIN, "yes")
        assert mover not in listed(ADMIN, "no")
