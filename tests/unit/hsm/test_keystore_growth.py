"""The keystore: bounds of keys, many at once, removal, new passphrases, two custodians."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.unit.hsm.hsm_cases import CHEAP_N, PASSPHRASE, REF02, REF04, VK02, VK04, key
from vmsapp.hsm import keystore as module
from vmsapp.hsm import keystore_file
from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.keystore import Keystore
from vmsapp.sts.secret import SecretBytes

SECOND = b"kept in another safe"
BOUNDS = {
    "active_from": datetime(2026, 12, 1, tzinfo=UTC),
    "issue_until": datetime(2027, 12, 1, tzinfo=UTC),
    "tenths_per_day": 50_000,
    "tokens_per_day": 200,
    "changes_to": (("600675", 2), ("600676", 1)),
}
# Written by the release that knew no bounds and one passphrase, with the key of SPEC 8.6.
EARLIER = (
    b'{"fmt":"VMS-KEYSTORE","kc":"d1020f70874961dd","kdf":{"n":16384,"name":"scrypt","p":1,"r":8,'
    b'"salt":"d6f841f3ef94039a32f10269e082b422"},"keys":[{"ct":"6840fbbbd0d43370a6a0c3405d97c60143'
    b'd6056e3f927cc3eeb23cb51e970b5cd530faae","meta":{"base_date":"14","demo":false,"dkga":"04",'
    b'"kcv":"6C3DE4","ken":255,"krn":1,"kt":2,"name":"Riverside","sgc":"201457"},"nonce":"04016266'
    b'ffe06715e0ecc045"}],"mac":"2ceebced5e1296b3ec5d03b19805be3a172385e6d079ca1bf41b97737bc1ee04",'
    b'"module_id":"VSM-F009CE","seq":2,"v":1,"wrapped_dek":"21da51dcf7b136d5fa90acdb921dbee0ecb9da3'
    b'8cc518e33edda059af37eab5dbce8004e65817a91b1bd5990f1dc6fd339a533248ff721c602009226"}\n'
)


def why(call, *args, **options):
    with pytest.raises(KeystoreError) as refused:
        call(*args, **options)
    assert refused.value.why in module.REASONS
    return refused.value.why


def test_a_file_made_before_opens_and_is_written_as_it_was(store_path, passphrase):
    store_path.write_bytes(EARLIER)
    store = Keystore.open(store_path, passphrase)
    assert store.vending_key(REF04)[1].reveal().hex() == VK04
    assert store.vending_key(REF04)[0].changes_to == ()
    assert keystore_file._serialised(store._read[0], store._dek.reveal()) == EARLIER
    store.add(key(REF02, VK02))
    (record, _) = json.loads(store_path.read_bytes())["keys"]
    assert record == json.loads(EARLIER)["keys"][0]


def test_bounds_come_back_as_they_went_in(keystore, store_path, passphrase):
    given = keystore.add(replace(key(), **BOUNDS))
    keystore.add(replace(key(REF02, VK02), tokens_per_day=1))
    bounded, other = Keystore.open(store_path, passphrase).keys()
    assert bounded == given
    assert {name: getattr(bounded, name) for name in BOUNDS} == BOUNDS
    assert (other.tokens_per_day, other.tenths_per_day, other.active_from) == (1, None, None)


def test_a_bound_that_is_not_set_is_not_written(keystore, store_path):
    keystore.add(replace(key(), tenths_per_day=7))
    meta = json.loads(store_path.read_bytes())["keys"][0]["meta"]
    assert meta["tenths_per_day"] == 7
    assert meta.keys().isdisjoint(BOUNDS.keys() - {"tenths_per_day"})


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_that_was_altered_is_noticed(keystore, store_path, passphrase, name):
    """Even under a right HMAC of the file: the key is sealed to its description."""
    keystore.add(replace(key(), **BOUNDS))
    document = json.loads(store_path.read_bytes())
    document["keys"][0]["meta"].pop(name)
    document.pop("mac")
    document["mac"] = keystore_file._mac(keystore._dek.reveal(), document)
    store_path.write_bytes(keystore_file.canonical(document) + b"\n")
    assert why(Keystore.open, store_path, passphrase) == "tampered"


@pytest.mark.parametrize(
    "bounds",
    [
        {"tenths_per_day": 0}, {"tenths_per_day": -1}, {"tokens_per_day": 0},
        {"tokens_per_day": True}, {"tokens_per_day": 10**9 + 1},
        {"changes_to": (("60067", 1),)}, {"changes_to": (("600675", 0),)},
        {"changes_to": (("600675", 1),) * 101},
        {"active_from": datetime(2026, 12, 1)},  # noqa: DTZ001 - what is refused
        {"active_from": datetime(2026, 12, 1, 0, 0, 0, 1, tzinfo=UTC)},
        {"issue_until": datetime(2026, 12, 1, tzinfo=timezone(timedelta(hours=2)))},
        {"active_from": datetime(2026, 12, 2, tzinfo=UTC),
         "issue_until": datetime(2026, 12, 2, tzinfo=UTC)},
        {"name": "a\nb"}, {"name": "a" * 121},
    ],
)  # fmt: skip
def test_a_bound_that_cannot_be_is_refused(keystore, bounds):
    assert why(keystore.add, replace(key(), **bounds)) == "key_range"
    assert keystore.keys() == []


def test_a_weak_key_is_refused_whoever_brings_it(keystore):
    assert why(keystore.add, key(REF02, "1f1f1f1f0e0e0e0e")) == "key_weak"


# --- many at once ---


def test_many_keys_are_one_write(keystore):
    infos = keystore.add_all([key(replace(REF04, krn=krn)) for krn in range(1, 10)])
    assert keystore.keys() == infos
    assert (len(infos), keystore.seq) == (9, 2)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [(key(replace(REF04, krn=2), ken=256), "key_range"), (key(value="cd" * 20), "key_conflict"),
     (key(), "key_loaded")],
)  # fmt: skip
def test_one_wrong_key_keeps_all_out(keystore, store_path, wrong, reason):
    keystore.add(key())
    before = store_path.read_bytes()
    assert why(keystore.add_all, [key(REF02, VK02), wrong]) == reason
    assert store_path.read_bytes() == before
    assert not store_path.with_name("keystore.json.new").exists()
    keystore.add(key(REF02, VK02))


def test_two_of_one_name_are_a_conflict(keystore):
    assert why(keystore.add_all, [key(), key(value="cd" * 20)]) == "key_conflict"
    assert keystore.keys() == []


def test_a_key_takes_the_place_of_another_only_when_told_so(keystore):
    keystore.add(key())
    keystore.add_all([key(value="cd" * 20, ken=103)], replace=True)
    info, value = keystore.vending_key(REF04)
    assert (info.ken, value.reveal().hex()) == (103, "cd" * 20)
    assert len(keystore.keys()) == 1


def test_more_keys_than_can_be_read_again_are_not_written(keystore, monkeypatch):
    monkeypatch.setattr(keystore_file, "FILE_BYTES_MAX", 2_000)
    many = [key(replace(REF04, krn=krn)) for krn in range(1, 10)]
    assert why(keystore.add_all, many) == "full"
    assert keystore.keys() == []
    keystore.add(key())


def test_keys_of_one_check_value_are_told_apart(keystore, monkeypatch):
    monkeypatch.setattr("vmsapp.sts.dkga.kcv", lambda _: "ABCDEF")
    keystore.add(key())
    assert why(keystore.add, key(value="cd" * 20)) == "key_conflict"
    assert why(keystore.add, key()) == "key_loaded"


def test_fingerprints_are_of_the_value_and_the_keystore_alone(keystore, tmp_path, passphrase):
    keystore.add(key())
    ((info, print_of),) = keystore.fingerprints()
    assert info.ref == REF04
    value = SecretBytes(bytes.fromhex(VK04))
    assert print_of == keystore.fingerprint(value)
    assert print_of != keystore.fingerprint(SecretBytes(bytes.fromhex("cd" * 20)))
    other = Keystore.create(tmp_path / "other.json", passphrase, scrypt_n=CHEAP_N)
    assert other.fingerprint(value) != print_of
    assert print_of.hex() not in (tmp_path / "keystore.json").read_text()


# --- removal ---


def test_a_removed_key_is_gone(keystore, store_path, passphrase):
    keystore.add_all([key(), key(REF02, VK02)])
    keystore.remove(REF04)
    for store in (keystore, Keystore.open(store_path, passphrase)):
        (left,) = store.keys()
        assert left.ref == REF02
        with pytest.raises(KeyError):
            store.vending_key(REF04)
    assert keystore.seq == 3


def test_what_is_not_there_is_not_removed(keystore, store_path):
    before = store_path.read_bytes()
    with pytest.raises(KeyError):
        keystore.remove(REF04)
    assert store_path.read_bytes() == before
    keystore.add(key())


# --- passphrases ---


def test_a_new_passphrase_opens_and_the_old_one_does_not(keystore, store_path, passphrase):
    keystore.add(key())
    other = Keystore.open(store_path, passphrase)
    keystore.rewrap(SecretBytes(b"new"), scrypt_n=CHEAP_N)
    assert why(Keystore.open, store_path, passphrase) == "passphrase"
    again = Keystore.open(store_path, SecretBytes(b"new"))
    assert again.vending_key(REF04)[1].reveal().hex() == VK04
    assert (again.module_id, again.seq) == (keystore.module_id, 3)
    assert again.sealing_key("results") == keystore.sealing_key("results")
    assert other.vending_key(REF04)[1].reveal().hex() == VK04, "who has it open keeps it"
    other.add(key(REF02, VK02))
    assert len(Keystore.open(store_path, SecretBytes(b"new")).keys()) == 2


def test_two_passphrases_open_only_together_and_in_their_order(tmp_path):
    one, two = SecretBytes(PASSPHRASE), SecretBytes(SECOND)
    path = tmp_path / "dual.json"
    made = Keystore.create(path, one, two, scrypt_n=CHEAP_N)
    made.add(key())
    assert keystore_file.passphrases_needed(path) == 2
    assert Keystore.open(path, one, two).vending_key(REF04)[1].reveal().hex() == VK04
    for wrong in ((two, one), (one, SecretBytes(b"guess")), (SecretBytes(b"guess"), two)):
        assert why(Keystore.open, path, *wrong) == "passphrase"
    for few in ((), (one,), (two,), (one, two, one)):
        assert why(Keystore.open, path, *few) == "two_passphrases"


def test_two_passphrases_are_wrapped_as_described(tmp_path):
    """Opened by a few lines of cryptography of its own: HKDF-Extract of both, then Expand."""
    path = tmp_path / "dual.json"
    one, two = SecretBytes(PASSPHRASE), SecretBytes(SECOND)
    made = Keystore.create(path, one, two, scrypt_n=CHEAP_N)
    document = json.loads(path.read_bytes())
    kdf = document["kdf"]
    halves = [
        hashlib.scrypt(
            secret, salt=bytes.fromhex(kdf[name]), n=CHEAP_N, r=8, p=1, maxmem=2**26, dklen=32
        )
        for secret, name in ((PASSPHRASE, "salt"), (SECOND, "salt2"))
    ]
    extracted = hmac.digest(bytes(32), b"".join(halves), "sha256")
    seal, check = (
        hmac.digest(extracted, purpose + b"\x01", "sha256") for purpose in (b"seal", b"check")
    )
    assert hmac.digest(check, b"kc", "sha256")[:8].hex() == document["kc"]
    wrapped = bytes.fromhex(document["wrapped_dek"])
    dek = AESGCM(seal).decrypt(wrapped[:12], wrapped[12:], made.module_id.encode())
    assert dek == made._dek.reveal()
    assert kdf["salt"] != kdf["salt2"]


def test_how_many_passphrases_may_be_changed_both_ways(keystore, store_path, passphrase):
    two = SecretBytes(SECOND)
    assert keystore_file.passphrases_needed(store_path) == 1
    keystore.rewrap(passphrase, two, scrypt_n=CHEAP_N)
    assert keystore_file.passphrases_needed(store_path) == 2
    assert Keystore.open(store_path, passphrase, two).module_id == keystore.module_id
    keystore.rewrap(two, scrypt_n=CHEAP_N)
    assert keystore_file.passphrases_needed(store_path) == 1
    assert why(Keystore.open, store_path, two, passphrase) == "one_passphrase"
    assert Keystore.open(store_path, two).module_id == keystore.module_id


def test_passphrases_that_protect_nothing_are_refused(keystore, store_path, tmp_path):
    before = store_path.read_bytes()
    empty, one = SecretBytes(b""), SecretBytes(b"one")
    for wrong, reason in (
        ((), "passphrase_empty"),
        ((empty,), "passphrase_empty"),
        ((one, empty), "passphrase_empty"),
        ((one, SecretBytes(b"one")), "passphrases_equal"),
    ):
        assert why(keystore.rewrap, *wrong, scrypt_n=CHEAP_N) == reason
        assert why(Keystore.create, tmp_path / "new.json", *wrong, scrypt_n=CHEAP_N) == reason
    assert store_path.read_bytes() == before
    assert not (tmp_path / "new.json").exists()


def test_a_new_keystore_costs_as_much_as_was_measured(store_path, passphrase):
    Keystore.create(store_path, passphrase)
    assert json.loads(store_path.read_bytes())["kdf"]["n"] == 2**17


@pytest.mark.parametrize(
    "change",
    [{"r": 8.0}, {"r": True}, {"p": True}, {"p": 1.0}, {"n": 16384.0}, {"n": True}, {"salt": 5},
     {"salt2": "zz"}, {"salt2": None}, {"salt2": ""}],
)  # fmt: skip
def test_passphrase_parameters_that_are_no_such_numbers_are_refused(
    keystore, store_path, passphrase, change
):
    document = json.loads(store_path.read_bytes())
    document["kdf"].update(change)
    store_path.write_bytes(keystore_file.canonical(document) + b"\n")
    assert why(Keystore.open, store_path, passphrase) in {"kdf", "format"}


def test_a_second_salt_put_in_reads_as_another_number_of_passphrases(
    keystore, store_path, passphrase
):
    document = json.loads(store_path.read_bytes())
    document["kdf"]["salt2"] = "00" * 16
    store_path.write_bytes(keystore_file.canonical(document) + b"\n")
    assert why(Keystore.open, store_path, passphrase) == "two_passphrases"
    assert why(Keystore.open, store_path, passphrase, SecretBytes(b"x")) == "passphrase"
