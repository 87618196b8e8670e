"""A software module with the keys of published examples, a frozen clock and cheap scrypt."""

import pytest

from tests.unit.hsm.hsm_cases import (
    NOW,
    PASSPHRASE,
    REF02,
    VK02,
    key,
    new_keystore,
    stretched_once,
)
from vmsapp import sealing
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results
from vmsapp.sts.secret import SecretBytes


@pytest.fixture
def cheap_opening(monkeypatch):
    """Stretch each passphrase once: files are opened hundreds of times."""
    monkeypatch.setattr(sealing, "keys_of_passphrase", stretched_once)


@pytest.fixture
def passphrase():
    return SecretBytes(PASSPHRASE)


@pytest.fixture
def store_path(tmp_path):
    return tmp_path / "keystore.json"


@pytest.fixture
def results_path(tmp_path):
    return tmp_path / "results.sqlite"


@pytest.fixture
def keystore(store_path):
    return new_keystore(store_path)


@pytest.fixture
def open_soft(keystore, results_path):
    """Open a module on the one keystore and the one record; every one is closed at the end."""
    opened = []

    def build(**options):
        options = {"clock": lambda: NOW, "limits": Limits(None, None)} | options
        results = Results(results_path)
        opened.append(results)
        return SoftModule(keystore, results, **options)

    yield build
    for results in opened:
        results.close()


@pytest.fixture
def soft(keystore, open_soft):
    keystore.add(key())
    keystore.add(key(REF02, VK02))
    return open_soft()
