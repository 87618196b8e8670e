"""Signing heads of the audit trail: only forwards, and remembered beside the keys."""

from hashlib import sha256

import pytest

from tests.unit.hsm.hsm_cases import NOW
from vmsapp import sealing
from vmsapp.hsm.drivers.locked import LockedModule
from vmsapp.hsm.errors import HeadBehind, HsmUnavailable
from vmsapp.hsm.keystore import Keystore

ONE, TWO = sha256(b"one").digest(), sha256(b"two").digest()


def test_a_head_is_signed_under_the_key_the_status_gives(soft):
    head = soft.sign_head(7, ONE)
    assert (head.number, head.place, head.digest, head.signed_at) == (1, 7, ONE, NOW)
    assert (head.module_id, head.restart) == (soft.status().module_id, False)
    assert head.public_key == soft.status().head_key
    assert sealing.signed_by(soft.status().head_key, head.message(), head.signature)


def test_the_message_says_every_field(soft):
    """Source: docs/audit.md, "Signed heads"."""
    head = soft.sign_head(7, ONE)
    assert head.message().decode() == (
        f"VMS audit head 1\n{head.module_id}\n1 continued\n7 {NOW:%Y-%m-%dT%H:%M:%S}+00:00\n"
        + ONE.hex()
    )


def test_the_same_head_is_given_again_and_counts_once(soft):
    assert soft.sign_head(7, ONE) == soft.sign_head(7, ONE) == soft.last_head()
    assert soft.sign_head(8, TWO).number == 2


@pytest.mark.parametrize(("place", "digest"), [(6, ONE), (7, TWO), (1, TWO)])
def test_what_lies_behind_the_last_head_or_differs_from_it_is_refused(soft, place, digest):
    last = soft.sign_head(7, ONE)
    with pytest.raises(HeadBehind) as refusal:
        soft.sign_head(place, digest)
    assert refusal.value.params == {"place": 7}
    assert soft.last_head() == last


def test_a_restart_is_signed_whatever_came_before_and_says_so(soft):
    soft.sign_head(7, ONE)
    head = soft.sign_head(3, TWO, restart=True)
    assert (head.number, head.place, head.restart) == (2, 3, True)
    assert b"2 restarted" in head.message()
    assert soft.last_head() == head
    assert soft.sign_head(4, ONE).number == 3


def test_before_the_first_head_there_is_none(soft):
    assert soft.last_head() is None


def test_another_process_remembers_the_head(soft, open_soft):
    head = soft.sign_head(7, ONE)
    assert open_soft().last_head() == head


def test_the_key_is_the_modules_for_ever_and_another_modules_is_another(keystore, soft, passphrase):

    again = Keystore.open(keystore._path, passphrase).sealing_key("audit head")
    assert sealing.public_key_of(again.reveal()) == soft.status().head_key
    assert again.reveal() != keystore.sealing_key("results").reveal()


def test_a_locked_module_signs_nothing():
    locked = LockedModule("VSM-000001")
    assert locked.status().head_key is None
    for ask in (locked.last_head, lambda: locked.sign_head(1, ONE)):
        with pytest.raises(HsmUnavailable):
            ask()
