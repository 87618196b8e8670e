"""A module that answers nothing, each time with the same reason."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from vmsapp.clock import now_utc
from vmsapp.hsm.answers import (
    Cancelled,
    Capabilities,
    EarlierRequest,
    ImportReport,
    IssuedToken,
    IssuedTokens,
    JournalEntry,
    KeyFilePreview,
    KeyInfo,
    ModuleStatus,
    NotExecuted,
    Ping,
    SignedHead,
    Verified,
)
from vmsapp.hsm.engine import PROTOCOL
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.key_source import OWN
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChangeBatch,
    KeyChangeRequest,
    KeyRef,
    VerifyRequest,
)
from vmsapp.sts.secret import SecretBytes


class LockedModule:
    """A module whose keystore nobody has opened yet: it answers to ``ping`` and ``status``.

    Whatever it refuses says nothing of a request: it is neither executed nor cancelled by it.
    """

    def __init__(
        self,
        module_id: str,
        *,
        capabilities: Capabilities = OWN,
        driver: str = "soft",
        table_set: str = "production",
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._module_id = module_id
        self._capabilities = capabilities
        self._driver = driver
        self._table_set = table_set
        self._clock = clock

    @property
    def capabilities(self) -> Capabilities:
        """What it will be able to do."""
        return self._capabilities

    def ping(self) -> Ping:
        """Tell that somebody is there."""
        return Ping(self._module_id, self._driver, PROTOCOL, 0.0)

    def status(self) -> ModuleStatus:
        """Tell that the module is locked."""
        return ModuleStatus(
            module_id=self._module_id,
            driver=self._driver,
            time_utc=self._clock(),
            locked=True,
            keys=0,
            table_set=self._table_set,
            protection="process",
        )

    def list_keys(self) -> list[KeyInfo]:
        """Refuse: locked."""
        _locked()

    def inspect_keys(self, blob: bytes) -> KeyFilePreview:
        """Refuse: locked."""
        _locked()

    def import_keys(
        self,
        blob: bytes,
        passphrase: SecretBytes,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Refuse: locked."""
        _locked()

    def remove_key(self, ref: KeyRef, *, actor: str) -> None:
        """Refuse: locked."""
        _locked()

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Refuse: locked."""
        _locked()

    def issue_engineering(self, request: EngineeringRequest) -> IssuedToken:
        """Refuse: locked."""
        _locked()

    def issue_display(self, request: DisplayRequest) -> IssuedToken:
        """Refuse: locked."""
        _locked()

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        """Refuse: locked."""
        _locked()

    def issue_key_changes(self, batch: KeyChangeBatch) -> Sequence[IssuedTokens]:
        """Refuse: locked."""
        _locked()

    def verify(self, request: VerifyRequest) -> Verified:
        """Refuse: locked."""
        _locked()

    def fetch_result(self, request_id: str) -> IssuedTokens | NotExecuted:
        """Refuse: locked."""
        _locked()

    def cancel(self, request_id: str) -> IssuedTokens | Cancelled:
        """Refuse: locked."""
        _locked()

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """Refuse: locked."""
        _locked()

    def tags(self, digits: Sequence[str]) -> list[bytes]:
        """Refuse: locked."""
        _locked()

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Refuse: locked."""
        _locked()

    def last_head(self) -> SignedHead | None:
        """Refuse: locked."""
        _locked()

    def begin_epoch(self, epoch: int) -> int:
        """Refuse: locked."""
        _locked()

    def request_of(self, request_id: str, row: int | None = None) -> EarlierRequest | None:
        """Refuse: locked."""
        _locked()

    def close(self) -> None:
        """Nothing is open."""


def _locked() -> NoReturn:
    raise HsmUnavailable("locked", sent=False)
