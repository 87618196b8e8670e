"""Reports as files: one table, written as Excel, CSV or PDF the way the reader reads.

A report sent by e-mail holds no whole token, whoever reads it: ``guarded`` sees to it once more,
whatever a report's own table does.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Final

from babel.numbers import format_decimal

from vmsapp.clock import now_utc
from vmsapp.i18n import _, date_text, moment_text, written_as
from vmsapp.services.sheets import Cell
from vmsapp.services.sheets.pages import Column, Sheet, write_pages
from vmsapp.sts.fields import TOKEN_DIGITS
from vmsapp.views.base import actor, utility_name, zone
from vmsapp.views.lists.exports import write_table
from vmsapp.views.look import number_text
from vmsapp.views.words import masked

TOKEN: Final = re.compile(
    rf"(?<!\d)\d(?:[\s\u200b-\u200f\u2066-\u2069\u00a0.\-]*\d){{{TOKEN_DIGITS - 1}}}(?!\d)"
)
"""The digits of a whole token, however they stand in groups."""

Follow = Callable[[int], None]
"""Told now and then how many rows were written."""


@dataclass(frozen=True, slots=True)
class Table:
    """A report as a table: what every kind of file is made of.

    Attributes:
        asked: What it was asked: names and values, in the reader's language.
        rows: As raw values, read as they are written; a row of one text runs across.
        totals: Lines below, which stand in the PDF file alone: sheets are added up by their reader.
    """

    title: str
    asked: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]
    totals: Sequence[Sequence[Cell]] = ()


def write_file(file: IO[bytes], kind: str, table: Table) -> None:
    """Write a report as a file of a kind."""
    if kind == "pdf":
        write_pages(file, _sheet(table), table.columns, table.rows)
        return
    write_table(file, kind, table.title, [one.name for one in table.columns], table.rows)


def guarded(table: Table) -> Table:
    """Hide what looks like a whole token in a table, but for its end."""
    return replace(
        table,
        rows=map(_guarded_row, table.rows),
        totals=[_guarded_row(row) for row in table.totals],
        asked=[(name, _hidden(value)) for name, value in table.asked],
    )


def said(cell: Cell) -> str:
    """Write a cell on paper the reader's way."""
    match cell:
        case None:
            return ""
        case int():
            return number_text(cell)
        case Decimal():
            return _decimal_text(cell)
        case datetime():
            return moment_text(cell, zone()) if cell.tzinfo else str(cell)
        case date():
            return date_text(cell)
        case _:
            return str(cell)


def _guarded_row(row: Sequence[Cell]) -> Sequence[Cell]:
    return [_guarded(cell) for cell in row]


def _guarded(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return _hidden(cell)
    if isinstance(cell, int) and len(str(abs(cell))) == TOKEN_DIGITS:
        return masked(str(cell))
    return cell


def _hidden(text: str) -> str:
    return TOKEN.sub(lambda found: masked(re.sub(r"\D", "", found[0])), text)


def _decimal_text(number: Decimal) -> str:
    exponent = number.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    pattern = "#,##0." + "0" * places if places <= 2 else "#,##0.0##"
    text: str = format_decimal(number, format=pattern.rstrip("."), locale=written_as())
    return text


def _sheet(table: Table) -> Sheet:
    now, locale = now_utc(), written_as()
    made = _("Made on %(moment)s (%(zone)s) for %(name)s", moment=moment_text(now, zone()),
             zone=zone(), name=actor().name)  # fmt: skip
    return Sheet(
        title=table.title, heading=utility_name(), asked=table.asked, made=str(made),
        made_at=now, language=str(locale.language), rtl=locale.text_direction == "rtl", say=said,
        totals=table.totals, empty=str(_("Nothing fits what was asked.")),
    )  # fmt: skip
