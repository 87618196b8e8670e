"""Every route, for every ready-made group, on what is one's own, another's, and with no region.

The table beside this file says what each may: ``yes``, ``no`` (the group may not), ``404`` (not
there, as far as the asker sees) or ``login``. Administrators work for the whole utility, the
others in the north, operators at its vending point. After a change that is meant, write it anew

    .venv/bin/python -m pytest -o python_functions=write_anew tests/web/test_access.py

and read the difference as you would read code.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask, url_for
from sqlalchemy import select

from tests import factories
from tests.engineer import engineered
from tests.factories import (
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
)
from tests.keyring import failed_change
from tests.till import Till
from tests.web.office import NOWHERE, Browser, contents
from tests.web.test_permissions import FRAMEWORKS_OWN, routes
from vmsapp.models import Campaign, Debt, Delivery, RevenueFinding, Tariff
from vmsapp.models.user import Role
from vmsapp.security import READY_MADE

TABLE = Path(__file__).with_name("access.tsv")
SCOPES = ("own", "other", "none")
LAST = ("Sessions.end_others", "AuthDBView.logout", "ResetMyPasswordView.this_form_post")
OTHERS = {"session_id": NOWHERE, "plan_id": NOWHERE, "simulation_id": NOWHERE,
          "name": "suspend", "filename": "none.css",
          "locale": "fr", "section": "currency", "digest": "none", "way": "pay-in",
          "action": "float.pay_in", "kind": "csv", "sheet": "consumers", "hold": "block",
          "move": "activate", "row_id": 1, "algorithm": "sts6", "code": "stopped",
          "function": "clear_tamper", "chapter": "counter", "language": "en",
          "figure": "sold", "bearer_id": NOWHERE, "number": LEGACY_11, "id": NOWHERE,
          "key": "1-0123456789abcdef"}  # fmt: skip
"""What stands in an address besides whose it is."""


class Thing(NamedTuple):
    """Ids of a thing of the north and of one of the south."""

    own: int
    other: int


@pytest.fixture
def things(shop, utility, people) -> dict[str, Thing]:
    """Of each kind that lies in a region, one of the own and one of the other."""
    north, south = shop.sell(), shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    meters = [utility.meters[name] for name in (LEGACY_11, SOUTHERN)]

    def consumers(session) -> Thing:
        return Thing(*(sale.consumer_id for sale in (north, south)))

    def deliveries(session) -> Thing:
        rows = [
            Delivery(
                sale_id=sale.id, vending_point_id=sale.vending_point_id, channel="sms",
                consumer_id=sale.consumer_id, language="en", nth=None, reference=str(sale.id),
                to_masked="", asked_by_id=sale.operator_id, asked_at=sale.sold_at, state="failed",
                state_at=sale.sold_at, due_at=sale.sold_at,
            )
            for sale in (north, south)
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return Thing(*(row.id for row in rows))

    def debts(session) -> Thing:
        rows = [
            Debt(consumer_id=sale.consumer_id, name="Owed", amount_minor=500, sum_minor=100,
                 reason="x", entered_at=sale.sold_at, key="x")
            for sale in (north, south)
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return Thing(*(row.id for row in rows))

    def campaigns(session) -> Thing:
        rows = [
            Campaign(region_id=utility.regions[name].id, name=name, reason="x",
                     due_on=factories.TODAY, target={"ti": "07"}, made_at=sale.sold_at)
            for name, sale in (("north", north), ("south", south))
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return Thing(*(row.id for row in rows))

    def findings(session) -> Thing:
        rows = [
            RevenueFinding(rule="stopped", subject=f"meter {key}", meter_id=key, facts={},
                           found_at=north.sold_at)
            for key in meters
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return Thing(*(row.id for row in rows))

    till = Till(shop)
    shifts = Thing(*(
        till.open(by=by, point=point).id
        for by, point in ((OPERATOR, HARBOUR), (SOUTH_OPERATOR, MARKET))
    ))  # fmt: skip
    made = [
        engineered(shop, meter, by)
        for by, meter in ((OPERATOR, LEGACY_11), (SOUTH_OPERATOR, SOUTHERN))
    ]
    tokens, refusals, tests = (Thing(*pair) for pair in zip(*made, strict=True))
    points = Thing(utility.points[HARBOUR], utility.points[MARKET])
    regions = utility.regions
    return {
        "sale": Thing(north.id, south.id),
        "meter": Thing(*meters),
        "delivery": shop.change(deliveries),
        "debt": shop.change(debts),
        "Campaigns": shop.change(campaigns),
        "RevenueFindings": shop.change(findings),
        "Sales": Thing(north.id, south.id),
        "Meters": Thing(*meters),
        "Consumers": shop.change(consumers),
        "PurchaseRecords": shop.change(consumers),  # whose statement it is
        "Regions": Thing(regions["north"].id, regions["south"].id),
        "VendingPoints": points,
        "Floats": points,
        "Shifts": shifts,
        "EngineeringTokens": tokens,
        "EngineeringRefusals": refusals,
        "TestTokens": tests,
        "change": Thing(*(failed_change(shop, name) for name in (LEGACY_11, SOUTHERN))),
        "Tariffs": Thing(*(shop.rows(Tariff)[0].id,) * 2),
        "SecurityModules": Thing(utility.module_id, utility.module_id),
        "UserGroups": Thing(*(group_id(shop, "Operator"),) * 2),
        "Users": Thing(people[OPERATOR].id, people[SOUTH_OPERATOR].id),
    }


def group_id(shop, name: str) -> int:
    return shop.rows(Role, Role.name == name)[0].id


@pytest.fixture
def sit(office: Flask, shop, utility) -> Callable[[str, str], Browser]:
    """Seat a new member of a group: in the north, or in no region."""

    def seat(group: str, scope: str) -> Browser:
        def hire(session) -> int:
            user = factories.add_user(session, f"{group} {scope}")
            user.roles = [session.scalars(select(Role).where(Role.name == group)).one()]
            if scope != "none":
                user.all_regions = group == "Administrator"
                user.region_id = None if user.all_regions else utility.regions["north"].id
                at_point = group == "Operator"
                user.vending_point_id = utility.points[HARBOUR] if at_point else None
            return user.id

        return Browser(office, shop.change(hire))

    return seat


def address(office: Flask, endpoint: str, scope: str, things: dict[str, Thing]) -> str:
    """Where a route leads for what is one's own or another's."""
    rule = next(office.url_map.iter_rules(endpoint))
    view = endpoint.partition(".")[0]

    def of(kind: str) -> int:
        thing = things.get(kind)
        return (thing.other if scope == "other" else thing.own) if thing else 2

    values = OTHERS | {
        "pk": of(view),
        "sale_id": of("sale"),
        "meter_id": of("meter"),
        "delivery_id": of("delivery"),
        "debt_id": of("debt"),
        "change_id": of("change"),
        "consumer_id": of("Consumers"),
    }
    if endpoint == "Counter.purchase":
        values["key"] = "1-x"  # else a form leads on to itself with a key
    with office.test_request_context():
        return url_for(
            endpoint,
            **{name: values[name] for name in values if name in rule.arguments or name == "key"},
        )


def outcome(browser: Browser, path: str, method: str) -> str:
    """Call a route and tell whether it was open."""
    answer = browser.get(path) if method == "GET" else browser.post(path)
    assert answer.status_code < 500, path
    if (answer.location or "").startswith("/login/"):
        return "login"
    return {401: "no", 403: "no", 404: "404"}.get(answer.status_code, "yes")


def table() -> dict[tuple[str, str], dict[str, list[str]]]:
    """What each group may, by route: for the own, the other's, and without a region."""
    head, *lines = (line.split("\t") for line in TABLE.read_text().splitlines())
    return {
        (route, method): {
            group: cell.split("/") for group, cell in zip(head[2:], cells, strict=True)
        }
        for route, method, *cells in lines
    }


def order(route: tuple[str, str]) -> tuple[bool, bool, bool, tuple[str, str]]:
    """First what only reads, then what writes, then what removes, then what signs out."""
    endpoint, method = route
    removes = "delete" in endpoint or endpoint.startswith(("Users.action", "Regions.merge"))
    return method != "GET", endpoint in LAST, removes, route


@FRAMEWORKS_OWN
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("group", READY_MADE)
def test_each_group_may_what_the_table_says_and_what_is_refused_changes_nothing(
    office, engine, things, sit, group, scope
):
    index = SCOPES.index(scope)
    expected = {route: cells[group][index] for route, cells in table().items()}
    assert set(expected) == set(routes(office))
    browser = sit(group, scope)
    refused = sorted((route for route in expected if expected[route] != "yes"), key=order)
    open_to = sorted((route for route in expected if expected[route] == "yes"), key=order)
    before = contents(engine)
    found = {
        route: outcome(browser, address(office, route[0], scope, things), route[1])
        for route in refused
    }
    assert contents(engine) == before
    for route in open_to:
        path = address(office, route[0], scope, things)
        seat = browser if route[0] not in LAST else sit(group, f"{scope} {route}")
        found[route] = outcome(seat, path, route[1])
    assert {r: found[r] for r in found if found[r] != expected[r]} == {}


def test_nobody_is_given_anything_without_a_region():
    scoped = ("Sales.show", "Meters.show", "Consumers.show", "Regions.show", "Floats.show",
              "Shifts.show",
              "Counter.sale", "Counter.purchase", "VendingPoints.show", "Users.show")  # fmt: skip
    seen = {
        (route, group): cells[2]
        for (route, _), groups in table().items() if route in scoped
        for group, cells in groups.items()
    }  # fmt: skip
    assert set(seen.values()) == {"no", "404"}
    assert len(seen) == len(scoped) * len(READY_MADE)


def test_what_lies_elsewhere_is_open_to_administrators_alone():
    parted = [
        (route, group)
        for route, groups in table().items() for group, (own, other, _) in groups.items()
        if own != other
    ]  # fmt: skip
    assert len(parted) > 20
    for route, group in parted:
        own, other, _ = table()[route][group]
        assert (own, other) == ("yes", "404"), (route, group)
        assert group != "Administrator"


@FRAMEWORKS_OWN
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("group", READY_MADE)
def write_anew(office, things, sit, group, scope):
    """Write a part of the table; collected only when it is asked for."""
    browser, known = sit(group, scope), table() if TABLE.exists() else {}
    rows = {route: known.get(route, {}) for route in routes(office)}
    for route in sorted(rows, key=order):
        seat = browser if route[0] not in LAST else sit(group, f"{scope} {route}")
        cells = rows[route].setdefault(group, ["?"] * len(SCOPES))
        path = address(office, route[0], scope, things)
        cells[SCOPES.index(scope)] = outcome(seat, path, route[1])
    lines = [["route", "method", *READY_MADE]]
    lines += [
        [*route, *("/".join(rows[route].get(name, "???")) for name in READY_MADE)]
        for route in sorted(rows)
    ]
    TABLE.write_text("".join("\t".join(line) + "\n" for line in lines))
