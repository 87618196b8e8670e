"""A module server's client with two names: one for the day's work, one for the keys.

The everyday client issues and looks; it could not bring a key in or take one out if it wanted.
The other one's secret is read when somebody does that, and its connection is closed after.
"""

from collections.abc import Callable

from vmsapp.hsm.answers import ImportReport, KeyFilePreview
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.hsm.drivers.tcp_link import Account
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.secret import SecretBytes


class TcpModuleWithKeys(TcpModule):
    """A ``TcpModule`` whose keys are in the care of another account.

    Args:
        account: For the day's work.
        keys_account: Gives the account for the keys.
    """

    def __init__(self, account: Account, keys_account: Callable[[], Account]) -> None:
        super().__init__(account)
        self._keys_account = keys_account

    def inspect_keys(self, blob: bytes) -> KeyFilePreview:
        """Tell what a key file says of itself."""
        other = TcpModule(self._keys_account(), connections=1)
        try:
            return other.inspect_keys(blob)
        finally:
            other.close()

    def import_keys(
        self,
        blob: bytes,
        passphrase: SecretBytes,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take the keys of a file in, all of them or none."""
        other = TcpModule(self._keys_account(), connections=1)
        try:
            return other.import_keys(
                blob, passphrase, actor=actor, replace=replace, dry_run=dry_run
            )
        finally:
            other.close()

    def remove_key(self, ref: KeyRef, *, actor: str) -> None:
        """Forget a key, for ever."""
        other = TcpModule(self._keys_account(), connections=1)
        try:
            other.remove_key(ref, actor=actor)
        finally:
            other.close()
