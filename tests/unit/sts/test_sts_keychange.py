"""Key change: SPEC 10."""

import dataclasses
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.codec import decode, encode
from vmsapp.sts.credit import CreditToken, CurrencyToken
from vmsapp.sts.errors import (
    FieldRangeError,
    FormatError,
    KeyExpired,
    KeyRuleError,
    KeyTypeRefused,
    TimeBeforeBaseDate,
)
from vmsapp.sts.identifiers import BaseDate, KeyType, TokenCarrier
from vmsapp.sts.keychange import (
    FirstSection,
    KeyTerms,
    MiddleSection,
    SecondSection,
    SupplyGroupSection,
    as_section,
    assemble,
    change,
    sections,
)
from vmsapp.sts.keys import DecoderKey, KeyParameters
from vmsapp.sts.mse import ManagementToken
from vmsapp.sts.rules import require_change, require_forward, require_usable
from vmsapp.sts.secret import SecretBytes

PAN = "600727000000000009"
OLD = KeyParameters(PAN, "123456", 1, "01", base_date=BaseDate.Y2014)
NEW = dataclasses.replace(OLD, krn=2)
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
KEY_64, OTHER_64 = DecoderKey(7, bytes(range(8))), DecoderKey(7, bytes(range(8, 16)))
KEY_128, OTHER_128 = DecoderKey(11, bytes(range(16))), DecoderKey(11, bytes(range(16, 32)))

TERMS = st.builds(
    KeyTerms,
    sgc=st.integers(0, 999_999).map("{:06d}".format),
    krn=st.integers(1, 9),
    ti=st.integers(0, 99).map("{:02d}".format),
    kt=st.sampled_from(KeyType),
    ken=st.integers(0, 255),
)


def told(terms, *, roll_over, three_tokens, with_sgc):
    said = {
        "krn": terms.krn, "kt": terms.kt, "ti": terms.ti, "ken": terms.ken,
        "roll_over": roll_over, "three_tokens": three_tokens,
    }  # fmt: skip
    return said | ({"sgc": terms.sgc} if with_sgc else {})


@given(st.binary(min_size=8, max_size=8), TERMS, st.booleans(), st.booleans())
def test_a_64_bit_key_goes_in_two_or_three_tokens_and_comes_back(key, terms, roll_over, three):
    made = sections(DecoderKey(7, key), terms, roll_over=roll_over, three_tokens=three)
    assert [section.subclass for section in made] == [3, 4, 8][: 2 + three]
    read = tuple(as_section(decode(encode(each, KEY_64), KEY_64)) for each in made)
    assert assemble(read) == (
        key,
        told(terms, roll_over=roll_over, three_tokens=three, with_sgc=three),
    )


@given(st.binary(min_size=16, max_size=16), TERMS, st.booleans())
def test_a_128_bit_key_goes_in_four_tokens_and_comes_back(key, terms, roll_over):
    made = sections(DecoderKey(11, key), terms, roll_over=roll_over)
    assert [section.subclass for section in made] == [3, 4, 8, 9]
    read = tuple(as_section(decode(encode(each, KEY_128), KEY_128)) for each in made)
    for order in permutations(read):
        assert assemble(order) == (
            key,
            told(terms, roll_over=roll_over, three_tokens=False, with_sgc=True),
        )


def test_the_fields_stand_where_the_standard_puts_them():
    # SPEC 4.4 and 10.1: after KRN comes the nibble RO, 3KCT, KT: 2 as usual, 6 in a set of three,
    # A with roll-over.
    terms = KeyTerms(
        "ABCDEF".translate(str.maketrans("ABCDEF", "123456")), 7, "99", KeyType.DUTK, 0xA5
    )
    for roll_over, three, nibble in ((False, False, 0x2), (False, True, 0x6), (True, False, 0xA)):
        first, second, *rest = sections(OTHER_64, terms, roll_over=roll_over, three_tokens=three)
        assert f"{first.data:011X}" == f"A7{nibble:X}08090A0B"
        assert f"{second.data:011X}" == "5630C0D0E0F"  # TI 99 is 63h, binary
        if three:
            assert f"{rest[0].data:011X}" == f"{123456:06X}00000"
    _, _, third, fourth = sections(KEY_128, terms, roll_over=False)
    # SGC 123456 is 01E240h: SGCHO 01Eh, SGCLO 240h. The key is NKHO NKMO2 NKMO1 NKLO.
    assert f"{third.data:011X}" == "24004050607"
    assert f"{fourth.data:011X}" == "01E08090A0B"


def test_three_tokens_are_for_short_keys_only():
    with pytest.raises(FieldRangeError, match="128-bit"):
        sections(KEY_128, KeyTerms.of(NEW), roll_over=False, three_tokens=True)


def test_half_a_set_or_a_mixed_one_is_not_assembled():
    short = sections(KEY_64, KeyTerms.of(NEW), roll_over=False, three_tokens=True)
    wide = sections(KEY_128, KeyTerms.of(NEW), roll_over=False)
    for incomplete in (
        (),
        short[:1],
        short[1:],
        short[:2],
        (*short, short[0]),
        wide[:3],
        (wide[0], *wide[2:]),
    ):
        with pytest.raises(FormatError):
            assemble(tuple(incomplete))
    with pytest.raises(FormatError, match="one key length"):
        assemble((*short, MiddleSection(9, 1, wide[3].key_part)))
    with pytest.raises(FormatError, match="3KCT 0"):
        assemble((wide[0], wide[1], SupplyGroupSection("123456")))
    with pytest.raises(FormatError, match="does not change a key"):
        as_section(CreditToken(0, 1, 9, 5))


def test_sections_do_not_show_the_key():
    for section in sections(KEY_128, KeyTerms.of(NEW), roll_over=False):
        assert "…" in repr(section)
        assert "04050607" not in repr(section)


@pytest.mark.parametrize("wrong", [{"krn": 0}, {"sgc": "1"}, {"ti": "1"}, {"ken": 256}, {"kt": 4}])
def test_terms_out_of_range_are_refused(wrong):
    with pytest.raises((FieldRangeError, FormatError)):
        dataclasses.replace(KeyTerms.of(NEW), **wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda part: FirstSection(16, 1, False, False, KeyType.DUTK, part),
        lambda part: FirstSection(-1, 1, False, False, KeyType.DUTK, part),
        lambda part: FirstSection(0, 0, False, False, KeyType.DUTK, part),
        lambda part: FirstSection(0, 10, False, False, KeyType.DUTK, part),
        lambda part: FirstSection(0, 1, 2, False, KeyType.DUTK, part),
        lambda part: FirstSection(0, 1, False, 1, KeyType.DUTK, part),
        lambda part: FirstSection(0, 1, False, False, 4, part),
        lambda part: SecondSection(16, "01", part),
        lambda part: SecondSection(0, "1", part),
        lambda part: MiddleSection(8, 4096, part),
        lambda part: MiddleSection(7, 1, part),
        lambda part: MiddleSection(10, 1, part),
        lambda _: SupplyGroupSection("12345"),
    ],
)
def test_a_field_of_a_section_out_of_range_is_refused(make):
    with pytest.raises((FieldRangeError, FormatError)):
        make(SecretBytes(b"1234"))


def test_a_section_does_not_change_once_it_is_made():
    made = [KeyTerms.of(NEW), *sections(KEY_128, KeyTerms.of(NEW), roll_over=False)]
    for record in [*made, SupplyGroupSection("123456")]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, dataclasses.fields(record)[0].name, 1)


def test_terms_are_put_in_their_one_form():
    terms = KeyTerms(" 123 456", "3", "0 7", "2", "165")
    assert terms == KeyTerms("123456", 3, "07", KeyType.DUTK, 165)
    assert sections(KEY_64, terms, roll_over=False)[0].krn == 3
    part = SecretBytes(b"1234")
    typed = FirstSection(0, "3", False, False, "2", part), SecondSection(0, "0 7", part)
    assert typed == (
        FirstSection(0, 3, False, False, KeyType.DUTK, part),
        SecondSection(0, "07", part),
    )
    assert SupplyGroupSection("123 456").data == SupplyGroupSection("123456").data


# --- rules ---


@pytest.mark.parametrize("parent", KeyType)
@pytest.mark.parametrize("child", KeyType)
def test_key_types_change_as_the_table_says(parent, child):
    # SPEC 10.3, rows from DITK to DCTK, columns likewise.
    table = ["yes yes yes yes", "no yes yes yes", "no yes yes no", "no yes no yes"]
    allowed = table[parent].split()[child] == "yes"
    old, new = dataclasses.replace(OLD, kt=parent), dataclasses.replace(NEW, kt=child)
    if allowed:
        require_change(old, new, NOW)
        return
    with pytest.raises(
        KeyTypeRefused, match=f"KT {int(child)} .* is not reached from {parent.name}"
    ):
        require_change(old, new, NOW)


@pytest.mark.parametrize("field", ["sgc", "krn", "ti", "ken", "dkga"])
def test_roll_over_is_not_set_by_anything_but_the_base_date(field):
    other = {"sgc": "654321", "krn": 3, "ti": "02", "ken": 200, "dkga": "02"}[field]
    made = change(KEY_64, OTHER_64, OLD, dataclasses.replace(OLD, **{field: other}), moment=NOW)
    assert not made[0].roll_over
    assert [section.subclass for section in made] == [3, 4], "two tokens unless three are asked for"


def test_roll_over_is_set_when_the_base_date_changes():
    old = dataclasses.replace(OLD, base_date=BaseDate.Y1993)
    assert change(KEY_64, OTHER_64, old, NEW, moment=NOW)[0].roll_over


def test_roll_over_without_a_new_key_is_refused():
    old = dataclasses.replace(OLD, base_date=BaseDate.Y1993)
    with pytest.raises(KeyRuleError, match="roll-over needs another vending key"):
        change(KEY_64, DecoderKey(7, KEY_64.reveal()), old, NEW, moment=NOW)
    assert change(KEY_64, DecoderKey(7, KEY_64.reveal()), OLD, NEW, moment=NOW)


def test_an_expired_old_key_is_allowed_and_an_expired_new_one_refused():
    # SPEC 5.5. On 2026-11-24 the high byte of a TID of base date 2014 is 103.
    change(KEY_64, OTHER_64, dataclasses.replace(OLD, ken=0), NEW, moment=NOW)
    change(KEY_64, OTHER_64, OLD, dataclasses.replace(NEW, ken=103), moment=NOW)
    with pytest.raises(KeyExpired, match="KEN 102 of the new key is past"):
        change(KEY_64, OTHER_64, OLD, dataclasses.replace(NEW, ken=102), moment=NOW)
    change(KEY_64, OTHER_64, OLD, dataclasses.replace(NEW, ken=102))  # no moment, no test


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"meter_pan": "600727123456789030"}, KeyRuleError, "is another meter's"),
        ({"ea": 11}, KeyRuleError, "EA 11 is another cipher"),
        ({"base_date": BaseDate.Y2035}, TimeBeforeBaseDate, "is before base date 2035"),
    ],
)
def test_changes_the_standard_does_not_allow_are_refused(changed, error, says):
    with pytest.raises(error, match=says):
        change(KEY_64, OTHER_64, OLD, dataclasses.replace(NEW, **changed), moment=NOW)


def test_going_back_to_an_earlier_base_date_is_a_rule_of_its_own():
    # SPEC 10.1: RO is set when the base dates differ, whichever is the later.
    back = dataclasses.replace(NEW, base_date=BaseDate.Y1993)
    assert change(KEY_64, OTHER_64, OLD, back)[0].roll_over
    with pytest.raises(KeyRuleError, match="base date 1993 is before 2014: spent tokens"):
        require_forward(OLD, back)
    require_forward(OLD, OLD)
    require_forward(back, OLD)


CREDITS = [CreditToken(0, 1, 9, 5), CurrencyToken(4, 9, 5)]
MANAGEMENT = ManagementToken(0, 1, 9, 5)


@pytest.mark.parametrize("carrier", TokenCarrier)
@pytest.mark.parametrize("kt", KeyType)
def test_key_types_take_credit_as_the_table_says(kt, carrier):
    # SPEC 10.3, the last column; 5.6: DCTK only with TCT 01.
    allowed = {0: True, 1: False, 2: True, 3: carrier == 1}[int(kt)]
    require_usable(MANAGEMENT, kt, ken=255, carrier=carrier)
    for token in CREDITS:
        if allowed:
            require_usable(token, kt, ken=255, carrier=carrier)
            continue
        with pytest.raises(KeyTypeRefused, match=kt.name):
            require_usable(token, kt, ken=255, carrier=carrier)


@pytest.mark.parametrize(
    ("tid", "ken", "usable"), [(0xFFFF, 0, True), (0x10000, 0, False), (0xAB0000, 0xAA, False)]
)
def test_no_token_is_made_past_the_expiry_of_its_key(tid, ken, usable):
    for token in (CreditToken(0, 1, tid, 5), ManagementToken(0, 1, tid, 5)):
        if usable:
            require_usable(token, KeyType.DUTK, ken=ken)
            continue
        with pytest.raises(KeyExpired, match=f"TID {tid} is past what KEN {ken} allows"):
            require_usable(token, KeyType.DUTK, ken=ken)


def test_key_change_tokens_do_not_expire():
    for section in sections(KEY_64, KeyTerms.of(NEW), roll_over=False):
        require_usable(section, KeyType.DUTK, ken=0)
