"""DRN, MeterPAN and the parameters of a key: SPEC 5.6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts import identifiers
from vmsapp.sts.errors import (
    CheckDigitError,
    FieldRangeError,
    FormatError,
    LengthError,
    NotDigits,
    StsError,
    UnsupportedAlgorithm,
)
from vmsapp.sts.identifiers import (
    BaseDate,
    Dkga,
    EncryptionAlgorithm,
    KeyType,
    TokenCarrier,
    drn,
    ken,
    krn,
    kt,
    luhn,
    meter_pan,
    sgc,
    ti,
)

# IEC 62055-41 6.5.3.1 (11 digits), a run of Nectar's tokens-service (13 digits).
DRN_11 = "12345678903"
DRN_13 = "5592792749674"
PAN_13 = "000055927927496743"


def test_luhn_digit_is_the_published_one():
    assert luhn.check_digit("7992739871") == "3"  # the usual example of ISO/IEC 7812-1
    assert luhn.check_digit("1234567890") == "3"  # IEC 62055-41 6.5.3.1


@pytest.mark.parametrize("typed", [DRN_11, "1234 5678 903", "1234-5678-903", " 12345678903\n"])
def test_drn_is_taken_as_people_type_it(typed):
    assert drn.compact(typed) == DRN_11
    assert drn.validate(typed) == DRN_11


@pytest.mark.parametrize("number", [DRN_11, DRN_13])
def test_every_wrong_digit_of_a_drn_is_noticed(number):
    for place in range(len(number)):
        for digit in set("0123456789") - {number[place]}:
            with pytest.raises(CheckDigitError, match="DRN"):
                drn.validate(number[:place] + digit + number[place + 1 :])


@pytest.mark.parametrize(
    ("text", "error", "value"),
    [
        ("", LengthError, 0),
        ("1234567890", LengthError, 10),
        ("123456789037", LengthError, 12),
        ("1234567890a", NotDigits, "a"),
        ("12345678903.", NotDigits, "."),
        ("１２３４５６７８９０３", NotDigits, "１"),
        (12345678903, FormatError, "(int)"),
    ],
)
def test_text_that_is_not_11_or_13_digits_is_no_drn(text, error, value):
    for use in (drn.validate, drn.format):
        with pytest.raises(error, match=r"DRN|digit") as caught:
            use(text)
        assert caught.value.value == value


def test_luhn_of_other_than_digits_is_refused():
    for text in ("12x", "١٢", "", None, b"12"):
        with pytest.raises(FormatError):
            luhn.check_digit(text)


def test_drn_is_grouped_by_fours():
    assert drn.format(DRN_11) == "1234 5678 903"
    assert drn.format(DRN_13) == "5592 7927 4967 4"


def test_meter_pan_and_drn_name_each_other():
    assert meter_pan.of_drn(DRN_13) == PAN_13
    assert meter_pan.drn_of(PAN_13) == DRN_13
    assert meter_pan.of_drn(DRN_11)[:17] == "600727" + DRN_11
    assert meter_pan.drn_of(meter_pan.of_drn(DRN_11)) == DRN_11


def test_meter_pan_of_a_wrong_drn_is_refused():
    with pytest.raises(CheckDigitError):
        meter_pan.of_drn("12345678901")


def test_meter_pan_with_either_check_digit_wrong_is_refused():
    with pytest.raises(CheckDigitError, match="MeterPAN"):
        meter_pan.validate(PAN_13[:-1] + "4")
    body = PAN_13[:-2] + "5"
    with pytest.raises(CheckDigitError, match="holds a DRN"):
        meter_pan.validate(body + luhn.check_digit(body))


def test_meter_pan_of_another_shape_is_refused():
    with pytest.raises(FormatError, match="18"):
        meter_pan.validate(PAN_13 + "0")
    other_issuer = "40072712345678903"
    with pytest.raises(FormatError, match="starts with neither"):
        meter_pan.drn_of(other_issuer + luhn.check_digit(other_issuer))


@given(st.from_regex(r"[0-9]{10}([0-9]{2})?", fullmatch=True))
def test_any_drn_survives_the_way_through_its_pan(body):
    number = body + luhn.check_digit(body)
    assert drn.validate(drn.format(number)) == number
    pan = meter_pan.of_drn(number)
    assert meter_pan.drn_of(meter_pan.validate(meter_pan.format(pan))) == number
    assert drn.manufacturer(number) == body[:-8]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (sgc.validate, ["000000", "123456"], ["12345", "1234567", "12345a", "", "12 456"]),
        (ti.validate, ["00", "99"], ["1", "001", "a1", ""]),
        (krn.validate, [1, 9], [0, 10, -1]),
        (ken.validate, [0, 255], [-1, 256]),
        (kt.validate, [0, 3], [-1, 4]),
    ],
)
def test_parameter_is_handed_back_or_refused(check, good, bad):
    for value in good:
        assert check(value) == value
    for value in bad:
        with pytest.raises(FormatError if isinstance(value, str) else FieldRangeError):
            check(value)


@pytest.mark.parametrize(
    ("module", "typed", "valid", "written"),
    [
        (identifiers.drn, " 1234-5678 903", "12345678903", "1234 5678 903"),
        (identifiers.meter_pan, "600727 00000000000 9", "600727000000000009", None),
        (identifiers.sgc, "123 456", "123456", "123456"),
        (identifiers.ti, " 07", "07", "07"),
        (identifiers.krn, " 3", 3, "3"),
        (identifiers.ken, "2 55", 255, "255"),
        (identifiers.kt, "2", KeyType.DUTK, "DUTK"),
        (identifiers.tct, "02", TokenCarrier.NUMERIC, "02"),
        (identifiers.ea, "7", EncryptionAlgorithm.STA, "07"),
        (identifiers.dkga, "4", Dkga.HMAC, "DKGA04"),
        (identifiers.base_date, "2014", BaseDate.Y2014, "2014"),
        (identifiers.manufacturer, "1 234", 1234, "1234"),
    ],
)
def test_every_identifier_has_the_same_three_functions(module, typed, valid, written):
    assert module.validate(typed) == valid
    assert module.validate(module.compact(typed)) == valid
    assert module.format(valid) == (written or typed)
    assert module.validate(valid) == valid, "what is valid stays as it is"


@pytest.mark.parametrize(
    ("module", "wrong", "error"),
    [
        (identifiers.kt, 4, FieldRangeError),
        (identifiers.tct, 0, FieldRangeError),
        (identifiers.tct, 3, FieldRangeError),
        (identifiers.ea, 9, UnsupportedAlgorithm),
        (identifiers.ea, 8, UnsupportedAlgorithm),
        (identifiers.ea, 100, FieldRangeError),
        (identifiers.ea, "x", NotDigits),
        (identifiers.dkga, "01", UnsupportedAlgorithm),
        (identifiers.dkga, 3, UnsupportedAlgorithm),
        (identifiers.dkga, 5, UnsupportedAlgorithm),
        (identifiers.dkga, "", LengthError),
        (identifiers.base_date, 2013, FormatError),
        (identifiers.base_date, 1914, FormatError),
        (identifiers.base_date, "x14", FormatError),
        (identifiers.base_date, b"14", FormatError),
        (identifiers.base_date, "", FormatError),
        (identifiers.manufacturer, 10_000, FieldRangeError),
        (identifiers.manufacturer, -1, FieldRangeError),
        (identifiers.krn, 1.0, FieldRangeError),
        (identifiers.krn, None, FieldRangeError),
    ],
)
def test_what_no_identifier_is_is_refused(module, wrong, error):
    with pytest.raises(error):
        module.validate(wrong)


def test_withdrawn_algorithms_are_named_as_such():
    with pytest.raises(UnsupportedAlgorithm, match="EA 09 was withdrawn"):
        identifiers.ea.validate(9)
    with pytest.raises(UnsupportedAlgorithm, match="DKGA 03 was withdrawn"):
        identifiers.dkga.validate(3)
    with pytest.raises(UnsupportedAlgorithm, match="DKGA 01 is a legacy method"):
        identifiers.dkga.validate(1)


def test_allowed_pairs_are_those_of_the_standard():
    # SPEC 9: DKGA02+EA07, DKGA04+EA07, DKGA04+EA11.
    pairs = {(str(dkga), int(ea)) for dkga in Dkga for ea in dkga.ciphers}
    assert pairs == {("02", 7), ("04", 7), ("04", 11)}
    with pytest.raises(UnsupportedAlgorithm, match="EA 11 does not go with DKGA02"):
        Dkga.DES.check_pair(EncryptionAlgorithm.MISTY1)


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
        krn.validate(10)
    assert (caught.value.field, caught.value.value) == ("KRN", 10)
    assert str(caught.value) == "KRN 10 is not 1 to 9"
