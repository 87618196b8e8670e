"""A circuit breaker around a module that is reached over a line.

After three failures of the line in a row nothing is sent for a while: sellers are told at
once, and a module that comes back is not run over. When the while is over, one caller asks
for a ping first; if that fails, the next while is twice as long. What the module itself
says, be it a refusal, never opens the circuit. Who watches the module pings it meanwhile.

Source: SECURITY-MODULES.md 5.3 "An algorithm belongs to one module".
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

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
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, NotSupported
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

FAILURES: Final = 3
FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 60.0
LINE: Final = frozenset({
    "refused", "unreachable", "no_answer", "broken_off", "not_tls", "certificate", "secret",
    "protocol",
})  # fmt: skip
"""What is wrong with the line, of ``HsmUnavailable.WHYS``; the others are the module's word."""

FOR_SOMEBODY: Final = frozenset({"not_tls", "certificate", "secret", "protocol"})
"""What waiting does not mend: it is told while the circuit is open, too."""

T = TypeVar("T")


class CircuitBreaker:
    """A ``SecurityModule`` that fails fast while the line to it is down; for any number of threads.

    Args:
        inner: The module.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, inner: SecurityModule, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._told = "circuit"
        self._wait = FIRST_SECONDS
        self._again_at: float | None = None
        self._probing = False

    @property
    def capabilities(self) -> Capabilities:
        """What the module can do; asks nobody."""
        return self._inner.capabilities

    @property
    def wait_seconds(self) -> float | None:
        """How long until it is tried again; None while the circuit is closed."""
        with self._lock:
            return None if self._again_at is None else max(0.0, self._again_at - self._clock())

    def ping(self) -> Ping:
        """Tell that somebody is there."""
        return self._ask(self._inner.ping)

    def ping_now(self) -> Ping:
        """Ping though the circuit is open, for who watches the module; an answer closes it."""
        return self._heard_of(self._inner.ping)

    def status(self) -> ModuleStatus:
        """Tell how the module is."""
        return self._ask(self._inner.status)

    def list_keys(self) -> list[KeyInfo]:
        """List the keys by check value."""
        return self._ask(self._inner.list_keys)

    def inspect_keys(self, blob: bytes) -> KeyFilePreview:
        """Tell what a key file says of itself."""
        return self._ask(lambda: self._inner.inspect_keys(blob))

    def import_keys(
        self,
        blob: bytes,
        passphrase: SecretBytes,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take the keys of a file in."""
        return self._ask(
            lambda: self._inner.import_keys(
                blob, passphrase, actor=actor, replace=replace, dry_run=dry_run
            )
        )

    def register_key(self, key: KeyInfo, *, actor: str) -> bool:
        """Enter a key that the module holds and cannot list; whether it was new.

        Raises:
            NotSupported: The module lists its keys itself.
        """
        enter = getattr(self._inner, "register_key", None)
        if enter is None:
            raise NotSupported
        return bool(enter(key, actor=actor))  # it asks nobody, and says nothing of the line

    def remove_key(self, ref: KeyRef, *, actor: str) -> None:
        """Forget a key."""
        self._ask(lambda: self._inner.remove_key(ref, actor=actor))

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Make a credit token."""
        return self._ask(lambda: self._inner.issue_credit(request))

    def issue_engineering(self, request: EngineeringRequest) -> IssuedToken:
        """Make a token that manages a meter."""
        return self._ask(lambda: self._inner.issue_engineering(request))

    def issue_display(self, request: DisplayRequest) -> IssuedToken:
        """Make a test or display token."""
        return self._ask(lambda: self._inner.issue_display(request))

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        """Make the tokens of a key change."""
        return self._ask(lambda: self._inner.issue_key_change(request))

    def issue_key_changes(self, batch: KeyChangeBatch) -> Sequence[IssuedTokens]:
        """Make the sets of many meters."""
        return self._ask(lambda: self._inner.issue_key_changes(batch))

    def verify(self, request: VerifyRequest) -> Verified:
        """Tell what digits say under a meter's key."""
        return self._ask(lambda: self._inner.verify(request))

    def fetch_result(self, request_id: str) -> IssuedTokens | NotExecuted:
        """Tell what became of an earlier request."""
        return self._ask(lambda: self._inner.fetch_result(request_id))

    def cancel(self, request_id: str) -> IssuedTokens | Cancelled:
        """Have the module write that the id will never be executed."""
        return self._ask(lambda: self._inner.cancel(request_id))

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """List what was issued."""
        return self._ask(lambda: self._inner.journal(after, limit))

    def tags(self, digits: Sequence[str]) -> list[bytes]:
        """Make of tokens what stands for them in the journal."""
        return self._ask(lambda: self._inner.tags(digits))

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Have a head of the audit trail's chain signed."""
        return self._ask(lambda: self._inner.sign_head(place, digest, restart=restart))

    def last_head(self) -> SignedHead | None:
        """Give the head signed last."""
        return self._ask(self._inner.last_head)

    def begin_epoch(self, epoch: int) -> int:
        """Raise the epoch of its record."""
        return self._ask(lambda: self._inner.begin_epoch(epoch))

    def request_of(self, request_id: str, row: int | None = None) -> EarlierRequest | None:
        """Tell what was once asked for."""
        return self._ask(lambda: self._inner.request_of(request_id, row))

    def close(self) -> None:
        """Let the module go."""
        self._inner.close()

    def _ask(self, call: Callable[[], T]) -> T:
        if self._has_to_try():
            self._try()
        return self._heard_of(call)

    def _heard_of(self, call: Callable[[], T]) -> T:
        try:
            answer = call()
        except Exception as error:
            self._heard(error)
            raise
        self._heard(None)
        return answer

    def _has_to_try(self) -> bool:
        """Tell whether this caller pings first.

        Raises:
            HsmUnavailable: ``circuit``: open, or another caller is trying.
        """
        with self._lock:
            if self._again_at is None:
                return False
            left = self._again_at - self._clock()
            if left > 0 or self._probing:
                raise HsmUnavailable(self._told, sent=False, wait_seconds=max(0.0, left))
            self._probing = True
            return True

    def _try(self) -> None:
        """Ping; whatever comes of it, others may go on afterwards."""
        try:
            self._inner.ping()
        except Exception as error:
            self._heard(error)
            if _of_the_line(error):
                raise HsmUnavailable(
                    self._told, sent=False, wait_seconds=self.wait_seconds
                ) from error
        else:
            self._heard(None)
        finally:
            with self._lock:
                self._probing = False

    def _heard(self, error: Exception | None) -> None:
        why = error.why if isinstance(error, HsmUnavailable) else ""
        with self._lock:
            self._told = why if why in FOR_SOMEBODY else "circuit"
            if error is None or not _of_the_line(error):
                self._failures, self._wait, self._again_at = 0, FIRST_SECONDS, None
            elif self._again_at is None:
                self._failures += 1
                if self._failures >= FAILURES:
                    self._again_at = self._clock() + self._wait
            elif self._probing and self._clock() >= self._again_at:
                self._wait = min(LONGEST_SECONDS, self._wait * 2)
                self._again_at = self._clock() + self._wait
            # Else it was sent before the circuit opened, and says nothing new.


def _of_the_line(error: Exception) -> bool:
    if isinstance(error, HsmTimeout):
        return True
    return isinstance(error, HsmUnavailable) and error.why in LINE
