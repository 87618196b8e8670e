"""Which periods of a fixed fee are due.

A period is named by its first day. Missed ones count from the day the plan was attached
to the service point, never from before it, and each is due once, whole.

>>> from vmsapp.tariffs.plan import FixedFee
>>> fee = FixedFee(200, FeePeriod.MONTH, recover_missed=True, max_periods=None)
>>> due = periods_due(fee, attached_on=date(2024, 1, 20), paid=[date(2024, 1, 1)],
...                   today=date(2024, 3, 5))
>>> [str(day) for day in due]
['2024-02-01', '2024-03-01']
"""

from collections.abc import Collection, Iterator
from datetime import date, timedelta

from vmsapp.tariffs.plan import FeePeriod, FixedFee


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


def periods_due(
    fee: FixedFee, *, attached_on: date, paid: Collection[date], today: date
) -> tuple[date, ...]:
    """List the unpaid periods of a fee.

    Args:
        fee: The plan's fixed fee.
        attached_on: Day the plan was attached to the service point.
        paid: First days of the periods already paid.
        today: Date of the purchase in the utility's time zone.

    Returns:
        First days, oldest first, the current period's included; empty when all are paid.
        A fee per sale is always due once.
    """
    if fee.period is FeePeriod.SALE:
        return (today,)
    oldest = period_start(attached_on, fee.period)
    current = period_start(today, fee.period)
    if not fee.recover_missed:
        oldest = max(oldest, current)
    due = tuple(day for day in _starts(oldest, current, fee.period) if day not in paid)
    return due if fee.max_periods is None else due[-fee.max_periods :]


def _starts(first: date, last: date, period: FeePeriod) -> Iterator[date]:
    """Walk the periods from the one starting on ``first`` to the one starting on ``last``."""
    while first <= last:
        yield first
        # 366 days reach into the next year from any 1 January, and 31 into the next month.
        step = {FeePeriod.YEAR: 366, FeePeriod.MONTH: 31, FeePeriod.WEEK: 7}.get(period, 1)
        first = period_start(first + timedelta(days=step), period)
