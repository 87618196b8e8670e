"""CRC, block, class bits and digits: SPEC 3 and 6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.block import build_block, split_block, with_crcs
from vmsapp.sts.crc import token_crc
from vmsapp.sts.errors import (
    CrcError,
    FieldRangeError,
    FormatError,
    LengthError,
    NotDigits,
    TokenRangeError,
)
from vmsapp.sts.meter_reader import read
from vmsapp.sts.token import (
    compact_token,
    format_token,
    from_digits,
    join_class,
    split_class,
    split_classes,
    to_digits,
)

# 2**66 - 1, SPEC 3.
LARGEST = "73786976294838206463"


@pytest.mark.parametrize(
    ("data", "crc"),
    [(0x00004A2D900FF2, 0x0FFA), (0x000B19EB230100, 0xC207), (0x0005C02A552710, 0x1970)],
)
def test_crc_is_the_published_one_and_ends_the_block(data, crc):
    assert token_crc(data) == crc
    block = data << 16 | crc
    assert build_block(token_class=0, subclass=0, data=data) == block
    assert split_block(block, token_class=0) == (0, data)


@given(st.integers(0, 2**50 - 1))
def test_crc_agrees_with_its_definition_bit_by_bit(data):
    register = 0xFFFF
    for byte in data.to_bytes(7, "big"):
        for bit in range(8):
            feedback = (register ^ byte >> bit) & 1
            register = register >> 1 ^ (0xA001 if feedback else 0)
    low, high = register & 0xFF, register >> 8
    assert token_crc(data) == low << 8 | high


@given(st.integers(0, 2**50 - 1))
def test_crc_of_currency_takes_one_more_byte_in(data):
    # SPEC 6: append one byte 01h to the 7 bytes, then the same CRC.
    register = 0xFFFF
    for byte in data.to_bytes(7, "big") + b"\x01":
        for bit in range(8):
            feedback = (register ^ byte >> bit) & 1
            register = register >> 1 ^ (0xA001 if feedback else 0)
    assert token_crc(data, currency=True) == (register & 0xFF) << 8 | register >> 8


@pytest.mark.parametrize("subclass", range(16))
@pytest.mark.parametrize("token_class", range(4))
def test_only_credit_in_money_has_the_crc_of_currency(token_class, subclass):
    checked = token_class << 48 | subclass << 44 | 5
    block = build_block(token_class=token_class, subclass=subclass, data=5)
    currency = token_class == 0 and subclass in (4, 5, 6, 7)
    assert block & 0xFFFF == token_crc(checked, currency=currency)
    assert split_block(block, token_class=token_class) == (subclass, 5)


def test_crc_of_more_than_50_bits_is_refused():
    for wrong in (2**50, -1, None, "5"):
        with pytest.raises(FieldRangeError):
            token_crc(wrong)


def test_block_with_any_bit_turned_fails_its_checksum():
    block = 0x0B19EB230100C207  # IEC 62055-41, worked example
    for bit in range(64):
        with pytest.raises(CrcError):
            split_block(block ^ 1 << bit, token_class=0)


def test_block_read_under_another_class_fails_its_checksum():
    with pytest.raises(CrcError, match=r"^CRC C207 is not that of the rest"):
        split_block(0x0B19EB230100C207, token_class=2)


@pytest.mark.parametrize("wrong", [4, -1, None, "0"])
def test_block_is_not_read_under_a_class_there_is_not(wrong):
    with pytest.raises(FieldRangeError, match=r"^Class"):
        split_block(0x0B19EB230100C207, token_class=wrong)


@pytest.mark.parametrize(
    ("token_class", "subclass", "data", "field"),
    [
        *[(4, 0, 0, "Class"), (-1, 0, 0, "Class"), (0, 16, 0, "SubClass")],
        *[(0, -1, 0, "SubClass"), (0, 0, 2**44, "data"), (0, 0, -1, "data")],
    ],
)
def test_part_too_wide_for_the_block_is_refused(token_class, subclass, data, field):
    with pytest.raises(FieldRangeError, match=f"^{field} "):
        build_block(token_class=token_class, subclass=subclass, data=data)


def test_block_of_more_than_64_bits_is_refused():
    with pytest.raises(FieldRangeError, match="block"):
        split_block(2**64, token_class=0)


@given(st.integers(0, 3), st.integers(0, 15), st.integers(0, 2**44 - 1))
def test_block_gives_back_what_went_in(token_class, subclass, data):
    block = build_block(token_class=token_class, subclass=subclass, data=data)
    assert split_block(block, token_class=token_class) == (subclass, data)


def test_class_bits_change_places_as_in_the_standard_s_example():
    # IEC 62055-41 6.4.2.
    assert join_class(0x6543210987654321, 0b01) == 0x0654321098F654321
    assert split_class(0x0654321098F654321) == (0x6543210987654321, 0b01)


def test_many_come_apart_as_each_does():
    known = [0x0654321098F654321, 0b10 << 64 | 0b01 << 27]
    assert split_classes(known) == ([0x6543210987654321, 0b10 << 27], {0b01})
    assert split_classes([known[0], 0b11 << 64])[1] == {0b01, 0b00}
    assert split_classes([]) == ([], set())
    for wide in (-1, 2**66):
        with pytest.raises(FieldRangeError):
            split_classes([known[0], wide])


def test_many_checksums_are_those_of_the_standards_examples():
    data, crcs = [0x00004A2D900FF2, 0x000B19EB230100, 0x0005C02A552710], [0x0FFA, 0xC207, 0x1970]
    known = [one << 16 | crc for one, crc in zip(data, crcs, strict=True)]
    assert with_crcs(0, 0, data) == known
    assert with_crcs(0, 4, [5]) == [build_block(token_class=0, subclass=4, data=5)]


def test_displaced_bits_go_on_top():
    assert join_class(0b11 << 27, 0b00) == 0b11 << 64
    assert split_class(0b10 << 64 | 0b01 << 27) == (0b10 << 27, 0b01)


@pytest.mark.parametrize(("block", "token_class"), [(2**64, 0), (-1, 0), (0, 4), (0, -1)])
def test_joining_too_wide_a_part_is_refused(block, token_class):
    with pytest.raises(FieldRangeError):
        join_class(block, token_class)


@pytest.mark.parametrize("token66", [-1, 2**66])
def test_token_of_more_than_66_bits_is_refused(token66):
    with pytest.raises(FieldRangeError):
        split_class(token66)
    with pytest.raises(FieldRangeError):
        to_digits(token66)


@given(st.integers(0, 2**64 - 1), st.integers(0, 3))
def test_class_and_block_come_apart_again(block, token_class):
    assert split_class(join_class(block, token_class)) == (block, token_class)


def test_digits_keep_their_leading_zeros():
    assert to_digits(0) == "0" * 20
    assert from_digits("00000000000000000001") == 1
    assert to_digits(2**66 - 1) == LARGEST
    assert from_digits(LARGEST) == 2**66 - 1


def test_groups_may_be_parted_by_spaces_or_hyphens():
    key = bytes.fromhex("0abc12def3456789")
    for text in ("2905-4347-1393-0985-1356", "2905 4347 1393 0985 1356", "29054347139309851356"):
        assert from_digits(text) == 29054347139309851356
        assert read(text, key) == read("29054347139309851356", key)


@pytest.mark.parametrize(
    ("text", "error", "value"),
    [
        ("", LengthError, 0),
        ("2905X4347139309851356", NotDigits, "X"),
        (LARGEST[:-1], LengthError, 19),
        (LARGEST + "0", LengthError, 21),
        ("7378697629483820646x", NotDigits, "x"),
        ("+1234567890123456789", NotDigits, "+"),
        ("１２３４５６７８９０１２３４５６７８９０", NotDigits, "１"),
        ("73786976294838206464", TokenRangeError, "7378"),
        ("99999999999999999999", TokenRangeError, "9999"),
        (29054347139309851356, FormatError, "(int)"),
        (None, FormatError, "(NoneType)"),
    ],
)
def test_text_that_is_no_token_is_refused_by_kind_and_not_repeated(text, error, value):
    with pytest.raises(error) as caught:
        from_digits(text)
    assert caught.value.value == value
    assert not text or str(text) not in str(caught.value)


def test_token_is_printed_in_five_groups_and_read_back():
    printed = "1234 5678 9012 3456 7890"
    assert format_token("12345678901234567890") == printed
    assert compact_token(printed) == compact_token(" 1234-5678-9012-3456-7890\n")
    assert from_digits(printed) == 12345678901234567890


@given(st.integers(0, 2**66 - 1))
def test_token_survives_being_printed(token66):
    assert from_digits(format_token(to_digits(token66))) == token66
