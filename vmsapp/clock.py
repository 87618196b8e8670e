"""The only clock.

Every time in the product is read here, aware and in UTC, so that a test can put
another clock in its place and no room can drift into local time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_source: ContextVar[Callable[[], datetime] | None] = ContextVar("clock", default=None)


_added: list[Callable[[], timedelta]] = []
"""What a trial adds to the machine's clock; empty but in trials."""


def now_utc() -> datetime:
    """Read the clock: an aware UTC moment, to the microsecond."""
    source = _source.get()
    if source:
        return source()
    now = datetime.now(UTC)  # noqa: TID251 - the one place
    return now + _added[0]() if _added else now


def add_to_clock(offset: Callable[[], timedelta]) -> None:
    """Have the whole process read a clock that is off, in trials of what a wrong clock does.

    No setting leads here: it is for programs that start the product inside themselves.

    Args:
        offset: Asked at every reading; added to the machine's clock.
    """
    _added[:] = [offset]


def business_day(moment: datetime, zone: str) -> date:
    """Name the calendar day of ``moment`` in the utility's time zone.

    Args:
        moment: An aware moment.
        zone: IANA name, such as ``Africa/Nairobi``.
    """
    return moment.astimezone(ZoneInfo(zone)).date()


def local_hour(moment: datetime, zone: str) -> int:
    """Name the hour, 0 to 23, that the utility's clocks show at ``moment``."""
    return moment.astimezone(ZoneInfo(zone)).hour


class NoSuchLocalTime(ValueError):
    """The clocks of a zone leave this time out, when they are put forward."""


def moment_of(local: datetime, zone: str) -> datetime:
    """Find the moment a zone's clocks show a time; of two the first.

    Args:
        local: Without a zone, as it is typed.
        zone: IANA name.

    Raises:
        NoSuchLocalTime: They never show it.
    """
    moment = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
        raise NoSuchLocalTime
    return moment


@contextmanager
def clock_reads(source: Callable[[], datetime]) -> Iterator[None]:
    """Put another clock in place inside the block, for tests and simulations."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)
