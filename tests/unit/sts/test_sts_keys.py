"""PANBlock, ControlBlock and the derivation of decoder keys: SPEC 8.1, 8.2, 8.4, 8.6."""

import copy
import dataclasses
import hmac
import json
import pickle

import pytest
from Crypto.Cipher import DES
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.credit import CreditToken
from vmsapp.sts.dkga import control_block, derive, kcv, message, pan_block
from vmsapp.sts.ea07 import encrypt as encrypt_07
from vmsapp.sts.ea11 import encrypt as encrypt_11
from vmsapp.sts.errors import (
    CheckDigitError,
    FieldRangeError,
    FormatError,
    KeyLengthError,
    KeyParityError,
    StsError,
    UnsupportedAlgorithm,
    VendingKeyError,
)
from vmsapp.sts.identifiers import BaseDate, meter_pan
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey, first_even_byte

PAN = "600727000000000009"
VK_64 = bytes.fromhex("abababababababab")
# SPEC 8.4, its steps.
CASE_02 = {"meter_pan": PAN, "sgc": "123456", "krn": 1, "kt": 2, "ti": "01"}
DATA_02 = "2151356011ffffff"
DES_02 = "6ca9aad4270fa73b"
KEY_02 = "e653341f9d5bf36f"
# Runs of Nectar's tokens-service.
VK_160 = bytes.fromhex("c81591e923b31059aa23362095ea216ef92cb305")
CASE_04 = {
    "meter_pan": "600727753583905834",
    "sgc": "652437",
    "krn": 3,
    "kt": 2,
    "ti": "34",
    "base_date": BaseDate.Y2035,
}
KEY_04 = "074650e673650255"
VK_160_EA11 = bytes.fromhex("c7f7c104ff909298062a8760b8e40266b04fe182")
CASE_04_EA11 = {
    "meter_pan": "600727199680723557",
    "sgc": "536653",
    "krn": 7,
    "kt": 1,
    "ti": "31",
    "base_date": BaseDate.Y1993,
}
KEY_04_EA11 = "6f81b2a6c17b3464b87f6914060b1392"

# One other value for each thing a decoder key depends on.
OTHERS = {
    "meter_pan": meter_pan.of_drn("12345678903"),
    "sgc": "123457",
    "krn": 2,
    "kt": 1,
    "ti": "02",
}


def dkga02(value, **case):
    parameters = KeyParameters(**{"base_date": BaseDate.Y1993} | case, dkga="02")
    return derive(VendingKey("02", value), parameters).reveal()


def dkga04(value, *, ea=7, **case):
    return derive(VendingKey("04", value), KeyParameters(**case, ea=ea)).reveal()


def test_pan_block_is_the_end_of_the_iin_and_the_drn():
    assert pan_block(meter_pan.of_drn("12345678903"), 2).hex() == "0072712345678903"
    assert pan_block("000055927927496743", 2).hex() == "0005592792749674"


def test_pan_block_of_a_common_key_names_no_meter():
    assert pan_block(meter_pan.of_drn("12345678903"), 3).hex() == "0072700000000000"


def test_common_key_of_a_13_digit_drn_is_refused_as_sources_differ():
    with pytest.raises(UnsupportedAlgorithm, match="13-digit"):
        pan_block("000055927927496743", 3)


def test_control_block_is_the_published_one():
    assert control_block(2, "123456", "01", 1).hex() == "2123456011ffffff"
    assert control_block(0, "999999", "99", 9).hex() == "0999999999ffffff"


@pytest.mark.parametrize(
    ("kt", "sgc", "ti", "krn", "error"),
    [
        (4, "123456", "01", 1, FieldRangeError),
        (-1, "123456", "01", 1, FieldRangeError),
        (2, "12345", "01", 1, FormatError),
        (2, "12345f", "01", 1, FormatError),
        (2, "123456", "1", 1, FormatError),
        (2, "123456", "01", 0, FieldRangeError),
        (2, "123456", "01", 10, FieldRangeError),
    ],
)
def test_control_block_refuses_each_wrong_field(kt, sgc, ti, krn, error):
    with pytest.raises(error):
        control_block(kt, sgc, ti, krn)


def test_pan_block_refuses_wrong_number_and_key_type():
    with pytest.raises(CheckDigitError):
        pan_block("600727000000000008", 2)
    with pytest.raises(FieldRangeError, match="KT"):
        pan_block(PAN, 4)


def test_dkga02_goes_through_the_published_steps():
    pan, control = pan_block(PAN, 2), control_block(2, "123456", "01", 1)
    data = bytes(a ^ b for a, b in zip(pan, control, strict=True))
    assert data.hex() == DATA_02
    assert DES.new(VK_64, DES.MODE_ECB).encrypt(data).hex() == DES_02
    assert dkga02(VK_64, **CASE_02).hex() == KEY_02


@pytest.mark.parametrize("name", OTHERS)
def test_dkga02_key_depends_on(name):
    assert dkga02(VK_64, **CASE_02 | {name: OTHERS[name]}).hex() != KEY_02


def test_dkga02_key_does_not_depend_on_the_base_date():
    keys = {dkga02(VK_64, **CASE_02, base_date=base) for base in BaseDate}
    assert len(keys) == 1


def test_dkga04_makes_the_published_keys():
    assert dkga04(VK_160, **CASE_04, ea=7).hex() == KEY_04
    assert dkga04(VK_160_EA11, **CASE_04_EA11, ea=11).hex() == KEY_04_EA11


def test_dkga04_hashes_the_49_bytes_of_the_table():
    # SPEC 8.6, offset by offset.
    data = (
        b"\x04" b"\x0204" b"\x0235" b"\x0207" b"\x0234" b"\x00"
        b"\x04" b"\x06652437" b"\x012" b"\x013" b"\x12600727753583905834"
        b"\x00\x00\x00\x40"
    )  # fmt: skip
    assert len(data) == 49
    assert message(KeyParameters(**CASE_04)) == data
    assert hmac.digest(VK_160, data, "sha256")[:8] == dkga04(VK_160, **CASE_04, ea=7)


@pytest.mark.parametrize("name", [*OTHERS, "base_date"])
def test_dkga04_key_depends_on(name):
    other = (OTHERS | {"base_date": BaseDate.Y2014})[name]
    assert dkga04(VK_160, **CASE_04 | {name: other}, ea=7).hex() != KEY_04


@pytest.mark.parametrize(
    ("name", "wrong", "error"),
    [
        ("meter_pan", "600727000000000008", CheckDigitError),
        ("meter_pan", "60072700000000000", FormatError),
        ("sgc", "12345", FormatError),
        ("krn", 0, FieldRangeError),
        ("kt", 4, FieldRangeError),
        ("ti", "1", FormatError),
    ],
)
def test_derivation_refuses_each_wrong_field(name, wrong, error):
    with pytest.raises(error):
        dkga02(VK_64, **CASE_02 | {name: wrong})
    with pytest.raises(error):
        dkga04(VK_160, **CASE_04 | {name: wrong}, ea=7)


@pytest.mark.parametrize(
    ("dkga", "ea", "says"),
    [
        ("01", 7, "DKGA 01 is a legacy method"),
        ("03", 7, "DKGA 03 was withdrawn"),
        ("05", 7, "DKGA 05 is unknown"),
        ("02", 11, "EA 11 does not go with DKGA02"),
        ("02", 9, "EA 09 was withdrawn"),
        ("04", 9, "EA 09 was withdrawn"),
    ],
)
def test_algorithms_not_offered_are_refused_by_name(dkga, ea, says):
    with pytest.raises(UnsupportedAlgorithm, match=says):
        KeyParameters(**CASE_02, dkga=dkga, ea=ea)
    if dkga not in ("02", "04"):
        with pytest.raises(UnsupportedAlgorithm, match=says):
            VendingKey(dkga, VK_64)


@pytest.mark.parametrize("ea", [9, 8])
def test_decoder_key_for_a_cipher_not_offered_is_refused(ea):
    with pytest.raises(UnsupportedAlgorithm, match="EA"):
        DecoderKey(ea, bytes(8))


def test_a_key_is_used_with_its_own_algorithm_only():
    with pytest.raises(UnsupportedAlgorithm, match="DKGA 04 is not the algorithm of this"):
        derive(VendingKey("02", VK_64), KeyParameters(**CASE_04))
    with pytest.raises(UnsupportedAlgorithm, match="DKGA 02 is not the algorithm of this"):
        derive(VendingKey("04", VK_160), KeyParameters(**CASE_02, dkga="02"))


def test_a_common_key_is_refused_as_sources_differ():
    with pytest.raises(UnsupportedAlgorithm, match=r"KT 3 \(DCTK, a common key\) is not derived"):
        dkga04(VK_160, **CASE_04 | {"kt": 3})
    with pytest.raises(UnsupportedAlgorithm, match=r"KT 3 \(DCTK, a common key\) is not derived"):
        dkga02(VK_64, **CASE_02 | {"kt": 3})


@pytest.mark.parametrize("size", [0, 7, 9, 16, 20])
def test_des_vending_key_of_another_length_is_refused(size):
    with pytest.raises(KeyLengthError, match=f"length in bytes {size} is not 8"):
        VendingKey("02", b"\xab" * size)


@pytest.mark.parametrize("place", range(8))
def test_des_vending_key_with_any_byte_of_even_parity_is_refused(place):
    key = bytearray(VK_64)
    key[place] ^= 1
    assert first_even_byte(key) == place + 1
    with pytest.raises(KeyParityError, match=f"byte {place + 1} does not have odd parity"):
        VendingKey("02", key)


@pytest.mark.parametrize("size", [0, 8, 19, 21, 24])
def test_160_bit_vending_key_of_another_length_is_refused(size):
    with pytest.raises(KeyLengthError, match=f"length in bytes {size} is not 20"):
        VendingKey("04", bytes(size))


@pytest.mark.parametrize(("ea", "size"), [(7, 0), (7, 7), (7, 16), (11, 8), (11, 17)])
def test_decoder_key_of_another_length_is_refused(ea, size):
    with pytest.raises(KeyLengthError, match=f"decoder key's length in bytes {size} is not"):
        DecoderKey(ea, bytes(size))


@pytest.mark.parametrize("value", ["abababababababab", 5, None])
def test_a_key_that_is_not_bytes_is_refused(value):
    with pytest.raises(KeyLengthError, match="is not bytes"):
        DecoderKey(7, value)
    with pytest.raises(KeyLengthError, match="is not bytes"):
        VendingKey("02", value)


@given(st.binary(min_size=3, max_size=32).filter(lambda key: len(key) not in (8, 20)))
def test_no_refusal_shows_the_key(key):
    for make in (lambda: VendingKey("02", key), lambda: VendingKey("04", key)):
        with pytest.raises(VendingKeyError) as caught:
            make()
        assert caught.value.value == len(key)
        assert key.hex() not in str(caught.value).lower()
        assert repr(key) not in repr(caught.value)


def test_swapped_arguments_do_not_show_the_key_either():
    key = bytes.fromhex(KEY_04_EA11)
    number = int.from_bytes(key, "big")
    for use in (
        lambda: VendingKey(VK_64, "02"),
        lambda: DecoderKey(key, 11),
        lambda: encrypt_11(number, 5),
        lambda: encrypt_07(number, 5),
        lambda: KeyParameters(**CASE_04 | {"krn": key}),
        lambda: CreditToken.of_units(0, key, tid=5, rnd=1),
    ):
        with pytest.raises(StsError) as caught:
            use()
        shown = f"{caught.value} {caught.value!r}"
        assert not any(form in shown for form in (key.hex(), repr(key), str(number), repr(VK_64)))


def test_what_is_kept_with_a_key_does_not_show_it():
    for dkga, value in (("02", VK_64), ("04", VK_160)):
        key = VendingKey(dkga, value)
        kcv(key)
        assert "(…)" in repr(key.prepared) or key.prepared is None
        derive(key, KeyParameters(**(CASE_02 if dkga == "02" else CASE_04), dkga=dkga))
        assert str(int.from_bytes(value, "big")) not in repr(key.prepared)
        assert repr(key.prepared).endswith("(…)")


def keys():
    yield VendingKey("02", VK_64)
    yield VendingKey("04", VK_160)
    yield DecoderKey(7, bytes.fromhex(KEY_02))
    yield DecoderKey(11, bytes.fromhex(KEY_04_EA11))


@pytest.mark.parametrize("key", list(keys()), ids=lambda key: f"{type(key).__name__}{len(key)}")
def test_a_key_does_not_show_pickle_or_copy(key):
    value = key.reveal()
    for shown in (repr(key), str(key), f"{key}", f"{key!s:>40}"):
        assert value.hex() not in shown
        assert repr(value) not in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy, hash):
        with pytest.raises(TypeError):
            leave(key)
    with pytest.raises(TypeError):
        json.dumps(key)


def test_equal_keys_are_compared_in_constant_time(monkeypatch):
    asked = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: asked.append(both) or real(*both))
    one, same, other = (DecoderKey(7, bytes(7) + end) for end in (b"1", b"1", b"2"))
    assert one == same
    assert one != other
    assert len(asked) == 2


def test_a_wiped_key_derives_nothing():
    for dkga, value, case in (("02", VK_64, CASE_02), ("04", VK_160, CASE_04)):
        key = VendingKey(dkga, value)
        parameters = KeyParameters(**case, dkga=dkga)
        derive(key, parameters)
        key.wipe()
        with pytest.raises(ValueError, match="wiped"):
            derive(key, parameters)


def test_what_was_prepared_of_a_key_makes_the_same_keys_again():
    for dkga, value, case, expected in (
        ("02", VK_64, CASE_02, KEY_02),
        ("04", VK_160, CASE_04, KEY_04),
    ):
        key, parameters = VendingKey(dkga, value), KeyParameters(**case, dkga=dkga)
        other = dataclasses.replace(parameters, ti="99")
        made = [derive(key, each).reveal().hex() for each in (parameters, other, parameters)]
        assert made[0] == made[2] == expected != made[1]


def test_odd_parity_holds_for_half_of_all_bytes():
    assert first_even_byte(VK_64) is None
    assert sum(first_even_byte(bytes([byte])) is None for byte in range(256)) == 128


def test_check_value_of_a_des_key_is_that_of_openssl():
    # openssl enc -des-ecb -nopad over eight zero bytes: d5d44ff720683d0d, 8ca64de9c1b123a7.
    assert kcv(VendingKey("02", bytes.fromhex("0123456789abcdef"))) == "D5D44F"
    assert kcv(VendingKey("02", bytes.fromhex("0101010101010101"))) == "8CA64D"


def test_check_value_of_a_160_bit_key_is_six_upper_case_digits_of_sha_256():
    # sha256sum of 01h and twenty zero bytes: 10c7b76c881edd80...
    assert kcv(VendingKey("04", bytes(20))) == "10C7B7"
