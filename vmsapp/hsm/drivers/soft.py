"""The software module: keys in a sealed file, tokens made in this process."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from vmsapp.clock import now_utc
from vmsapp.hsm.answers import KeyInfo, Protection
from vmsapp.hsm.engine import Engine
from vmsapp.hsm.key_file.importing import KeyImport
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.key_source import Derive, InMemory
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import KeyRef
from vmsapp.hsm.results import Results
from vmsapp.sts.keys import VendingKey
from vmsapp.sts.secret import SecretBytes

DRIVER: Final = "soft"
PROTECTION: Final[Protection] = "process"
"""Whoever reads this process's memory reads the keys."""


class SoftKeys:
    """The keys of an open keystore, as the engine takes them."""

    driver = DRIVER
    protection: Protection = PROTECTION

    def __init__(self, keystore: Keystore) -> None:
        self._keystore = keystore

    @property
    def module_id(self) -> str:
        """The keystore's own name."""
        return self._keystore.module_id

    def keys(self) -> list[KeyInfo]:
        """List the keys by check value."""
        return self._keystore.keys()

    @contextmanager
    def opened(self, ref: KeyRef) -> Iterator[tuple[KeyInfo, Derive]]:
        """Open one key for as long as the block lasts."""
        info, value = self._keystore.vending_key(ref)
        with value, VendingKey(ref.dkga, value.reveal()) as key:
            yield info, InMemory(key)

    def remove(self, ref: KeyRef) -> None:
        """Forget a key."""
        self._keystore.remove(ref)

    def sealing_key(self, purpose: str) -> SecretBytes:
        """Make the key that seals something else of this module's."""
        return self._keystore.sealing_key(purpose)

    def close(self) -> None:
        """Wipe the keys."""
        self._keystore.close()


class SoftModule(Engine):
    """A ``SecurityModule`` in this process, for any number of threads and processes.

    Args:
        keystore: Open; the module closes it.
        results: The module's own record; the module closes it.
        trusted: Who may sign key files, by name: Ed25519 public keys, 32 bytes.
        pending: Where key files wait for a second custodian; None where one person is enough.
        production: Keys for demonstration are refused.
        table_set: The STA tables it makes tokens with, and refuses others.
        limits: Rates, window and what it makes at all.
        clock: Gives the aware UTC time.
    """

    def __init__(
        self,
        keystore: Keystore,
        results: Results,
        *,
        trusted: Mapping[str, bytes] | None = None,
        pending: Pending | None = None,
        production: bool = False,
        table_set: str = "production",
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        imports = KeyImport(
            keystore, keystore.module_id, trusted=trusted, production=production, clock=clock
        )
        super().__init__(
            SoftKeys(keystore), results,
            imports=imports, pending=pending, table_set=table_set, limits=limits, clock=clock,
        )  # fmt: skip
