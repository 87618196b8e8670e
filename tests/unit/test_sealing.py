"""Sealing: published answers, and every way an altered byte must show."""

import pytest

from vmsapp import sealing
from vmsapp.sealing import KdfRefused, ScryptParams, SealBroken

KEY = bytes(range(32))
SALT = bytes(16)


def test_what_is_sealed_opens_again():
    sealed = sealing.seal(KEY, b"bread", aad=b"label")
    assert sealing.unseal(KEY, sealed, aad=b"label") == b"bread"


def test_the_same_bytes_are_never_sealed_alike():
    assert sealing.seal(KEY, b"bread", aad=b"") != sealing.seal(KEY, b"bread", aad=b"")


def test_every_flipped_byte_is_noticed():
    sealed = sealing.seal(KEY, b"bread", aad=b"label")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(SealBroken):
            sealing.unseal(KEY, bytes(altered), aad=b"label")


@pytest.mark.parametrize(
    ("key", "aad", "cut"),
    [(bytes(32), b"label", None), (KEY, b"other", None), (KEY, b"label", -1), (KEY, b"label", 27)],
    ids=["another key", "another label", "cut at the end", "shorter than any"],
)
def test_nothing_else_opens_it(key, aad, cut):
    sealed = sealing.seal(KEY, b"bread", aad=b"label")
    with pytest.raises(SealBroken):
        sealing.unseal(key, sealed[:cut], aad=aad)


def test_the_nist_gcm_case_opens():
    # NIST "The Galois/Counter Mode of Operation", Test Case 14: zero key, nonce and block.
    sealed = bytes(12) + bytes.fromhex(
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )
    assert sealing.unseal(bytes(32), sealed, aad=b"") == bytes(16)


def test_mac_is_the_one_of_rfc_4231():
    # RFC 4231, 4.3 "Test Case 2".
    code = sealing.mac(b"Jefe", b"what do ya want for nothing?")
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert code.hex() == expected


def test_many_macs_are_those_of_rfc_4231_too():
    """Test cases 1 and 2, and 6, whose key is longer than a block."""
    (first,) = sealing.macs(b"\x0b" * 20, [b"Hi There"])
    assert first.hex() == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    asked = b"what do ya want for nothing?"
    known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert [one.hex() for one in sealing.macs(b"Jefe", [asked, asked])] == [known, known]
    (long,) = sealing.macs(
        b"\xaa" * 131, [b"Test Using Larger Than Block-Size Key - Hash Key First"]
    )  # fmt: skip
    assert long.hex() == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    assert sealing.macs(b"Jefe", []) == []


def test_keys_for_two_purposes_differ():
    assert sealing.expand(KEY, "one") != sealing.expand(KEY, "two")
    assert sealing.expand(KEY, "one") == sealing.expand(KEY, "one")


def test_same_compares_whole_values():
    assert sealing.same(b"abc", b"abc")
    assert not sealing.same(b"abc", b"abd")


def test_another_passphrase_or_salt_gives_another_check_value():
    right = sealing.keys_of_passphrase(b"open", ScryptParams(2**14, SALT))
    assert right.check == sealing.keys_of_passphrase(b"open", ScryptParams(2**14, SALT)).check
    assert right.check != sealing.keys_of_passphrase(b"shut", ScryptParams(2**14, SALT)).check
    other_salt = ScryptParams(2**14, bytes(15) + b"\1")
    assert right.check != sealing.keys_of_passphrase(b"open", other_salt).check


def test_the_check_value_and_the_key_do_not_show_in_a_repr():
    made = sealing.keys_of_passphrase(b"open", ScryptParams(2**14, SALT))
    assert made.seal_key.hex() not in repr(made)
    assert repr(made.seal_key) not in repr(made)


@pytest.mark.parametrize(
    ("n", "r", "p", "salt"),
    [
        (2**13, 8, 1, SALT),
        (2**21, 8, 1, SALT),
        (2**15 + 1, 8, 1, SALT),
        (float(2**15), 8, 1, SALT),
        (True, 8, 1, SALT),
        (2**15, 9, 1, SALT),
        (2**15, 8, 2, SALT),
        (2**15, 8.0, 1, SALT),
        (2**15, 8, True, SALT),
        (2**15, 8, 1, b""),
    ],
)
def test_parameters_out_of_bounds_are_refused(n, r, p, salt):
    with pytest.raises(KdfRefused):
        ScryptParams(n, salt, r, p)


@pytest.mark.parametrize("n", [2**14, 2**20])
def test_the_bounds_themselves_are_taken(n):
    assert ScryptParams(n, SALT).n == n


def test_two_passphrases_make_a_key_of_which_neither_has_a_half():
    first, second = ScryptParams(2**14, SALT), ScryptParams(2**14, bytes(15) + b"\1")
    both = sealing.keys_of_two((b"one", first), (b"two", second))
    others = (
        sealing.keys_of_two((b"two", first), (b"one", second)),
        sealing.keys_of_two((b"one", first), (b"other", second)),
        sealing.keys_of_two((b"other", first), (b"two", second)),
        sealing.keys_of_passphrase(b"one", first),
        sealing.keys_of_passphrase(b"two", second),
    )
    assert both.check not in {other.check for other in others}
    assert both.seal_key not in {other.seal_key for other in others}
    again = sealing.keys_of_two((b"one", first), (b"two", second))
    assert (again.seal_key, again.check) == (both.seal_key, both.check)


# RFC 8032, 7.1, TEST 2
RFC_8032 = {
    "private": "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "public": "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "message": "72",
    "signature": "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
}


def test_signatures_are_those_of_the_rfc():
    private, public, message, signature = (bytes.fromhex(RFC_8032[name]) for name in RFC_8032)
    assert sealing.public_key_of(private) == public
    assert sealing.sign(private, message) == signature
    assert sealing.signed_by(public, message, signature)


def test_another_message_key_or_signature_is_not_signed():
    _private, public, message, signature = (bytes.fromhex(RFC_8032[name]) for name in RFC_8032)
    altered = bytes([signature[0] ^ 1]) + signature[1:]
    assert not sealing.signed_by(public, message + b"!", signature)
    assert not sealing.signed_by(sealing.public_key_of(bytes(32)), message, signature)
    assert not sealing.signed_by(public, message, altered)
    assert not sealing.signed_by(public, message, b"short")
    assert not sealing.signed_by(b"no key", message, signature)


# RFC 4226, appendix D, secret "12345678901234567890", counts 0 to 9
RFC_4226 = [
    "755224", "287082", "359152", "969429", "338314",
    "254676", "287922", "162583", "399871", "520489",
]  # fmt: skip


@pytest.mark.parametrize(("counter", "password"), list(enumerate(RFC_4226)))
def test_one_time_passwords_are_those_of_the_rfc(counter, password):
    assert sealing.one_time_password(b"12345678901234567890", counter) == password


def test_a_secret_of_our_own_is_its_owners_alone_and_no_other_is_read(tmp_path):
    path = tmp_path / "module" / "passphrase"
    made = sealing.secret_file(path)
    assert len(made) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert sealing.secret_file(path) == made
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(PermissionError, match="chmod 600"):
            sealing.secret_file(path)


def test_a_credential_that_systemd_lends_may_show_rights_of_its_access_list(tmp_path, monkeypatch):
    path = tmp_path / "lent" / "passphrase"
    path.parent.mkdir()
    path.write_text("a passphrase\n")
    path.chmod(0o440)
    with pytest.raises(PermissionError):
        sealing.secret_file(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "other"))
    with pytest.raises(PermissionError):
        sealing.secret_file(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(path.parent))
    assert sealing.secret_file(path) == "a passphrase"
    path.chmod(0o444)
    with pytest.raises(PermissionError):
        sealing.secret_file(path)
