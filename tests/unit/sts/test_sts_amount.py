"""The 16-bit amount: SPEC 5.1."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.amount import (
    MAX_TENTHS,
    decode_tenths,
    decode_units,
    encode_tenths,
    encode_units,
)
from vmsapp.sts.errors import (
    AmountTooLarge,
    FieldRangeError,
    InexactAmount,
    NegativeAmount,
    NotANumber,
)


@pytest.mark.parametrize(
    ("tenths", "field", "credited"),
    [
        (0, 0x0000, 0),
        (1, 0x0001, 1),
        (16_383, 0x3FFF, 16_383),
        (16_384, 0x4000, 16_384),
        (16_385, 0x4001, 16_394),
        (180_214, 0x7FFF, 180_214),
        (180_215, 0x8000, 180_224),
        (180_223, 0x8000, 180_224),
        (180_224, 0x8000, 180_224),
        (180_225, 0x8001, 180_324),
        (1_818_524, 0xBFFF, 1_818_524),
        (1_818_623, 0xC000, 1_818_624),
        (1_818_624, 0xC000, 1_818_624),
        (1_818_625, 0xC001, 1_819_624),
        (18_201_624, 0xFFFF, 18_201_624),
    ],
)
def test_amount_takes_the_next_step_up(tenths, field, credited):
    assert encode_tenths(tenths) == field
    assert decode_tenths(field) == credited
    assert decode_units(field) * 10 == credited


@pytest.mark.parametrize(
    ("tenths", "error"),
    [
        (-1, NegativeAmount),
        (18_201_625, AmountTooLarge),
        (1.0, InexactAmount),
        (True, InexactAmount),
        (Decimal(5), InexactAmount),
        ("5", InexactAmount),
        (None, InexactAmount),
    ],
)
def test_amount_no_token_can_carry_is_refused_by_kind(tenths, error):
    with pytest.raises(error, match="amount") as caught:
        encode_tenths(tenths)
    assert caught.value.value in (tenths, str(tenths), "(str)")


def test_an_amount_is_named_for_what_it_is():
    with pytest.raises(NegativeAmount, match=r"^watts -1 is below zero$"):
        encode_tenths(-1, "watts")


@pytest.mark.parametrize("field", [-1, 0x10000])
def test_field_wider_than_16_bits_is_refused(field):
    with pytest.raises(FieldRangeError, match="amount field"):
        decode_tenths(field)


@pytest.mark.parametrize(
    ("units", "field"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.1", 1),
        ("0.01", 1),
        ("1E-999999", 1),  # any sliver is a tenth
        ("25.6", 256),
        ("25.60000000000000000000000000000000000001", 257),
        ("1638.3", 0x3FFF),
        ("1638.31", 0x4000),
        ("1820162.4", 0xFFFF),
    ],
)
def test_units_are_rounded_up_to_a_tenth_exactly(units, field):
    assert encode_units(Decimal(units)) == field


@pytest.mark.parametrize(
    ("units", "error"),
    [
        (Decimal("-0.01"), NegativeAmount),
        (Decimal("1820162.40000000000000000000000000000001"), AmountTooLarge),
        (Decimal("1E+999999"), AmountTooLarge),
        (Decimal("NaN"), NotANumber),
        (Decimal("sNaN"), NotANumber),
        (Decimal("Infinity"), NotANumber),
        (25.6, InexactAmount),
        (True, InexactAmount),
        ("25.6", InexactAmount),
        (None, InexactAmount),
    ],
)
def test_units_no_token_can_carry_are_refused_by_kind(units, error):
    with pytest.raises(error, match="units") as caught:
        encode_units(units)
    assert caught.value.value in (units, str(units), "(str)")


def test_whole_units_may_be_given_as_such():
    assert encode_units(25) == encode_units(Decimal(25)) == 250


def test_units_do_not_depend_on_the_caller_s_decimal_context():
    with localcontext(prec=3):
        assert encode_units(Decimal("1638.3")) == 0x3FFF
        assert encode_units(Decimal("1820162.4")) == 0xFFFF
        assert str(decode_units(0xFFFF)) == "1820162.4"


def test_units_come_back_with_one_decimal():
    assert str(decode_units(10)) == "1.0"
    assert str(decode_units(0xFFFF)) == "1820162.4"


@given(st.integers(0, 0xFFFF))
def test_every_field_comes_back_as_itself(field):
    assert encode_tenths(decode_tenths(field)) == field
    assert encode_units(decode_units(field)) == field


@given(st.integers(0, MAX_TENTHS))
def test_customer_never_gets_less_and_never_a_step_more(tenths):
    field = encode_tenths(tenths)
    assert decode_tenths(field) >= tenths
    assert field == 0 or decode_tenths(field - 1) < tenths
