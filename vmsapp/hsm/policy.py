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

from vmsapp.hsm.base import CreditRequest, KeyInfo
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.results import UsedTids
from vmsapp.sts import identifiers, tid
from vmsapp.sts.errors import StsError
from vmsapp.sts.identifiers import Dkga, KeyType, TokenCarrier

CLOCK_SKEW_MAX: Final = timedelta(seconds=120)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
ALGORITHM_PAIRS: Final = frozenset((str(dkga), int(ea)) for dkga in Dkga for ea in dkga.ciphers)
"""Which DKGA makes keys for which EA."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.,-]{1,40}")


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of a module.

    Attributes:
        per_minute: Tokens a meter may get within any 60 s; None for no limit.
        per_day: Tokens a meter may get within any 24 h; None for no limit.
        tid_window: How many TIDs the meters remember: 50, fewer where a product's store
            fewer.
    """

    per_minute: int | None = 6
    per_day: int | None = 60
    tid_window: int = 50


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


def check_request(request: CreditRequest, *, table_set: str) -> None:
    """Check what can be said of a request without its key.

    Raises:
        ModuleRefused: ``parameters`` or ``tid_reserved``.
    """
    meter = request.meter
    fits = (
        _REQUEST_ID.fullmatch(request.request_id)
        and (meter.key.dkga, meter.ea) in ALGORITHM_PAIRS
        and meter.tct in set(TokenCarrier)
        and request.table_set == table_set
        and 0 <= request.tid <= tid.TID_MAX
        and _is_bare(meter.meter_pan)
    )
    if not fits:
        raise ModuleRefused("parameters")
    if tid.is_reserved(request.tid):
        raise ModuleRefused("tid_reserved")


def check_key(request: CreditRequest, key: KeyInfo) -> None:
    """Check a request against the key it names.

    Raises:
        ModuleRefused: ``parameters``, ``key_type`` or ``key_expired``.
    """
    meter = request.meter
    if (meter.base_date, meter.ken) != (key.base_date, key.ken):
        raise ModuleRefused("parameters")
    kt = key.ref.kt
    if kt == KeyType.DDTK or (kt == KeyType.DCTK and meter.tct != TokenCarrier.MAGNETIC):
        raise ModuleRefused("key_type")
    if not tid.key_usable(request.tid, key.ken):
        raise ModuleRefused("key_expired")


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


def _is_bare(meter_pan: str) -> bool:
    """Tell whether this is a MeterPAN without a space or hyphen in it.

    One meter must have one spelling, or a second would escape the TIDs used under the first.
    """
    try:
        return identifiers.meter_pan.validate(meter_pan) == meter_pan
    except StsError:
        return False
