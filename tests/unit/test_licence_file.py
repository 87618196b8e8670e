"""The licence file: what is signed, what is read, and what is refused with which sentence."""

import base64
import json
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vmsapp.services.licence.file import (
    MOST_BYTES,
    LicenceOfForeignKey,
    LicenceOfUnknownVersion,
    LicenceTampered,
    LicenceUnreadable,
    Terms,
    read,
    read_trusted,
    write,
)

# RFC 8032, 7.1, TEST 2 and TEST 1
PRIVATE = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
OTHER_PRIVATE = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
OTHER_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

INSTALLATION = "0123456789abcdef" * 2
TERMS = Terms(
    number="5a", holder="Énergie du Nord", issued_on=date(2026, 3, 1),
    valid_until=date(2027, 2, 28), meter_limit=5000, installation=INSTALLATION,
)  # fmt: skip


@pytest.fixture
def facts():
    """What stands in a sound file, to be spoilt."""
    return json.loads(write(TERMS, PRIVATE))


def test_what_was_written_is_read_and_names_the_key_that_signed():
    licence = read(write(TERMS, PRIVATE).encode())
    assert (licence.terms, licence.signed_with) == (TERMS, PUBLIC)
    any_installation = Terms("5a", "H", date(2026, 1, 1), date(2026, 1, 1), 1)
    assert read(write(any_installation, PRIVATE)).terms == any_installation


def test_the_message_signed_is_the_one_the_documentation_spells_out(facts):
    message = (
        'VMS licence\n{"holder":"Énergie du Nord","installation":"0123456789abcdef0123456789abcdef"'
        f',"issued_on":"2026-03-01","key":"{PUBLIC}","meter_limit":5000,"number":"5a",'
        '"valid_until":"2027-02-28","vms_licence":1}'
    )
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(PUBLIC))
    key.verify(bytes.fromhex(facts["signature"]), message.encode())  # raises if it is not


def test_people_can_read_the_file_and_it_is_small(facts):
    text = write(TERMS, PRIVATE)
    assert '"holder": "Énergie du Nord"' in text
    assert '"valid_until": "2027-02-28"' in text
    assert len(write(Terms("f" * 32, "漢" * 120, date(1, 1, 1), date(2999, 1, 1), 10**9,
                           INSTALLATION), PRIVATE).encode()) < MOST_BYTES  # fmt: skip


@pytest.mark.parametrize("changed", [
    {"number": "5b"}, {"holder": "Energie du Nord"}, {"issued_on": "2026-03-02"},
    {"valid_until": "2037-02-28"}, {"meter_limit": 50000}, {"installation": None},
    {"key": OTHER_PUBLIC}, {"signature": "0" * 128}, {"key": "0" * 64},
])  # fmt: skip
def test_whatever_is_changed_after_signing_is_noticed(facts, changed):
    with pytest.raises(LicenceTampered):
        read(json.dumps(facts | changed))


def test_the_signature_of_another_licence_does_not_pass(facts):
    other = json.loads(write(Terms("5a", "H", date(2026, 1, 1), date(2036, 1, 1), 9), PRIVATE))
    with pytest.raises(LicenceTampered):
        read(json.dumps(facts | {"signature": other["signature"]}))


@pytest.mark.parametrize("rewritten", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: "\ufeff" + text,
    lambda text: json.dumps(json.loads(text)),
    lambda text: json.dumps(json.loads(text), sort_keys=True, indent=8),
    lambda text: f"\n\n{text}\n",
], ids=["line ends", "byte order mark", "escaped", "another order", "blank lines"])  # fmt: skip
def test_what_mail_and_editors_do_to_a_file_does_not_matter(rewritten):
    assert read(rewritten(write(TERMS, PRIVATE))).terms == TERMS


def test_a_licence_of_another_key_is_told_from_a_changed_one(facts):
    assert read_trusted(json.dumps(facts), PUBLIC).terms == TERMS
    with pytest.raises(LicenceOfForeignKey) as caught:
        read_trusted(write(TERMS, OTHER_PRIVATE), PUBLIC)
    assert caught.value.params == {"key": "d75a9801"}
    with pytest.raises(LicenceTampered):  # it says it is of the trusted key, and is not
        read_trusted(write(TERMS, OTHER_PRIVATE).replace(OTHER_PUBLIC, PUBLIC), PUBLIC)


@pytest.mark.parametrize("version", [2, 17, 999])
def test_a_file_of_a_later_product_is_refused_by_its_version(facts, version):
    with pytest.raises(LicenceOfUnknownVersion) as caught:
        read(json.dumps({"vms_licence": version, "something": "else"}))
    assert caught.value.params == {"version": version, "known": 1}


@pytest.mark.parametrize("changed", [
    {"vms_licence": True}, {"vms_licence": "1"}, {"vms_licence": 1.0}, {"vms_licence": 0},
    {"vms_licence": -1}, {"vms_licence": 10**9}, {"vms_licence": None},
    {"number": ""}, {"number": "XY"}, {"number": "f" * 33}, {"number": 5}, {"number": None},
    {"holder": ""}, {"holder": " H"}, {"holder": "x" * 121}, {"holder": "a\nb"},
    {"holder": "a\u202eb"}, {"holder": "\ud800"}, {"holder": 7}, {"holder": ["H"]},
    {"holder": None},
    {"issued_on": "20260301"}, {"issued_on": "2026-W09-7"}, {"issued_on": 1}, {"issued_on": ""},
    {"issued_on": "2027-03-01"}, {"valid_until": "2027-02-29"}, {"valid_until": "9999-12-31"},
    {"valid_until": None}, {"valid_until": "2027-02-28T00:00:00"},
    {"meter_limit": 0}, {"meter_limit": -1}, {"meter_limit": True}, {"meter_limit": 5000.0},
    {"meter_limit": "5000"}, {"meter_limit": 10**9 + 1}, {"meter_limit": None},
    {"installation": ""}, {"installation": "F" * 32}, {"installation": "f" * 31},
    {"installation": 0}, {"key": "AB" * 32}, {"key": "ab"}, {"key": None}, {"key": {}},
    {"signature": "ab"}, {"signature": None}, {"signature": []}, {"more": 1},
], ids=str)  # fmt: skip
def test_facts_of_another_shape_are_refused_before_the_signature_counts(facts, changed):
    with pytest.raises(LicenceUnreadable):
        read(json.dumps(facts | changed))


@pytest.mark.parametrize("name", ["vms_licence", "number", "holder", "issued_on", "valid_until",
                                  "meter_limit", "installation", "key", "signature"])  # fmt: skip
def test_no_fact_may_be_missing_or_stand_twice(facts, name):
    twice = json.dumps(facts)[:-1] + f', "{name}": {json.dumps(facts[name])}}}'
    with pytest.raises(LicenceUnreadable):
        read(twice)
    del facts[name]
    with pytest.raises(LicenceUnreadable):
        read(json.dumps(facts))


@pytest.mark.parametrize("content", [
    b"", b"{}", b"[]", b"1", b"null", b'"x"', b"\xff\xfe", b"not a licence", b"\0" * 100,
    b"[" * 4000, b'{"a":' * 800, b"9" * 4000, b"%PDF-1.7", b"NaN",
    base64.b64encode(b"x" * 3000), b" " * (MOST_BYTES + 1),
])  # fmt: skip
def test_any_other_file_is_no_licence(content):
    with pytest.raises(LicenceUnreadable):
        read(content)


def test_a_sound_licence_padded_beyond_the_size_is_refused():
    text = write(TERMS, PRIVATE)
    assert read(text.ljust(3000)).terms == TERMS
    with pytest.raises(LicenceUnreadable):
        read(text.ljust(MOST_BYTES + 1))


def test_every_refusal_has_its_own_sentence():
    refusals = [
        LicenceUnreadable(), LicenceTampered(), LicenceOfUnknownVersion(version=2),
        LicenceOfForeignKey(key=PUBLIC),
    ]  # fmt: skip
    assert len({str(error) for error in refusals}) == 4
    assert all(error.field == "file" for error in refusals)
