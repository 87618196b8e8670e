"""Sales that do not stand, of consumers who moved out meanwhile: the fees are theirs again.

Source: SALE.md, "11. Counters and the service point".
"""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import update

from tests.factories import DOMESTIC, FEE_MINOR, NOW, SUPERVISOR
from tests.faults import answer_lost, down
from tests.services.pair import make_pair
from vmsapp.models import Consumer, MeterInstallation, Sale, ServicePoint
from vmsapp.services.registration.binding import Link, bind, unbind
from vmsapp.services.vending.reversal import REVERSE, Reversal

JUNE = NOW + timedelta(days=105)
"""30 June: the fees of March, April and May are missed, and June's is due."""


@pytest.fixture
def pair(shop):
    return make_pair(shop.at(JUNE))


@pytest.fixture
def move_out(shop):
    return partial(shop.do, unbind, shop.utility.meters[DOMESTIC], by=SUPERVISOR)


@pytest.fixture
def move_in(shop):
    """Have a new consumer move in, or one who was there."""

    def do(consumer_id=None):
        if consumer_id is None:
            north = shop.utility.regions["north"].id
            row = Consumer(number="N1", name="Newcomer", region_id=north)
            shop.change(lambda session: session.add(row))
            consumer_id = row.id
        link = Link(shop.utility.meters[DOMESTIC], consumer_id, shop.point_of(DOMESTIC))
        shop.do(bind, [link], by=SUPERVISOR)

    return do


def take_back(pair, sale):
    params = Reversal(sale.id, sale.charged_minor, "wrong_meter", "")
    assert pair.approve(pair.ask(REVERSE, params=params)).state == "approved"


def arrears(shop):
    """What is kept with the links at the place, the oldest first."""
    at = MeterInstallation.service_point_id == shop.point_of(DOMESTIC)
    return [link.arrears_minor for link in shop.rows(MeterInstallation, at)]


def asked(shop):
    """Missed fees, and the present one, that the next purchase is asked for."""
    figures = shop.quote(DOMESTIC, units="10")
    return figures["fee_arrears_minor"], figures["fee_minor"]


def test_the_leaver_owes_again_what_the_sale_had_paid(shop, pair, move_out, move_in):
    sale = shop.sell(DOMESTIC, units="10")
    assert sale.charged_minor == 4 * FEE_MINOR + 100
    move_out()
    move_in()
    assert (arrears(shop), asked(shop)) == ([0, None], (0, 0))
    take_back(pair, sale)
    assert arrears(shop) == [3 * FEE_MINOR, None]
    assert asked(shop) == (0, FEE_MINOR), "of the month in which both bought, as anybody there"


def test_also_the_fee_of_a_month_in_which_the_newcomer_was_not_there(
    shop, pair, move_out, move_in
):  # fmt: skip
    sale = shop.sell(DOMESTIC, units="10")
    move_out()
    shop.clock.forward(days=1)
    move_in()
    take_back(pair, sale)
    assert arrears(shop) == [4 * FEE_MINOR, None]
    assert asked(shop) == (0, FEE_MINOR), "July's"


def test_to_what_was_missed_since_it_is_added(shop, pair, move_out, move_in):
    sale = shop.sell(DOMESTIC, units="10")
    shop.clock.forward(days=35)  # 4 August: July is missed
    move_out()
    move_in()
    assert arrears(shop) == [FEE_MINOR, None]
    # sales are taken back within days; this one as if it were younger
    shop.change(lambda session: session.execute(update(Sale).values(sold_at=shop.clock.now)))
    take_back(pair, sale)
    assert arrears(shop) == [5 * FEE_MINOR, None]


def test_while_nobody_came_the_leaver_owes_it_and_who_comes_does_not(
    shop, pair, move_out, move_in
):  # fmt: skip
    sale = shop.sell(DOMESTIC, units="10")
    move_out()
    take_back(pair, sale)
    assert arrears(shop) == [3 * FEE_MINOR]
    move_in()
    assert (arrears(shop), asked(shop)) == ([3 * FEE_MINOR, None], (0, FEE_MINOR))


def test_of_who_is_there_or_came_back_at_once_the_place_asks(shop, pair, move_out, move_in):
    sale = shop.sell(DOMESTIC, units="10")
    (place,) = shop.rows(ServicePoint, ServicePoint.id == shop.point_of(DOMESTIC))
    move_out()
    move_in(place.consumer_id)
    take_back(pair, sale)
    assert (arrears(shop), asked(shop)) == ([None, None], (3 * FEE_MINOR, FEE_MINOR))


def test_who_comes_back_after_another_owes_it_from_the_first_time(
    shop, pair, move_out, move_in
):  # fmt: skip
    (place,) = shop.rows(ServicePoint, ServicePoint.id == shop.point_of(DOMESTIC))
    sale = shop.sell(DOMESTIC, units="10")
    for consumer_id in (None, place.consumer_id):
        shop.clock.forward(minutes=1)
        move_out()
        move_in(consumer_id)
    take_back(pair, sale)
    assert arrears(shop) == [3 * FEE_MINOR, 0, None]
    assert asked(shop) == (0, FEE_MINOR)


def test_a_sealed_sale_that_comes_to_nothing_gives_the_fees_back_to_who_left(
    shop, module, pair, move_out, move_in
):  # fmt: skip
    module.once("issue_credit", answer_lost)
    sale = shop.sell(DOMESTIC, units="10")
    shop.clock.forward(minutes=1)
    module.once("fetch_result", down)
    shop.reconcile()
    shop.seal(sale)
    move_out()
    move_in()
    shop.reconcile()
    assert shop.again(sale).state == "reversed"
    assert arrears(shop) == [3 * FEE_MINOR, None]


def test_of_an_older_sale_the_lines_tell_no_length(shop, pair, move_out, move_in):
    sale = shop.sell(DOMESTIC, units="10")
    lines = [
        {name: value for name, value in line.items() if name != "period"}
        for line in sale.calculation["lines"]
    ]
    older = sale.calculation | {"lines": lines}
    shop.change(lambda session: session.execute(update(Sale).values(calculation=older)))
    move_out()
    move_in()
    take_back(pair, sale)
    assert arrears(shop) == [3 * FEE_MINOR, None]
