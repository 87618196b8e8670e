"""The keystore: what it takes, what it refuses, and every byte of its file."""

import json
import os
import stat
from dataclasses import replace

import pytest

from tests.unit.hsm.hsm_cases import CHEAP_N, PASSPHRASE, REF02, REF04, VK02, VK04, key
from vmsapp.hsm import keystore, keystore_file
from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.keystore import Keystore, demo_key, read_passphrase_fd
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import first_even_byte
from vmsapp.sts.secret import SecretBytes


@pytest.fixture
def why():
    """Say why a call was refused; every reason has its sentence."""

    def reason(call, *args, **kwargs):
        with pytest.raises(KeystoreError) as refused:
            call(*args, **kwargs)
        assert refused.value.why in keystore.REASONS
        return refused.value.why

    return reason


def rewritten(path, change, dek=None):
    """Change the file as JSON; with the data key, make its HMAC right again."""
    document = json.loads(path.read_bytes())
    change(document)
    if dek is not None:
        document.pop("mac")
        document["mac"] = keystore_file._mac(dek, document)
    path.write_bytes(keystore_file.canonical(document) + b"\n")


def test_a_key_comes_back_as_it_went_in(keystore, store_path, passphrase):
    keystore.add(key())
    keystore.add(key(REF02, VK02, ken=103, demo=True))
    again = Keystore.open(store_path, passphrase)
    info, value = again.vending_key(REF02)
    assert value.reveal().hex() == VK02
    assert (info.ref, info.base_date, info.ken) == (REF02, BaseDate.Y2014, 103)
    assert (info.name, info.demo) == ("Riverside", True)
    assert again.vending_key(REF04)[1].reveal().hex() == VK04
    loaded = again.keys()
    assert loaded == keystore.keys()
    assert [known.ref for known in loaded] == [REF04, REF02]
    assert again.module_id == keystore.module_id


def test_the_module_id_is_a_name_of_its_own(keystore, tmp_path, passphrase):
    other = Keystore.create(tmp_path / "other.json", passphrase, scrypt_n=CHEAP_N)
    assert keystore_file._MODULE_ID.fullmatch(keystore.module_id)
    assert other.module_id != keystore.module_id


def test_sealing_keys_last_and_differ_by_purpose(keystore, store_path, passphrase):
    again = Keystore.open(store_path, passphrase)
    assert again.sealing_key("results") == keystore.sealing_key("results")
    assert again.sealing_key("results") != keystore.sealing_key("journal")


def test_every_write_counts(keystore):
    assert keystore.seq == 1
    keystore.add(key())
    assert keystore.seq == 2


def test_a_key_not_loaded_is_not_found(keystore):
    with pytest.raises(KeyError):
        keystore.vending_key(REF04)


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (key(value=VK04[2:]), "key_length"),
        (key(value=VK04 + "16"), "key_length"),
        (key(REF02, VK04), "key_length"),
        (key(REF02, "0dfe450851baf80f"), "key_parity"),
        (key(replace(REF04, dkga="03")), "key_range"),
        (key(replace(REF04, sgc="20145")), "key_range"),
        (key(replace(REF04, krn=0)), "key_range"),
        (key(replace(REF04, krn=10)), "key_range"),
        (key(replace(REF04, kt=4)), "key_range"),
        (key(ken=256), "key_range"),
        (key(base_date=BaseDate.Y1993), "base_date_ended"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused(keystore, store_path, why, refused, reason):
    before = store_path.read_bytes()
    assert why(keystore.add, refused) == reason
    assert store_path.read_bytes() == before


def test_a_key_is_loaded_once(keystore, why):
    keystore.add(key())
    assert why(keystore.add, key()) == "key_loaded"
    assert why(keystore.add, key(value=VK04[::-1])) == "key_conflict"
    assert keystore.vending_key(REF04)[1].reveal().hex() == VK04


def test_a_refused_key_leaves_the_way_free_for_the_next(keystore, why):
    keystore.add(key())
    why(keystore.add, key())
    keystore.add(key(REF02, VK02))
    assert len(keystore.keys()) == 2


def test_only_one_writes_at_a_time(keystore, store_path, why):
    with keystore_file.sole_writer(store_path):
        assert why(keystore.add, key()) == "being_written"


def test_the_file_is_the_owners_alone(keystore, store_path):
    keystore.add(key())
    for path in store_path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_three_earlier_files_are_kept(keystore, store_path, passphrase):
    for krn in range(1, 6):
        keystore.add(key(replace(REF04, krn=krn)))
    names = {path.name for path in store_path.parent.iterdir()}
    assert names == {"keystore.json"} | {f"keystore.json.{number}" for number in (1, 2, 3)}
    kept = [
        Keystore.open(store_path.with_name(f"keystore.json.{number}"), passphrase).seq
        for number in (1, 2, 3)
    ]
    assert (keystore.seq, kept) == (6, [5, 4, 3])


def test_a_crash_before_the_rename_leaves_the_old_file(keystore, store_path, monkeypatch):
    before = store_path.read_bytes()

    def crash(path):
        raise OSError

    monkeypatch.setattr(keystore_file, "_keep_generations", crash)
    with pytest.raises(OSError):  # noqa: PT011 - the one raised above
        keystore.add(key())
    assert store_path.read_bytes() == before
    assert not store_path.with_name("keystore.json.new").exists()


def test_neither_key_nor_passphrase_lies_open_in_the_file(keystore, store_path):
    keystore.add(key())
    raw = store_path.read_bytes()
    for secret in (bytes.fromhex(VK04), PASSPHRASE, keystore._dek.reveal()):
        assert secret not in raw
        assert secret.hex().encode() not in raw.lower()


def test_a_key_added_by_another_process_is_seen(keystore, store_path, passphrase):
    other = Keystore.open(store_path, passphrase)
    keystore.add(key())
    assert other.vending_key(REF04)[1].reveal().hex() == VK04
    assert other.seq == 2
    other.add(key(REF02, VK02))
    assert len(keystore.keys()) == 2


# --- what was altered is refused ---


def test_every_flipped_byte_is_refused(keystore, store_path, passphrase, why, cheap_opening):
    keystore.add(key())
    right = store_path.read_bytes()
    for place in range(len(right)):
        altered = bytearray(right)
        altered[place] ^= 0x01 + place % 3
        store_path.write_bytes(altered)
        why(Keystore.open, store_path, SecretBytes(PASSPHRASE))
    store_path.write_bytes(right)
    assert len(Keystore.open(store_path, passphrase).keys()) == 1


def test_hex_in_capitals_is_refused(keystore, store_path, passphrase, why):
    rewritten(store_path, lambda d: d.update(wrapped_dek=d["wrapped_dek"].upper()))
    assert why(Keystore.open, store_path, passphrase) == "tampered"


@pytest.mark.parametrize(
    "text", [b"", b"9500 KMF", b"[]", b"{}", b'{"fmt":"VKF","v":1}', b"[" * 9999]
)
def test_another_kind_of_file_is_named_as_one(store_path, passphrase, why, text):
    store_path.write_bytes(text)
    assert why(Keystore.open, store_path, passphrase) == "format"


def test_a_file_with_more_than_its_content_is_refused(keystore, store_path, passphrase, why):
    store_path.write_bytes(store_path.read_bytes() + b" ")
    assert why(Keystore.open, store_path, passphrase) == "format"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(v=2), "version"),
        (lambda d: d["kdf"].update(n=2**21), "kdf"),
        (lambda d: d["kdf"].update(n=2**13), "kdf"),
        (lambda d: d["kdf"].update(r=16), "kdf"),
        (lambda d: d["kdf"].update(p=4), "kdf"),
        (lambda d: d["kdf"].update(name="md5"), "format"),
        (lambda d: d.pop("kdf"), "format"),
        (lambda d: d.update(kc="zz"), "format"),
        (lambda d: d.update(module_id="VSM-1"), "format"),
        (lambda d: d["kdf"].update(salt="00" * 16), "passphrase"),
        (lambda d: d.update(kc="00" * 8), "passphrase"),
        (lambda d: d.update(module_id="VSM-000000"), "tampered"),
        (lambda d: d.update(wrapped_dek="00" * 60), "tampered"),
        (lambda d: d.update(wrapped_dek=""), "tampered"),
        (lambda d: d.update(seq=9), "tampered"),
        (lambda d: d["keys"].pop(), "tampered"),
        (lambda d: d["keys"].reverse(), "tampered"),
        (lambda d: d["keys"][0]["meta"].update(ken=255), "tampered"),
        (lambda d: d.pop("mac"), "tampered"),
        (lambda d: d.update(mac="\ud800"), "tampered"),
        (lambda d: d.update(extra=1), "tampered"),
    ],
)
def test_a_changed_member_is_refused(keystore, store_path, passphrase, why, change, reason):
    keystore.add(key(ken=103))
    keystore.add(key(REF02, VK02))
    rewritten(store_path, change)
    assert why(Keystore.open, store_path, passphrase) == reason


def swap_descriptions(document):
    one, two = document["keys"]
    one["meta"], two["meta"] = two["meta"], one["meta"]


def raise_expiry(document):
    document["keys"][0]["meta"]["ken"] = 255


@pytest.mark.parametrize("change", [swap_descriptions, raise_expiry])
def test_a_description_is_bound_to_its_key_even_under_a_right_hmac(
    keystore, store_path, passphrase, why, change
):
    keystore.add(key(ken=103))
    keystore.add(key(REF02, VK02))
    rewritten(store_path, change, dek=keystore._dek.reveal())
    assert why(Keystore.open, store_path, passphrase) == "tampered"


def test_a_wrong_passphrase_is_told_from_an_altered_file(keystore, store_path, why):
    assert why(Keystore.open, store_path, SecretBytes(b"guess")) == "passphrase"
    rewritten(store_path, lambda d: d.update(seq=9))
    assert why(Keystore.open, store_path, SecretBytes(b"guess")) == "passphrase"
    assert why(Keystore.open, store_path, SecretBytes(PASSPHRASE)) == "tampered"


def test_an_altered_file_is_noticed_while_it_is_open(keystore, store_path, why):
    keystore.add(key())
    rewritten(store_path, lambda d: d["keys"].clear())
    assert why(keystore.vending_key, REF04) == "tampered"


def test_an_older_file_put_back_is_noticed_while_it_is_open(keystore, store_path, why):
    keystore.add(key())
    assert len(keystore.keys()) == 1
    store_path.write_bytes(store_path.with_name("keystore.json.1").read_bytes())
    assert why(keystore.keys) == "rolled_back"


def test_a_file_that_is_gone_is_named(keystore, store_path, passphrase, why):
    store_path.unlink()
    assert why(keystore.keys) == "missing"
    assert why(Keystore.open, store_path, passphrase) == "missing"
    assert why(lambda: keystore_file.read(store_path)) == "missing"


def test_a_keystore_is_never_made_over_another(keystore, store_path, passphrase, why):
    before = store_path.read_bytes()
    assert why(Keystore.create, store_path, passphrase, scrypt_n=CHEAP_N) == "exists"
    assert store_path.read_bytes() == before


def test_an_empty_passphrase_is_refused(store_path, why):
    assert why(Keystore.create, store_path, SecretBytes(b"")) == "passphrase_empty"


def test_a_closed_keystore_opens_no_key(keystore):
    keystore.add(key())
    keystore.close()
    with pytest.raises(ValueError, match="wiped"):
        keystore.vending_key(REF04)


# --- demonstration keys and passphrases ---


def test_demo_keys_are_random_marked_and_well_formed(keystore):
    for dkga, length in (("02", 8), ("04", 20)):
        ref = KeyRef("600000", 1, 2, dkga)
        made = [demo_key(ref, base_date=BaseDate.Y2014, name="Demo") for _ in range(50)]
        assert {len(one.value) for one in made} == {length}
        assert len({one.value.reveal() for one in made}) == 50
        assert all(one.demo for one in made)
        assert keystore.add(made[0]).demo
        if dkga == "02":
            assert all(first_even_byte(one.value.reveal()) is None for one in made)


@pytest.mark.parametrize(
    ("sent", "read"),
    [(b"open", b"open"), (b"open\n", b"open"), (b"open\n\n", b"open\n"), (b" o \r\n", b" o \r")],
)
def test_one_line_feed_is_not_part_of_a_passphrase(sent, read):
    assert read_passphrase_fd(fd_with(sent)).reveal() == read


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(b"", "passphrase_empty"), (b"\n", "passphrase_empty"), (b"x" * 1025, "passphrase_long")],
)
def test_no_passphrase_and_too_long_a_one_are_refused(why, sent, reason):
    assert why(read_passphrase_fd, fd_with(sent)) == reason


def test_the_longest_passphrase_fits_and_the_descriptor_is_closed():
    fd = fd_with(b"x" * 1024 + b"\n")
    assert len(read_passphrase_fd(fd)) == 1024
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def fd_with(data):
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader
