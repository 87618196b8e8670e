"""The utility's limits of a purchase, as Setup holds them."""

from decimal import Decimal

import pytest
from sqlalchemy import update

from tests.factories import CURRENCY, LEGACY_11, LEGACY_13, MARKET
from tests.faults import request_lost
from tests.web.office import statements
from vmsapp.models import AuditEvent, LedgerTransfer, Sale, SaleState, Setup, SpentTid
from vmsapp.money import Money
from vmsapp.services.vending.errors import SaleUnderway, TokensOfTheDay
from vmsapp.tariffs.errors import (
    AboveLargestAmount,
    AboveLargestPurchase,
    AmountTooSmall,
    BelowSmallestAmount,
    BelowSmallestPurchase,
)


def limit(shop, **values):
    shop.change(lambda session: session.execute(update(Setup).values(**values)))


def written(shop) -> list[int]:
    return [shop.count(model) for model in (Sale, SpentTid, LedgerTransfer, AuditEvent)]


def refused(shop, error, **wish):
    """Refuse it on the screen already; nothing is written."""
    before = written(shop)
    with pytest.raises(error) as caught:
        shop.quote(LEGACY_11, **wish)
    assert type(caught.value) is error
    with pytest.raises(error):
        shop.sell(shown={}, **wish)
    assert written(shop) == before
    return caught.value.params


@pytest.mark.parametrize(("limits", "fits", "error", "wish"), [
    ({"smallest_minor": 500}, {"units": "50"}, BelowSmallestAmount, {"units": "49.9"}),
    ({"largest_minor": 500}, {"units": "50"}, AboveLargestAmount, {"units": "50.1"}),
    ({"smallest_minor": 500}, {"tender": 500}, BelowSmallestAmount, {"tender": 499}),
    ({"largest_minor": 500}, {"tender": 500}, AboveLargestAmount, {"tender": 501}),
    ({"smallest_units": Decimal(50)}, {"tender": 500}, AmountTooSmall, {"tender": 499}),
])  # fmt: skip
def test_money_is_held_against_the_limits(shop, limits, fits, error, wish):
    limit(shop, **limits)
    assert set(refused(shop, error, **wish).values()) == {Money(500, CURRENCY)}
    assert shop.sell(**fits).state == SaleState.ISSUED


@pytest.mark.parametrize(("limits", "fits", "error", "wish"), [
    ({"smallest_units": "0.5"}, {"units": "0.5"}, BelowSmallestPurchase, {"units": "0.4"}),
    ({"largest_units": "90"}, {"units": "90"}, AboveLargestPurchase, {"units": "90.1"}),
])  # fmt: skip
def test_units_are_held_against_the_limits(shop, limits, fits, error, wish):
    limits = {name: Decimal(text) for name, text in limits.items()}
    limit(shop, **limits)
    assert set(refused(shop, error, **wish).values()) == set(limits.values())
    assert shop.sell(**fits).state == SaleState.ISSUED


def test_money_for_more_than_the_most_units_comes_back_as_change(shop):
    limit(shop, largest_units=Decimal(30))
    sale = shop.sell(tender=500)
    assert (sale.units, sale.charged_minor, sale.change_minor) == (30, 300, 200)


def test_a_limit_that_came_after_the_price_was_shown_counts(shop):
    form = shop.form(units="50")
    limit(shop, largest_minor=499)
    with pytest.raises(AboveLargestAmount):
        shop.submit(form)


def test_a_meter_gets_so_many_tokens_a_day_and_no_more(shop):
    limit(shop, tokens_a_day=2)
    shop.sell(units="50")
    form = shop.form(units="20")
    last = shop.submit(form)
    before = written(shop)
    with pytest.raises(TokensOfTheDay) as caught:
        shop.sell(units="30")
    assert caught.value.params == {"drn": shop.meter(LEGACY_11).drn, "most": 2}
    assert written(shop) == before
    assert shop.submit(form).id == last.id, "a retry is no new token"
    assert shop.sell(LEGACY_13).state == SaleState.ISSUED, "each meter has its own count"


def test_the_count_begins_anew_with_the_utilitys_day(shop):
    limit(shop, tokens_a_day=1)
    shop.sell()
    shop.clock.forward(hours=11, minutes=29)  # a minute before midnight there
    with pytest.raises(TokensOfTheDay):
        shop.sell()
    shop.clock.forward(minutes=1)
    assert shop.sell().state == SaleState.ISSUED


def test_tokens_sold_at_other_vending_points_count(shop):
    limit(shop, tokens_a_day=1)
    shop.sell()
    elsewhere = update(Sale).values(vending_point_id=shop.utility.points[MARKET])
    shop.change(lambda session: session.execute(elsewhere))
    with pytest.raises(TokensOfTheDay):
        shop.sell()


@pytest.mark.parametrize(("state", "counts"), [("failed", False), ("reversed", True)])
def test_what_made_no_token_does_not_count(shop, state, counts):
    limit(shop, tokens_a_day=1)
    sale = shop.sell()
    number = None if state == "failed" else sale.receipt_number
    moved = update(Sale).values(state=state, receipt_number=number)
    shop.change(lambda session: session.execute(moved))
    if counts:
        with pytest.raises(TokensOfTheDay):
            shop.sell()
    else:
        assert shop.sell().state == SaleState.ISSUED


def test_a_sale_that_is_being_settled_is_named_before_the_limit(shop, module):
    limit(shop, tokens_a_day=1)
    module.once("issue_credit", request_lost)
    shop.sell()
    with pytest.raises(SaleUnderway):
        shop.sell()


def test_the_price_on_the_screen_takes_no_statement_more_for_limits(shop):
    counts = []
    for values in ({}, {"smallest_minor": 1, "largest_units": Decimal(900), "tokens_a_day": 1}):
        limit(shop, **values) if values else None
        with statements(shop.engine) as seen:
            shop.quote(LEGACY_11)
        counts.append(len(seen))
    assert counts[0] == counts[1]
