"""TokenIdentifier (TID): the minute in which a token was made.

A 24-bit count of whole minutes since a base date. The meter remembers the TIDs it has
accepted, so a TID is spent once: the same value can never credit twice. Minute 00:01 of
each day is reserved for special tokens; ordinary ones step over it. Since base dates are
midnights, and minutes are counted in UTC, that is ``tid % 1440 == 1``.

Source: IEC 62055-41:2018, 6.3.5 "TID: TokenIdentifier".

>>> tid = tid_from_datetime(datetime(1996, 3, 25, 13, 55, 22, tzinfo=UTC), BaseDate.Y1993)
>>> f"{tid:06X}"
'19EB23'
>>> tid_to_datetime(tid, BaseDate.Y1993).isoformat()
'1996-03-25T13:55:00+00:00'
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from vmsapp.sts.errors import TidRangeError
from vmsapp.sts.fields import KEN_MAX, TID_BITS, require_range

TID_MAX: Final = (1 << TID_BITS) - 1
MINUTES_PER_DAY: Final = 24 * 60
RESERVED_MINUTE: Final = 1
KEN_SHIFT: Final = 16
"""A key expiry number counts steps of 2**16 minutes: it is compared with TID bits 23 to 16."""

_MINUTE: Final = timedelta(minutes=1)


class BaseDate(Enum):
    """The midnight a key's TIDs count from; the value is its two-digit code.

    >>> BaseDate("14").year
    2014
    """

    Y1993 = "93"
    Y2014 = "14"
    Y2035 = "35"

    @property
    def year(self) -> int:
        """The year, four digits."""
        return int(self.name[1:])

    @property
    def moment(self) -> datetime:
        """1 January, 00:00 UTC."""
        return datetime(self.year, 1, 1, tzinfo=UTC)


def tid_from_datetime(moment: datetime, base: BaseDate) -> int:
    """Count whole minutes from ``base`` to ``moment``; seconds are dropped.

    Args:
        moment: Aware time of issue; a naive one is a ``TypeError``.
        base: Base date the decoder key was issued under.

    Returns:
        TID, 0 to 16 777 215 (24 bits, about 31.9 years). It may be a reserved one.

    Raises:
        TidRangeError: ``moment`` is before the base date or past the window.
    """
    tid = (moment - base.moment) // _MINUTE
    if not 0 <= tid <= TID_MAX:
        rule = f"is outside the 2**{TID_BITS} minutes from {base.year}"
        raise TidRangeError("time of issue", moment.isoformat(), rule)
    return tid


def tid_to_datetime(tid: int, base: BaseDate) -> datetime:
    """Tell the minute a TID stands for, aware and in UTC.

    Raises:
        TidRangeError: ``tid`` does not fit 24 bits.
    """
    return base.moment + _require_tid(tid) * _MINUTE


def is_reserved(tid: int) -> bool:
    """Tell whether ``tid`` is a 00:01, the SpecialReservedTokenIdentifier.

    >>> is_reserved(1), is_reserved(1440), is_reserved(1441)
    (True, False, True)
    """
    return tid % MINUTES_PER_DAY == RESERVED_MINUTE


def skip_reserved(tid: int) -> int:
    """Move a reserved TID on to 00:02; leave any other as it is."""
    return tid + 1 if is_reserved(tid) else tid


def next_tid(now_tid: int, last_tid: int | None, floor: int = 0) -> int:
    """Choose the TID of a meter's next token: never spent, never reserved.

    Args:
        now_tid: The present minute.
        last_tid: Highest TID ever reserved for the meter and base date; None for none.
        floor: Lowest TID allowed, as set on moving in or after a restore.

    Returns:
        The greatest of the three (``last_tid`` plus one), past 00:01 if it falls there.

    Raises:
        TidRangeError: The base date has no such minute left.

    >>> next_tid(1_440, last_tid=1_440)
    1442
    """
    after_last = 0 if last_tid is None else last_tid + 1
    return _require_tid(skip_reserved(max(now_tid, after_last, floor)))


def key_usable(tid: int, ken: int) -> bool:
    """Tell whether a key with expiry number ``ken`` may still make a token of ``tid``.

    Raises:
        TidRangeError: ``tid`` does not fit 24 bits.
        FieldRangeError: ``ken`` does not fit 8 bits.
    """
    return _require_tid(tid) >> KEN_SHIFT <= require_range("KEN", ken, 0, KEN_MAX)


def key_expires_at(ken: int, base: BaseDate) -> datetime:
    """Tell the first moment at which the key is no longer valid, aware and in UTC.

    A key with ``ken`` 255 never expires; the moment returned is then the end of the base
    date's TIDs, after which it cannot be used either.

    Raises:
        FieldRangeError: ``ken`` does not fit 8 bits.

    >>> key_expires_at(255, BaseDate.Y2014).isoformat()
    '2045-11-24T20:16:00+00:00'
    """
    minutes = require_range("KEN", ken, 0, KEN_MAX) + 1 << KEN_SHIFT
    return base.moment + minutes * _MINUTE


def _require_tid(tid: int) -> int:
    if not 0 <= tid <= TID_MAX:
        raise TidRangeError("TID", tid, f"is not 0 to {TID_MAX}")
    return tid
