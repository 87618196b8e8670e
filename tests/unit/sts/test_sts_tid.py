"""TIDs: SPEC 5.3 and 5.5, and the published minutes of the base dates' ends."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.errors import (
    FieldRangeError,
    FormatError,
    TidRangeError,
    TimeBeforeBaseDate,
    TimePastBaseDate,
)
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import (
    TID_MAX,
    is_reserved,
    key_expires_at,
    key_usable,
    next_tid,
    ordinary_tid,
    skip_reserved,
    tid_from_datetime,
    tid_to_datetime,
)

# SPEC 5.3: the last minute of each base date.
LAST_MINUTES = [
    (BaseDate.Y1993, "93", 1993, datetime(2024, 11, 24, 20, 15, tzinfo=UTC)),
    (BaseDate.Y2014, "14", 2014, datetime(2045, 11, 24, 20, 15, tzinfo=UTC)),
    (BaseDate.Y2035, "35", 2035, datetime(2066, 11, 24, 20, 15, tzinfo=UTC)),
]


@pytest.mark.parametrize(("base", "code", "year", "last"), LAST_MINUTES)
def test_base_date_counts_from_midnight_to_its_published_last_minute(base, code, year, last):
    assert base.value == code
    assert base.year == year
    assert base.moment == datetime(year, 1, 1, tzinfo=UTC)
    assert tid_from_datetime(base.moment, base) == 0
    assert tid_from_datetime(last, base) == 16_777_215
    assert tid_to_datetime(16_777_215, base) == last


@pytest.mark.parametrize("base", BaseDate)
def test_moment_outside_the_window_is_refused(base):
    with pytest.raises(TimeBeforeBaseDate, match=f"is before base date {base.year}"):
        tid_from_datetime(base.moment - timedelta(microseconds=1), base)
    last = {known: last for known, _, _, last in LAST_MINUTES}[base]
    with pytest.raises(TimePastBaseDate, match=f"{last:%Y-%m-%d} 20:15 UTC"):
        tid_from_datetime(base.moment + timedelta(minutes=2**24), base)


def test_seconds_are_dropped():
    # SPEC 6: 2016-12-11 15:49 on base date 1993 is C02A55h (sts.org.za).
    moment = datetime(2016, 12, 11, 15, 49, 59, 999_999, tzinfo=UTC)
    assert tid_from_datetime(moment, BaseDate.Y1993) == 0xC02A55


def test_a_moment_of_another_zone_counts_in_utc():
    nairobi = timezone(timedelta(hours=3))
    moment = datetime(2016, 12, 11, 18, 49, tzinfo=nairobi)
    assert tid_from_datetime(moment, BaseDate.Y1993) == 0xC02A55


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(FormatError, match="2026-01-01 00:00 has no time zone"):
        tid_from_datetime(datetime(2026, 1, 1), BaseDate.Y2014)  # noqa: DTZ001 - the mistake


@pytest.mark.parametrize("tid", [-1, 2**24])
def test_tid_outside_24_bits_is_refused(tid):
    with pytest.raises(TidRangeError):
        tid_to_datetime(tid, BaseDate.Y2014)
    with pytest.raises(TidRangeError):
        key_usable(tid, 255)


@pytest.mark.parametrize("base", BaseDate)
def test_one_minute_past_midnight_is_reserved_and_no_other(base):
    start = tid_from_datetime(datetime(2036, 2, 29, tzinfo=UTC), base) if base.year > 1993 else 0
    day = range(start, start + 1440)
    assert [tid - start for tid in day if is_reserved(tid)] == [1]
    assert [skip_reserved(tid) - start for tid in (start, start + 1, start + 2)] == [0, 2, 2]


@pytest.mark.parametrize("base", BaseDate)
def test_an_ordinary_token_of_00_01_gets_the_next_minute(base):
    # SPEC 5.3; public vectors of CTSA09's name: 00:01 becomes 00:02.
    midnight = base.moment + timedelta(days=400)
    tids = [ordinary_tid(midnight + timedelta(minutes=m), base) for m in range(3)]
    assert [tid - 400 * 1440 for tid in tids] == [0, 2, 2]


@pytest.mark.parametrize(
    ("now", "last", "floor", "expected"),
    [
        (5000, None, 0, 5000),  # first token
        (5000, 4000, 0, 5000),  # the clock is ahead
        (5000, 5000, 0, 5001),  # a second one in the same minute
        (5000, 5007, 0, 5008),  # several in one minute ran ahead
        (5000, 4000, 9000, 9000),  # floor after a restore
        (5000, 9000, 9000, 9001),  # floor already used
        (1441, None, 0, 1442),  # now is 00:01
        (1440, 1440, 0, 1442),  # last plus one is 00:01
        (100, 50, 2881, 2882),  # floor is 00:01
        (0, None, 0, 0),  # the base date itself
        (0, 0, 0, 2),  # and the token after it
        (TID_MAX, None, 0, TID_MAX),  # the very last
    ],
)
def test_next_tid_is_the_greatest_of_the_three_and_never_reserved(now, last, floor, expected):
    assert next_tid(now, last, floor) == expected


def test_the_first_tid_of_all_is_that_of_the_base_date_itself():
    assert next_tid(0, None) == 0


@pytest.mark.parametrize("wrong", [5.5, True, None, "5"])
def test_a_tid_that_is_no_whole_number_is_refused(wrong):
    for use in (
        lambda: next_tid(wrong, None),
        lambda: next_tid(0, None, wrong),
        lambda: tid_to_datetime(wrong, BaseDate.Y2014),
        lambda: key_usable(wrong, 5),
    ):
        with pytest.raises(TidRangeError, match=r"TID .* is not a whole number"):
            use()
    if wrong is not None:
        with pytest.raises(TidRangeError):
            next_tid(0, wrong)


@pytest.mark.parametrize("wrong", [None, "2026-11-24 13:00", 5, date(2026, 11, 24)])
def test_a_time_of_issue_that_is_no_time_is_refused(wrong):
    with pytest.raises(FormatError, match="is not a time"):
        tid_from_datetime(wrong, BaseDate.Y2014)


@pytest.mark.parametrize(
    ("now", "last", "floor"), [(0, TID_MAX, 0), (TID_MAX + 1, None, 0), (0, None, TID_MAX + 1)]
)
def test_next_tid_past_the_window_is_refused(now, last, floor):
    with pytest.raises(TidRangeError):
        next_tid(now, last, floor)


@given(
    now=st.integers(0, 2**23),
    last=st.none() | st.integers(0, 2**23),
    floor=st.integers(0, 2**23),
)
def test_next_tid_is_never_spent_and_never_reserved(now, last, floor):
    tid = next_tid(now, last, floor)
    assert tid >= now
    assert tid >= floor
    assert last is None or tid > last
    assert tid % 1440 != 1


@given(tid=st.integers(0, TID_MAX), base=st.sampled_from(BaseDate))
def test_tid_and_minute_name_each_other(tid, base):
    assert tid_from_datetime(tid_to_datetime(tid, base), base) == tid


@pytest.mark.parametrize(
    ("tid", "ken", "usable"),
    [
        (0, 0, True),
        (0xFFFF, 0, True),
        (0x10000, 0, False),
        (0xABFFFF, 0xAB, True),
        (0xAC0000, 0xAB, False),
        (TID_MAX, 254, False),
        (TID_MAX, 255, True),
    ],
)
def test_key_is_usable_while_the_high_byte_of_the_tid_is_not_above_ken(tid, ken, usable):
    assert key_usable(tid, ken) is usable


@pytest.mark.parametrize("ken", [-1, 256])
def test_ken_outside_8_bits_is_refused(ken):
    with pytest.raises(FieldRangeError, match="KEN"):
        key_usable(0, ken)
    with pytest.raises(FieldRangeError, match="KEN"):
        key_expires_at(ken, BaseDate.Y2014)


def test_key_expires_with_the_minute_after_its_last_usable_tid():
    # SPEC 13: AB0000h on base date 1993 is a 09:36, so a key of KEN AAh ends there.
    expires = key_expires_at(0xAA, BaseDate.Y1993)
    assert (expires.hour, expires.minute) == (9, 36)
    assert tid_from_datetime(expires, BaseDate.Y1993) == 0xAB0000
    assert not key_usable(0xAB0000, 0xAA)
    assert key_usable(0xAB0000 - 1, 0xAA)


def test_a_key_that_never_expires_ends_with_the_base_date():
    assert key_expires_at(255, BaseDate.Y1993) == datetime(2024, 11, 24, 20, 16, tzinfo=UTC)
