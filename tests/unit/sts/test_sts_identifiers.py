"""DRN, MeterPAN and the parameters of a key: SPEC 5.6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.errors import CheckDigitError, FieldRangeError, FormatError, StsError
from vmsapp.sts.identifiers import (
    EncryptionAlgorithm,
    KeyType,
    TokenCarrier,
    compact_drn,
    drn_of_pan,
    format_drn,
    luhn_digit,
    meter_pan,
    validate_drn,
    validate_ken,
    validate_key_type,
    validate_krn,
    validate_meter_pan,
    validate_sgc,
    validate_ti,
)

# IEC 62055-41 6.5.3.1 (11 digits), a run of Nectar's tokens-service (13 digits).
DRN_11 = "12345678903"
DRN_13 = "5592792749674"
PAN_13 = "000055927927496743"


def test_luhn_digit_is_the_published_one():
    assert luhn_digit("7992739871") == "3"  # the usual example of ISO/IEC 7812-1
    assert luhn_digit("1234567890") == "3"  # IEC 62055-41 6.5.3.1


@pytest.mark.parametrize("typed", [DRN_11, "1234 5678 903", "1234-5678-903", " 12345678903\n"])
def test_drn_is_taken_as_people_type_it(typed):
    assert compact_drn(typed) == DRN_11
    assert validate_drn(typed) == DRN_11


@pytest.mark.parametrize("drn", [DRN_11, DRN_13])
def test_every_wrong_digit_of_a_drn_is_noticed(drn):
    for place in range(len(drn)):
        for digit in set("0123456789") - {drn[place]}:
            with pytest.raises(CheckDigitError, match="DRN"):
                validate_drn(drn[:place] + digit + drn[place + 1 :])


@pytest.mark.parametrize(
    "text",
    ["", "1234567890", "123456789037", "1234567890a", "12345678903.", "１２３４５６７８９０３"],
)
def test_text_that_is_not_11_or_13_digits_is_no_drn(text):
    with pytest.raises(FormatError, match="11 or 13"):
        validate_drn(text)
    with pytest.raises(FormatError, match="11 or 13"):
        format_drn(text)


def test_luhn_of_other_than_digits_is_refused():
    with pytest.raises(FormatError):
        luhn_digit("12x")


def test_drn_is_grouped_by_fours():
    assert format_drn(DRN_11) == "1234 5678 903"
    assert format_drn(DRN_13) == "5592 7927 4967 4"


def test_meter_pan_and_drn_name_each_other():
    assert meter_pan(DRN_13) == PAN_13
    assert drn_of_pan(PAN_13) == DRN_13
    assert meter_pan(DRN_11)[:17] == "600727" + DRN_11
    assert drn_of_pan(meter_pan(DRN_11)) == DRN_11


def test_meter_pan_of_a_wrong_drn_is_refused():
    with pytest.raises(CheckDigitError):
        meter_pan("12345678901")


def test_meter_pan_with_either_check_digit_wrong_is_refused():
    with pytest.raises(CheckDigitError, match="MeterPAN"):
        validate_meter_pan(PAN_13[:-1] + "4")
    body = PAN_13[:-2] + "5"
    with pytest.raises(CheckDigitError, match="DRN"):
        validate_meter_pan(body + luhn_digit(body))


def test_meter_pan_of_another_shape_is_refused():
    with pytest.raises(FormatError, match="18"):
        validate_meter_pan(PAN_13 + "0")
    other_issuer = "40072712345678903"
    with pytest.raises(FormatError, match="starts with neither"):
        drn_of_pan(other_issuer + luhn_digit(other_issuer))


@given(st.from_regex(r"[0-9]{10}([0-9]{2})?", fullmatch=True))
def test_any_drn_survives_the_way_through_its_pan(body):
    drn = body + luhn_digit(body)
    assert validate_drn(format_drn(drn)) == drn
    assert drn_of_pan(validate_meter_pan(meter_pan(drn))) == drn


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (validate_sgc, ["000000", "123456"], ["12345", "1234567", "12345a", "", "12 456"]),
        (validate_ti, ["00", "99"], ["1", "001", "a1", ""]),
        (validate_krn, [1, 9], [0, 10, -1]),
        (validate_ken, [0, 255], [-1, 256]),
        (validate_key_type, [0, 3], [-1, 4]),
    ],
)
def test_parameter_is_handed_back_or_refused(check, good, bad):
    for value in good:
        assert check(value) == value
    for value in bad:
        with pytest.raises(FormatError if isinstance(value, str) else FieldRangeError):
            check(value)


def test_codes_are_those_of_the_standard():
    assert [(kt.name, kt.value) for kt in KeyType] == [
        ("DITK", 0),
        ("DDTK", 1),
        ("DUTK", 2),
        ("DCTK", 3),
    ]
    assert (EncryptionAlgorithm.STA, EncryptionAlgorithm.MISTY1) == (7, 11)
    assert (TokenCarrier.MAGNETIC, TokenCarrier.NUMERIC) == (1, 2)


def test_an_error_carries_field_value_and_rule():
    with pytest.raises(StsError) as caught:
        validate_krn(10)
    assert (caught.value.field, caught.value.value) == ("KRN", 10)
    assert str(caught.value) == "KRN 10 is not 1 to 9"
