"""The one interface of every security module.

What goes in names a key, never holds one (``requests``); what comes back is digits
(``answers``). Each request carries an id that the caller committed to the database before the
call, so that the question "was it done?" has an answer whatever happens to either side.
"""

from collections.abc import Sequence
from typing import Protocol

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


class SecurityModule(Protocol):
    """A place that holds vending keys and makes tokens.

    Every call may raise ``HsmUnavailable`` or, once bytes have left, ``HsmTimeout``; those
    that a kind of module does not have raise ``NotSupported``.

    Every call that makes tokens gives those its id was given before, or raises:

    * ``ModuleRefused``: a definite no, written under this id.
    * ``RequestReused``: the id came with other values before.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this kind of module can do; asks nobody."""

    def ping(self) -> Ping:
        """Tell that somebody is there, without a key or a login."""

    def status(self) -> ModuleStatus:
        """Tell how the module is."""

    def list_keys(self) -> list[KeyInfo]:
        """List the keys by check value; never a key."""

    def inspect_keys(self, blob: bytes) -> KeyFilePreview:
        """Tell what a key file says of itself; needs no passphrase.

        Raises:
            KeyFileRefused: It is none, or not for this module.
        """

    def import_keys(
        self,
        blob: bytes,
        passphrase: SecretBytes,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take the keys of a file in, all of them or none.

        Args:
            blob: The file.
            passphrase: Opens it; the caller wipes it.
            actor: Who does it, for the module's own record.
            replace: Let a key take the place of another of its name.
            dry_run: Only tell what would happen.

        Raises:
            KeyFileRefused: The file as a whole is refused; single keys are told in the report.
        """

    def remove_key(self, ref: KeyRef, *, actor: str) -> None:
        """Forget a key, for ever.

        Raises:
            KeyError: There is none of this name.
        """

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Make a credit token."""

    def issue_engineering(self, request: EngineeringRequest) -> IssuedToken:
        """Make a token that manages a meter."""

    def issue_display(self, request: DisplayRequest) -> IssuedToken:
        """Make a test or display token."""

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        """Make the two, three or four tokens of a key change, in their order."""

    def issue_key_changes(self, batch: KeyChangeBatch) -> Sequence[IssuedTokens]:
        """Make the sets of many meters, in the order of the rows, all of them or none.

        Raises:
            ModuleRefused: With the ``row`` that is refused, counted from 0.
        """

    def verify(self, request: VerifyRequest) -> Verified:
        """Tell what digits say under a meter's key; nothing is written."""

    def fetch_result(self, request_id: str) -> IssuedTokens | NotExecuted:
        """Tell what became of an earlier request; a batch gives the tokens of all its rows.

        Raises:
            ModuleRefused: It was refused or cancelled.
        """

    def cancel(self, request_id: str) -> IssuedTokens | Cancelled:
        """Write durably that the id will never be executed, or give the result it has.

        A request that was refused before is cancelled all the same.
        """

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """List what was issued, in order, from the line after ``after``.

        Args:
            after: Number of a line; 0 to begin.
            limit: How many lines at most; all rows of a batch come with its line.
        """

    def tags(self, digits: Sequence[str]) -> list[bytes]:
        """Make of tokens what stands for them in the journal, to compare the two."""

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Sign a head of the audit trail's chain, or give the last one again if it is that.

        Args:
            place: Place of the last event, from 1.
            digest: The chain's hash there, 32 bytes.
            restart: Begin anew, whatever was signed before; the head says so for ever.

        Raises:
            HeadBehind: The module signed a later head before, or another in this place.
        """

    def last_head(self) -> SignedHead | None:
        """Give the head signed last, from the module's own record."""

    def begin_epoch(self, epoch: int) -> int:
        """Raise the epoch of the module's record after a restore; it is never lowered.

        Args:
            epoch: From 1.

        Returns:
            The epoch it is in now.
        """

    def request_of(self, request_id: str, row: int | None = None) -> EarlierRequest | None:
        """Tell what was once asked for, from the module's own record.

        Args:
            request_id: Of a request, or of a batch.
            row: Place in the batch, from 0; None outside of one.

        Returns:
            None where the record knows nothing of the id.
        """

    def close(self) -> None:
        """Let go of connections and wipe what can be wiped."""
