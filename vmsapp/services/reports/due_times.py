"""When a schedule is due: at an hour of the utility's clocks, on each day, week or month.

An hour that the clocks leave out when they are put forward is due when they go on; one that they
show twice is due the first time, and only then. A month without the day sends on its last one.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from vmsapp.models import Every

LOOKED_BACK = 2
"""Days before the moment asked about, from which candidates are looked at."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, and at which hour.

    Attributes:
        weekday: Of a week; Monday is 0.
        month_day: Of a month, 1 to 31.
        hour: 0 to 23.
    """

    every: Every
    hour: int
    weekday: int | None = None
    month_day: int | None = None

    def falls_on(self, day: date) -> bool:
        """Tell whether a calendar day is one of its days."""
        match self.every:
            case Every.WEEK:
                return day.weekday() == self.weekday
            case Every.MONTH:
                _first, days = monthrange(day.year, day.month)
                return day.day == min(self.month_day or 1, days)
            case _:
                return True


def next_due(rhythm: Rhythm, zone: str, after: datetime) -> datetime:
    """Find the first due time after a moment.

    Args:
        rhythm: How often.
        zone: IANA name of the utility's time zone.
        after: Aware; what is due just then is past.

    Returns:
        An aware UTC moment.

    >>> daily = Rhythm(Every.DAY, 2)
    >>> next_due(daily, "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)).isoformat()
    '2026-03-29T01:00:00+00:00'
    """
    return next(moment for moment in _moments(rhythm, ZoneInfo(zone), after) if moment > after)


def _moments(rhythm: Rhythm, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    day = after.astimezone(zone).date() - timedelta(days=LOOKED_BACK)
    while True:
        if rhythm.falls_on(day):
            # of a time that is shown twice the first, of one left out the same while after it
            shown = datetime.combine(day, time(rhythm.hour), zone)
            yield shown.astimezone(UTC)
        day += timedelta(days=1)
