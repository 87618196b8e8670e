"""Figures of the sales report as they are written: compared, in lines, and in a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date as format_pattern
from babel.numbers import format_percent
from flask_babel import format_date, get_locale, gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, money_text, units_text
from vmsapp.models import Setup
from vmsapp.services.reports import By, Key, Report, Row, Sums
from vmsapp.services.sheets import Cell
from vmsapp.views.look import number_text
from vmsapp.views.report_asked import BY_WORDS, TIMES, Asked
from vmsapp.views.sale_filters import hour_text
from vmsapp.views.words import METER_TYPES, UNITS

DRAWN: Final = 12
"""Lines of a chart, where they are no times: the largest."""

MONEY: Final = (
    ("gross_minor", N_("Gross")),
    ("reversed_minor", N_("Taken back")),
    ("net_minor", N_("Net")),
    ("tax_minor", N_("Taxes")),
    ("fee_minor", N_("Fixed fees")),
    ("penalty_minor", N_("Penalties")),
)
"""Amounts, in their order: what was sold, what of it went back, and what it was for."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of the period beside the one before."""

    word: str
    now: str
    before: str
    change: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes:
        key: What it is about; ``None`` in a line of totals.
        drawn: It stands in the chart.
    """

    key: Key | None
    name: str
    meter_type: str
    sums: Sums
    drawn: bool = False


def key_text(by: By, row: Row) -> str:
    """Name what a line is about."""
    return time_text(by, row.key) if by in TIMES else row.name


def time_text(by: By, key: Key) -> str:
    """Name a time by its first day, or an hour of the day."""
    return _day_text(by, key) if isinstance(key, date) else hour_text(key)


def _day_text(by: By, first: date) -> str:
    match by:
        case By.MONTH:
            locale = get_locale() or Locale("en")
            return str(format_pattern(first, "LLLL y", locale=locale))
        case By.YEAR:
            return f"{first.year}"
        case By.WEEK:
            return str(_("Week from %(day)s", day=format_date(first, "medium")))
        case _:
            return str(format_date(first, "medium"))


def lines_of(asked: Asked, report: Report, today: date) -> Sequence[Line]:
    """Put the rows in the order they are read, times without sales among them."""
    rows = list(report.rows)
    if not asked.by_time:
        rows.sort(key=lambda row: (-row.sums.net_minor, row.name))
        names = dict.fromkeys(row.key for row in rows)
        drawn = set(list(names)[:DRAWN])
        return [_line(asked, row, row.key in drawn) for row in rows]
    known = {(row.key, row.meter_type): row for row in rows}
    times = sorted({*asked.keys(today), *(row.key for row in rows)})
    first = next(iter(report.totals), "")
    return [
        _line(asked, row, drawn=True)
        for key in times
        for row in [known[key, kind] for kind in report.totals if (key, kind) in known]
        or [Row(key, "", first, Sums())]
        if first
    ]


def _line(asked: Asked, row: Row, drawn: bool) -> Line:  # noqa: FBT001 - named at its field
    return Line(row.key, key_text(asked.by, row), row.meter_type, row.sums, drawn)


def total_lines(report: Report) -> Sequence[Line]:
    """Give the totals of each type of meter."""
    total = str(_("Total"))
    return [Line(None, total, kind, sums) for kind, sums in report.totals.items()]


def type_text(meter_type: str) -> str:
    """Name a type of meter."""
    return str(gettext(METER_TYPES[meter_type]))


def units_said(meter_type: str, units: Decimal) -> str:
    """Write units with their unit."""
    return f"{units_text(units)} {gettext(UNITS[meter_type])}"


def compared(report: Report, settings: Setup) -> Sequence[Compared]:
    """Put the totals beside those of the period before."""
    now, before = _whole(report.totals.values()), _whole(report.before.totals.values())
    lines = [_counted(N_("Sales"), now.sold, before.sold)]
    for kind in METER_TYPES:
        mine, theirs = report.totals.get(kind, Sums()), report.before.totals.get(kind, Sums())
        if mine.net_units or theirs.net_units:
            word = _("Units, %(type)s", type=type_text(kind))
            change = change_text(mine.net_units, theirs.net_units)
            here, there = units_said(kind, mine.net_units), units_said(kind, theirs.net_units)
            lines.append(Compared(str(word), here, there, change))
    return [*lines, *(_money(settings, word, getattr(now, name), getattr(before, name))
                      for name, word in MONEY)]  # fmt: skip


def _money(settings: Setup, word: str, here: int, there: int) -> Compared:
    def said(minor: int) -> str:
        return money_text(minor, settings.currency, settings.exponent)

    return Compared(gettext(word), said(here), said(there), change_text(here, there))


def _counted(word: str, here: int, there: int) -> Compared:
    return Compared(gettext(word), number_text(here), number_text(there), change_text(here, there))


def _whole(parts: Iterable[Sums]) -> Sums:
    """Add money and counts of all types up; their units mean nothing together."""
    return sum(parts, Sums())


def change_text(now: Decimal | int, before: Decimal | int) -> str:
    """Write by how much a figure changed; nothing where there was none before.

    >>> change_text(150, 100), change_text(75, 100), change_text(5, 0)
    ('+50.0%', '-25.0%', '')
    """
    if not before:
        return ""
    share = (Decimal(now) - Decimal(before)) / abs(Decimal(before))
    locale = get_locale() or Locale("en")
    return format_percent(share, format="+#,##0.0%;-#,##0.0%", locale=locale)


def header(asked: Asked, settings: Setup) -> list[str]:
    """Name the columns of a file."""
    money = [f"{gettext(word)} ({settings.currency})" for _name, word in MONEY]
    return [
        gettext(BY_WORDS[asked.by]), gettext(N_("Meter type")), gettext(N_("Sales")),
        gettext(N_("Units")), gettext(N_("Sales taken back")), gettext(N_("Units taken back")),
        *money,
    ]  # fmt: skip


def file_rows(lines: Iterable[Line], settings: Setup) -> Iterable[Sequence[Cell]]:
    """Write lines as the rows of a file: days as days, amounts as exact numbers."""
    for line in lines:
        sums = line.sums
        yield [
            line.key if isinstance(line.key, date) else line.name,
            type_text(line.meter_type), sums.sold, sums.units, sums.reversed, sums.units_reversed,
            *(Decimal(getattr(sums, name)).scaleb(-settings.exponent) for name, _word in MONEY),
        ]  # fmt: skip
