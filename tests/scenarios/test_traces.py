"""The search for secrets finds what it is to find; that it finds nothing, each start proves."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from tests import factories
from tests.factories import LEGACY_11, STS6_11
from tests.scenarios.traces import found_in, secrets_of
from tests.traces import DECODER_KEY, HEAD_BYTES, PASSPHRASE, TOKEN, VENDING_KEY

KINDS = (PASSPHRASE, VENDING_KEY, DECODER_KEY, TOKEN)


@pytest.fixture
def backend():
    """What is searched lies in files."""
    return "sqlite"


@pytest.fixture
def left(shop, keystore, tmp_path):
    """The folder of an instance that has sold a token of each generation."""
    shop.sell(LEGACY_11)
    shop.sell(STS6_11)
    instance = tmp_path / "instance"
    (instance / "module").mkdir(parents=True)
    with closing(sqlite3.connect(instance / "vms.sqlite")) as copy:
        shop.engine.raw_connection().backup(copy)
    shutil.copyfile(keystore._path, instance / "module" / "keystore.json")
    (instance / "module" / "passphrase").write_bytes(factories.PASSPHRASE + b"\n")
    yield instance
    shutil.rmtree(instance)  # what the tests planted is found here, and not once more at the end


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_that_lies_about_is_found(left, tmp_path, kind):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert found_in(left, scratch, "all is well") == []
    secrets = secrets_of(left, left / "vms.sqlite")[kind]
    assert len(secrets) == (1 if kind == PASSPHRASE else 2)
    for secret in secrets:
        as_it_is = kind in (PASSPHRASE, TOKEN) or not secret[:HEAD_BYTES].isascii()
        lying = secret if as_it_is else secret.hex().encode()
        (scratch / "upload.tmp").write_bytes(b"something " + lying + b" else")
        assert found_in(left, scratch, "") == [f"{kind} in upload.tmp"]
    (scratch / "upload.tmp").unlink()


def test_digits_in_another_column_are_found(left, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with closing(sqlite3.connect(left / "vms.sqlite")) as database:
        digits = database.execute("SELECT digits FROM token LIMIT 1").fetchone()[0]
        database.execute("UPDATE consumer SET name = ? WHERE id = 1", (f"Ada {digits}",))
        database.commit()
    assert found_in(left, scratch, "") == ["a token in vms.sqlite, table consumer"]
    assert found_in(left, scratch, f"sold {digits}")[0] == "a token in the log"
