"""The software module: keys in a sealed file, tokens made in this process.

Every answer is written before it is given, in one record under the request's id, and the
id is looked up before anything else is asked. So the same request gets the same digits for
ever, from any process, after any crash.

Source: SALE.md 6 "The module's own net", 7 "Reconcile and cancel".
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from enum import Enum
from typing import Final, NoReturn

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.hsm import policy
from vmsapp.hsm.base import (
    Cancelled,
    CreditRequest,
    IssuedToken,
    KeyInfo,
    ModuleStatus,
    NotExecuted,
    SignedHead,
)
from vmsapp.hsm.errors import (
    HeadBehind,
    HsmUnavailable,
    KeystoreError,
    ModuleRefused,
    RequestReused,
)
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Head, Record, Results, Transaction
from vmsapp.sts import dkga, ea07
from vmsapp.sts.codec import decode, encode
from vmsapp.sts.credit import CreditToken
from vmsapp.sts.errors import StsError
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.keys import VendingKey
from vmsapp.sts.secret import SecretBytes

DRIVER: Final = "soft"
PROTECTION: Final = "process"
"""Whoever reads this process's memory reads the keys."""

_NOT_THE_REQUEST: Final = ("request_id", "asked_at")
"""Fields that do not make a request another one."""


class SoftModule:
    """A ``SecurityModule`` in this process, for any number of threads and processes.

    Args:
        keystore: Open; the module closes it.
        results: The module's own record; the module closes it.
        table_set: The STA tables it makes tokens with, and refuses others.
        limits: Rates and window.
        clock: Gives the aware UTC time.
    """

    def __init__(
        self,
        keystore: Keystore,
        results: Results,
        *,
        table_set: str = "production",
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._keystore = keystore
        self._results = results
        self._result_key = keystore.sealing_key("results")
        self._head_key = keystore.sealing_key("audit head")
        self._table_set = table_set
        self._limits = limits
        self._clock = clock

    def status(self) -> ModuleStatus:
        """Tell how the module is."""
        return ModuleStatus(
            module_id=self._keystore.module_id,
            driver=DRIVER,
            time_utc=self._clock(),
            locked=False,
            keys=len(self.list_keys()),
            table_set=self._table_set,
            protection=PROTECTION,
            head_key=sealing.public_key_of(self._head_key.reveal()),
        )

    def list_keys(self) -> list[KeyInfo]:
        """List the keys by check value; never a key."""
        try:
            return self._keystore.keys()
        except KeystoreError as error:
            raise HsmUnavailable("keystore", sent=True) from error

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Make a credit token, or give the one this id was given before.

        Raises:
            ModuleRefused: A definite no, written under this id.
            RequestReused: The id came with other values before.
            HsmUnavailable: ``clock``, ``rate``, ``keystore``, ``storage`` or
                ``self_check``: nothing was written.
            HsmTimeout: The record may not have reached the disk.
        """
        with self._results.transaction() as records:
            known = records.find(request.request_id)
            if known is None:
                self._admit(request, records)
                answer = self._decide(request, records)
                records.add(self._record(request, answer))
            elif known.args_hash in (None, _hash(_args(request))):
                answer = self._answer(known)
            else:
                raise RequestReused(request_id=request.request_id)
        if isinstance(answer, ModuleRefused):
            raise answer  # only now: the refusal too is on the disk
        return answer

    def fetch_result(self, request_id: str) -> IssuedToken | NotExecuted:
        """Tell what became of an earlier request.

        Raises:
            ModuleRefused: It was refused or cancelled.
        """
        known = self._results.find(request_id)
        if known is None:
            return NotExecuted()
        answer = self._answer(known)
        if isinstance(answer, ModuleRefused):
            raise answer
        return answer

    def cancel(self, request_id: str) -> IssuedToken | Cancelled:
        """Write durably that the id will never be executed, or give the result it has.

        A refusal written earlier stays as it is: it, too, is never executed.
        """
        with self._results.transaction() as records:
            known = records.find(request_id)
            if known is None:
                records.add(Record(request_id, "cancelled", self._clock(), reason="cancelled"))
        if known is None or known.outcome != "issued":
            return Cancelled()
        return self._unsealed(known)

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

    def close(self) -> None:
        """Close the record and wipe the keys."""
        self._results.close()
        self._keystore.close()
        self._result_key.wipe()
        self._head_key.wipe()

    def _admit(self, request: CreditRequest, records: Transaction) -> None:
        """Refuse what says nothing about the request itself."""
        now, pan = self._clock(), request.meter.meter_pan
        policy.check_clock(request.asked_at, now)
        policy.check_rates(
            self._limits,
            last_minute=records.issued_since(pan, now - policy.MINUTE),
            last_day=records.issued_since(pan, now - policy.DAY),
        )

    def _decide(self, request: CreditRequest, records: Transaction) -> IssuedToken | ModuleRefused:
        """Make the token, or the refusal that will be written in its place."""
        meter = request.meter
        try:
            policy.check_request(request, table_set=self._table_set)
            key, value = self._vending_key(request)
            with value:
                policy.check_key(request, key)
                used = records.used_tids(
                    meter.meter_pan,
                    meter.base_date.value,
                    request.tid,
                    window=self._limits.tid_window,
                )
                policy.check_tid(request.tid, used)
                return self._token(request, key, _make_digits(request, value))
        except ModuleRefused as refusal:
            return refusal

    def _vending_key(self, request: CreditRequest) -> tuple[KeyInfo, SecretBytes]:
        try:
            return self._keystore.vending_key(request.meter.key)
        except KeyError:
            raise ModuleRefused("key_not_found") from None
        except KeystoreError as error:
            raise HsmUnavailable("keystore", sent=True) from error

    def _token(self, request: CreditRequest, key: KeyInfo, digits: str) -> IssuedToken:
        return IssuedToken(
            digits=digits,
            token_class=TokenClass.CREDIT.value,
            subclass=request.subclass,
            tid=request.tid,
            amount_field=request.amount_field,
            kcv=key.kcv,
            module_id=self._keystore.module_id,
            table_set=self._table_set,
            demo=key.demo,
        )

    def _record(self, request: CreditRequest, answer: IssuedToken | ModuleRefused) -> Record:
        args = _args(request)
        record = Record(
            request.request_id,
            "refused",
            self._clock(),
            args_hash=_hash(args),
            args=args,
            meter_pan=request.meter.meter_pan,
            base_date=request.meter.base_date.value,
            tid=request.tid,
        )
        if isinstance(answer, ModuleRefused):
            return replace(record, reason=answer.reason, highest_tid=answer.highest_tid)
        sealed = self._sealed(request.request_id, answer)
        return replace(record, outcome="issued", sealed=sealed)

    def _sealed(self, request_id: str, token: IssuedToken) -> bytes:
        plain = json.dumps(asdict(token)).encode()
        return sealing.seal(self._result_key.reveal(), plain, aad=request_id.encode())

    def _unsealed(self, known: Record) -> IssuedToken:
        assert known.sealed is not None, "only an issued token is sealed"
        try:
            plain = sealing.unseal(
                self._result_key.reveal(), known.sealed, aad=known.request_id.encode()
            )
        except sealing.SealBroken as error:
            raise HsmUnavailable("storage", sent=True) from error
        return IssuedToken(**json.loads(plain))

    def _signed(self, head: Head) -> SignedHead:
        key = self._head_key.reveal()
        signed = SignedHead(
            self._keystore.module_id, head.number, head.place, head.digest, head.at,
            head.restart, sealing.public_key_of(key), b"",
        )  # fmt: skip
        return replace(signed, signature=sealing.sign(key, signed.message()))

    def _answer(self, known: Record) -> IssuedToken | ModuleRefused:
        if known.outcome == "issued":
            return self._unsealed(known)
        assert known.reason is not None, "whatever is not issued has a reason"
        return ModuleRefused(known.reason, highest_tid=known.highest_tid)


class LockedModule:
    """A software module whose keystore nobody has opened yet: it answers to ``status`` alone."""

    def __init__(
        self,
        module_id: str,
        *,
        table_set: str = "production",
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._module_id = module_id
        self._table_set = table_set
        self._clock = clock

    def status(self) -> ModuleStatus:
        """Tell that the module is locked."""
        return ModuleStatus(
            module_id=self._module_id,
            driver=DRIVER,
            time_utc=self._clock(),
            locked=True,
            keys=0,
            table_set=self._table_set,
            protection=PROTECTION,
        )

    def list_keys(self) -> list[KeyInfo]:
        """Refuse: locked."""
        _locked()

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Refuse: locked."""
        _locked()

    def fetch_result(self, request_id: str) -> IssuedToken | NotExecuted:
        """Refuse: locked; it proves nothing of the request."""
        _locked()

    def cancel(self, request_id: str) -> IssuedToken | Cancelled:
        """Refuse: locked; the request is not cancelled."""
        _locked()

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Refuse: locked."""
        _locked()

    def last_head(self) -> SignedHead | None:
        """Refuse: locked."""
        _locked()

    def close(self) -> None:
        """Nothing is open."""


def _locked() -> NoReturn:
    raise HsmUnavailable("locked", sent=False)


def _make_digits(request: CreditRequest, vending_key: SecretBytes) -> str:
    """Derive the decoder key, make the token and read it back.

    Raises:
        ModuleRefused: ``parameters``: the codec does not take them.
        HsmUnavailable: ``self_check``: the digits do not say what was asked.
    """
    meter = request.meter
    try:
        token = CreditToken(
            subclass=request.subclass,
            rnd=request.rnd,
            tid=request.tid,
            amount_field=request.amount_field,
        )
        with VendingKey(meter.key.dkga, vending_key.reveal()) as key:
            decoder_key = dkga.derive(key, meter.parameters())
        tables = ea07.table_set(request.table_set)
        digits = encode(token, decoder_key, tables=tables)
    except StsError:
        raise ModuleRefused("parameters") from None
    # A fault in memory or in a table must not reach a meter, or a customer's money.
    with decoder_key, suppress(StsError):
        if decode(digits, decoder_key, tables=tables) == token:
            return digits
    raise HsmUnavailable("self_check", sent=True)


def _args(request: CreditRequest) -> str:
    """Write what makes a request the same request, as canonical JSON."""
    fields = {k: v for k, v in asdict(request).items() if k not in _NOT_THE_REQUEST}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_enum_value)


def _enum_value(value: Enum) -> object:
    return value.value


def _hash(args: str) -> str:
    return hashlib.sha256(args.encode()).hexdigest()
