"""The engine of our own modules: policy, record and tokens, whatever the keys lie in.

Every answer is written before it is given, in one record under the request's id, and the
id is looked up before anything else is asked. So the same request gets the same digits for
ever, from any process, after any crash.

Source: SALE.md 6 "The module's own net", 7 "Reconcile and cancel".
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.hsm import earlier, journal, policy
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
from vmsapp.hsm.errors import (
    HeadBehind,
    HsmUnavailable,
    KeystoreError,
    ModuleRefused,
    NotSupported,
    RequestReused,
)
from vmsapp.hsm.key_file.importing import KeyImport
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.key_source import OWN, KeySource
from vmsapp.hsm.mint import Mint
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChangeBatch,
    KeyChangeRequest,
    KeyRef,
    MeterRequest,
    Request,
    VerifyRequest,
)
from vmsapp.hsm.results import BatchRow, Head, Record, Results, Transaction
from vmsapp.hsm.writing import (
    Seals,
    args_of,
    args_of_batch,
    batch_record_of,
    hash_of,
    record_of,
)
from vmsapp.sts.secret import SecretBytes

log = logging.getLogger(__name__)

PROTOCOL: Final = "in process"


class Engine:
    """All of a ``SecurityModule`` but the care of its keys, for any number of threads.

    Args:
        source: Open; the engine closes it.
        results: The module's own record; the engine closes it.
        imports: Takes key files in; None for a module that takes none.
        pending: Where key files wait for a second custodian; None where one person is enough.
        table_set: The STA tables it makes tokens with, and refuses others.
        limits: Rates, window and what it makes at all.
        clock: Gives the aware UTC time.
    """

    def __init__(
        self,
        source: KeySource,
        results: Results,
        *,
        imports: KeyImport | None = None,
        pending: Pending | None = None,
        table_set: str = "production",
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._source = source
        self._results = results
        self._imports = imports
        self._pending = pending
        self._seals = Seals(source.module_id, source.sealing_key)
        self._head_key = source.sealing_key("audit head")
        self._head_public_key = sealing.public_key_of(self._head_key.reveal())
        self._mint = Mint(source, table_set, limits, clock)
        self._table_set = table_set
        self._limits = limits
        self._clock = clock

    @property
    def capabilities(self) -> Capabilities:
        """What this kind of module can do."""
        return OWN

    def ping(self) -> Ping:
        """Tell that somebody is there."""
        return Ping(self._source.module_id, self._source.driver, PROTOCOL, 0.0)

    def status(self) -> ModuleStatus:
        """Tell how the module is; one whose record cannot be read says so in an alert."""
        standing = None
        with suppress(HsmUnavailable):
            standing = self._results.standing()
        return ModuleStatus(
            module_id=self._source.module_id,
            driver=self._source.driver,
            time_utc=self._clock(),
            locked=False,
            keys=len(self.list_keys()),
            table_set=self._table_set,
            protection=self._source.protection,
            head_key=self._head_public_key,
            sequence=None if standing is None else standing.sequence,
            epoch=None if standing is None else standing.epoch,
            last_request=None if standing is None else standing.last_request,
            alerts=() if standing is not None else ("storage",),
        )

    def list_keys(self) -> list[KeyInfo]:
        """List the keys by check value; never a key."""
        with _as_module():
            return self._source.keys()

    def inspect_keys(self, blob: bytes) -> KeyFilePreview:
        """Tell what a key file says of itself; needs no passphrase.

        Raises:
            KeyFileRefused: It is none, is not signed as it must be, or is not for this module.
        """
        return self._importer().inspect(blob)

    def import_keys(
        self,
        blob: bytes,
        passphrase: SecretBytes,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take the keys of a file in, all of them or none; or leave it for a second custodian.

        Raises:
            KeyFileRefused: The file as a whole is refused; single keys are told in the report.
            HsmUnavailable: ``keystore``: it cannot be read or written; nothing was taken.
        """
        importer = self._importer()
        if self._pending is not None and not dry_run:
            return importer.leave(blob, self._pending, actor=actor)
        with _as_module():
            report = importer.import_keys(
                blob, passphrase, actor=actor, replace=replace, dry_run=dry_run
            )
        would_wait = self._pending is not None and not report.refused
        return dataclasses.replace(report, waits_for_second=True) if would_wait else report

    def remove_key(self, ref: KeyRef, *, actor: str) -> None:
        """Forget a key, for ever; tokens that were made under it stay what they are.

        Raises:
            KeyError: There is none of this name.
            HsmUnavailable: ``keystore``.
        """
        with _as_module():
            self._source.remove(ref)
        log.info("key %s removed by %s", ref, actor)

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Make a credit token, or give the one this id was given before.

        Raises:
            ModuleRefused: A definite no, written under this id.
            RequestReused: The id came with other values before.
            HsmUnavailable: ``clock``, ``rate``, ``key_limit``, ``keystore``, ``storage`` or
                ``self_check``: nothing was written.
            HsmTimeout: The record may not have reached the disk.
        """
        return self._issue(request)[0]

    def issue_engineering(self, request: EngineeringRequest) -> IssuedToken:
        """Make a token that manages a meter; as ``issue_credit``."""
        return self._issue(request)[0]

    def issue_display(self, request: DisplayRequest) -> IssuedToken:
        """Make a test or display token; as ``issue_credit``."""
        return self._issue(request)[0]

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        """Make the tokens of a key change, in their order; as ``issue_credit``."""
        return self._issue(request)

    def issue_key_changes(self, batch: KeyChangeBatch) -> Sequence[IssuedTokens]:
        """Make the sets of many meters, all of them or none; as ``issue_credit``.

        They are made before anything is locked: a sale does not wait for a campaign.
        """
        known = self._results.find(batch.request_id)
        args_hash = hash_of(args_of_batch(batch))
        if known is None:
            policy.check_clock(batch.asked_at, self._clock())
            answer = self._sets_or_refusal(batch)
            record, rows = batch_record_of(batch, answer, self._seals, self._clock(), args_hash)
            with self._results.transaction() as records:
                known = records.find(batch.request_id)
                if known is None:
                    self._add(records, record, rows)
            if known is None and not isinstance(answer, ModuleRefused):
                return answer  # it is on the disk
            known = known or record
        self._require_same(batch, known, args_hash)
        return self._given(known)

    def verify(self, request: VerifyRequest) -> Verified:
        """Tell what digits say under a meter's key; nothing is written.

        Raises:
            ModuleRefused: ``key_not_found`` or ``parameters``.
        """
        return self._mint.verify(request)

    def fetch_result(self, request_id: str) -> IssuedTokens | NotExecuted:
        """Tell what became of an earlier request.

        Raises:
            ModuleRefused: It was refused or cancelled.
        """
        known = self._results.find(request_id)
        if known is None:
            return NotExecuted()
        return _in_a_row(self._given(known))

    def cancel(self, request_id: str) -> IssuedTokens | Cancelled:
        """Write durably that the id will never be executed, or give the result it has.

        A refusal written earlier stays as it is: it, too, is never executed.
        """
        with self._results.transaction() as records:
            known = records.find(request_id)
            if known is None:
                records.add(Record(request_id, "cancelled", self._clock(), reason="cancelled"))
        if known is None or known.outcome != "issued":
            return Cancelled()
        return _in_a_row(self._given(known))

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """List what was issued, in order."""
        return journal.entries(self._results, after, limit)

    def tags(self, digits: Sequence[str]) -> list[bytes]:
        """Make of tokens what stands for them in the journal."""
        return [self._seals.tag(each) for each in digits]

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Sign a head of the audit trail's chain, or give the last one again if it is that.

        The head is written down before it is signed: whoever later shows less than this
        is refused, even if every trace of it is gone from the database.

        Raises:
            HeadBehind: The module signed a later head before, or another in this place.
        """
        with self._results.transaction() as records:
            last = records.last_head()
            if last is not None and (last.place, last.digest) == (place, digest):
                return self._signed(last)
            if last is not None and last.place >= place and not restart:
                raise HeadBehind(place=last.place)
            number = last.number + 1 if last else 1
            at = self._clock().replace(microsecond=0)
            head = Head(number, place, digest, at, restart)
            records.add_head(head)
        return self._signed(head)

    def last_head(self) -> SignedHead | None:
        """Give the head signed last."""
        head = self._results.last_head()
        return self._signed(head) if head else None

    def begin_epoch(self, epoch: int) -> int:
        """Raise the epoch, never lower it; tell which it is now."""
        with self._results.transaction() as records:
            return records.begin_epoch(epoch)

    def request_of(self, request_id: str, row: int | None = None) -> EarlierRequest | None:
        """Tell what was once asked for."""
        return earlier.asked_for(self._results, request_id, row)

    def close(self) -> None:
        """Close the record and wipe the keys."""
        self._results.close()
        self._source.close()
        self._seals.wipe()
        self._head_key.wipe()

    def _importer(self) -> KeyImport:
        if self._imports is None:
            raise NotSupported
        return self._imports

    def _issue(self, request: MeterRequest | DisplayRequest) -> IssuedTokens:
        with self._results.transaction() as records:
            known = records.find(request.request_id)
            if known is None:
                self._admit(request, records)
                answer = self._decide(request, records)
                known = record_of(request, answer, self._seals, self._clock())
                self._add(records, known)
        # Outside of the transaction: a refusal, too, is on the disk before it is told.
        self._require_same(request, known, hash_of(args_of(request)))
        return _in_a_row(self._given(known))

    def _admit(self, request: MeterRequest | DisplayRequest, records: Transaction) -> None:
        """Refuse what says nothing about the request itself."""
        now = self._clock()
        policy.check_clock(request.asked_at, now)
        if not isinstance(request, DisplayRequest):
            pan = request.meter.meter_pan
            policy.check_rates(
                self._limits,
                last_minute=records.issued_since(pan, now - policy.MINUTE),
                last_day=records.issued_since(pan, now - policy.DAY),
            )

    def _decide(
        self, request: MeterRequest | DisplayRequest, records: Transaction
    ) -> IssuedTokens | ModuleRefused:
        """Make the tokens, or the refusal that will be written in their place."""
        try:
            policy.check_id(request.request_id)
            match request:
                case DisplayRequest():
                    return (self._mint.display(request),)
                case KeyChangeRequest():
                    return self._mint.sets(request, (request.change,))[0]
                case _:
                    return (self._mint.one(request, records),)
        except ModuleRefused as refusal:
            return refusal

    def _sets_or_refusal(self, batch: KeyChangeBatch) -> Sequence[IssuedTokens] | ModuleRefused:
        try:
            policy.check_batch(batch)
            return self._mint.sets(batch, batch.rows)
        except ModuleRefused as refusal:
            return refusal

    def _add(self, records: Transaction, record: Record, rows: Sequence[BatchRow] = ()) -> None:
        """Write a record and, of what was issued, its line in the journal."""
        records.add(record, rows)
        if record.outcome == "issued":
            key = self._seals.chain_key()
            records.add_line(journal.line_of(key, records.last_line(), record, rows, record.at))

    def _require_same(self, request: Request, known: Record, args_hash: str) -> None:
        """Refuse an id that came with other values; a cancelled one came with none."""
        same = known.args_hash in (None, args_hash)
        if not same or (known.args_hash and known.operation != request.operation):
            raise RequestReused(request_id=request.request_id)

    def _given(self, known: Record) -> tuple[IssuedTokens, ...]:
        """Give what was issued, or raise the refusal that was written."""
        if known.outcome == "issued":
            assert known.sealed is not None, "whatever was issued is sealed"
            return self._seals.unseal(known.request_id, known.sealed)
        assert known.reason is not None, "whatever is not issued has a reason"
        raise ModuleRefused(known.reason, highest_tid=known.highest_tid, row=known.refused_row)

    def _signed(self, head: Head) -> SignedHead:
        key = self._head_key.reveal()
        signed = SignedHead(
            self._source.module_id, head.number, head.place, head.digest, head.at,
            head.restart, self._head_public_key, b"",
        )  # fmt: skip
        return replace(signed, signature=sealing.sign(key, signed.message()))


@contextmanager
def _as_module() -> Iterator[None]:
    try:
        yield
    except KeystoreError as error:
        raise HsmUnavailable("keystore", sent=True) from error


def _in_a_row(sets: tuple[IssuedTokens, ...]) -> IssuedTokens:
    return tuple(token for one in sets for token in one)
