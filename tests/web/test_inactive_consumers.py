"""The report of who has not bought for a while: whom it names, whom it does not, in which scope."""

import csv
import io
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from tests import factories
from tests.factories import (
    BLOCKED,
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    LEGACY_13,
    MARKET,
    NO_CONSUMER,
    NOT_INSTALLED,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
)
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR
from tests.web.records import chips, links, read, rows
from vmsapp.models import (
    AuditEvent,
    Consumer,
    Meter,
    MeterInstallation,
    Sale,
    SaleKind,
    ServicePoint,
)
from vmsapp.models.user import Role

LIST = "/inactive-consumers/list/?size=100"
NUMBERS = {LEGACY_11: "C0001", LEGACY_13: "C0002", STS6_11: "C0003", DOMESTIC: "C0005",
           SOUTHERN: "C0006", BLOCKED: "C0014"}  # fmt: skip
"""Consumers of some of the factory's meters; the meter's place in its table is the number."""


@pytest.fixture
def long_ago(shop):
    """All meters have hung since the beginning of 2025."""
    since = datetime(2025, 1, 1, tzinfo=UTC)
    shop.change(lambda s: s.execute(update(MeterInstallation).values(installed_at=since)))


@pytest.fixture
def listed(browse):
    """Who is listed, by consumer number: the last purchase and the days since."""

    def ask(query: str = "", who: str = ADMIN) -> dict[str, tuple[str, str]]:
        page = read(browse(who).get(LIST + query).text)
        return {row[0]: (row[-2], row[-1]) for row in rows(page)}

    return ask


@BOTH
@pytest.mark.usefixtures("long_ago")
def test_who_bought_in_the_time_is_not_listed_and_everyone_else_is(listed, shop, backend):
    shop.sell(LEGACY_11)  # on 17 March
    shop.clock.forward(days=3)
    shop.sell(LEGACY_13)  # on 20 March
    shop.clock.forward(days=10)
    since_18th = listed("&quiet_from=2026-03-18")
    assert NUMBERS[LEGACY_13] not in since_18th
    assert since_18th[NUMBERS[LEGACY_11]] == ("Mar 17, 2026", "13")
    assert since_18th[NUMBERS[STS6_11]] == ("Never", "– empty")
    since_17th = listed("&quiet_from=2026-03-17")
    assert {NUMBERS[LEGACY_11], NUMBERS[LEGACY_13]}.isdisjoint(since_17th)
    window = listed("&quiet_from=2026-03-18&quiet_to=2026-03-19")
    assert {NUMBERS[LEGACY_11], NUMBERS[LEGACY_13], NUMBERS[STS6_11]} <= set(window)
    until = listed("&quiet_to=2026-03-17")
    assert NUMBERS[LEGACY_11] not in until
    assert NUMBERS[LEGACY_13] in until


@pytest.mark.usefixtures("long_ago")
def test_only_places_where_a_consumer_has_a_meter_are_listed(listed, shop):
    everyone = listed()
    meters = shop.count(Meter)
    without = [NO_CONSUMER, NOT_INSTALLED]
    assert len(everyone) == meters - len(without)
    assert set(NUMBERS.values()) <= set(everyone)


@pytest.mark.usefixtures("long_ago")
def test_without_an_address_it_is_the_last_ninety_days(browse, listed, shop):
    shop.sell(LEGACY_11)
    shop.clock.forward(days=90)  # the day of the sale is the first of the ninety
    assert NUMBERS[LEGACY_11] not in listed()
    shop.clock.forward(days=1)
    assert listed()[NUMBERS[LEGACY_11]] == ("Mar 17, 2026", "91")
    assert list(chips(read(browse(ADMIN).get(LIST).text))) == ["No purchase: from Mar 18, 2026"]


def test_who_had_no_meter_before_the_time_is_not_called_inactive(listed):
    assert listed("&quiet_from=2026-03-17") == {}  # all meters came on that day
    assert NUMBERS[LEGACY_11] in listed("&quiet_from=2026-03-18")
    assert NUMBERS[LEGACY_11] in listed("&ever=no")  # whenever they came


@BOTH
@pytest.mark.usefixtures("long_ago")
def test_never_bought_and_ever_bought(listed, shop, backend):
    shop.sell(LEGACY_11)
    shop.clock.forward(days=200)
    never, once = listed("&ever=no"), listed("&ever=yes")
    assert list(once) == [NUMBERS[LEGACY_11]]
    assert set(never) == set(listed()) - set(once)
    assert {said for said, _days in never.values()} == {"Never"}


@pytest.mark.usefixtures("long_ago")
@pytest.mark.parametrize(
    "change",
    [{"state": "reversed"}, {"kind": SaleKind.FREE, "charged_minor": 0, "received_minor": 0}],
)
def test_what_was_taken_back_or_given_is_no_purchase(listed, shop, change):
    sale = shop.sell(LEGACY_11)
    shop.change(lambda s: s.execute(update(Sale).where(Sale.id == sale.id).values(change)))
    assert listed("&ever=no")[NUMBERS[LEGACY_11]] == ("Never", "– empty")


@pytest.mark.usefixtures("long_ago")
def test_what_somebody_else_bought_at_the_place_does_not_count(listed, shop):
    sale = shop.sell(LEGACY_11)

    def move_in(session):
        north = shop.utility.regions["north"].id
        new = factories.add(session, Consumer(number="NEW", name="New", region_id=north))
        session.get_one(ServicePoint, sale.service_point_id).consumer_id = new.id

    shop.change(move_in)
    assert listed("&ever=no")["NEW"] == ("Never", "– empty")


@pytest.mark.usefixtures("long_ago")
def test_a_purchase_at_another_regions_vending_point_counts(listed, shop):
    sale = shop.sell(LEGACY_11)
    other = shop.utility.points[MARKET]
    shop.change(
        lambda s: s.execute(update(Sale).where(Sale.id == sale.id).values(vending_point_id=other))
    )
    shop.clock.forward(days=5)
    found = listed("&ever=yes&quiet_from=2026-03-18", OPERATOR)
    assert found == {NUMBERS[LEGACY_11]: ("Mar 17, 2026", "5")}


@pytest.mark.usefixtures("long_ago")
@pytest.mark.parametrize(
    ("who", "sees", "never"),
    [(OPERATOR, LEGACY_11, SOUTHERN), (NORTH_SUPERVISOR, LEGACY_11, SOUTHERN),
     (SOUTH_OPERATOR, SOUTHERN, LEGACY_11)],
)  # fmt: skip
def test_everybody_sees_the_own_region_alone(listed, browse, who, sees, never, shop):
    found = listed("", who)
    assert NUMBERS[sees] in found
    assert NUMBERS[never] not in found
    region = shop.utility.regions["south" if sees == LEGACY_11 else "north"].id
    assert set(listed(f"&region={region}", who)) == set(found)  # out of sight, so no filter


@pytest.mark.usefixtures("long_ago")
def test_a_region_is_narrowed_to_with_all_below_it(listed, shop):
    regions = shop.utility.regions
    assert list(listed(f"&region={regions['south'].id}")) == [NUMBERS[SOUTHERN]]
    assert set(listed(f"&region={regions['country'].id}")) == set(listed())


@BOTH
@pytest.mark.usefixtures("long_ago")
def test_they_are_sorted_by_the_last_purchase_those_without_one_last(listed, shop, backend):
    shop.sell(DOMESTIC)
    shop.clock.forward(days=1)
    shop.sell(LEGACY_11)
    shop.clock.forward(days=30)
    up = list(listed("&quiet_from=2026-04-01&sort=bought_on"))
    assert up[:2] == [NUMBERS[DOMESTIC], NUMBERS[LEGACY_11]]
    down = list(listed("&quiet_from=2026-04-01&sort=-bought_on"))
    assert down[-2:] == [NUMBERS[LEGACY_11], NUMBERS[DOMESTIC]]
    by_region = list(listed("&quiet_from=2026-04-01"))
    assert by_region[-1] == NUMBERS[SOUTHERN]  # the north stands before it


@BOTH
@pytest.mark.usefixtures("long_ago")
def test_pages_turn_through_all_of_them_once(browse, shop, backend):
    for meter in (LEGACY_11, LEGACY_13, DOMESTIC):
        shop.sell(meter)
    shop.clock.forward(days=100)
    admin, seen = browse(ADMIN), []
    address = "/inactive-consumers/list/?size=10"
    while address:
        page = read(admin.get(address).text)
        seen += [row[0] for row in rows(page)]
        onward = [a["href"] for a in page.all("a") if a.text == "Next page"]
        address = onward[0] if onward else ""
    assert len(seen) == len(set(seen)) == 15


@pytest.mark.usefixtures("long_ago")
def test_a_file_tells_a_visitor_where_to_go(browse, shop):
    def describe(session):
        session.execute(
            update(Consumer).where(Consumer.number == NUMBERS[LEGACY_11])
            .values(address="7 Quay Road", phone="+254700")
        )  # fmt: skip

    shop.change(describe)
    shop.sell(LEGACY_11)
    shop.clock.forward(days=100)
    answer = browse(ADMIN).post("/inactive-consumers/export/csv?ever=yes")
    head, line = csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))
    told = dict(zip(head, line, strict=True))
    # a sheet takes the number for text by its apostrophe, not for a sum
    assert told | {"Meter since": "", "Meter state": ""} == {
        "Consumer number": "C0001", "Consumer's name": "Consumer 1", "Telephone": "'+254700",
        "Address": "7 Quay Road", "Region": "Meridia / North",
        "Meter number": shop.meter(LEGACY_11).drn,
        "Last purchase": "2026-03-17", "Days since": "100", "Meter since": "", "Meter state": "",
    }  # fmt: skip
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "inactive_consumers.exported")
    assert event.details["rows"] == 1
    assert HARBOUR not in str(event.details)


@pytest.mark.usefixtures("long_ago")
def test_a_consumer_is_one_press_away_for_who_may_see_consumers(browse, shop):
    (one,) = shop.rows(Consumer, Consumer.number == NUMBERS[LEGACY_11])
    admin = browse(ADMIN)
    way = links(read(admin.get(LIST).text))[one.number]
    assert way == f"/consumers/show/{one.id}"
    assert one.name in admin.get(way).text
    visitor = browse(OPERATOR)
    assert way in visitor.get(LIST).text
    shop.change(forbid_consumers)
    assert one.number in visitor.get(LIST).text
    assert way not in visitor.get(LIST).text


def forbid_consumers(session):
    """Take from operators what shows them a consumer's page."""
    role = session.query(Role).where(Role.name == "Operator").one()
    shown = ("can_show", "Consumers")
    role.permissions = [
        one for one in role.permissions if (one.permission.name, one.view_menu.name) != shown
    ]
