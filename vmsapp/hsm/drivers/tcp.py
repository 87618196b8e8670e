"""The module behind a module server, reached over VSM/1.

A request may be asked twice on the way: on a connection that turns out to be dead, then on
a new one. It carries the same id, so it is carried out once. What is told at the end says
honestly whether any of it may have arrived.

Source: SECURITY-MODULES.md 5.6 "Wire protocol VSM/1"; SALE.md 7 "Reconcile and cancel".
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

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
from vmsapp.hsm.columns import SetColumns
from vmsapp.hsm.drivers.tcp_link import Account, Lost, Pool
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.journal import ENTRIES
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChangeBatch,
    KeyChangeRequest,
    KeyRef,
    VerifyRequest,
)
from vmsapp.hsm.wire import ops
from vmsapp.hsm.wire.ops import OPERATIONS, Nothing, Operation
from vmsapp.sts.secret import SecretBytes

DRIVER: Final = "tcp"
CONNECTIONS: Final = 8
"""Of one process to one server."""


class TcpModule:
    """A ``SecurityModule`` elsewhere, for any number of threads, and of processes after a fork.

    Args:
        account: The server, and who we are to it.
        connections: How many are kept at a time.
    """

    def __init__(self, account: Account, *, connections: int = CONNECTIONS) -> None:
        self._account = account
        self._connections = connections
        self._by_process: dict[int, Pool] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What the module behind can do, as its server said last; before that, what ours can."""
        welcome = self._pool().welcome
        if welcome is None:
            return Capabilities(
                algorithms=frozenset({"legacy", "sts6"}), ciphers=frozenset({7, 11}),
                can_import=True, can_cancel=True, assigns_tid=False, signs_heads=True,
                at_once=self._connections,
            )  # fmt: skip
        return replace(welcome.can, at_once=min(self._connections, welcome.can.at_once))

    def ping(self) -> Ping:
        """Tell that the server is there, and how long it took to say so."""
        began = time.perf_counter()
        ping: Ping = self._ask("ping", Nothing())
        took = (time.perf_counter() - began) * 1000
        return replace(ping, driver=DRIVER, latency_ms=took)

    def status(self) -> ModuleStatus:
        """Tell how the module is."""
        status: ModuleStatus = self._ask("status", Nothing())
        return replace(status, driver=DRIVER)

    def list_keys(self) -> list[KeyInfo]:
        """List the keys by check value; never a key."""
        return self._ask("listKeys", Nothing())  # type: ignore[no-any-return]

    def inspect_keys(self, blob: bytes) -> KeyFilePreview:
        """Tell what a key file says of itself."""
        return self._ask("inspectKeys", ops.KeyFile(blob))  # type: ignore[no-any-return]

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
        asked = ops.Import(blob, passphrase, actor, replace, dry_run)
        return self._ask("importKeys", asked)  # type: ignore[no-any-return]

    def remove_key(self, ref: KeyRef, *, actor: str) -> None:
        """Forget a key, for ever."""
        self._ask("removeKey", ops.Removal(ref, actor))

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Make a credit token."""
        return self._ask("issueCredit", request)  # type: ignore[no-any-return]

    def issue_engineering(self, request: EngineeringRequest) -> IssuedToken:
        """Make a token that manages a meter."""
        return self._ask("issueEngineering", request)  # type: ignore[no-any-return]

    def issue_display(self, request: DisplayRequest) -> IssuedToken:
        """Make a test or display token."""
        return self._ask("issueDisplay", request)  # type: ignore[no-any-return]

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        """Make the tokens of a key change, in their order."""
        return self._ask("issueKeyChange", request)  # type: ignore[no-any-return]

    def issue_key_changes(self, batch: KeyChangeBatch) -> Sequence[IssuedTokens]:
        """Make the sets of many meters, all of them or none."""
        return SetColumns(self._ask("issueKeyChanges", ops.Changes.of(batch)))

    def verify(self, request: VerifyRequest) -> Verified:
        """Tell what digits say under a meter's key."""
        return self._ask("verify", request)  # type: ignore[no-any-return]

    def fetch_result(self, request_id: str) -> IssuedTokens | NotExecuted:
        """Tell what became of an earlier request."""
        return self._ask("fetchResult", ops.Earlier(request_id))  # type: ignore[no-any-return]

    def cancel(self, request_id: str) -> IssuedTokens | Cancelled:
        """Have the module write that the id will never be executed."""
        return self._ask("cancel", ops.Earlier(request_id))  # type: ignore[no-any-return]

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """List what was issued; a long answer comes in several, of batches fewer lines."""
        entries: list[JournalEntry] = []
        while limit > 0 and len(entries) <= ENTRIES:
            lines: list[JournalEntry] = self._ask("journal", ops.Lines(after, limit))
            if not lines:
                break
            entries += lines
            after = lines[-1].number
            limit -= len({line.number for line in lines})
        return entries

    def tags(self, digits: Sequence[str]) -> list[bytes]:
        """Make of tokens what stands for them in the journal."""
        tags: list[bytes] = []
        for start in range(0, len(digits), ops.TAGS_AT_ONCE):
            some = tuple(digits[start : start + ops.TAGS_AT_ONCE])
            tags += self._ask("tags", ops.Digits(some))
        return tags

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Have a head of the audit trail's chain signed."""
        return self._ask("signHead", ops.Head(place, digest, restart))  # type: ignore[no-any-return]

    def last_head(self) -> SignedHead | None:
        """Give the head signed last."""
        return self._ask("lastHead", Nothing())  # type: ignore[no-any-return]

    def begin_epoch(self, epoch: int) -> int:
        """Raise the epoch of the module's record."""
        return self._ask("beginEpoch", ops.Epoch(epoch))  # type: ignore[no-any-return]

    def request_of(self, request_id: str, row: int | None = None) -> EarlierRequest | None:
        """Tell what was once asked for."""
        return self._ask("requestOf", ops.EarlierRow(request_id, row))  # type: ignore[no-any-return]

    def close(self) -> None:
        """Hang up; the next question connects again."""
        pool = self._by_process.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _ask(self, name: str, args: object) -> Any:  # noqa: ANN401 - as declared
        operation = OPERATIONS[name]
        pool = self._pool()
        until = time.monotonic() + operation.seconds
        try:
            with pool.link(until) as link:
                until = time.monotonic() + operation.seconds
                return link.ask(operation, args, until)
        except Lost as lost:
            first = lost
        if not (first.kept and operation.retried):
            raise _told(operation, first) from None
        try:
            with pool.link(until, fresh=True) as link:
                return link.ask(operation, args, until)
        except Lost as lost:
            raise _told(operation, first, lost) from None
        except HsmUnavailable as error:
            # It speaks for the second time it was asked alone.
            raise _told(operation, first, Lost(error.why, whole=False, kept=False)) from error

    def _pool(self) -> Pool:
        # Connections are not shared over a fork: their TLS would be of two minds. setdefault
        # is atomic among threads.
        return self._by_process.setdefault(os.getpid(), Pool(self._account, self._connections))


def _told(operation: Operation, *tries: Lost) -> HsmTimeout | HsmUnavailable:
    """Say what is known after connections were lost with the request under way."""
    if operation.changes and any(lost.whole for lost in tries):
        return HsmTimeout()
    return HsmUnavailable(tries[-1].why, sent=True)
