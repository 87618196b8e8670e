"""A secret does not show itself, is not copied, and can be wiped."""

import copy
import json
import logging
import pickle
from dataclasses import asdict, dataclass

import pytest

from vmsapp.sts.secret import SecretBytes

VALUE = b"swordfish"


@dataclass
class _Holder:
    secret: SecretBytes


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        _Holder,
        "{}".format,
        "{:>40}".format,
        "{!r:>40}".format,
        "%s".__mod__,
        "%r".__mod__,
        lambda secret: [secret],
    ],
)
def test_no_way_of_printing_shows_it(shown):
    text = str(shown(SecretBytes(VALUE)))
    assert "swordfish" not in text
    assert VALUE.hex() not in text
    assert "SecretBytes(…)" in text


def test_a_log_line_does_not_show_it(caplog):
    logging.getLogger("test").warning("key %s %r", SecretBytes(VALUE), {"k": SecretBytes(VALUE)})
    assert "swordfish" not in caplog.text
    assert "SecretBytes(…)" in caplog.text


@pytest.mark.parametrize(
    "taken",
    [
        pickle.dumps,
        json.dumps,
        copy.copy,
        copy.deepcopy,
        bytes,
        iter,
        hash,
        vars,
        lambda secret: asdict(_Holder(secret)),
    ],
)
def test_it_is_not_taken_along(taken):
    with pytest.raises(TypeError) as refused:
        taken(SecretBytes(VALUE))
    assert "swordfish" not in str(refused.value)


def test_secrets_compare_by_value_and_only_with_secrets():
    assert SecretBytes(VALUE) == SecretBytes(bytearray(VALUE))
    assert SecretBytes(VALUE) != SecretBytes(b"sword")
    assert SecretBytes(VALUE) != VALUE


def test_reveal_gives_the_bytes_and_their_length_is_known():
    assert SecretBytes(VALUE).reveal() == VALUE
    assert len(SecretBytes(VALUE)) == 9


def test_the_end_of_the_block_wipes_it():
    with SecretBytes(VALUE) as secret:
        buffer = secret._buffer
    assert bytes(buffer) == bytes(9)
    with pytest.raises(ValueError, match="wiped"):
        secret.reveal()


def test_a_wiped_secret_equals_nothing_silently():
    secret = SecretBytes(VALUE)
    secret.wipe()
    secret.wipe()
    with pytest.raises(ValueError, match="wiped"):
        _ = secret == SecretBytes(bytes(9))
