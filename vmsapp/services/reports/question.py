"""What a sales report is asked, and what it answers."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

Key = date | int
"""What a line is about: the first day of its time, the hour, or the id of a row."""


class By(StrEnum):
    """What a line of a report stands for."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    REGION = "region"
    VENDING_POINT = "vending_point"
    OPERATOR = "operator"
    TARIFF = "tariff"
    PRODUCT = "product"

    def begins(self, day: date) -> date:
        """Give the first day of the time that ``day`` lies in; weeks begin on Monday."""
        match self:
            case By.WEEK:
                return day - timedelta(days=day.weekday())
            case By.MONTH:
                return day.replace(day=1)
            case By.YEAR:
                return day.replace(month=1, day=1)
            case _:
                return day


@dataclass(frozen=True, slots=True)
class Question:
    """Which sales, and what they are told apart by.

    Attributes:
        first, last: Business dates, both included.
        region_id: The vending points of a region and all below it.
    """

    first: date
    last: date
    by: By
    meter_type: str | None = None
    region_id: int | None = None
    vending_point_id: int | None = None
    operator_id: int | None = None
    tariff_id: int | None = None
    product_id: int | None = None


class Figures:
    """A frozen dataclass of numbers that add up, one by one."""

    __slots__ = ()

    def __add__(self, other: Self) -> Self:
        names = [one.name for one in fields(self)]  # type: ignore[arg-type]
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class Sums(Figures):
    """Figures of purchases; what was given without money is none.

    Attributes:
        sold, gross_minor, units: What was sold, whatever was taken back later.
        reversed, reversed_minor, units_reversed: What was taken back, whenever it was sold.
        tax_minor, fee_minor, penalty_minor: Taken for taxes, fixed fees of any period, and
            penalties, less what went back.
    """

    sold: int = 0
    reversed: int = 0
    gross_minor: int = 0
    reversed_minor: int = 0
    units: Decimal = Decimal(0)
    units_reversed: Decimal = Decimal(0)
    tax_minor: int = 0
    fee_minor: int = 0
    penalty_minor: int = 0

    @property
    def net_minor(self) -> int:
        """Money that stayed."""
        return self.gross_minor - self.reversed_minor

    @property
    def net_units(self) -> Decimal:
        """Units that stayed sold."""
        return self.units - self.units_reversed


@dataclass(frozen=True, slots=True)
class Row:
    """One line: figures of one key and one type of meter."""

    key: Key
    name: str
    meter_type: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Before:
    """The period a report is compared with, and its figures by type of meter."""

    first: date
    last: date
    totals: Mapping[str, Sums]


@dataclass(frozen=True, slots=True)
class Report:
    """The answer: lines, and totals by type of meter; units of types are never added up."""

    rows: Sequence[Row]
    totals: Mapping[str, Sums]
    before: Before


def period_before(first: date, last: date) -> tuple[date, date]:
    """Give the period to compare with: as long, and ending the day before.

    A month or year is compared with the one before it, and its first days with as many of
    those: a month that still runs with the same days of the month before.

    >>> period_before(date(2026, 3, 1), date(2026, 3, 31))
    (datetime.date(2026, 2, 1), datetime.date(2026, 2, 28))
    >>> period_before(date(2026, 3, 1), date(2026, 3, 17))
    (datetime.date(2026, 2, 1), datetime.date(2026, 2, 17))
    >>> period_before(date(2026, 3, 30), date(2026, 3, 31))
    (datetime.date(2026, 3, 28), datetime.date(2026, 3, 29))
    """
    eve, after = first - timedelta(days=1), last + timedelta(days=1)
    for by in (By.MONTH, By.YEAR):
        if last > first == by.begins(first) == by.begins(last):
            begins, whole = by.begins(eve), by.begins(after) == after
            return begins, eve if whole else min(eve, _same_day(begins, last, by))
    return first - (after - first), eve


def _same_day(begins: date, last: date, by: By) -> date:
    """Find in the month or year that begins on a day the day that ``last`` is of its own."""
    month = begins.month if by == By.MONTH else last.month
    _weekday, days = monthrange(begins.year, month)
    return date(begins.year, month, min(last.day, days))
