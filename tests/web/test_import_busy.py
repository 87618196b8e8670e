"""Imports of meters while tokens are being made: the rows of those meters wait, the others go on.

Source: SALE.md, "10. Key change": what a token depends on does not change while it is made.
"""

import pytest

from tests.factories import LEGACY_11, MARKET, NOT_INSTALLED, SOUTH_OPERATOR
from tests.faults import request_lost
from tests.web.importing import METER_HEADINGS as HEADINGS
from tests.web.importing import NEW_METERS as NEW
from tests.web.importing import codes, meters_of, workbook
from tests.web.office import ADMIN, BOTH
from tests.web.records import read
from vmsapp.models import Consumer, EngineeringRefusal, EngineeringToken, SecurityModule

UPDATING = {"update_existing": "y", "although_same": "y"}
DUE = "A sale to meter %s is being settled. Try again when it is."


@pytest.fixture
def regions(shop):
    """In which region each meter is, by number."""
    names = {region.id: name for name, region in shop.utility.regions.items()}
    return lambda: {drn: names[meter.region_id] for drn, meter in meters_of(shop).items()}


@pytest.fixture
def pending(shop, module):
    """Sell to a meter, and have the module not answer."""

    def sell(name: str, **form: str) -> str:
        module.once("issue_credit", request_lost)
        assert shop.sell(name, **form).state == "pending"
        return shop.meter(name).drn

    return sell


def moved(row, shop, *names: str) -> bytes:
    """A sheet that moves meters to the south."""
    drns = [shop.meter(name).drn if name in shop.utility.meters else name for name in names]
    return workbook([row(drn, region="South") for drn in drns], HEADINGS)


def under_way(shop, name: str) -> None:
    """Have an engineering token for a meter that hangs nowhere be under way."""
    meter = shop.meter(name)
    said = {
        key: getattr(meter, key)
        for key in ("meter_pan", "sgc", "krn", "kt", "ti", "base_date", "ea", "tct")
    }
    shop.change(lambda s: s.add(EngineeringToken(
        meter_id=meter.id, **said, state="reserved", form_key="k", body_hash="0" * 64, epoch=1,
        function="clear_credit", wanted=0, reason="", ken=255, dkga="02", table_set="",
        subclass=1, value=0, tid=17_000_00, rnd=3, request_id="r", attempt=1,
        module_id=shop.rows(SecurityModule)[0].id, reserved_at=shop.clock.now,
    )))  # fmt: skip


@BOTH
def test_a_meter_being_sold_to_is_an_error_of_its_row_alone(
    shop, row, hand_in, go_on, browse, regions, pending, backend
):
    go_on("apply", hand_in(workbook([row(NEW[0])], HEADINGS)))
    batch = hand_in(moved(row, shop, NEW[0], LEGACY_11, NEW[1]), **UPDATING)
    assert batch.faulty == 0, codes(shop, batch)
    busy = pending(LEGACY_11)
    batch = go_on("apply", batch)
    assert (batch.state, batch.applied, batch.faulty) == ("applied", 2, 1)
    assert codes(shop, batch) == {3: ["meter_sale_underway"]}
    told = regions()
    assert (told[NEW[0]], told[NEW[1]], told[busy]) == ("south", "south", "north")
    page = read(browse(ADMIN).get(f"/imports/show/{batch.id}").text).text
    assert DUE % f"{busy[:4]} {busy[4:8]} {busy[8:]}" in page


def test_once_it_is_settled_the_same_file_changes_it(
    shop, row, hand_in, go_on, regions, pending, module
):
    busy, sheet = pending(LEGACY_11), moved(row, shop, LEGACY_11)
    batch = go_on("apply", hand_in(sheet, **UPDATING))
    assert codes(shop, batch) == {2: ["meter_sale_underway"]}
    shop.clock.forward(seconds=31)
    shop.reconcile()
    batch = go_on("apply", hand_in(sheet, **UPDATING))
    assert (batch.applied, codes(shop, batch)) == (1, {})
    assert regions()[busy] == "south"


def test_a_row_that_says_what_is_so_waits_for_nothing(shop, row, hand_in, go_on, pending):
    busy = pending(LEGACY_11)
    batch = go_on("apply", hand_in(workbook([row(busy)], HEADINGS), **UPDATING))
    assert (batch.applied, codes(shop, batch)) == (1, {})


def test_an_undo_leaves_the_meter_that_is_being_sold_to(
    shop, row, hand_in, go_on, regions, pending
):
    go_on("apply", hand_in(workbook([row(NEW[0])], HEADINGS)))
    batch = go_on("apply", hand_in(moved(row, shop, NEW[0], LEGACY_11), **UPDATING))
    busy = pending(LEGACY_11, by=SOUTH_OPERATOR, point=MARKET)
    batch = go_on("undo", batch)
    assert (batch.state, batch.kept) == ("undone", 1)
    assert codes(shop, batch) == {3: ["meter_sale_underway"]}
    assert (regions()[NEW[0]], regions()[busy]) == ("north", "south")


def test_a_meter_with_a_token_under_way_is_bound_to_nobody(shop, row, hand_in, go_on):
    spare = shop.meter(NOT_INSTALLED).drn
    under_way(shop, NOT_INSTALLED)
    ada = shop.rows(Consumer, Consumer.number == "C0001")[0].id
    sheet = workbook([row(NEW[0]), row(spare)], HEADINGS)
    batch = go_on("apply", hand_in(sheet, f"meters?consumer={ada}", **UPDATING))
    assert (batch.applied, codes(shop, batch)) == (1, {3: ["engineering_underway"]})
    told = meters_of(shop)
    assert (told[NEW[0]].bound, told[spare].bound) == (True, False)


def test_an_undo_keeps_a_meter_to_which_a_token_was_refused(shop, row, hand_in, go_on):
    batch = go_on("apply", hand_in(workbook([row(NEW[0]), row(NEW[1])], HEADINGS)))
    first = meters_of(shop)[NEW[0]].id
    shop.change(lambda s: s.add(EngineeringRefusal(
        meter_id=first, function="clear_credit", wanted=0, reason="", code="key_closed",
        outcome={}, refused_at=shop.clock.now,
    )))  # fmt: skip
    batch = go_on("undo", batch)
    assert (batch.state, batch.kept) == ("undone", 1)
    assert meters_of(shop).keys() & set(NEW) == {NEW[0]}
