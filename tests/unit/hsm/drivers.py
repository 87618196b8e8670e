"""One of each kind of security module, loaded with the same keys, for the acceptance suite."""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from tests.prism_stub import Identity, PrismStub, StubKey
from tests.unit.hsm.hsm_cases import (
    NOW,
    REF02,
    REF04,
    VK02,
    VK04,
    key,
    new_keystore,
    open_keystore,
)
from tests.unit.hsm.prism.prism_cases import open_module
from tests.unit.hsm.serving import served
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.drivers.pkcs11.driver import Pkcs11Module
from vmsapp.hsm.drivers.pkcs11.keystore import TokenKeystore
from vmsapp.hsm.drivers.pkcs11.token import Token
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import checked
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results
from vmsapp.sts import dkga
from vmsapp.sts.identifiers import KeyType
from vmsapp.sts.keys import VendingKey
from vmsapp.sts.meter import VirtualMeter
from vmsapp.sts.secret import SecretBytes

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = b"pin-of-the-tests"

NEXT04 = replace(REF04, krn=2)
DEFAULT04 = replace(REF04, krn=3, kt=1)
VALUES = {
    REF04: VK04,
    NEXT04: "00112233445566778899aabbccddeeff01234567",
    DEFAULT04: "ffeeddccbbaa99887766554433221100fedcba98",
    REF02: VK02,
}
"""SPEC 8.6, vectors.jsonl s001, and two more for changes of keys."""


@dataclass(frozen=True)
class Driver:
    """A module of one kind, and what is known of it.

    Attributes:
        module: Loaded with ``VALUES``; revision 2 may be entered from revision 1.
        again: Opens the same module anew, as after a restart.
        own_rnd: It draws the random bits itself, so digits differ from the published ones.
    """

    module: SecurityModule
    again: Callable[[], SecurityModule]
    own_rnd: bool = False


def keys() -> list:
    """The keys, as a keystore takes them."""
    allowed = {REF04: ((REF04.sgc, 2),)}
    return [
        replace(key(ref, value), changes_to=allowed.get(ref, ())) for ref, value in VALUES.items()
    ]


def meter_of(config) -> VirtualMeter:
    """The meter a configuration speaks of, with its key."""
    vending_key = VendingKey(config.key.dkga, bytes.fromhex(VALUES[config.key]))
    decoder_key = dkga.derive(vending_key, config.parameters())
    return VirtualMeter(
        SecretBytes(decoder_key.reveal()),
        kt=KeyType(config.key.kt),
        krn=config.key.krn,
        ti=int(config.ti),
        ken=config.ken,
    )


@contextmanager
def soft(folder: Path) -> Iterator[Driver]:
    """The software module."""
    path, opened = folder / "keystore.json", []
    keystore = new_keystore(path)
    for each in keys():
        keystore.add(each)

    def again() -> SoftModule:
        module = SoftModule(
            open_keystore(path),
            Results(folder / "results.sqlite"),
            limits=Limits(None, None),
            clock=lambda: NOW,
        )
        opened.append(module)
        return module

    yield Driver(again(), again)
    for module in opened:
        module.close()


@contextmanager
def pkcs11(folder: Path) -> Iterator[Driver]:
    """Keys in a token of SoftHSM2."""
    label, opened = softhsm_token(), []

    def keystore() -> TokenKeystore:
        return TokenKeystore.of(folder / "token.json", Token(SOFTHSM, label, SecretBytes(PIN)))

    def again() -> Pkcs11Module:
        module = Pkcs11Module(
            keystore(),
            Results(folder / "results.sqlite"),
            limits=Limits(None, None),
            clock=lambda: NOW,
        )
        opened.append(module)
        return module

    loading = keystore()
    loading.add_all(keys())
    loading.close()
    yield Driver(again(), again)
    for ref in VALUES:  # looking for one among many takes long
        opened[0].remove_key(ref, actor="test")
    for module in opened:
        module.close()


@cache
def softhsm_token() -> str:
    """Make the one token of this process; give its label.

    The library reads its settings, and looks for tokens, once in a process. Each keystore's
    objects have ids of their own, so many can lie in one token.
    """
    folder = Path(tempfile.mkdtemp(prefix="vms-softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    label, pin = "vms-test", PIN.decode()
    command = ["softhsm2-util", "--init-token", "--free", "--label", label]
    subprocess.run(
        [*command, "--so-pin", pin, "--pin", pin], check=True, capture_output=True, timeout=60
    )
    return label


@contextmanager
def tcp(folder: Path) -> Iterator[Driver]:
    """The software module behind a server of its own, reached over the loopback."""
    with soft(folder) as behind, ExitStack() as opened:

        def again() -> SecurityModule:
            return opened.enter_context(served(behind.again(), folder / "server")).module()

        yield Driver(again(), again)


@contextmanager
def prism(folder: Path) -> Iterator[Driver]:
    """A stub of a PrismToken service that makes real tokens, over TLS."""
    loaded = {info.ref: info for info in _infos()}
    stub = PrismStub(
        Identity.make(folder / "server.pem"),
        [
            StubKey(ref.sgc, ref.krn, ref.dkga, VALUES[ref], info.kcv, kt=ref.kt)
            for ref, info in loaded.items()
        ],
    )
    opened = []

    def again() -> SecurityModule:
        module = open_module(stub, folder / "record", seconds=10.0)
        opened.append(module)
        return module

    first = again()
    for info in loaded.values():
        first.register_key(info, actor="test")
    yield Driver(first, again, own_rnd=True)
    for module in opened:
        module.close()
    stub.close()


def _infos() -> list[KeyInfo]:
    """The keys as a service's pages would show them."""
    return [checked(each) for each in keys()]


DRIVERS = {"soft": soft, "tcp": tcp, "pkcs11": pkcs11, "prism": prism}
PARAMETERS = ["soft", "tcp", "prism", pytest.param("pkcs11", marks=pytest.mark.softhsm)]
