"""Columns of a report: what stands in them, how it is written on the page and in a file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, Final

from flask_babel import gettext

from vmsapp.i18n import date_text, isolated, money_text, percent_text, units_text
from vmsapp.models import Setup
from vmsapp.services.reports.lines import Line
from vmsapp.services.sheets import Cell
from vmsapp.views.look import number_text
from vmsapp.views.reports.asked import Asked
from vmsapp.views.words import UNITS

PAGE, FILE = frozenset({"page"}), frozenset({"file"})
BOTH: Final = PAGE | FILE


class Kind(StrEnum):
    """What a column holds."""

    WORDS = "words"
    COUNT = "count"
    MONEY = "money"
    UNITS = "units"
    """In the unit of the line's type of meter."""
    SHARE = "share"
    """A share of one: written in percent."""
    DAY = "day"


Leads = Callable[[Asked, Line[Any]], str | None]
"""Says where the rows of a line are; columns whose rows are the same share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        name: Where its value stands in a line: ``figures.net_minor``, ``apart.rate``.
        word: What it is called.
        said: Puts a value into words; only of ``WORDS``.
        filed: Makes of it what stands in a file: a number as a number. Its words, unless given.
        leads: Where the rows are that a figure counts; none where that cannot be asked.
        only: Tells the lines it says something of; others have nothing there.
        on: Where it stands.
        compared: Its total stands beside that of the period before.
    """

    name: str
    word: str
    kind: Kind = Kind.WORDS
    said: Callable[[Any], str] = str
    filed: Callable[[Any], Cell] | None = None
    leads: Leads | None = None
    only: Callable[[Line[Any]], bool] | None = None
    on: frozenset[str] = BOTH
    compared: bool = False

    @property
    def is_number(self) -> bool:
        """It is read digit by digit, below others."""
        return self.kind not in {Kind.WORDS, Kind.DAY}

    def value(self, line: Line[Any]) -> Any:  # noqa: ANN401 - a figure, a day or a code
        """Read its value from a line; ``None`` for none."""
        if self.only is not None and not self.only(line):
            return None
        return _reader(self.name)(line)

    def heading(self, settings: Setup) -> str:
        """Name it in a file, where amounts stand without their currency."""
        word = gettext(self.word)
        return f"{word} ({settings.currency})" if self.kind is Kind.MONEY else word

    def text(self, line: Line[Any], settings: Setup, *, signed: bool = False) -> str:
        """Write what stands in a line; empty for nothing.

        Args:
            line: Which.
            settings: Whose currency it is.
            signed: Amounts with the sign of their currency.
        """
        value = self.value(line)
        if value is None:
            return ""
        if self.kind is Kind.MONEY:
            return money_text(value, settings.currency, settings.exponent, symbol=signed)
        if self.kind is Kind.UNITS:
            return units_said(line.meter_type, value)
        return WRITTEN.get(self.kind, self.said)(value)

    def cell(self, line: Line[Any], settings: Setup) -> Cell:
        """Write it into a file: days as days, amounts as exact numbers."""
        value = self.value(line)
        if value is None:
            return None
        if self.kind is Kind.MONEY:
            return Decimal(value).scaleb(-settings.exponent)
        if self.kind is Kind.WORDS:
            return (self.filed or self.said)(value)
        filed: Cell = value
        return filed

    def drawn(self, line: Line[Any], settings: Setup) -> str:
        """Write it as scripts read it."""
        cell = self.cell(line, settings)
        return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


@cache
def _reader(name: str) -> Callable[[Line[Any]], Any]:
    return attrgetter(name)


def units_said(meter_type: str, units: Decimal) -> str:
    """Write units with their unit."""
    return f"{units_text(units)} {gettext(UNITS[meter_type])}"


def day_text(day: date) -> str:
    """Write a day on one line."""
    return date_text(day).replace(" ", "\N{NO-BREAK SPACE}")


def share_text(share: Decimal) -> str:
    """Write a share of one in percent."""
    return percent_text(share * 100, "0")


def side_by_side(texts: Iterable[str]) -> str:
    """Join words by dots; read from the right, each keeps the direction it is written in."""
    return " · ".join(map(isolated, texts))


def change_text(now: Decimal | int, before: Decimal | int) -> str:
    """Write by how much a figure changed; nothing where there was none before.

    >>> change_text(150, 100), change_text(75, 100), change_text(5, 0)
    ('+50.0%', '-25.0%', '')
    """
    if not before:
        return ""
    share = (Decimal(now) - Decimal(before)) / abs(Decimal(before))
    return percent_text(share * 100, "0", signed=True)


WRITTEN: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.COUNT: number_text,
    Kind.SHARE: share_text,
    Kind.DAY: day_text,
}
