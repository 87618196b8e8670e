"""Lines of a report as they are read: in their order, with words, ways on, and what is drawn."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from babel import Locale
from babel.dates import format_date as format_pattern
from flask_babel import format_date, get_locale, gettext

from vmsapp.i18n import _, money_text
from vmsapp.models import Setup
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By, Key
from vmsapp.views.report_asked import Asked
from vmsapp.views.report_columns import Column, Kind, change_text, day_text
from vmsapp.views.sale_filters import hour_text
from vmsapp.views.words import METER_TYPES

DRAWN: Final = 12
"""Lines of a chart, where they are no times: the largest."""

SERIES: Final = 4
"""Colours that tell lines of one key apart in a chart."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of the period beside the one before."""

    word: str
    now: str
    before: str
    change: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands in a cell.

    Attributes:
        ltr: It runs from left to right in every language.
        drawn: As the chart reads it; empty where it is not drawn.
        series: Which colour it has there, from 1; 0 for the only one.
        said: What the chart says of it.
    """

    word: str
    text: str
    url: str | None
    number: bool
    ltr: bool
    drawn: str = ""
    series: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A line as it is written: what it is about, and its cells."""

    name: str
    cells: Sequence[Shown]


def key_text(by: By | None, line: Line[Any]) -> str:
    """Name what a line is about."""
    key = line.key
    if isinstance(key, date):
        return time_text(by, key)
    return hour_text(key) if by == By.HOUR and key is not None else line.name


def month_text(first: date) -> str:
    """Name a month by its first day."""
    return str(format_pattern(first, "LLLL y", locale=get_locale() or Locale("en")))


def time_text(by: By | None, first: date) -> str:
    """Name a day, or the time that begins with it."""
    match by:
        case By.MONTH:
            return month_text(first)
        case By.YEAR:
            return f"{first.year}"
        case By.WEEK:
            return str(_("Week from %(day)s", day=format_date(first, "medium")))
        case _:
            return day_text(first)


def in_order(
    asked: Asked,
    answer: Answer[Any],
    drawn: str,
    blank: Callable[[Key, Answer[Any]], Line[Any]] | None,
    today: date,
) -> Sequence[Line[Any]]:
    """Put lines in the order they are read: times as they follow, others the largest first.

    Args:
        asked: What.
        answer: With the lines.
        drawn: Name of the figure that others are ordered by; without one by their names.
        blank: Makes a line of a time without figures, where it has one.
        today: No time after it has a line.
    """
    lines = list(answer.lines)
    if asked.by is None:
        return lines
    if not asked.by_time:
        size: dict[Key | None, Any] = {}
        for line in lines:
            figure = Column(name=drawn, word="").value(line) if drawn else 0
            size[line.key] = size.get(line.key, 0) + figure
        return sorted(lines, key=lambda line: (-size[line.key], line.name, line.key or 0))
    if blank is None or not answer.totals:
        return lines
    there = {line.key for line in lines}
    missing = [blank(key, answer) for key in asked.times(today) if key not in there]
    return sorted([*lines, *missing], key=lambda line: (line.key, _place(line, answer)))


def _place(line: Line[Any], answer: Answer[Any]) -> int:
    return next((n for n, one in enumerate(answer.totals) if one.apart == line.apart), 0)


def written(
    asked: Asked,
    columns: Sequence[Column],
    line: Line[Any],
    settings: Setup,
    *,
    total: str = "",
    drawn: str = "",
    series: Sequence[Any] = (),
    called: str = "",
) -> Written:
    """Write a line.

    Args:
        asked: What.
        columns: Of the page.
        line: Which.
        settings: Whose currency it is.
        total: What a line of totals is called.
        drawn: Name of the column that is drawn of it.
        series: What lines are told apart by, for the first colours.
        called: What tells it apart, in words.
    """
    number = series.index(line.apart) + 1 if line.apart in series else 0
    alone = len(series) < 2
    cells = []
    for one in columns:
        value, url = one.value(line), None
        if one.leads and value and (one.kind is not Kind.WORDS or not total):
            url = one.leads(asked, line)
        shown = one.text(line, settings)
        looks = one.is_number, one.is_number and one.kind is not Kind.UNITS
        if one.name == drawn and (alone or number):
            said = one.text(line, settings, signed=True)
            cells.append(Shown(
                gettext(one.word), shown, url, *looks, one.drawn(line, settings),
                0 if alone else number, f"{called}: {said}" if called else said,
            ))  # fmt: skip
        else:
            cells.append(Shown(gettext(one.word), shown, url, *looks))
    return Written(total or key_text(asked.by, line), cells)


def compared(columns: Iterable[Column], answer: Answer[Any], settings: Setup) -> Sequence[Compared]:
    """Put the totals beside those of the period before; units of each type of meter for itself."""
    assert answer.before is not None, "there is something to compare with"
    lines = []
    for column in columns:
        if not column.compared:
            continue
        for kind in list(METER_TYPES) if column.kind is Kind.UNITS else [None]:
            pair = [_whole(totals, kind) for totals in (answer.totals, answer.before.totals)]
            if one := _pair(column, pair, settings, kind):
                lines.append(one)
    return lines


def _whole(totals: Iterable[Line[Any]], kind: str | None) -> Line[Any] | None:
    """Add totals up: all of them, or those of a type of meter."""
    chosen = [line for line in totals if kind is None or line.meter_type == kind]
    if not chosen:
        return None
    figures = chosen[0].figures
    for line in chosen[1:]:
        figures = figures + line.figures
    return Line(None, "", chosen[0].apart, figures)


def _pair(
    column: Column, pair: Sequence[Line[Any] | None], settings: Setup, kind: str | None
) -> Compared | None:
    some = next((line for line in pair if line is not None), None)
    if some is None:
        return None
    nothing = Line(None, "", some.apart, type(some.figures)(*(0 for _one in fields(some.figures))))
    here, there = (line or nothing for line in pair)
    now, before = column.value(here), column.value(there)
    word = gettext(column.word)
    if kind:
        if not (now or before):
            return None
        word = str(_("Units, %(type)s", type=gettext(METER_TYPES[kind])))
    return Compared(
        word, column.text(here, settings, signed=True), column.text(there, settings, signed=True),
        change_text(now, before),
    )  # fmt: skip


def money_beside(word: str, now: int, before: int, settings: Setup) -> Compared:
    """Put an amount beside the one before."""
    here, there = (
        money_text(minor, settings.currency, settings.exponent) for minor in (now, before)
    )
    return Compared(word, here, there, change_text(now, before))
