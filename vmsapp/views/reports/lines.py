"""Lines of a report as they are read: in their order, with words, ways on, and what is drawn."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from babel.dates import format_skeleton
from flask_babel import gettext

from vmsapp.i18n import _, date_text, labelled, money_text, written_as
from vmsapp.models import Setup
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By, Key
from vmsapp.views.counter.sale_filters import hour_text
from vmsapp.views.reports.asked import Asked
from vmsapp.views.reports.columns import Column, Kind, Leads, change_text, day_text
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
        again: Another cell of the line leads there, too; the keyboard stops at the first alone.
        drawn: As the chart reads it; empty where it is not drawn.
        series: Which colour it has there, from 1; 0 for the only one.
        said: What the chart says of it.
    """

    word: str
    text: str
    url: str | None
    number: bool
    ltr: bool
    again: bool = False
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
    """Name a month by its first day.

    By a skeleton: after a name that stands alone in one language (``LLLL``), Babel gives it in
    others.
    """
    return str(format_skeleton("yMMMM", first, locale=written_as()))


def time_text(by: By | None, first: date) -> str:
    """Name a day, or the time that begins with it."""
    match by:
        case By.MONTH:
            return month_text(first)
        case By.YEAR:
            return f"{first.year}"
        case By.WEEK:
            return str(_("Week from %(day)s", day=date_text(first)))
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


class Writer:
    """Writes the lines of a report; what is the same in all of them is found out once.

    Args:
        asked: What.
        columns: Of the page.
        settings: Whose currency it is.
        drawn: Name of the column that the chart draws.
        series: What lines are told apart by, for the first colours.
    """

    def __init__(
        self, asked: Asked, columns: Sequence[Column], settings: Setup, *, drawn: str = "",
        series: Sequence[Any] = (),
    ) -> None:  # fmt: skip
        self._asked, self._settings, self._series = asked, settings, series
        self._columns = [
            (one, gettext(one.word), one.is_number, one.is_number and one.kind is not Kind.UNITS,
             one.name == drawn)
            for one in columns
        ]  # fmt: skip

    def line(self, line: Line[Any], *, drawn: bool = False, called: str = "") -> Written:
        """Write a line.

        Args:
            line: Which.
            drawn: The chart shows it.
            called: What tells it apart, in words.
        """
        return Written(key_text(self._asked.by, line), self._cells(line, called, drawn=drawn))

    def total(self, line: Line[Any], word: str) -> Written:
        """Write a line of totals under a word."""
        return Written(word, self._cells(line, total=True))

    def _cells(
        self, line: Line[Any], called: str = "", *, drawn: bool = False, total: bool = False
    ) -> Sequence[Shown]:
        number = self._series.index(line.apart) + 1 if line.apart in self._series else 0
        alone = len(self._series) < 2
        drawn = drawn and (alone or bool(number))
        cells: list[Shown] = []
        ways: dict[Leads, str | None] = {}  # columns share theirs
        for column, word, is_number, ltr, is_drawn in self._columns:
            text, url = column.text(line, self._settings), None
            if column.leads and column.value(line) and not (total and column.kind is Kind.WORDS):
                if column.leads not in ways:
                    ways[column.leads] = column.leads(self._asked, line)
                url = ways[column.leads]
            again = url is not None and any(cell.url == url for cell in cells)
            if not (drawn and is_drawn):
                cells.append(Shown(word, text, url, is_number, ltr, again))
                continue
            said = column.text(line, self._settings, signed=True)
            cells.append(Shown(
                word, text, url, is_number, ltr, again, column.drawn(line, self._settings),
                0 if alone else number, labelled(called, said) if called else said,
            ))  # fmt: skip
        return cells


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
