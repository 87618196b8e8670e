"""When a schedule is due, counted by hand; also where clocks are put forward and back."""

from datetime import UTC, datetime

import pytest

from vmsapp.models import Every
from vmsapp.services.reports.due_times import Rhythm, next_due

BERLIN, NAIROBI, APIA, BEIRUT = "Europe/Berlin", "Africa/Nairobi", "Pacific/Apia", "Asia/Beirut"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(hour: int) -> Rhythm:
    return Rhythm(Every.DAY, hour)


@pytest.mark.parametrize(("rhythm", "zone", "after", "due"), [
    # plainly: Nairobi is three hours ahead all the year
    (daily(6), NAIROBI, "2026-03-17T02:59", "2026-03-17T03:00"),
    (daily(6), NAIROBI, "2026-03-17T03:00", "2026-03-18T03:00"),
    (daily(0), NAIROBI, "2026-03-17T20:59", "2026-03-17T21:00"),
    # Berlin leaves 02:00 to 03:00 of 29 March 2026 out: it is due when the clocks go on
    (daily(2), BERLIN, "2026-03-28T12:00", "2026-03-29T01:00"),
    (daily(2), BERLIN, "2026-03-29T01:00", "2026-03-30T00:00"),
    (daily(3), BERLIN, "2026-03-28T12:00", "2026-03-29T01:00"),
    # and shows 02:00 to 03:00 of 25 October 2026 twice: it is due the first time alone
    (daily(2), BERLIN, "2026-10-24T12:00", "2026-10-25T00:00"),
    (daily(2), BERLIN, "2026-10-25T00:00", "2026-10-26T01:00"),
    (daily(2), BERLIN, "2026-10-25T01:30", "2026-10-26T01:00"),
    # Beirut goes from 00:00 to 01:00 of 29 March 2026
    (daily(0), BEIRUT, "2026-03-28T12:00", "2026-03-28T22:00"),
    (daily(0), BEIRUT, "2026-03-28T22:00", "2026-03-29T21:00"),
    # Apia had no 30 December 2011; its 09:00 would be that of the day after
    (daily(9), APIA, "2011-12-29T19:00", "2011-12-30T19:00"),
    (daily(9), APIA, "2011-12-30T19:00", "2011-12-31T19:00"),
    # a week: Mondays; 16 March 2026 was one
    (Rhythm(Every.WEEK, 6, weekday=0), NAIROBI, "2026-03-17T09:00", "2026-03-23T03:00"),
    (Rhythm(Every.WEEK, 6, weekday=0), NAIROBI, "2026-03-16T02:00", "2026-03-16T03:00"),
    # a month: its last day where it is shorter, also in a leap year
    (Rhythm(Every.MONTH, 6, month_day=31), NAIROBI, "2026-03-17T09:00", "2026-03-31T03:00"),
    (Rhythm(Every.MONTH, 6, month_day=31), NAIROBI, "2026-03-31T03:00", "2026-04-30T03:00"),
    (Rhythm(Every.MONTH, 6, month_day=30), NAIROBI, "2027-02-01T00:00", "2027-02-28T03:00"),
    (Rhythm(Every.MONTH, 6, month_day=30), NAIROBI, "2028-02-01T00:00", "2028-02-29T03:00"),
    (Rhythm(Every.MONTH, 6, month_day=1), NAIROBI, "2026-12-01T03:00", "2027-01-01T03:00"),
])  # fmt: skip
def test_a_due_time_is_the_hour_on_the_utilitys_clocks(rhythm, zone, after, due):
    assert next_due(rhythm, zone, at(after)) == at(due)


def test_a_year_of_days_is_due_as_often_as_it_has_days():
    moment, found = at("2025-12-31T23:00"), []
    while True:
        moment = next_due(daily(2), BERLIN, moment)
        if moment >= at("2026-12-31T23:00"):
            break
        found.append(moment)
    assert len(found) == 365
    assert len({one.date() for one in found}) == 365
