"""The driver's own record of what the service answered, in a file of its own.

The service carries neither epoch nor sequence nor a journal, so its driver keeps them, in the
same kind of file as our own modules and written before an answer is passed on. Digits lie in
it sealed, under keys made of a secret of this installation.

Source: SALE.md 16 "Restore, promotion, standby".
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from vmsapp import sealing
from vmsapp.hsm import journal, policy
from vmsapp.hsm.answers import EarlierRequest, IssuedTokens, JournalEntry, KeyInfo
from vmsapp.hsm.drivers.prism.orders import Issuing
from vmsapp.hsm.earlier import asked_for
from vmsapp.hsm.errors import ModuleRefused, RequestReused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    KeyChangeBatch,
    KeyChangeRequest,
)
from vmsapp.hsm.results import Record, Results, Standing, Transaction
from vmsapp.hsm.writing import Seals, args_of, hash_of
from vmsapp.sts.secret import SecretBytes


class Book:
    """What became of every request.

    Args:
        results: The file; the book closes it.
        secret_path: Where the secret lies, made the first time.

    Raises:
        PermissionError: Others may read the secret.
        HsmUnavailable: ``storage``: the file is missing, and may not be made.
    """

    def __init__(self, results: Results, secret_path: Path) -> None:
        self._results = results
        results.sequence()  # made before the secret, whose being there says that all is made
        try:
            secret = SecretBytes(sealing.secret_file(secret_path).encode())
        except OSError:
            results.close()
            raise
        with secret:
            self._seals = Seals(
                "", lambda purpose: SecretBytes(sealing.expand(secret.reveal(), f"prism {purpose}"))
            )

    def find(self, request: Issuing | KeyChangeBatch) -> IssuedTokens | None:
        """Give what a request was given before; None where nothing is written.

        Raises:
            ModuleRefused: It was refused or cancelled.
            RequestReused: The id came with other values before.
        """
        known = self._results.find(request.request_id)
        if known is None:
            return None
        _require_same(request, known)
        return self.given(known)

    def result(self, request_id: str) -> IssuedTokens | None:
        """Give what an id was given before; None where nothing is written.

        Raises:
            ModuleRefused: It was refused or cancelled.
        """
        known = self._results.find(request_id)
        return None if known is None else self.given(known)

    def admit(self, request: Issuing, key: KeyInfo | None, limits: Limits, now: datetime) -> None:
        """Check a request against what was given before.

        Raises:
            HsmUnavailable: ``rate`` or ``key_limit``.
            ModuleRefused: ``tid_spent`` or ``tid_too_old``.
        """
        if isinstance(request, DisplayRequest):
            return
        meter = request.meter
        with self._results.transaction() as records:
            policy.check_rates(
                limits,
                last_minute=records.issued_since(meter.meter_pan, now - policy.MINUTE),
                last_day=records.issued_since(meter.meter_pan, now - policy.DAY),
            )
            if isinstance(request, KeyChangeRequest):
                return
            used = records.used_tids(
                meter.meter_pan, meter.base_date.value, request.tid, window=limits.tid_window
            )
            policy.check_tid(request.tid, used)
            if isinstance(request, CreditRequest) and key is not None and key.limited:
                tokens, given = records.given_since(str(key.ref), now - policy.DAY)
                policy.check_day(key, policy.tenths_of(request), tokens=tokens, given=given)

    def issued(self, request: Issuing, tokens: IssuedTokens, now: datetime) -> IssuedTokens:
        """Write what a request was given, and give it; what stands there already counts."""
        record = replace(
            _record(request, now),
            outcome="issued",
            tid=tokens[0].tid,
            sealed=self._seals.seal(request.request_id, (tokens,)),
            tags=self._seals.tags(tokens),
            tenths=policy.tenths_of(request) if isinstance(request, CreditRequest) else None,
        )
        with self._results.transaction() as records:
            known = records.find(request.request_id)
            if known is None:
                if _is_spent(records, record):
                    # Two requests, one TID: the sale sees it in the token and hands out one.
                    record = replace(record, tid=None)
                records.add(record)
                last, key = records.last_line(), self._seals.chain_key()
                records.add_line(journal.line_of(key, last, record, (), record.at))
                return tokens
        return self.given(known)

    def refused(
        self, request: Issuing | KeyChangeBatch, refusal: ModuleRefused, now: datetime
    ) -> None:
        """Write a definite no."""
        record = replace(
            _record(request, now),
            reason=refusal.reason,
            highest_tid=refusal.highest_tid,
            refused_row=refusal.row,
        )
        with self._results.transaction() as records:
            if records.find(request.request_id) is None:
                records.add(record)

    def cancelled(self, request_id: str, now: datetime) -> IssuedTokens | None:
        """Write that an id will never be sent again, or give what it was given."""
        with self._results.transaction() as records:
            known = records.find(request_id)
            if known is None:
                records.add(Record(request_id, "cancelled", now, reason="cancelled"))
        if known is None or known.outcome != "issued":
            return None
        return self.given(known)

    def given(self, known: Record) -> IssuedTokens:
        """Give what was issued, or raise the refusal that was written."""
        if known.sealed is None:
            assert known.reason is not None, "whatever is not issued has a reason"
            raise ModuleRefused(known.reason, highest_tid=known.highest_tid, row=known.refused_row)
        sets = self._seals.unseal(known.request_id, known.sealed)
        return tuple(token for one in sets for token in one)

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """List what was issued, in order."""
        return journal.entries(self._results, after, limit)

    def tags(self, digits: Sequence[str]) -> list[bytes]:
        """Make of tokens what stands for them in the journal."""
        return [self._seals.tag(each) for each in digits]

    def standing(self) -> Standing:
        """Tell how far the record is."""
        return self._results.standing()

    def begin_epoch(self, epoch: int) -> int:
        """Raise the epoch, never lower it; tell which it is now."""
        with self._results.transaction() as records:
            return records.begin_epoch(epoch)

    def request_of(self, request_id: str, row: int | None) -> EarlierRequest | None:
        """Tell what was once asked for."""
        return asked_for(self._results, request_id, row)

    def close(self) -> None:
        """Close the file and wipe the keys."""
        self._results.close()
        self._seals.wipe()


def _record(request: Issuing | KeyChangeBatch, now: datetime) -> Record:
    meter = request.meter if not isinstance(request, DisplayRequest | KeyChangeBatch) else None
    args = args_of(request)
    return Record(
        request.request_id,
        "refused",
        now,
        args_hash=hash_of(args),
        args=None if isinstance(request, KeyChangeBatch) else args,
        meter_pan=meter.meter_pan if meter else None,
        base_date=meter.base_date.value if meter else None,
        tid=getattr(request, "tid", None),
        operation=request.operation,
        key=str(meter.key) if meter else None,
    )


def _is_spent(records: Transaction, record: Record) -> bool:
    if record.tid is None or record.meter_pan is None or record.base_date is None:
        return False
    return records.used_tids(record.meter_pan, record.base_date, record.tid, window=1).spent


def _require_same(request: Issuing | KeyChangeBatch, known: Record) -> None:
    """Refuse an id that came with other values; a cancelled one came with none."""
    same = known.args_hash in (None, hash_of(args_of(request)))
    if not same or (known.args_hash and known.operation != request.operation):
        raise RequestReused(request_id=request.request_id)
