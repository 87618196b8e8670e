"""Which periods of a fixed fee are due, and how many missed ones a charge may take.

A period is named by its first day, and its fee is the one of the plan in force on its last
day, or today for the current one. Missed periods count from the one in which the service
point got its tariff, never from before it, and each is due once, whole.

>>> from decimal import Decimal
>>> from vmsapp.tariffs.plan import FixedFee
>>> fee = FixedFee(200, FeePeriod.MONTH, recover_missed=True, max_periods=None)
>>> due = fees_due([DatedFee(date(2023, 1, 1), fee)], attached_on=date(2024, 1, 20),
...                paid={(FeePeriod.MONTH, date(2024, 1, 1))}, today=date(2024, 3, 5))
>>> [(str(one.start), one.amount_minor, one.missed) for one in due]
[('2024-02-01', 200, True), ('2024-03-01', 200, False)]
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from vmsapp.tariffs.plan import FeePeriod, FixedFee
from vmsapp.tariffs.terms import FeeDue


@dataclass(frozen=True, slots=True)
class DatedFee:
    """A plan's fixed fee, if it has one, and the day from which the plan is in force."""

    effective_on: date
    fee: FixedFee | None


def period_start(day: date, period: FeePeriod) -> date:
    """Name the period that holds ``day`` by its first day; weeks start on Monday.

    Args:
        day: Date in the utility's time zone.
        period: ``SALE`` counts as a period of that one day.
    """
    if period is FeePeriod.WEEK:
        return day - timedelta(days=day.weekday())
    if period is FeePeriod.MONTH:
        return day.replace(day=1)
    if period is FeePeriod.YEAR:
        return day.replace(month=1, day=1)
    return day


def next_period(start: date, period: FeePeriod) -> date:
    """Give the first day of the period after the one that starts on ``start``."""
    # 366 days reach into the next year from any 1 January, and 31 into the next month.
    days = {FeePeriod.YEAR: 366, FeePeriod.MONTH: 31, FeePeriod.WEEK: 7}.get(period, 1)
    return period_start(start + timedelta(days=days), period)


def fees_due(
    fees: Sequence[DatedFee],
    *,
    attached_on: date,
    paid: Collection[tuple[FeePeriod, date]],
    today: date,
    paid_until: date | None = None,
) -> tuple[FeeDue, ...]:
    """List the unpaid periods of a tariff's fixed fees.

    Args:
        fees: Of the tariff's plans, oldest first, none later than today.
        attached_on: Day on which the service point got the tariff.
        paid: Periods already paid, each as its length and first day.
        today: Date of the purchase in the utility's time zone.
        paid_until: Periods that begin on this day or earlier are paid, too.

    Returns:
        Oldest first; empty when all are paid. A fee per sale is always due once.
    """
    due: list[FeeDue] = []
    for place, dated in enumerate(fees):
        later = fees[place + 1].effective_on if place + 1 < len(fees) else None
        if dated.fee is not None:
            due += _of_plan(dated.fee, dated.effective_on, later, attached_on, today)
    return tuple(
        one
        for one in due
        if one.period is FeePeriod.SALE
        or ((one.period, one.start) not in paid and (paid_until is None or one.start > paid_until))
    )


def _of_plan(
    fee: FixedFee, since: date, until: date | None, attached_on: date, today: date
) -> Iterator[FeeDue]:
    """List the periods charged by one plan, paid or not.

    Args:
        fee: Of the plan.
        since: Day from which it is in force.
        until: Day from which the next one is; ``None`` while it is in force.
        attached_on: Day on which the service point got the tariff.
        today: Date of the purchase.
    """
    current = period_start(today, fee.period)
    if fee.period is FeePeriod.SALE:
        if until is None:
            yield FeeDue(fee.period, today, fee.amount_minor, missed=False)
        return
    start = period_start(max(since, attached_on), fee.period)
    start = max(start, _oldest(fee, start, current))
    while start <= current:
        following = next_period(start, fee.period)
        if until is not None and following > until:
            return  # its last day belongs to the next plan
        missed = start < current
        if fee.recover_missed or not missed:
            yield FeeDue(fee.period, start, fee.amount_minor, missed=missed)
        start = following


def _oldest(fee: FixedFee, start: date, current: date) -> date:
    """Give the first day of the oldest period, ``start`` or later, that has not lapsed."""
    if not fee.recover_missed:
        return current
    if fee.max_periods is None:
        return start
    oldest = current
    for _ in range(fee.max_periods - 1):
        if oldest <= start:
            break
        oldest = period_start(oldest - timedelta(days=1), fee.period)
    return oldest
