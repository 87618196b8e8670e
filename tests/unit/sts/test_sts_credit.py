"""Credit tokens: SPEC 4.2, 5.1 and 5.2, with published tokens."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.amount import encode_tenths
from vmsapp.sts.codec import decode, encode
from vmsapp.sts.credit import CreditToken, CurrencyToken, Service
from vmsapp.sts.currency import (
    MAX_FINE,
    decode_currency,
    decode_fine,
    encode_currency,
    encode_fine,
)
from vmsapp.sts.dkga import derive
from vmsapp.sts.errors import (
    AmountTooLarge,
    FieldRangeError,
    InexactAmount,
    NegativeAmount,
    NotANumber,
    ZeroAmount,
)
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey
from vmsapp.sts.tid import tid_from_datetime

# Unit test TransferElectricityCreditTokenGeneratorTest of Nectar's tokens-service.
KEY = DecoderKey(7, bytes.fromhex("0abc12def3456789"))
TOKEN = CreditToken(subclass=0, rnd=11, tid=0x19EB23, amount_field=256)
DIGITS = "29054347139309851356"
# vectors.jsonl P0244: 100 units of currency, a value of STSSimulator.
CURRENCY_KEY = DecoderKey(7, bytes.fromhex("4530edb79b5f083d"))
CURRENCY_DIGITS = "07420412750539184100"

TIDS = st.integers(0, 2**24 - 1)


def test_published_token_goes_both_ways():
    assert encode(TOKEN, KEY) == DIGITS
    assert decode(DIGITS, KEY) == TOKEN
    assert decode("2905 4347 1393 0985 1356", KEY) == TOKEN


def test_published_sale_goes_from_vending_key_to_digits():
    # Unit test STSComplianceTests_Nectar_1, step 1, of Nectar's tokens-service.
    parameters = KeyParameters(
        "600727000000000009", "123456", 1, "01", base_date=BaseDate.Y1993, dkga="02"
    )
    key = derive(VendingKey("02", bytes.fromhex("abababababababab")), parameters)
    tid = tid_from_datetime(datetime(2004, 4, 21, 10, 1, tzinfo=UTC), BaseDate.Y1993)
    token = CreditToken.of_units(Service.ELECTRICITY, Decimal(1), tid=tid, rnd=5)
    assert token.amount_field == encode_tenths(10)
    assert encode(token, key) == "66475648316756821785"
    assert decode("66475648316756821785", key) == token


@pytest.mark.parametrize(
    ("service", "unit"),
    [
        (Service.ELECTRICITY, "kWh"),
        (Service.WATER, "m³"),
        (Service.GAS, "m³"),
        (Service.TIME, "min"),
    ],
)
def test_services_have_the_sub_classes_and_units_of_the_standard(service, unit):
    # SPEC 4.2.
    place = ["electricity", "water", "gas", "time"].index(service.name.lower())
    units = CreditToken.of_units(service, 5, tid=9, rnd=1)
    money = CurrencyToken.of_amount(service, 5, tid=9)
    assert (units.subclass, money.subclass) == (place, place + 4)
    assert units.service is money.service is service
    assert service.unit == unit


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("0.01", "0.1"),
        ("25.6", "25.6"),
        ("1638.35", "1638.4"),
        ("1638.5", "1639.4"),
        ("1820162.4",) * 2,
    ],
)
def test_a_token_says_what_it_really_carries(asked, given):
    token = CreditToken.of_units(Service.WATER, Decimal(asked), tid=9, rnd=1)
    assert token.amount == Decimal(given)
    assert decode(encode(token, KEY), KEY).amount == Decimal(given)


@pytest.mark.parametrize(
    ("units", "error"),
    [
        (0, ZeroAmount),
        (Decimal("0.000"), ZeroAmount),
        (Decimal("-0"), ZeroAmount),
        (-1, NegativeAmount),
        (Decimal("-0.01"), NegativeAmount),
        (Decimal("NaN"), NotANumber),
        (Decimal("Infinity"), NotANumber),
        (Decimal("1820162.41"), AmountTooLarge),
        (25.6, InexactAmount),
        ("25.6", InexactAmount),
        (None, InexactAmount),
        (True, InexactAmount),
    ],
)
def test_units_no_token_can_carry_are_refused_by_kind(units, error):
    with pytest.raises(error) as caught:
        CreditToken.of_units(Service.ELECTRICITY, units, tid=9, rnd=1)
    assert type(caught.value) is error
    assert caught.value.value in (units, str(units), "(str)")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *[("subclass", 4), ("subclass", -1), ("rnd", 16), ("rnd", -1)],
        *[("tid", 2**24), ("tid", -1), ("amount_field", 2**16), ("amount_field", -1)],
        *[("subclass", None), ("rnd", "1"), ("tid", 1.0), ("amount_field", b"1")],
    ],
)
def test_each_field_out_of_range_is_refused(field, wrong):
    with pytest.raises(FieldRangeError):
        dataclasses.replace(TOKEN, **{field: wrong})


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *[("subclass", 3), ("subclass", 8), ("tid", 2**24), ("tid", -1)],
        *[("amount_field", 2**20), ("amount_field", -1), ("tid", None)],
    ],
)
def test_each_field_of_a_currency_token_out_of_range_is_refused(field, wrong):
    with pytest.raises(FieldRangeError):
        dataclasses.replace(CurrencyToken(4, 9, 1), **{field: wrong})


@pytest.mark.parametrize(
    ("field", "other"), [("subclass", 1), ("rnd", 10), ("tid", 0x19EB24), ("amount_field", 257)]
)
def test_every_field_is_in_the_token(field, other):
    assert encode(dataclasses.replace(TOKEN, **{field: other}), KEY) != DIGITS


# --- currency ---


def test_published_currency_token_goes_both_ways():
    token = CurrencyToken.of_amount(Service.ELECTRICITY, Decimal(100), tid=6_680_788)
    assert encode(token, CURRENCY_KEY) == CURRENCY_DIGITS
    assert decode(CURRENCY_DIGITS, CURRENCY_KEY) == token


@pytest.mark.parametrize(
    ("amount", "field", "carried"),
    [
        # SPEC 5.2.
        ("1", 0x060AA, "1.00004"),
        ("-1", 0x80000 | 0x060A9, "-0.99994"),
        # Lowest and highest mantissas, by the formula of SPEC 5.1 with e up to 31.
        ("0.00001", 0x00001, "0.00001"),
        ("0.16383", 0x03FFF, "0.16383"),
        ("0.16384", 0x04000, "0.16384"),
        ("0.16385", 0x04001, "0.16394"),
        ("1.80215", 0x08000, "1.80224"),
        ("-0.16384", 0x84000, "-0.16384"),
        ("-0.16385", 0x84000, "-0.16384"),
        ("-0.16393", 0x84000, "-0.16384"),
        ("-0.16394", 0x84001, "-0.16394"),
        ("-0.000015", 0x80001, "-0.00001"),
    ],
)
def test_currency_is_rounded_towards_plus_infinity(amount, field, carried):
    assert encode_currency(Decimal(amount)) == field
    assert decode_currency(field) == Decimal(carried)


def test_currency_reaches_as_far_as_its_exponent():
    # SPEC 5.2: 10**31 * 16383 + sum of 2**14 * 10**(n-1) for n from 1 to 31, about 1.82e30 units.
    largest = 10**31 * 16383 + sum(2**14 * 10 ** (n - 1) for n in range(1, 32))
    assert largest == MAX_FINE
    assert Decimal("1.82e35") < largest < Decimal("1.83e35")
    assert encode_fine(largest) == 0x7FFFF
    assert encode_fine(-largest) == 0xFFFFF
    assert encode_currency(Decimal("1e29")) == encode_fine(10**34)
    for beyond in (largest + 1, -largest - 1):
        with pytest.raises(AmountTooLarge):
            encode_fine(beyond)
        with pytest.raises(AmountTooLarge):
            encode_currency(Decimal(f"{beyond}e-5"))


@pytest.mark.parametrize("exponent", range(32))
def test_each_exponent_of_currency_begins_where_the_one_below_ends(exponent):
    # SPEC 5.1: off(e) is the sum of 2**14 * 10**(n-1) for n from 1 to e.
    first = sum(2**14 * 10 ** (n - 1) for n in range(1, exponent + 1))
    assert encode_fine(first) == exponent << 14
    assert encode_fine(-first) == (0x80000 | exponent << 14 if first else 0)
    last = first + 16383 * 10**exponent
    assert encode_fine(last) == exponent << 14 | 16383
    assert encode_fine(-last) == 0x80000 | exponent << 14 | 16383


@given(st.integers(-MAX_FINE, MAX_FINE) | st.integers(-(10**7), 10**7))
def test_currency_never_gives_less_and_never_a_step_more(fine):
    carried = decode_fine(encode_fine(fine))
    assert carried >= fine
    magnitude = abs(carried)
    digits = max(0, len(str(magnitude * 9 // 2**14 + 1)) - 1)  # of the step, by SPEC 5.1
    assert carried - fine < 10**digits
    assert decode_fine(encode_fine(carried)) == carried


@given(st.integers(0, 0xFFFFF))
def test_every_currency_field_but_minus_zero_comes_back_as_itself(field):
    wanted = 0 if field == 0x80000 else field
    assert encode_fine(decode_fine(field)) == wanted
    assert encode_currency(decode_currency(field)) == wanted


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (0, ZeroAmount),
        (Decimal("-0.000009"), ZeroAmount),
        (Decimal("NaN"), NotANumber),
        (Decimal("-Infinity"), NotANumber),
        (Decimal("1.9e30"), AmountTooLarge),
        (Decimal("-1.9e30"), AmountTooLarge),
        (Decimal("1e999999"), AmountTooLarge),
        (1.5, InexactAmount),
        ("1.5", InexactAmount),
        (False, InexactAmount),
    ],
)
def test_money_no_token_can_carry_is_refused_by_kind(amount, error):
    with pytest.raises(error) as caught:
        CurrencyToken.of_amount(Service.GAS, amount, tid=9)
    assert type(caught.value) is error
    assert caught.value.value in (amount, str(amount), "(str)")


@pytest.mark.parametrize("amount", [1.0, True, "1", None])
def test_fine_money_that_is_not_whole_is_refused(amount):
    with pytest.raises(InexactAmount):
        encode_fine(amount)


@pytest.mark.parametrize("field", [-1, 0x100000])
def test_a_currency_field_wider_than_20_bits_is_refused(field):
    with pytest.raises(FieldRangeError):
        decode_fine(field)


def test_money_does_not_depend_on_the_caller_s_decimal_context():
    with localcontext(prec=3):
        assert encode_currency(Decimal("1820224.12345")) == encode_fine(182022412345)
        assert str(decode_currency(0x060AA)) == "1.00004"


@given(st.integers(4, 7), TIDS, st.integers(0, 0xFFFFF))
def test_currency_token_survives_its_44_bits(subclass, tid, field):
    token = CurrencyToken(subclass, tid, field)
    assert CurrencyToken.from_data(subclass, token.data) == token
    # SPEC 5.2: the nibble in the place of RND is the sign and the high exponent bits.
    assert token.data >> 40 == field >> 16
    assert token.data & 0xFFFF == field & 0xFFFF
