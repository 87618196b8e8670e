"""TokenIdentifier (TID): the minute in which a token was made.

A 24-bit count of whole minutes since a base date. The meter remembers the TIDs it has
accepted, so a TID is spent once: the same value can never credit twice. Minute 00:01 of
each day is reserved for special tokens; ordinary ones step over it. Since base dates are
midnights, and minutes are counted in UTC, that is ``tid % 1440 == 1``.

Source: IEC 62055-41:2018, 6.3.5 "TID: TokenIdentifier".

>>> from datetime import UTC
>>> tid = tid_from_datetime(datetime(1996, 3, 25, 13, 55, 22, tzinfo=UTC), BaseDate.Y1993)
>>> f"{tid:06X}"
'19EB23'
>>> tid_to_datetime(tid, BaseDate.Y1993).isoformat()
'1996-03-25T13:55:00+00:00'
"""

from datetime import datetime, timedelta
from typing import Final

from vmsapp.sts import identifiers
from vmsapp.sts.errors import FormatError, TidRangeError, TimeBeforeBaseDate, TimePastBaseDate
from vmsapp.sts.fields import TID_BITS, no_number
from vmsapp.sts.identifiers import BaseDate

TID_MAX: Final = (1 << TID_BITS) - 1
MINUTES_PER_DAY: Final = 24 * 60
RESERVED_MINUTE: Final = 1
KEN_SHIFT: Final = 16
"""A key expiry number counts steps of 2**16 minutes: it is compared with TID bits 23 to 16."""

_MINUTE: Final = timedelta(minutes=1)


def tid_from_datetime(moment: datetime, base: BaseDate) -> int:
    """Count whole minutes from ``base`` to ``moment``; seconds are dropped.

    Args:
        moment: Aware time of issue, of any zone.
        base: Base date the decoder key was issued under.

    Returns:
        TID, 0 to 16 777 215 (24 bits, about 31.9 years). It may be a reserved one.

    Raises:
        FormatError: ``moment`` has no time zone.
        TimeBeforeBaseDate, TimePastBaseDate: Outside the base date's window.
    """
    if not isinstance(moment, datetime):
        raise FormatError("time of issue", f"({type(moment).__name__})", "is not a time")
    written = moment.isoformat(" ", "minutes")
    if moment.tzinfo is None:
        raise FormatError("time of issue", written, "has no time zone")
    tid = (moment - base.moment) // _MINUTE
    if tid < 0:
        raise TimeBeforeBaseDate("time of issue", written, f"is before base date {base.year}")
    if tid > TID_MAX:
        last = f"{tid_to_datetime(TID_MAX, base):%Y-%m-%d %H:%M}"
        rule = f"is past the last minute of base date {base.year}, {last} UTC"
        raise TimePastBaseDate("time of issue", written, rule)
    return tid


def ordinary_tid(moment: datetime, base: BaseDate) -> int:
    """Count like ``tid_from_datetime``, and step over the reserved 00:01; same errors.

    >>> from datetime import UTC
    >>> ordinary_tid(datetime(2014, 1, 1, 0, 1, tzinfo=UTC), BaseDate.Y2014)
    2
    """
    return skip_reserved(tid_from_datetime(moment, base))


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
    after_last = 0 if last_tid is None else _whole(last_tid) + 1
    return _require_tid(skip_reserved(max(_whole(now_tid), after_last, _whole(floor))))


def key_usable(tid: int, ken: int) -> bool:
    """Tell whether a key with expiry number ``ken`` may still make a token of ``tid``.

    Raises:
        TidRangeError: ``tid`` does not fit 24 bits.
        FieldRangeError: ``ken`` does not fit 8 bits.
    """
    return _require_tid(tid) >> KEN_SHIFT <= identifiers.ken.validate(ken)


def key_expires_at(ken: int, base: BaseDate) -> datetime:
    """Tell the first moment at which the key is no longer valid, aware and in UTC.

    A key with ``ken`` 255 never expires; the moment returned is then the end of the base
    date's TIDs, after which it cannot be used either.

    Raises:
        FieldRangeError: ``ken`` does not fit 8 bits.

    >>> key_expires_at(255, BaseDate.Y2014).isoformat()
    '2045-11-24T20:16:00+00:00'
    """
    minutes = identifiers.ken.validate(ken) + 1 << KEN_SHIFT
    return base.moment + minutes * _MINUTE


def _require_tid(tid: int) -> int:
    if not 0 <= _whole(tid) <= TID_MAX:
        raise TidRangeError("TID", tid, f"is not 0 to {TID_MAX}")
    return tid


def _whole(tid: int) -> int:
    if not isinstance(tid, int) or isinstance(tid, bool):
        raise TidRangeError("TID", no_number(tid), "is not a whole number")
    return tid
