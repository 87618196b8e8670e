"""The PKCS#11 module: the engine, over keys that a token keeps."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

from vmsapp.clock import now_utc
from vmsapp.hsm.answers import KeyInfo, Protection
from vmsapp.hsm.drivers.pkcs11.keystore import TokenKeystore
from vmsapp.hsm.engine import Engine
from vmsapp.hsm.key_file.importing import KeyImport
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.key_source import Derive, InMemory
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import KeyRef
from vmsapp.hsm.results import Results
from vmsapp.sts import dkga
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey
from vmsapp.sts.secret import SecretBytes

DRIVER: Final = "pkcs11"
COMPUTED_INSIDE: Final = "04"
"""The DKGA that a token computes by itself."""


class TokenKeys:
    """The keys of a token, as the engine takes them."""

    driver = DRIVER
    protection: Protection = "hsm"
    """Of STS6 keys; a Legacy key is sealed at rest alone, as its ``KeyInfo`` says."""

    def __init__(self, keystore: TokenKeystore) -> None:
        self._keystore = keystore

    @property
    def module_id(self) -> str:
        """The keystore's own name."""
        return self._keystore.module_id

    def keys(self) -> list[KeyInfo]:
        """List the keys by check value, each with what keeps it from this host."""
        return [
            replace(info, protection="hsm" if info.ref.dkga == COMPUTED_INSIDE else "wrapped")
            for info in self._keystore.keys()  # noqa: SIM118 - no dictionary
        ]

    @contextmanager
    def opened(self, ref: KeyRef) -> Iterator[tuple[KeyInfo, Derive]]:
        """Open one key for as long as the block lasts."""
        info, object_id = self._keystore.in_token(ref)
        if object_id is None:
            _, value = self._keystore.vending_key(ref)
            with value, VendingKey(ref.dkga, value.reveal()) as key:
                yield info, InMemory(key)
        else:
            yield info, lambda parameters: self._derived(object_id, parameters)

    def remove(self, ref: KeyRef) -> None:
        """Forget a key, in the token too."""
        self._keystore.remove(ref)

    def sealing_key(self, purpose: str) -> SecretBytes:
        """Make the key that seals something else of this module's."""
        return self._keystore.sealing_key(purpose)

    def close(self) -> None:
        """Wipe the data key and close the token."""
        self._keystore.close()

    def _derived(self, object_id: bytes, parameters: KeyParameters) -> DecoderKey:
        """DKGA04: the leftmost bits of an HMAC that the token computes."""
        dkga.require_known_number(parameters.kt)
        digest = self._keystore.token.hmac(object_id, dkga.message(parameters))
        return DecoderKey(parameters.ea, digest[: parameters.ea.key_bytes])


class Pkcs11Module(Engine):
    """A ``SecurityModule`` over a token; the arguments are as of ``SoftModule``."""

    def __init__(
        self,
        keystore: TokenKeystore,
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
            TokenKeys(keystore), results,
            imports=imports, pending=pending, table_set=table_set, limits=limits, clock=clock,
        )  # fmt: skip
