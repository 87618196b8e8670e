"""Class 1 and 2 tokens and the codec: SPEC 3, 4.3 and 4.4."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts import mse, nmse
from vmsapp.sts.block import build_block
from vmsapp.sts.codec import decode, encode, encrypt
from vmsapp.sts.credit import CreditToken, CurrencyToken, Service
from vmsapp.sts.ea07 import SAMPLE
from vmsapp.sts.errors import (
    AmountTooLarge,
    CrcError,
    FieldRangeError,
    FormatError,
    InexactAmount,
    KeyMissing,
    NegativeAmount,
    ReservedToken,
    StsError,
    TidRangeError,
)
from vmsapp.sts.identifiers import EncryptionAlgorithm, KeyType
from vmsapp.sts.keychange import FirstSection, MiddleSection, SecondSection, SupplyGroupSection
from vmsapp.sts.keys import DecoderKey
from vmsapp.sts.meter_reader import read
from vmsapp.sts.mse import Management, ManagementToken, ProprietaryToken, Register
from vmsapp.sts.nmse import DisplayToken, MeterTest, run_tests
from vmsapp.sts.secret import SecretBytes
from vmsapp.sts.token import from_digits, join_class, split_class, to_digits

KEY = DecoderKey(7, bytes.fromhex("0abc12def3456789"))
KEY_11 = DecoderKey(11, bytes.fromhex("00112233445566778899aabbccddeeff"))
CREDIT = CreditToken(subclass=0, rnd=11, tid=0x19EB23, amount_field=256)
CREDIT_DIGITS = "29054347139309851356"

NIBBLE, TID, VALUE = st.integers(0, 15), st.integers(0, 2**24 - 1), st.integers(0, 0xFFFF)
PART = st.binary(min_size=4, max_size=4).map(SecretBytes)


def management(subclass):
    value = {
        Management.CLEAR_CREDIT: st.sampled_from([*range(8), 0xFFFF]),
        Management.CLEAR_TAMPER_CONDITION: st.just(0),
    }.get(subclass, VALUE)
    return st.builds(ManagementToken, st.just(subclass), NIBBLE, TID, value)


KINDS = {
    "credit": st.builds(CreditToken, st.integers(0, 3), NIBBLE, TID, VALUE),
    "currency": st.builds(CurrencyToken, st.integers(4, 7), TID, st.integers(0, 0xFFFFF)),
    "test 2-digit": st.builds(
        DisplayToken, st.sampled_from([0, 2, *range(11, 16)]), st.integers(0, 2**36 - 1),
        st.integers(0, 255),
    ),
    "test 4-digit": st.builds(
        DisplayToken, st.sampled_from([1, *range(6, 11)]), st.integers(0, 2**28 - 1), VALUE
    ),
    **{kind.name.lower(): management(kind) for kind in Management},
    "proprietary": st.builds(ProprietaryToken, st.integers(11, 15), st.integers(0, 2**44 - 1)),
    "1st section": st.builds(
        FirstSection, NIBBLE, st.integers(1, 9), st.booleans(), st.booleans(),
        st.sampled_from(KeyType), PART,
    ),
    "2nd section": st.builds(SecondSection, NIBBLE, st.integers(0, 99).map("{:02d}".format), PART),
}  # fmt: skip
NARROW = {
    "3rd section, 64 bits": st.builds(
        SupplyGroupSection, st.integers(0, 999_999).map("{:06d}".format)
    )
}
WIDE = {
    "3rd and 4th section": st.builds(
        MiddleSection, st.sampled_from([8, 9]), st.integers(0, 4095), PART
    )
}


ALL = [(kind, tokens, 7) for kind, tokens in (KINDS | NARROW).items()]
ALL += [(kind, tokens, 11) for kind, tokens in (KINDS | WIDE).items()]


@pytest.mark.parametrize(("kind", "tokens", "ea"), ALL, ids=[f"{k}-{ea}" for k, _, ea in ALL])
@given(data=st.data())
def test_every_kind_of_token_comes_back_from_its_digits(kind, tokens, ea, data):
    size = {7: 8, 11: 16}[ea]
    token = data.draw(tokens)
    key = DecoderKey(ea, data.draw(st.binary(min_size=size, max_size=size)))
    digits = encode(token, key, allow_reserved=True)
    assert decode(digits, key) == token
    plain = read(digits, key.reveal())
    assert (plain.token_class, plain.subclass) == (token.token_class, token.subclass)
    assert plain.data == token.data


# --- reading ---


def test_standard_s_worked_example_stands_inside_the_token():
    # Block 0B19EB230100C207h encrypts to C45ED1619406DF95h under the sample tables.
    digits = encode(CREDIT, KEY, tables=SAMPLE)
    assert split_class(from_digits(digits)) == (0xC45ED1619406DF95, 0)
    assert decode(digits, KEY, tables=SAMPLE) == CREDIT
    with pytest.raises(CrcError):
        decode(digits, KEY)


def test_wrong_key_fails_the_checksum_and_shows_neither_key_nor_digits():
    other = DecoderKey(7, bytes.fromhex("0abc12def3456788"))
    with pytest.raises(CrcError) as caught:
        decode(CREDIT_DIGITS, other)
    assert CREDIT_DIGITS not in str(caught.value)
    assert len(caught.value.value) == 4


def test_every_slip_of_one_digit_is_refused():
    for place in range(20):
        for digit in set("0123456789") - {CREDIT_DIGITS[place]}:
            typed = CREDIT_DIGITS[:place] + digit + CREDIT_DIGITS[place + 1 :]
            with pytest.raises(StsError) as caught:
                decode(typed, KEY)
            assert typed not in str(caught.value)


@pytest.mark.parametrize("token", [CREDIT, ManagementToken(0, 5, 9, 1)])
def test_a_key_is_asked_for_where_there_must_be_one(token):
    with pytest.raises(KeyMissing, match="is needed for credit and management"):
        encode(token)
    with pytest.raises(KeyMissing):
        decode(encode(token, KEY))


def test_a_test_token_needs_no_key_and_minds_none():
    token = run_tests(MeterTest.DISPLAY)
    assert encode(token) == encode(token, KEY) == encode(token, KEY_11)
    assert decode(encode(token)) == decode(encode(token), KEY) == token


def made_of(token_class, subclass, data=0, key=KEY):
    block = build_block(token_class=token_class, subclass=subclass, data=data)
    return to_digits(join_class(block if token_class == 1 else encrypt(block, key), token_class))


@pytest.mark.parametrize(
    ("digits", "says"),
    [
        *[(made_of(0, n), f"SubClass {n} is reserved in class 0") for n in range(8, 16)],
        *[(made_of(1, n), f"SubClass {n} is reserved in class 1") for n in range(3, 6)],
        (to_digits(join_class(0, 3)), "Class 3 is reserved"),
    ],
)  # fmt: skip
def test_what_is_kept_for_later_is_refused_by_name(digits, says):
    with pytest.raises(ReservedToken, match=says):
        decode(digits, KEY)


@pytest.mark.parametrize(
    ("subclass", "data", "field"),
    [
        (1, 8, "Register 8"),
        (1, 0xFFFE, "Register 65534"),
        (5, 1, "Pad 1"),
        (3, 0, "KRN 0"),
        (3, 0xA << 36, "KRN 10"),
        (4, 100 << 32, "TI of length 3"),
        (8, 1, "Pad 1"),
        (8, 1_000_000 << 20, "SGC of length 7"),
    ],
)
def test_a_field_the_standard_does_not_allow_is_refused_on_reading(subclass, data, field):
    with pytest.raises(StsError, match=f"^{field} "):
        decode(made_of(2, subclass, data), KEY)


def test_the_fourth_section_belongs_to_long_keys_only():
    with pytest.raises(FormatError, match="SubClass 9"):
        decode(made_of(2, 9), KEY)
    assert isinstance(decode(made_of(2, 9, key=KEY_11), KEY_11), MiddleSection)


def test_reserved_tid_is_made_only_on_purpose_but_always_read():
    for reserved in (CreditToken(0, 1, 1441, 5), ManagementToken(0, 1, 1, 5)):
        with pytest.raises(TidRangeError, match="is reserved: it falls on 00:01"):
            encode(reserved, KEY)
        assert decode(encode(reserved, KEY, allow_reserved=True), KEY) == reserved


# --- class 1 ---


@pytest.mark.parametrize(
    ("tests", "four_digits", "digits"),
    [
        # SPEC 4.3, the fixed tokens.
        ([MeterTest.ALL], False, "56493153725450313471"),
        ([MeterTest.ALL], True, "02305843005052951967"),
        ([MeterTest.LOAD_SWITCH], False, "00000000000150997584"),
        ([MeterTest.LOAD_SWITCH], True, "01152921509036054672"),
    ],
)
def test_fixed_test_tokens_are_the_published_ones(tests, four_digits, digits):
    token = run_tests(*tests, four_digits=four_digits)
    assert encode(token) == digits
    assert decode(digits) == token
    assert token.tests == tuple(tests)


def test_tests_have_the_numbers_and_bits_of_the_standard():
    # SPEC 4.3: bit n is test n + 1; the manual's 6.2 for the names.
    names = [
        "all", "load switch", "display", "cumulative consumption", "krn", "ti", "token reader",
        "maximum power limit", "tamper status", "power consumption", "software version",
        "phase power unbalance limit", "water meter factor", "tariff rate", "ea number",
        "key change tokens supported", "sgc", "ken", "drn",
    ]  # fmt: skip
    assert [int(test) for test in MeterTest] == list(range(19))
    for test, name in zip(MeterTest, names, strict=True):
        assert test.name.lower().replace("_", " ").startswith(name)
        assert test.title
        if test:
            for four_digits in (False, True):
                assert run_tests(test, four_digits=four_digits).control == 1 << int(test) - 1


def test_several_tests_fit_one_token():
    token = run_tests(MeterTest.SGC, MeterTest.KEN, MeterTest.SGC)
    assert token.control == 1 << 15 | 1 << 16
    assert token.tests == (MeterTest.SGC, MeterTest.KEN)


@pytest.mark.parametrize("tests", [[], [19], [-1], ["1"]])
def test_no_test_or_an_unknown_one_is_refused(tests):
    with pytest.raises(FieldRangeError, match="test"):
        run_tests(*tests)


@pytest.mark.parametrize(
    ("subclass", "control", "manufacturer"),
    [
        (0, 1 << 36, 0), (0, 0, 256), (1, 1 << 28, 0), (1, 0, 1 << 16), (2, 1 << 36, 0),
        (6, 1 << 28, 0), (10, 0, 1 << 16), (11, 1 << 36, 0), (15, 0, 256), (16, 0, 0), (-1, 0, 0),
        (0, -1, 0), (0, 0, -1),
    ],
)  # fmt: skip
def test_test_token_field_out_of_range_is_refused(subclass, control, manufacturer):
    with pytest.raises(FieldRangeError):
        DisplayToken(subclass, control, manufacturer)


def test_read_tokens_name_their_index_in_the_upper_six_bits():
    # SPEC 4.3, sub-class 2: top 6 control bits = index, 63 the flag group.
    token = nmse.read(63, rest=5)
    assert token.control == 63 << 30 | 5
    assert token.read_index == nmse.READ_FLAG_GROUP == 63
    assert token.tests == ()
    assert nmse.read(5).control == 5 << 30
    assert run_tests(MeterTest.TI).read_index is None
    for index, rest in ((64, 0), (-1, 0), (0, 1 << 30)):
        with pytest.raises(FieldRangeError):
            nmse.read(index, rest)


@pytest.mark.parametrize(
    ("subclass", "code", "fits"),
    [
        (6, 100, True), (10, 9999, True), (6, 99, False), (10, 10_000, False),
        (11, 99, True), (15, 0, True), (11, 100, False), (5, 1234, False), (0, 12, False),
        (2, 12, False), (16, 12, False),
    ],
)  # fmt: skip
def test_a_maker_s_token_carries_a_code_of_its_width(subclass, code, fits):
    if fits:
        assert nmse.proprietary(subclass, 7, code).manufacturer == code
        return
    with pytest.raises(FieldRangeError, match=r"^(SubClass|MfrCode) "):
        nmse.proprietary(subclass, 7, code)


def test_titles_are_those_of_the_manual():
    # The manual's 6.2, in its order; "run all tests" is its "Initiate Meter Test".
    assert [test.title for test in MeterTest] == [
        "run all tests", "test the load switch", "test the displays",
        "display the cumulative consumption", "display KRN and KT", "display the TI",
        "test the token reader", "display the maximum power limit", "display the tamper status",
        "display the power consumption", "display the software version",
        "display the phase power unbalance limit", "display the water meter factor",
        "display the tariff rate", "display the EA number",
        "display the number of key change tokens supported", "display the SGC", "display the KEN",
        "display the DRN",
    ]  # fmt: skip


@pytest.mark.parametrize("index", ["1", None, 1.0, True])
def test_an_index_that_is_no_number_is_refused(index):
    with pytest.raises(FieldRangeError, match="Index"):
        nmse.read(index)
    with pytest.raises(FieldRangeError, match="Index"):
        mse.set_extended(index, 0, tid=9, rnd=1)


def test_a_token_does_not_change_once_it_is_made():
    for token in (
        CREDIT, CurrencyToken(4, 9, 5), DisplayToken(0, 1), ManagementToken(0, 1, 9, 1),
        ProprietaryToken(11, 0), SupplyGroupSection("123456"),
    ):  # fmt: skip
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(token, dataclasses.fields(token)[0].name, 1)


# --- class 2 ---


@pytest.mark.parametrize(
    ("token", "subclass", "value"),
    [
        # SPEC 4.4 and 5.1: 1000 W is 03E8h.
        (mse.set_maximum_power_limit(1000, tid=9, rnd=1), 0, 0x03E8),
        (mse.set_maximum_power_limit(16_385, tid=9, rnd=1), 0, 0x4001),
        (mse.clear_credit(Register.TIME_CURRENCY, tid=9, rnd=1), 1, 7),
        (mse.clear_credit(Register.ALL, tid=9, rnd=1), 1, 0xFFFF),
        (mse.set_tariff_rate(7, tid=9, rnd=1), 2, 7),
        (mse.clear_tamper_condition(tid=9, rnd=1), 5, 0),
        (mse.set_maximum_phase_power_unbalance_limit(250, tid=9, rnd=1), 6, 250),
        (mse.set_water_meter_factor(12, tid=9, rnd=1), 7, 12),
        # SPEC 4.4: index 0, decimal 123 coded binary.
        (mse.set_extended(0, 123, tid=9, rnd=1), 10, 0x007B),
        # Index 63, flag index 9 bits, flag value 1 bit.
        (mse.set_flag(257, on=True, tid=9, rnd=1), 10, 63 << 10 | 257 << 1 | 1),
        (mse.set_flag(0, on=False, tid=9, rnd=1), 10, 63 << 10),
    ],
)
def test_management_tokens_have_their_sub_class_and_value(token, subclass, value):
    assert (token.subclass, token.value, token.rnd, token.tid) == (subclass, value, 1, 9)
    assert decode(encode(token, KEY), KEY) == token


def test_a_power_limit_token_says_the_limit_it_really_sets():
    assert mse.set_maximum_power_limit(16_385, tid=9, rnd=1).watts == 16_394
    assert mse.set_maximum_phase_power_unbalance_limit(9, tid=9, rnd=1).watts == 9
    assert mse.set_tariff_rate(9, tid=9, rnd=1).watts is None


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: mse.set_maximum_power_limit(-1, tid=9, rnd=1), NegativeAmount),
        (lambda: mse.set_maximum_power_limit(18_201_625, tid=9, rnd=1), AmountTooLarge),
        (lambda: mse.set_maximum_power_limit(1.5, tid=9, rnd=1), InexactAmount),
        (lambda: mse.clear_credit(8, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.clear_credit(0xFFFE, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_tariff_rate(1 << 16, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_tariff_rate(1, tid=1 << 24, rnd=1), FieldRangeError),
        (lambda: mse.set_tariff_rate(1, tid=9, rnd=16), FieldRangeError),
        (lambda: mse.set_water_meter_factor(-1, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_extended(64, 0, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_extended(0, 1 << 10, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_flag(512, on=True, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_flag(1, on=2, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_flag(1, on=1, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.clear_credit(True, tid=9, rnd=1), FieldRangeError),
        (lambda: mse.set_tariff_rate(None, tid=9, rnd=1), FieldRangeError),
        (lambda: ManagementToken(5, 1, 9, 1), FieldRangeError),
        (lambda: ManagementToken(16, 1, 9, 1), FieldRangeError),
        (lambda: ManagementToken(3, 1, 9, 1), FormatError),
        (lambda: ManagementToken(11, 1, 9, 1), FormatError),
        (lambda: ManagementToken(-1, 1, 9, 1), FieldRangeError),
        (lambda: ManagementToken(15, 1, 9, 1), FormatError),
        (lambda: ProprietaryToken(16, 0), FieldRangeError),
        (lambda: ProprietaryToken(10, 0), FieldRangeError),
        (lambda: ProprietaryToken(11, 1 << 44), FieldRangeError),
    ],
)
def test_a_management_field_out_of_range_is_refused(make, error):
    with pytest.raises(error) as caught:
        make()
    assert caught.value.value is not None


def test_codes_of_management_are_those_of_the_standard():
    # SPEC 4.4.
    assert {kind.value for kind in Management} == {0, 1, 2, 5, 6, 7, 10}
    assert [register.value for register in Register] == [*range(8), 0xFFFF]
    assert EncryptionAlgorithm(7).key_bytes == 8
    assert Service.TIME == 3
