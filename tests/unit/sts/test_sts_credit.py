"""Credit tokens end to end: SPEC 3 and 4.2, with published tokens."""

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.amount import encode_tenths
from vmsapp.sts.block import build_block
from vmsapp.sts.credit import CreditToken, decode_credit, encode_credit
from vmsapp.sts.dkga import derive
from vmsapp.sts.ea07 import encrypt
from vmsapp.sts.errors import (
    CrcError,
    FieldRangeError,
    FormatError,
    TidRangeError,
    UnsupportedAlgorithm,
    VendingKeyError,
)
from vmsapp.sts.tid import BaseDate, tid_from_datetime
from vmsapp.sts.token import from_digits, join_class, split_class, to_digits

# Unit test TransferElectricityCreditTokenGeneratorTest of Nectar's tokens-service.
KEY = bytes.fromhex("0abc12def3456789")
TOKEN = CreditToken(subclass=0, rnd=11, tid=0x19EB23, amount_field=256)
DIGITS = "29054347139309851356"

TOKENS = st.builds(
    CreditToken,
    subclass=st.integers(0, 3),
    rnd=st.integers(0, 15),
    tid=st.integers(0, 2**24 - 1),
    amount_field=st.integers(0, 2**16 - 1),
)


def test_published_token_goes_both_ways():
    assert encode_credit(TOKEN, KEY) == DIGITS
    assert decode_credit(DIGITS, KEY) == TOKEN
    assert decode_credit("2905 4347 1393 0985 1356", KEY) == TOKEN


def test_published_sale_goes_from_vending_key_to_digits():
    # Unit test STSComplianceTests_Nectar_1, step 1, of Nectar's tokens-service.
    base = BaseDate.Y1993
    key = derive(
        "02",
        bytes.fromhex("abababababababab"),
        meter_pan="600727000000000009",
        sgc="123456",
        krn=1,
        kt=2,
        ti="01",
        base_date=base,
        ea=7,
    )
    tid = tid_from_datetime(datetime(2004, 4, 21, 10, 1, tzinfo=UTC), base)
    token = CreditToken(subclass=0, rnd=5, tid=tid, amount_field=encode_tenths(10))
    assert encode_credit(token, key) == "66475648316756821785"
    assert decode_credit("66475648316756821785", key) == token


def test_standard_s_worked_example_stands_inside_the_token():
    # Block 0B19EB230100C207h encrypts to C45ED1619406DF95h under the sample tables.
    digits = encode_credit(TOKEN, KEY, table_set="sample")
    assert split_class(from_digits(digits)) == (0xC45ED1619406DF95, 0)
    assert decode_credit(digits, KEY, table_set="sample") == TOKEN
    with pytest.raises(CrcError):
        decode_credit(digits, KEY, table_set="production")


@given(TOKENS, st.binary(min_size=8, max_size=8))
def test_any_token_comes_back_from_its_digits(token, key):
    digits = encode_credit(token, key, allow_reserved=True)
    assert decode_credit(digits, key) == token


@pytest.mark.parametrize(
    ("field", "other"), [("subclass", 1), ("rnd", 10), ("tid", 0x19EB24), ("amount_field", 257)]
)
def test_every_field_is_in_the_token(field, other):
    assert encode_credit(dataclasses.replace(TOKEN, **{field: other}), KEY) != DIGITS


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *[("subclass", 4), ("subclass", -1), ("rnd", 16), ("rnd", -1)],
        *[("tid", 2**24), ("tid", -1), ("amount_field", 2**16), ("amount_field", -1)],
    ],
)
def test_each_field_out_of_range_is_refused(field, wrong):
    with pytest.raises(FieldRangeError):
        dataclasses.replace(TOKEN, **{field: wrong})


def test_wrong_key_fails_the_checksum():
    with pytest.raises(CrcError):
        decode_credit(DIGITS, bytes.fromhex("0abc12def3456788"))


def test_every_slip_of_one_digit_is_refused():
    for place in range(20):
        for digit in set("0123456789") - {DIGITS[place]}:
            typed = DIGITS[:place] + digit + DIGITS[place + 1 :]
            with pytest.raises((CrcError, FormatError)) as caught:
                decode_credit(typed, KEY)
            assert typed not in str(caught.value)


@pytest.mark.parametrize("token_class", [1, 2, 3])
def test_token_of_another_class_is_refused(token_class):
    block, _ = split_class(from_digits(DIGITS))
    with pytest.raises(FormatError, match=f"Class {token_class}"):
        decode_credit(to_digits(join_class(block, token_class)), KEY)


@pytest.mark.parametrize("subclass", [4, 15])
def test_token_of_a_subclass_not_in_units_is_refused(subclass):
    block = build_block(token_class=0, subclass=subclass, data=0)
    cipher = encrypt(block, int.from_bytes(KEY, "big"))
    with pytest.raises(FormatError, match=f"SubClass {subclass}"):
        decode_credit(to_digits(join_class(cipher, 0)), KEY)


def test_reserved_tid_is_made_only_on_purpose_but_always_read():
    reserved = dataclasses.replace(TOKEN, tid=1441)
    with pytest.raises(TidRangeError, match="reserved"):
        encode_credit(reserved, KEY)
    digits = encode_credit(reserved, KEY, allow_reserved=True)
    assert decode_credit(digits, KEY) == reserved


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_decoder_key_of_another_length_is_refused(size):
    with pytest.raises(VendingKeyError, match=f"{size} bytes"):
        encode_credit(TOKEN, bytes(size))
    with pytest.raises(VendingKeyError, match=f"{size} bytes"):
        decode_credit(DIGITS, bytes(size))


@pytest.mark.parametrize(
    ("options", "says"),
    [({"ea": 11}, "EA 11"), ({"ea": 9}, "EA 9"), ({"table_set": "own"}, "table set 'own'")],
)
def test_algorithm_or_tables_not_offered_are_refused(options, says):
    with pytest.raises(UnsupportedAlgorithm, match=says):
        encode_credit(TOKEN, KEY, **options)
    with pytest.raises(UnsupportedAlgorithm, match=says):
        decode_credit(DIGITS, KEY, **options)
