"""The last token of a former system: the highest identifier that it may have given."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.services.opening.errors import LastTokenAhead, LastTokenOutside
from vmsapp.services.setup import zone_at
from vmsapp.services.vending.tids import TID_LEAD
from vmsapp.sts.errors import TidRangeError
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import TID_MAX, tid_from_datetime, tid_to_datetime

TIME_MARGIN: Final = timedelta(hours=1)
"""Added to a token's time: of several tokens in a minute the later ones got the next minutes."""


@dataclass(frozen=True, slots=True)
class Now:
    """The moment, and the zone of the utility's clocks."""

    moment: datetime
    zone: str
    today: date

    @classmethod
    def of(cls, session: Session) -> "Now":
        """Read the clock, and the zone in force."""
        now = now_utc()
        zone = zone_at(session, now)
        return cls(now, zone, business_day(now, zone))


def last_tid(base: BaseDate, tid: int | None, at: datetime | None, now: Now) -> int | None:
    """Tell the highest identifier that the former system may have given.

    Raises:
        LastTokenOutside, LastTokenAhead: There can be none such.
    """
    given = [] if tid is None else [tid]
    if at is not None:
        given.append(_tid_of(at, now.zone, base))
    if not given:
        return None
    last = max(given)
    if last > _latest(now.moment, base):
        raise LastTokenAhead(last=tid_to_datetime(last, base))
    return last


def _tid_of(said: datetime, zone: str, base: BaseDate) -> int:
    """Tell the highest identifier of a time whose zone is not known.

    The former system may count in UTC and show local time, or count local time itself.
    """
    readings = (said.replace(tzinfo=UTC), said.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))
    try:
        return tid_from_datetime(max(readings) + TIME_MARGIN, base)
    except TidRangeError:
        raise LastTokenOutside(year=base.year) from None


def _latest(moment: datetime, base: BaseDate) -> int:
    """Tell the highest identifier that can have been given: two days ahead, for local time is."""
    if moment < base.moment:
        return -1
    try:
        return min(tid_from_datetime(moment, base) + TID_LEAD, TID_MAX)
    except TidRangeError:
        return TID_MAX  # the base date is over
