"""What an engine's keys lie in: the one thing in which our own modules differ."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from vmsapp.hsm.answers import Capabilities, KeyInfo, Protection
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts import dkga
from vmsapp.sts.batch.keys import DecoderKeys, derive_many
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey
from vmsapp.sts.secret import SecretBytes

Derive = Callable[[KeyParameters], DecoderKey]
"""Makes a meter's key of the vending key that was opened; the caller wipes it.

One that is ``InMemory`` makes many at once, too.
"""


@dataclass(frozen=True, slots=True)
class InMemory:
    """Derives from a vending key that this process holds for as long as it is open."""

    key: VendingKey

    def __call__(self, parameters: KeyParameters) -> DecoderKey:
        """Make one meter's key."""
        return dkga.derive(self.key, parameters)

    def many(self, like: KeyParameters, meter_pans: Sequence[str]) -> DecoderKeys:
        """Make the keys of meters that differ in their numbers alone; the caller wipes them."""
        return derive_many(self.key, like, meter_pans)


OWN: Final = Capabilities(
    algorithms=frozenset({"legacy", "sts6"}),
    ciphers=frozenset({7, 11}),
    can_import=True,
    can_cancel=True,
    assigns_tid=False,
    signs_heads=True,
    at_once=8,
)
"""What every module with our own engine can do."""


class KeySource(Protocol):
    """What the keys lie in.

    Attributes:
        driver: ``soft`` or ``pkcs11``.
        protection: What keeps the keys from this host.
    """

    driver: str
    protection: Protection

    @property
    def module_id(self) -> str:
        """The module's own name."""

    def keys(self) -> list[KeyInfo]:
        """List the keys by check value.

        Raises:
            KeystoreError, HsmUnavailable: They cannot be read.
        """

    def opened(self, ref: KeyRef) -> AbstractContextManager[tuple[KeyInfo, Derive]]:
        """Open one key for as long as the block lasts.

        Raises:
            KeyError: There is none of this name.
            KeystoreError, HsmUnavailable: It cannot be read.
        """

    def remove(self, ref: KeyRef) -> None:
        """Forget a key.

        Raises:
            KeyError: There is none of this name.
            KeystoreError, HsmUnavailable: It cannot be written.
        """

    def sealing_key(self, purpose: str) -> SecretBytes:
        """Make the key that seals something else of this module's, always the same one."""

    def close(self) -> None:
        """Wipe the keys."""
