"""The days a report is about: a ready-made period, or from a day to a day."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from vmsapp.errors import N_, InvalidInput
from vmsapp.i18n import _, date_text, labelled
from vmsapp.views.lists.filters import read_day
from vmsapp.views.reports.presets import PRESETS

LONGEST_YEARS: Final = 10
MOST_DAYS: Final = 400
"""Days that a report lists one by one."""
USUAL: Final = "this_month"


class PeriodUnreadable(InvalidInput):
    """One of the two days is missing, or is no day of these times."""

    code = "period_unreadable"
    message = N_("Choose the first and the last day, both between 1900 and 2200.")
    field = "from"


class PeriodBackwards(InvalidInput):
    """The last day lies before the first."""

    code = "period_backwards"
    message = N_("The first day, %(first)s, lies after the last, %(last)s. Exchange them.")
    field = "from"

    def __init__(self, *, first: date, last: date) -> None:
        super().__init__(first=first, last=last)


class PeriodTooLong(InvalidInput):
    """More than a report adds up, or lists."""

    code = "period_too_long"
    message = N_("A report covers at most %(years)s years. Choose fewer days.")
    field = "from"

    def __init__(self) -> None:
        super().__init__(years=LONGEST_YEARS)


class TooManyDays(InvalidInput):
    """A line for each day would be more than anybody reads."""

    code = "too_many_days"
    message = N_("By day a report covers at most %(days)s days. Choose fewer, or weeks or months.")
    field = "by"

    def __init__(self) -> None:
        super().__init__(days=MOST_DAYS)


@dataclass(frozen=True, slots=True)
class Period:
    """From a day to a day, both included.

    Attributes:
        code: Which ready-made period it is: it moves on with the days. Empty for chosen days.
    """

    first: date
    last: date
    code: str = ""

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def address(self) -> dict[str, str]:
        """Write it into an address: by its name, so that a kept address moves on."""
        if self.code:
            return {"period": self.code}
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}

    def said(self) -> str:
        """Put the days into words, after the name of the period."""
        first, last = (date_text(day) for day in (self.first, self.last))
        days = first if first == last else str(_("%(first)s to %(last)s", first=first, last=last))
        if not self.code:
            return days
        return labelled(gettext(PRESETS[self.code][0]), days)


def read_period(arguments: MultiDict[str, str], today: date) -> Period:
    """Read the period of an address.

    Chosen days win over the name that stood beside them, unless they are just its days.

    Args:
        arguments: ``period``, or ``from`` and ``to``; none of them is this month so far.
        today: The business date.

    Raises:
        InvalidInput: A day is missing or odd, the last before the first, the period too long.
    """
    code = arguments.get("period", "")
    named = Period(*PRESETS[code][1](today), code) if code in PRESETS else None
    typed = arguments.get("from", ""), arguments.get("to", "")
    if not any(typed):
        return named or Period(*PRESETS[USUAL][1](today), USUAL)
    first, last = (read_day(text) for text in typed)
    if first is None or last is None:
        raise PeriodUnreadable
    if named and (named.first, named.last) == (first, last):
        return named
    if last < first:
        raise PeriodBackwards(first=first, last=last)
    if last.year - first.year > LONGEST_YEARS:
        raise PeriodTooLong
    return Period(first, last)
