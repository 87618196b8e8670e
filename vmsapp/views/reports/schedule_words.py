"""Schedules of reports in words: when each is due, how far it is, and their form."""

from collections.abc import Mapping
from typing import Any, Final

from flask_babel import gettext
from markupsafe import Markup
from wtforms import SelectField
from wtforms.validators import NumberRange, Optional

from vmsapp.errors import N_
from vmsapp.i18n import _, _l, written_as
from vmsapp.models import Every, OfficeUser, ReportSchedule, ScheduleState, SendingState
from vmsapp.services.reports.due_times import Rhythm
from vmsapp.services.reports.scheduling import Wish
from vmsapp.views.forms import LookupField, OfficeForm, WholeField
from vmsapp.views.lists.exports import kind_words
from vmsapp.views.look import state

EVERY: Final[Mapping[str, str]] = {
    Every.DAY: N_("Every day"),
    Every.WEEK: N_("Every week"),
    Every.MONTH: N_("Every month"),
}
STATES: Final[Mapping[str, str]] = {
    ScheduleState.ACTIVE: N_("goes on"),
    ScheduleState.PAUSED: N_("paused"),
    ScheduleState.STOPPED: N_("not sent any more"),
}
TONES: Final = {ScheduleState.ACTIVE: "good", ScheduleState.STOPPED: "bad"}
SENDINGS: Final[Mapping[str, str]] = {
    SendingState.WAITING: N_("waits to be sent"),
    SendingState.SENDING: N_("is being sent"),
    SendingState.SENT: N_("sent"),
    SendingState.UNSURE: N_("perhaps sent"),
    SendingState.FAILED: N_("not sent"),
    SendingState.GIVEN_UP: N_("given up"),
}
SENDING_TONES: Final = {
    SendingState.SENT: "good", SendingState.UNSURE: "warn", SendingState.FAILED: "bad",
    SendingState.GIVEN_UP: "bad",
}  # fmt: skip
LAST_DAY: Final = 31


class ScheduleForm(OfficeForm):
    """When a report is sent, and as what."""

    every = SelectField(_l("How often"), choices=list, validate_choice=True)
    weekday = SelectField(
        _l("Weekday"), choices=list, coerce=int, description=_l("Of a report sent every week.")
    )
    month_day = WholeField(
        _l("Day of the month"), [Optional(), NumberRange(1, LAST_DAY)],
        description=_l(
            "Of a report sent every month, 1 to 31. A month without this day sends it on its last."
        ),
    )  # fmt: skip
    hour = SelectField(
        _l("Hour"), choices=list, coerce=int, description=_l("On the utility's clocks.")
    )
    kind = SelectField(_l("Kind of file"), choices=list, validate_choice=True)

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.every.choices = [(code, gettext(word)) for code, word in EVERY.items()]
        self.weekday.choices = list(enumerate(_weekdays()))
        self.hour.choices = [(hour, f"{hour:02d}:00") for hour in range(24)]
        self.kind.choices = [*kind_words().items()]

    def wish(self) -> Wish:
        """What was chosen; of the days the one that its rhythm asks for."""
        every = Every(self.every.data)
        return Wish(
            Rhythm(
                every, self.hour.data,
                self.weekday.data if every == Every.WEEK else None,
                int(self.month_day.data or 1) if every == Every.MONTH else None,
            ),
            self.kind.data,
        )  # fmt: skip


class PersonForm(OfficeForm):
    """Who is to get it, too."""

    person = LookupField(_l("Person"), model=OfficeUser, endpoint="ReportSchedules.people")


def when_said(row: ReportSchedule) -> str:
    """Say how often and at which hour a report is sent."""
    hour = f"{row.hour:02d}:00"
    match row.every:
        case Every.WEEK:
            day = _weekdays()[row.weekday or 0]
            return str(_("Every week, %(day)s at %(hour)s", day=day, hour=hour))
        case Every.MONTH:
            return str(_("Every month on day %(day)s at %(hour)s", day=row.month_day, hour=hour))
        case _:
            return str(_("Every day at %(hour)s", hour=hour))


def state_said(row: ReportSchedule) -> Markup:
    """Whether it goes on."""
    return state(gettext(STATES[row.state]), TONES.get(ScheduleState(row.state)))


def sending_said(code: str) -> Markup:
    """How far one sending is."""
    return state(gettext(SENDINGS[code]), SENDING_TONES.get(SendingState(code)))


def _weekdays() -> list[str]:
    """Names of the days of a week, Monday first."""
    days = written_as().days["format"]["wide"]
    return [str(days[number]) for number in range(7)]
