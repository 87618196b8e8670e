"""Fee periods by the calendar, worked out by hand."""

from datetime import date

import pytest

from vmsapp.tariffs.arrears import period_start, periods_due
from vmsapp.tariffs.plan import FeePeriod, FixedFee


def day(text: str) -> date:
    return date.fromisoformat(text)


def due(fee: FixedFee, attached: str, today: str, paid=()) -> list[str]:
    found = periods_due(
        fee, attached_on=day(attached), paid={day(text) for text in paid}, today=day(today)
    )
    return [start.isoformat() for start in found]


def fee(period: FeePeriod, *, missed=True, most=None) -> FixedFee:
    return FixedFee(200, period, recover_missed=missed, max_periods=most)


@pytest.mark.parametrize(
    ("period", "on", "start"),
    [
        (FeePeriod.SALE, "2024-03-05", "2024-03-05"),
        (FeePeriod.DAY, "2024-03-05", "2024-03-05"),
        (FeePeriod.WEEK, "2024-03-05", "2024-03-04"),  # a Tuesday
        (FeePeriod.WEEK, "2024-03-04", "2024-03-04"),  # the Monday itself
        (FeePeriod.WEEK, "2023-01-01", "2022-12-26"),  # a Sunday, over the new year
        (FeePeriod.MONTH, "2024-02-29", "2024-02-01"),
        (FeePeriod.YEAR, "2024-12-31", "2024-01-01"),
    ],
)
def test_period_is_named_by_its_first_day(period, on, start):
    assert period_start(day(on), period) == day(start)


@pytest.mark.parametrize(
    ("period", "attached", "today", "starts"),
    [
        (FeePeriod.DAY, "2024-02-28", "2024-03-01", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        (FeePeriod.WEEK, "2023-12-27", "2024-01-09", ["2023-12-25", "2024-01-01", "2024-01-08"]),
        (FeePeriod.MONTH, "2023-12-31", "2024-02-01", ["2023-12-01", "2024-01-01", "2024-02-01"]),
        (FeePeriod.YEAR, "2023-07-01", "2025-01-01", ["2023-01-01", "2024-01-01", "2025-01-01"]),
    ],
)
def test_missed_periods_count_from_the_one_holding_the_day_of_attachment(
    period, attached, today, starts
):
    assert due(fee(period), attached, today) == starts


def test_every_month_of_a_year_is_due_once():
    assert due(fee(FeePeriod.MONTH), "2024-01-31", "2024-12-31") == [
        f"2024-{month:02}-01" for month in range(1, 13)
    ]


def test_paid_periods_are_not_due_again():
    monthly = fee(FeePeriod.MONTH)
    assert due(monthly, "2024-01-10", "2024-03-05", ["2024-02-01"]) == ["2024-01-01", "2024-03-01"]
    assert due(monthly, "2024-03-01", "2024-03-05", ["2024-03-01"]) == []


def test_without_recovery_only_the_current_period_is_due():
    monthly = fee(FeePeriod.MONTH, missed=False)
    assert due(monthly, "2024-01-10", "2024-03-05") == ["2024-03-01"]
    assert due(monthly, "2024-01-10", "2024-03-05", ["2024-03-01"]) == []


def test_cap_keeps_the_most_recent_periods():
    assert due(fee(FeePeriod.MONTH, most=2), "2024-01-10", "2024-04-05") == [
        "2024-03-01",
        "2024-04-01",
    ]


@pytest.mark.parametrize("missed", [True, False])
def test_nothing_is_due_before_the_period_of_attachment(missed):
    assert due(fee(FeePeriod.MONTH, missed=missed), "2024-04-01", "2024-03-31") == []


def test_fee_per_sale_is_due_once_even_if_paid_today():
    assert due(fee(FeePeriod.SALE), "2020-01-01", "2024-03-05", ["2024-03-05"]) == ["2024-03-05"]
