"""PrismToken as a security module: the service makes the tokens, we keep the record.

What the service cannot do (list its keys, cancel, keep a record) is done beside it or refused.

Source: SALE.md 6 "The module's own net", 7 "Reconcile and cancel", 16 "Restore, promotion,
standby"; docs/prism.md.
"""

import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from datetime import datetime
from typing import Any, Final

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.hsm import policy
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
from vmsapp.hsm.drivers.prism import checks, codes, health, replies
from vmsapp.hsm.drivers.prism.book import Book
from vmsapp.hsm.drivers.prism.checks import Checks
from vmsapp.hsm.drivers.prism.frames import DeviceRefused
from vmsapp.hsm.drivers.prism.issuing import Issuer
from vmsapp.hsm.drivers.prism.link import VERSION, Link
from vmsapp.hsm.drivers.prism.messages import Messages
from vmsapp.hsm.drivers.prism.orders import meter_config
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused, NotSupported
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChangeBatch,
    KeyChangeRequest,
    KeyRef,
    VerifyRequest,
)
from vmsapp.hsm.writing import args_of, hash_of
from vmsapp.sts.errors import StsError
from vmsapp.sts.secret import SecretBytes
from vmsapp.sts.token import from_digits, to_digits

log = logging.getLogger(__name__)

DRIVER: Final = "prism"
PROTECTION: Final = "hsm"
"""The device itself keeps its keys."""
FETCH_WAITS: Final = (0.0, 2.0, 3.0)
"""Seconds before each time a result is asked for: at once, after 2 s, after 5 s."""


class KeysElsewhere(NotSupported):
    """The service takes key files in its own pages alone."""

    code = "keys_elsewhere"
    message = N_(
        "PrismToken takes key files only on its own pages (TsmWeb). Load the file there, then"
        " enter the key here with the check value that TsmWeb shows."
    )


class PrismModule:
    """A ``SecurityModule`` for any number of threads and processes of one installation.

    Args:
        link: The way to the service; the module closes it.
        record: What it answered; the module closes it.
        messages: What it was sent; the module closes it.
        table_set: The STA tables its tokens are made with.
        limits: Rates, window and what it makes at all.
        clock: Gives the aware UTC time.
        sleep: Waits so many seconds.

    Raises:
        HsmUnavailable: ``storage``: a file is missing, and may not be made.
    """

    def __init__(
        self,
        link: Link,
        record: Book,
        messages: Messages,
        *,
        table_set: str = "production",
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], datetime] = now_utc,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._link = link
        self._book = record
        self._messages = messages
        self._table_set = table_set
        self._checks = Checks(table_set, limits)
        self._issuer = Issuer(link, record, messages, self._checks, clock, self._learn)
        self._clock = clock
        self._sleep = sleep
        self._module_id = ""
        try:
            messages.keys_entered()  # all files are there from the first moment, or none is used
        except HsmUnavailable:
            self.close()
            raise
        self._asked_in: set[int] = set()

    @property
    def capabilities(self) -> Capabilities:
        """What a PrismToken service can do."""
        return Capabilities(
            algorithms=frozenset({"legacy", "sts6"}),
            ciphers=frozenset({7, 11}),
            can_import=False,
            can_cancel=False,
            assigns_tid=True,
            signs_heads=False,
            at_once=self._link.at_once,
        )

    def ping(self) -> Ping:
        """Have the service repeat a word.

        That needs no sign-in; only the module's name does, which is asked for once.
        """
        word, start = secrets.token_hex(8), time.perf_counter()
        try:
            said = self._link.ping(word)
        except DeviceRefused as refused:
            raise _not_told(refused) from None
        if said != word:
            raise HsmUnavailable("protocol", sent=True)
        latency = (time.perf_counter() - start) * 1000
        if not self._module_id:
            self._health()
        return Ping(self._module_id, DRIVER, f"PrismToken {VERSION}", latency)

    def status(self) -> ModuleStatus:
        """Tell how the service and its modules are."""
        said, now, standing = self._health(), self._clock(), self._book.standing()
        sold = self._messages.since(now - health.SALES_WINDOW)
        return ModuleStatus(
            module_id=said.module_id,
            driver=DRIVER,
            time_utc=now + said.drift if said.drift else now,
            locked=False,
            keys=len(self._messages.keys_entered()),
            table_set=self._table_set,
            protection=PROTECTION,
            firmware=said.firmware,
            tokens_left=said.tokens_left,
            per_second=said.per_second,
            inhibited_from=said.inhibited_from,
            sequence=standing.sequence,
            epoch=standing.epoch,
            last_request=standing.last_request,
            alerts=said.warnings(now, sold),
        )

    def list_keys(self) -> list[KeyInfo]:
        """List the keys that were entered; the service has no list of its own."""
        return self._messages.keys_entered()

    def register_key(self, key: KeyInfo, *, actor: str) -> bool:
        """Enter a key the service holds, as its pages show it; whether it was new.

        Every answer is held against it: one with another check value is not passed on.

        Raises:
            ModuleRefused: ``parameters``: a key of this name is known with other values.
        """
        checks.check_entered(key)
        key = changed(key, kcv=key.kcv.upper(), protection=PROTECTION)
        new = self._messages.add_key(key)
        if not new and key not in self._messages.keys_entered():
            raise ModuleRefused("parameters")
        log.info("prism: key %s entered by %s", key.ref, actor)
        return new

    def confirmed(self, ref: KeyRef) -> datetime | None:
        """Tell when an answer last bore a key's check value; None for never."""
        return self._messages.confirmed(ref)

    def inspect_keys(self, blob: bytes) -> KeyFilePreview:
        """Refuse: key files go to the service's own pages."""
        raise KeysElsewhere

    def import_keys(
        self,
        blob: bytes,
        passphrase: SecretBytes,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Refuse: key files go to the service's own pages."""
        raise KeysElsewhere

    def remove_key(self, ref: KeyRef, *, actor: str) -> None:
        """Forget that the service holds a key; the service itself keeps it."""
        if not self._messages.remove_key(ref):
            raise KeyError(ref)
        log.info("prism: key %s removed by %s", ref, actor)

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Have a credit token made.

        Raises:
            ModuleRefused: A definite no to the only message that could have been heard.
            RequestReused: The id came with other values before.
            HsmUnavailable: Surely not made by this call.
            HsmTimeout: It may have been made; ``WrongAnswer`` where it was, but for another.
        """
        return self._issuer.issue(request)[0]

    def issue_engineering(self, request: EngineeringRequest) -> IssuedToken:
        """Have a token made that manages a meter; as ``issue_credit``."""
        return self._issuer.issue(request)[0]

    def issue_display(self, request: DisplayRequest) -> IssuedToken:
        """Have a test or display token made; as ``issue_credit``."""
        return self._issuer.issue(request)[0]

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        """Have the tokens of a key change made, in their order; as ``issue_credit``."""
        return self._issuer.issue(request)

    def issue_key_changes(self, batch: KeyChangeBatch) -> tuple[IssuedTokens, ...]:
        """Have the sets of many meters made, row by row under ids ``<batch>.<row>``.

        Every row is checked before the first is sent. What breaks off goes on where it
        stopped when asked again; a row the service refuses refuses the batch, and the sets
        made by then are never given out.
        """
        self._book.find(batch)
        rows = _rows(batch)
        try:
            policy.check_batch(batch)
            self._messages.begin_batch(batch.request_id, hash_of(args_of(batch)), len(rows))
            keys, now = self._issuer.keys(), self._clock()
            for number, row in enumerate(rows):
                with _at(number):
                    self._checks.ordered(row, keys, now)
            sets = []
            for number, row in enumerate(rows):
                with _at(number):
                    sets.append(self._issuer.issue(row, of_batch=True))
        except ModuleRefused as refusal:
            self._book.refused(batch, refusal, self._clock())
            raise
        return tuple(sets)

    def verify(self, request: VerifyRequest) -> Verified:
        """Have the service tell what digits say."""
        self._checks.meter(request.meter, request.table_set)
        try:
            digits = to_digits(from_digits(request.digits))
        except StsError:
            return Verified("not_a_token")
        answer = self._ask("verifyToken", meterConfig=meter_config(request.meter), tokenDec=digits)
        return replies.verified(answer)

    def fetch_result(self, request_id: str) -> IssuedTokens | NotExecuted:
        """Tell what became of an earlier request, asking the service for every message of it.

        ``NotExecuted`` says that the service knows nothing of them, which proves nothing: it
        remembers few. ``cancel`` does not rely on it.
        """
        known = self._book.result(request_id)
        if known is not None:
            return known
        rows = self._messages.batch_rows(request_id)
        if rows:
            return self._batch_result(request_id, rows)
        for seconds in FETCH_WAITS:
            doubtful = self._issuer.doubtful(request_id)
            if not doubtful:
                return NotExecuted()
            if seconds:
                self._sleep(seconds)
            found = self._issuer.fetched(request_id, doubtful)
            if found is not None:
                return found
        return NotExecuted()

    def cancel(self, request_id: str) -> IssuedTokens | Cancelled:
        """Cancel what surely made no token; the service itself cannot cancel.

        Raises:
            NotSupported: A message may have been heard, or none is known of.
        """
        try:
            known = self._book.result(request_id)
        except ModuleRefused:
            return Cancelled()
        if known is not None:
            return known
        if not self._messages.of(request_id) or self._issuer.doubtful(request_id):
            raise NotSupported
        return self._book.cancelled(request_id, self._clock()) or Cancelled()

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """List what the driver's own record has, in order."""
        return self._book.journal(after, limit)

    def tags(self, digits: Sequence[str]) -> list[bytes]:
        """Make of tokens what stands for them in the journal."""
        return self._book.tags(digits)

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Refuse: the service signs nothing of ours."""
        raise NotSupported

    def last_head(self) -> SignedHead | None:
        """Refuse: the service signs nothing of ours."""
        raise NotSupported

    def begin_epoch(self, epoch: int) -> int:
        """Raise the epoch in the driver's own record; the service has none."""
        return self._book.begin_epoch(epoch)

    def request_of(self, request_id: str, row: int | None = None) -> EarlierRequest | None:
        """Tell what was once asked for, by the driver's own record."""
        return self._book.request_of(request_id, row)

    def close(self) -> None:
        """Close the connections and the files, and wipe the keys of the record."""
        self._link.close()
        self._messages.close()
        self._book.close()

    def _batch_result(self, batch_id: str, rows: int) -> IssuedTokens | NotExecuted:
        found: list[IssuedToken] = []
        for number in range(rows):
            one = self.fetch_result(f"{batch_id}.{number}")
            if isinstance(one, NotExecuted):
                return one
            found += one
        return tuple(found)

    def _ask(self, method: str, **arguments: object) -> Any:  # noqa: ANN401 - what the IDL says
        """Call what makes no token.

        Raises:
            ModuleRefused: The service does not take the arguments.
            HsmUnavailable: It does not answer, or answers that it cannot.
        """
        try:
            return self._link.call(method, secrets.token_hex(16), **arguments)
        except DeviceRefused as refused:
            log.warning("prism: %s: %s", method, codes.printable(refused.code))
            meaning = codes.meaning(refused)
            raise (meaning if isinstance(meaning, ModuleRefused) else _not_told(refused)) from None

    def _health(self) -> health.Health:
        """Ask how the service is, and size the connections by it."""
        said = health.read(self._ask("getStatus"))
        self._module_id = said.module_id
        self._link.allow(said.at_once)
        return said

    def _learn(self) -> None:
        """Ask once in each process how much the service does at a time."""
        if os.getpid() in self._asked_in:
            return
        self._asked_in.add(os.getpid())
        try:
            self._health()
        except (HsmUnavailable, ModuleRefused) as silence:
            if isinstance(silence, HsmUnavailable) and not silence.sent:
                # There is no way to it, or no sign-in: what follows would fail alike.
                self._asked_in.discard(os.getpid())
                raise


class _at:  # noqa: N801 - reads as a word
    """Names the row of a batch that is refused in its block."""

    def __init__(self, row: int) -> None:
        self._row = row

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ModuleRefused):
            raise ModuleRefused(error.reason, row=self._row) from None
        if isinstance(error, HsmUnavailable) and self._row:
            raise HsmUnavailable(error.why, sent=True) from error  # the rows before were sent


def _rows(batch: KeyChangeBatch) -> list[KeyChangeRequest]:
    return [
        KeyChangeRequest(f"{batch.request_id}.{number}", change, batch.table_set, batch.asked_at)
        for number, change in enumerate(batch.rows)
    ]


def _not_told(refused: DeviceRefused) -> HsmUnavailable:
    """Say a code in the place of an answer that asked for no token."""
    meaning = codes.meaning(refused)
    if isinstance(meaning, HsmUnavailable):
        return HsmUnavailable(meaning.why, sent=True)
    return HsmUnavailable("protocol", sent=True)
