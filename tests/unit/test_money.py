"""Money: whole minor units, exact text, and rounding by a named direction."""

from decimal import Decimal
from fractions import Fraction

import pytest

from vmsapp.money import (
    MAX_MINOR,
    Currency,
    Money,
    MoneyFormatError,
    round_down,
    round_half_up,
    round_up,
)

WRITTEN = [  # exponents as ISO 4217 gives them: JPY 0, USD 2, TND 3
    (0, 0, "0"), (0, 1234, "1234"),
    (2, 0, "0.00"), (2, 5, "0.05"), (2, 4350, "43.50"), (2, -5, "-0.05"),
    (3, 1500, "1.500"), (4, 1, "0.0001"),
]  # fmt: skip


@pytest.mark.parametrize(("exponent", "minor", "text"), WRITTEN)
def test_an_amount_is_written_and_read_back_exactly(exponent, minor, text):
    currency = Currency("XXX", exponent)
    assert currency.format(Money(minor, "XXX")) == text
    assert currency.parse(text) == Money(minor, "XXX")


READ = [("43.5", 4350), (" 43.50 ", 4350), ("+1", 100), ("-1", -100), ("1e2", 10_000), (".5", 50)]


@pytest.mark.parametrize(("text", "minor"), READ)
def test_what_people_type_is_read(text, minor):
    assert Currency("USD", 2).parse(text).minor == minor


UNREADABLE = ["", "abc", "1,5", "1.234", "NaN", "sNaN", "Infinity", "-Infinity", "1e99", "1e-9",
              "10000000000000.01", "-10000000000000.01", "--1", "0x10",
              "1.00" + "0" * 40 + "1"]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_amount_of_the_currency_is_refused(text):
    with pytest.raises(MoneyFormatError):
        Currency("USD", 2).parse(text)


@pytest.mark.parametrize("sign", ["", "-"])
def test_the_largest_amount_is_read_and_one_more_is_not(sign):
    assert abs(Currency("XXX", 0).parse(f"{sign}{MAX_MINOR}").minor) == MAX_MINOR
    with pytest.raises(MoneyFormatError):
        Currency("XXX", 0).parse(f"{sign}{MAX_MINOR + 1}")


ROUNDED = [  # exact, half up, up, down
    (Fraction(1, 2), 1, 1, 0),
    (Fraction(-1, 2), -1, 0, -1),
    (Fraction(5, 2), 3, 3, 2),
    (Decimal("1202.1"), 1202, 1203, 1202),
    (Decimal("-0.1"), 0, 0, -1),
    (Fraction(1, 3), 0, 1, 0),
    (7, 7, 7, 7),
]


@pytest.mark.parametrize(("exact", "half_up", "up", "down"), ROUNDED)
def test_rounding_goes_where_its_name_says(exact, half_up, up, down):
    assert (round_half_up(exact), round_up(exact), round_down(exact)) == (half_up, up, down)


def test_amounts_of_one_currency_add_and_of_two_do_not():
    one, two = Money(100, "USD"), Money(250, "USD")
    assert (one + two, two - one, -one) == (
        Money(350, "USD"),
        Money(150, "USD"),
        Money(-100, "USD"),
    )
    for mix in (lambda: one + Money(1, "EUR"), lambda: one - Money(1, "EUR")):
        with pytest.raises(ValueError, match="do not add"):
            mix()


@pytest.mark.parametrize(("exponent", "coin"), [(-1, 1), (5, 1), (2, 0), (2, -5)])
def test_a_currency_that_cannot_be_is_refused(exponent, coin):
    with pytest.raises(ValueError, match="is not"):
        Currency("XXX", exponent, coin)


def test_a_currency_tells_its_scale():
    assert (Currency("TND", 3).minor_per_unit, Currency("TND", 3).decimal(1500)) == (
        1000,
        Decimal("1.5"),
    )
