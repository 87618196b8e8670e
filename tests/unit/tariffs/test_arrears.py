"""Fee periods by the calendar, worked out by hand."""

from datetime import date

import pytest

from vmsapp.tariffs.arrears import DatedFee, fees_due, period_start
from vmsapp.tariffs.plan import FeePeriod, FixedFee


def day(text: str) -> date:
    return date.fromisoformat(text)


def due(fee: FixedFee, attached: str, today: str, paid=()) -> list[str]:
    """First days of the periods due where one plan was always in force."""
    found = fees_due(
        [DatedFee(day("2020-01-01"), fee)],
        attached_on=day(attached),
        paid={(fee.period, day(text)) for text in paid},
        today=day(today),
    )
    assert all(one.missed == (one.start < period_start(day(today), fee.period)) for one in found)
    assert all((one.period, one.amount_minor) == (fee.period, 200) for one in found)
    return [one.start.isoformat() for one in found]


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


def test_cap_beyond_all_calendars_caps_nothing():
    assert due(fee(FeePeriod.MONTH, most=10**12), "2024-02-10", "2024-03-05") == [
        "2024-02-01",
        "2024-03-01",
    ]


def test_cap_is_a_window_that_lapses_not_a_count_of_what_is_unpaid():
    # Of February to April the cap leaves April and March; March is paid, February has lapsed.
    assert due(fee(FeePeriod.MONTH, most=2), "2024-01-10", "2024-04-05", ["2024-03-01"]) == [
        "2024-04-01"
    ]


# -- several plans, one after the other ---------------------------------------------------


def dated(*plans: tuple[str, FixedFee | None]) -> list[DatedFee]:
    return [DatedFee(day(since), fee) for since, fee in plans]


def due_of(plans, attached: str, today: str, **rest) -> list[tuple[str, str, int, bool]]:
    found = fees_due(plans, attached_on=day(attached), paid=set(), today=day(today), **rest)
    return [
        (one.period.value, one.start.isoformat(), one.amount_minor, one.missed) for one in found
    ]


def of(amount: int, period=FeePeriod.MONTH, *, missed=True, most=None) -> FixedFee:
    return FixedFee(amount, period, missed, most)


def test_each_month_costs_what_the_plan_in_force_on_its_last_day_says():
    # The second plan begins on 15 March: March ends under it, February under the first.
    plans = dated(("2023-01-01", of(200)), ("2024-03-15", of(300)))
    assert due_of(plans, "2024-01-20", "2024-04-02") == [
        ("month", "2024-01-01", 200, True),
        ("month", "2024-02-01", 200, True),
        ("month", "2024-03-01", 300, True),
        ("month", "2024-04-01", 300, False),
    ]


def test_plan_that_ends_with_the_month_has_the_whole_month():
    plans = dated(("2023-01-01", of(200)), ("2024-04-01", of(300)))
    assert due_of(plans, "2024-03-20", "2024-04-02") == [
        ("month", "2024-03-01", 200, True),
        ("month", "2024-04-01", 300, False),
    ]


def test_current_month_is_of_the_plan_in_force_today():
    plans = dated(("2023-01-01", of(200)), ("2024-03-05", of(300)))
    assert due_of(plans, "2024-03-01", "2024-03-05") == [("month", "2024-03-01", 300, False)]


def test_plan_in_force_for_no_last_day_charges_nothing():
    plans = dated(("2023-01-01", of(200)), ("2024-03-10", of(999)), ("2024-03-20", of(300)))
    assert due_of(plans, "2024-02-01", "2024-03-25") == [
        ("month", "2024-02-01", 200, True),
        ("month", "2024-03-01", 300, False),
    ]


def test_months_under_a_plan_without_a_fee_are_free():
    plans = dated(("2023-01-01", of(200)), ("2024-02-10", None), ("2024-03-10", of(300)))
    assert due_of(plans, "2024-01-01", "2024-03-25") == [
        ("month", "2024-01-01", 200, True),
        ("month", "2024-03-01", 300, False),
    ]


def test_missed_months_stay_due_when_the_next_plan_has_weeks():
    # The weekly plan begins on Friday 15 March 2024: its first week is the one from the 11th.
    plans = dated(("2023-01-01", of(200)), ("2024-03-15", of(50, FeePeriod.WEEK, missed=True)))
    assert due_of(plans, "2024-02-01", "2024-03-26") == [
        ("month", "2024-02-01", 200, True),
        ("week", "2024-03-11", 50, True),
        ("week", "2024-03-18", 50, True),
        ("week", "2024-03-25", 50, False),
    ]


def test_older_plan_keeps_its_own_word_on_missed_periods_and_cap():
    # The first recovers two periods back, April and March; the second none that is missed.
    plans = dated(("2023-01-01", of(200, most=2)), ("2024-04-10", of(300, missed=False)))
    assert due_of(plans, "2024-01-01", "2024-04-20") == [
        ("month", "2024-03-01", 200, True),
        ("month", "2024-04-01", 300, False),
    ]
    forgiving = dated(("2023-01-01", of(200, missed=False)), ("2024-04-10", of(300)))
    assert due_of(forgiving, "2024-01-01", "2024-04-20") == [("month", "2024-04-01", 300, False)]


def test_periods_before_a_settled_day_are_not_due():
    plans = dated(("2023-01-01", of(200)))
    assert due_of(plans, "2024-01-01", "2024-03-05", paid_until=day("2024-02-01")) == [
        ("month", "2024-03-01", 200, False)
    ]


def test_fee_per_sale_is_of_the_plan_in_force_alone():
    plans = dated(("2023-01-01", of(200, FeePeriod.SALE)), ("2024-03-01", of(5, FeePeriod.SALE)))
    assert due_of(plans, "2023-01-01", "2024-03-05", paid_until=day("2024-03-05")) == [
        ("sale", "2024-03-05", 5, False)
    ]
