"""The question of a report as its page shows it: typed, in chips, on paper."""

from collections.abc import Sequence
from datetime import date

from flask import request
from flask_babel import gettext

from vmsapp.clock import business_day, now_utc
from vmsapp.i18n import _, date_text
from vmsapp.views.base import actor, zone
from vmsapp.views.reports.asked import Asked


def today() -> date:
    """The business date."""
    return business_day(now_utc(), zone())


def typed(asked: Asked | None) -> dict[str, str]:
    """What stands in the form."""
    if asked is None:
        return {name: request.args.get(name, "")[:20] for name in ("from", "to", "by", "period")}
    return {
        "from": asked.period.first.isoformat(), "to": asked.period.last.isoformat(),
        "by": asked.by.value if asked.by else "", "period": asked.period.code,
    }  # fmt: skip


def chips(asked: Asked) -> Sequence[tuple[str, str, str]]:
    """The filters in force: what each narrows, to what, and the report without it."""
    return [
        (str(one.label), one.said(value), asked.url(**{one.name: None}))
        for one, value in asked.chosen
    ]


def facts(asked: Asked, about: str) -> Sequence[tuple[str, str]]:
    """What the printed page says of the report."""
    return [*questions(asked, gettext(about)), (str(_("Printed by")), actor().name)]


def questions(asked: Asked, about: str) -> Sequence[tuple[str, str]]:
    """What was asked, in words."""
    period = _("Period") if asked.asks.days else _("As of")
    return [
        (str(period), asked.period.said()),
        *([(str(_("Grouped by")), about)] if asked.by else []),
        *((str(one.label), one.said(value)) for one, value in asked.chosen),
    ]


def days_said(*days: date) -> str:
    """Put the days of a period into words."""
    first, last = (date_text(day) for day in days)
    return first if first == last else str(_("%(first)s to %(last)s", first=first, last=last))
