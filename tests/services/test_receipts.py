"""Receipts, the lists at the counter, and when digits are shown for the first time."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests.factories import DOMESTIC, NOW, OPERATOR, SOUTH_OPERATOR, SOUTHERN, SUPERVISOR
from tests.faults import answer_lost, down, request_lost
from vmsapp.errors import NotFound
from vmsapp.models import Consumer, Meter
from vmsapp.scope import seen_by
from vmsapp.services import meter_search, receipts


def as_(shop, deed, *args, by=OPERATOR, **named):
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        return deed(session, *args, **named)


def slip(shop, sale, by=OPERATOR):
    return as_(shop, receipts.receipt, shop.actor(by), sale.id, by=by)


def test_a_receipt_says_what_was_sold_to_whom_and_carries_the_digits(shop):
    sale = shop.sell(DOMESTIC, units="60")
    paper = slip(shop, sale)
    assert paper.digits == shop.digits(sale)
    assert paper.number == f"{sale.vending_point_id}-1-000001"
    assert (paper.utility.utility_name, paper.operator, paper.marks) == (
        "Test Utility",
        "operator",
        ("DEMO",),
    )
    assert [line["kind"] for line in paper.lines] == ["fee", "energy"]
    assert paper.digits not in repr(paper)


@pytest.mark.parametrize(("units", "more"), [("1638.3", False), ("1638.5", True)])
def test_a_receipt_says_when_the_token_carries_more_than_was_paid_for(shop, units, more):
    assert slip(shop, shop.sell(units=units)).carries_more is more


def test_digits_found_by_the_worker_are_marked_as_shown_when_they_are_first_shown(shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert shop.again(sale).shown_at is None
    shown = shop.clock.forward(minutes=5)
    assert slip(shop, sale).digits == shop.digits(sale)
    shop.clock.forward(minutes=5)
    slip(shop, sale)
    assert shop.again(sale).shown_at == shown


NO_DIGITS = [(request_lost, "pending"), (answer_lost, "pending"), (down, "failed")]


@pytest.mark.parametrize(("fault", "state"), NO_DIGITS)
def test_a_sale_that_is_not_issued_shows_no_digits(shop, module, fault, state):
    module.once("issue_credit", fault)
    sale = shop.sell()
    paper = slip(shop, sale)
    assert (paper.sale.state, paper.digits, paper.number) == (state, None, None)


def test_the_digits_of_a_sealed_sale_are_never_shown(shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    module.once("fetch_result", request_lost)
    shop.reconcile()
    shop.seal(sale)
    assert shop.reconcile() == {"reversed": 1}
    assert len(shop.tokens(sale)) == 1
    assert slip(shop, sale, by=SUPERVISOR).digits is None
    assert shop.again(sale).shown_at is None


def test_a_sale_out_of_sight_has_no_receipt(shop):
    sale = shop.sell()
    for deed in (lambda: slip(shop, sale, by=SOUTH_OPERATOR),
                 lambda: as_(shop, receipts.state_of, sale.id, by=SOUTH_OPERATOR)):  # fmt: skip
        with pytest.raises(NotFound):
            deed()


def test_a_pending_sale_is_on_the_list_until_it_is_settled_and_then_on_the_other(shop, module):
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    assert [row.id for row in as_(shop, receipts.open_sales)] == [sale.id]
    shop.clock.forward(minutes=1)
    shop.reconcile()
    now = shop.clock.now
    assert as_(shop, receipts.open_sales) == []
    (row,) = as_(shop, receipts.settled_later, now)
    assert (row.id, row.state, row.units, row.sealed) == (sale.id, "issued", Decimal(50), False)
    assert as_(shop, receipts.settled_later, now, by=SOUTH_OPERATOR) == []
    assert as_(shop, receipts.settled_later, now + timedelta(days=1, seconds=1)) == []


def test_a_sale_that_was_never_in_doubt_is_on_neither_list(shop):
    shop.sell()
    assert as_(shop, receipts.open_sales) == as_(shop, receipts.settled_later, NOW) == []


def test_a_meter_is_found_by_its_number_and_by_its_consumers_name(shop):
    meter = shop.meter(DOMESTIC)
    spaced = f" {meter.drn[:4]} {meter.drn[4:8]}-{meter.drn[8:]} "
    for text in (meter.drn, spaced, "C0005", "consumer 5"):
        found = as_(shop, meter_search.find_meters, text)
        assert [row.meter.drn for row in found] == [meter.drn], text


@pytest.mark.parametrize("text", ["", "   ", "%", "_", "nobody", "'; DROP TABLE meter", "0" * 200])
def test_what_nobody_is_called_finds_nothing(shop, text):
    assert as_(shop, meter_search.find_meters, text) == []


def test_a_meter_of_another_region_is_not_found_however_it_is_asked_for(shop):
    drn = shop.meter(SOUTHERN).drn
    for text in (drn, drn[:8], "C0006", "Consumer 6"):
        found = [row.meter.drn for row in as_(shop, meter_search.find_meters, text)]
        assert drn not in found
    assert [row.meter.drn for row in as_(shop, meter_search.find_meters, drn, by=SUPERVISOR)] == [
        drn
    ]


@pytest.mark.parametrize("text", ["consumer", "C00"])
@pytest.mark.parametrize("who", [OPERATOR, SOUTH_OPERATOR])
def test_meters_of_other_regions_do_not_fill_the_pool_that_is_put_in_order(
    shop, monkeypatch, who, text
):
    every = {row.meter.id for row in as_(shop, meter_search.find_meters, text, by=who)}
    assert len(every) >= 1
    monkeypatch.setattr(meter_search, "POOL", 1)
    (row,) = as_(shop, meter_search.find_meters, text, by=who)
    assert row.meter.id in every


def test_a_sale_stays_whole_when_its_meter_and_consumer_move_to_another_region(shop, module):
    module.once("issue_credit", request_lost)
    pending = shop.sell()
    issued = shop.sell(DOMESTIC)
    south = shop.utility.regions["south"].id

    def move_south(session):
        for model, ids in (
            (Meter, [pending.meter_id, issued.meter_id]),
            (Consumer, [pending.consumer_id, issued.consumer_id]),
        ):
            session.execute(update(model).where(model.id.in_(ids)).values(region_id=south))

    shop.change(move_south)
    paper = slip(shop, issued)
    assert (paper.digits, paper.meter.id) == (shop.digits(issued), issued.meter_id)
    assert paper.consumer.region.name == shop.utility.regions["south"].name
    assert [row.id for row in as_(shop, receipts.open_sales)] == [pending.id]
