"""Ready-made periods, which move on with the days: a kept question asks for those of its time."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from vmsapp.errors import N_


def _month(day: date) -> date:
    return day.replace(day=1)


def _last_month(today: date) -> tuple[date, date]:
    last = _month(today) - timedelta(days=1)
    return _month(last), last


PRESETS: Final[Mapping[str, tuple[str, Callable[[date], tuple[date, date]]]]] = {
    "today": (N_("Today"), lambda today: (today, today)),
    "yesterday": (N_("Yesterday"), lambda today: (today - timedelta(1), today - timedelta(1))),
    "this_week": (N_("This week"), lambda today: (today - timedelta(today.weekday()), today)),
    "this_month": (N_("This month"), lambda today: (_month(today), today)),
    "last_month": (N_("Last month"), _last_month),
    "this_year": (N_("This year"), lambda today: (today.replace(month=1, day=1), today)),
}
"""Words of the ready-made periods, and their days seen from today; weeks begin on Monday."""
