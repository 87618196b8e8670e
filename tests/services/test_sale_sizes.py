"""How large and how small a purchase may be, and what its token then carries."""

from decimal import Decimal

import pytest

SIZES = [  # units sold, units the token carries: the next step of each exponent's range
    ("0.1", "0.1"),
    ("1638.3", "1638.3"),
    ("1638.4", "1638.4"),
    ("1638.5", "1639.4"),
    ("18021.4", "18021.4"),
    ("18021.5", "18022.4"),
    ("18022.5", "18032.4"),
    ("1820162.4", "1820162.4"),
]


@pytest.mark.parametrize(("units", "carried"), SIZES)
def test_what_fits_no_step_is_carried_up_in_the_customers_favour(shop, keystore, units, carried):
    sale = shop.sell(units=units)
    assert (sale.units, sale.units_carried) == (Decimal(units), Decimal(carried))
    assert shop.decode(sale, keystore).amount_field == sale.amount_field
    assert sale.charged_minor == Decimal(units) * 10  # a cent for a tenth of a unit


def test_the_counter_counts_what_was_paid_for_not_what_the_token_carries(shop):
    sale = shop.sell(units="1638.5")
    assert list(shop.counters("legacy 11").values()) == [Decimal("1638.5")]
    assert sale.bought_after == Decimal("1638.5")


def test_more_money_than_the_largest_token_costs_comes_back_as_change(shop):
    sale = shop.sell(tender=20_000_000)
    assert (sale.units, sale.charged_minor, sale.change_minor) == (
        Decimal("1820162.4"),
        18_201_624,
        1_798_376,
    )
