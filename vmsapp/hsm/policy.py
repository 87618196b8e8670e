"""What a module refuses, whoever asks: pure checks, each with its code.

Two kinds, which decide what becomes of the money. A *refusal* (``ModuleRefused``) is a
definite no that the module writes under the request's id. A clock or a rate that is off
(``HsmUnavailable``) says nothing about the request: it is not written, and the same request
may pass later.

Source: SALE.md 6 "The module's own net", 7 "Reconcile and cancel", 15 "Clocks";
key types: IEC 62055-41:2018, 6.1.9 "KT: KeyType".
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.requests import (
    BATCH_ROWS_MAX,
    CreditRequest,
    EngineeringRequest,
    KeyChange,
    KeyChangeBatch,
    KeyChangeRequest,
    MeterConfig,
    Request,
)
from vmsapp.hsm.results import UsedTids
from vmsapp.sts import identifiers, tid
from vmsapp.sts.amount import decode_tenths
from vmsapp.sts.credit import Service
from vmsapp.sts.errors import StsError
from vmsapp.sts.identifiers import Dkga, KeyType, TokenCarrier

CLOCK_SKEW_MAX: Final = timedelta(seconds=120)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
ALGORITHM_PAIRS: Final = frozenset((str(dkga), int(ea)) for dkga in Dkga for ea in dkga.ciphers)
"""Which DKGA makes keys for which EA."""

_BEFORE_SUPPLY: Final = (KeyType.DITK, KeyType.DDTK)
"""A meter of these types has no supply group of its own yet."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.,-]{1,40}")


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of a module.

    Attributes:
        per_minute: Tokens a meter may get within any 60 s; None for no limit.
        per_day: Tokens a meter may get within any 24 h; None for no limit.
        tid_window: How many TIDs the meters remember: 50, fewer where a product's store
            fewer.
        tenths_per_token: Tenths of a unit one token may give; None for no limit.
        engineering: It makes tokens that manage meters.
        key_changes: It makes key change tokens.
    """

    per_minute: int | None = 6
    per_day: int | None = 60
    tid_window: int = 50
    tenths_per_token: int | None = None
    engineering: bool = True
    key_changes: bool = True


def check_clock(asked_at: datetime, now: datetime) -> None:
    """Compare the caller's clock with the module's.

    Raises:
        HsmUnavailable: ``clock``: more than 2 minutes apart.
    """
    if abs(asked_at - now) > CLOCK_SKEW_MAX:
        raise HsmUnavailable("clock", sent=True)


def check_rates(limits: Limits, *, last_minute: int, last_day: int) -> None:
    """Compare what a meter got with what it may get.

    Raises:
        HsmUnavailable: ``rate``: one more would be too many.
    """
    for limit, made in ((limits.per_minute, last_minute), (limits.per_day, last_day)):
        if limit is not None and made >= limit:
            raise HsmUnavailable("rate", sent=True)


def check_day(key: KeyInfo, tenths: int, *, tokens: int, given: int) -> None:
    """Compare what a key gave within 24 h with what it may give.

    Args:
        key: Which.
        tenths: What the token asked for would give, in tenths of a unit.
        tokens: How many credit tokens it made.
        given: What they gave, in tenths of a unit.

    Raises:
        HsmUnavailable: ``key_limit``: this one would be too much.
    """
    too_many = key.tokens_per_day is not None and tokens >= key.tokens_per_day
    too_much = key.tenths_per_day is not None and given + tenths > key.tenths_per_day
    if too_many or too_much:
        raise HsmUnavailable("key_limit", sent=True)


def check_id(request_id: str) -> None:
    """Check that an id can stand in every record.

    Raises:
        ModuleRefused: ``parameters``.
    """
    if not _REQUEST_ID.fullmatch(request_id):
        raise ModuleRefused("parameters")


def check_batch(batch: KeyChangeBatch) -> None:
    """Check a batch as a whole: its id, and 1 to 16,000 rows.

    Raises:
        ModuleRefused: ``parameters``.
    """
    check_id(batch.request_id)
    if not 1 <= len(batch.rows) <= BATCH_ROWS_MAX:
        raise ModuleRefused("parameters")


def check_meter(meter: MeterConfig) -> None:
    """Check what can be said of a meter without its key.

    Raises:
        ModuleRefused: ``parameters``.
    """
    fits = (
        (meter.key.dkga, meter.ea) in ALGORITHM_PAIRS
        and meter.tct in set(TokenCarrier)
        and _is_bare(meter.meter_pan)
    )
    if not fits:
        raise ModuleRefused("parameters")


def check_key(meter: MeterConfig, key: KeyInfo, now: datetime) -> None:
    """Check a meter against the key it names, and the key against the clock.

    Raises:
        ModuleRefused: ``parameters``, ``key_not_active`` or ``key_closed``.
    """
    if (meter.base_date, meter.ken) != (key.base_date, key.ken):
        raise ModuleRefused("parameters")
    if key.active_from is not None and now < key.active_from:
        raise ModuleRefused("key_not_active")
    if key.issue_until is not None and now > key.issue_until:
        raise ModuleRefused("key_closed")


def check_use(limits: Limits, request: Request, meter: MeterConfig, key: KeyInfo) -> None:
    """Check what a key of this type may be used for, and what this module makes at all.

    Raises:
        ModuleRefused: ``switched_off``, ``key_type`` or ``amount``.
    """
    if isinstance(request, CreditRequest):
        kt = key.ref.kt
        if kt == KeyType.DDTK or (kt == KeyType.DCTK and meter.tct != TokenCarrier.MAGNETIC):
            raise ModuleRefused("key_type")
        most = limits.tenths_per_token
        if most is not None and tenths_of(request) > most:
            raise ModuleRefused("amount")
    if not _made_at_all(limits, request):
        raise ModuleRefused("switched_off")


def check_change(change: KeyChange, old: KeyInfo, new: KeyInfo) -> None:
    """Check where a meter is taken to: only where the key file of its present key allows.

    An attacker who may ask for key changes, and has a key of his own loaded, would otherwise
    move every meter to it. A change within a key, of the tariff index, goes nowhere.

    Raises:
        ModuleRefused: ``parameters`` or ``change_not_allowed``.
    """
    meter, to = change.meter, change.new
    if (meter.meter_pan, meter.ea, meter.tct) != (to.meter_pan, to.ea, to.tct):
        raise ModuleRefused("parameters")
    allowed = old.ref == new.ref or (new.ref.sgc, new.ref.krn) in old.changes_to
    leaves_its_group = new.ref.kt == KeyType.DDTK and old.ref.kt not in _BEFORE_SUPPLY
    if not allowed or leaves_its_group:
        raise ModuleRefused("change_not_allowed")


def check_enterable(key: KeyInfo, now: datetime) -> None:
    """Check that a key a meter is taken to is not past its expiry.

    Raises:
        ModuleRefused: ``key_expired``.
    """
    try:
        usable = tid.key_usable(tid.ordinary_tid(now, key.base_date), key.ken)
    except StsError:
        usable = False  # before its base date, or after the last minute of it
    if not usable:
        raise ModuleRefused("key_expired")


def check_ordinary(tid_asked: int, key: KeyInfo) -> None:
    """Check a TID against the standard and the key's expiry.

    Raises:
        ModuleRefused: ``parameters``, ``tid_reserved`` or ``key_expired``.
    """
    if not 0 <= tid_asked <= tid.TID_MAX:
        raise ModuleRefused("parameters")
    if tid.is_reserved(tid_asked):
        raise ModuleRefused("tid_reserved")
    if not tid.key_usable(tid_asked, key.ken):
        raise ModuleRefused("key_expired")


def tenths_of(request: CreditRequest) -> int:
    """Tenths of a unit that a credit token gives; 0 for one in money.

    Raises:
        ModuleRefused: ``parameters``: no token carries that.
    """
    if request.subclass > max(Service):
        return 0
    try:
        return decode_tenths(request.amount_field)
    except StsError:
        raise ModuleRefused("parameters") from None


def check_tid(asked: int, used: UsedTids) -> None:
    """Check that the meter will take the TID: new, and not below what it remembers.

    One lower than the highest is normal: two tokens cross on their way.

    Raises:
        ModuleRefused: ``tid_spent`` or ``tid_too_old``, with the highest used.
    """
    if used.spent:
        raise ModuleRefused("tid_spent", highest_tid=used.highest)
    if used.oldest_kept is not None and asked < used.oldest_kept:
        raise ModuleRefused("tid_too_old", highest_tid=used.highest)


def _made_at_all(limits: Limits, request: Request) -> bool:
    match request:
        case EngineeringRequest():
            return limits.engineering
        case KeyChangeRequest() | KeyChangeBatch():
            return limits.key_changes
        case _:
            return True


def _is_bare(meter_pan: str) -> bool:
    """Tell whether this is a MeterPAN without a space or hyphen in it.

    One meter must have one spelling, or a second would escape the TIDs used under the first.
    """
    try:
        return identifiers.meter_pan.validate(meter_pan) == meter_pan
    except StsError:
        return False
