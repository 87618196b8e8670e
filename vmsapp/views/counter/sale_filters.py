"""What sales can be narrowed by: the list of sales and the reports on them ask the same way.

A figure of a report leads to the sales it counts by handing its filters on, so both read the
same parameters.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from flask import g
from sqlalchemy import ColumnElement, func, select

from vmsapp.i18n import _l
from vmsapp.models import (
    LedgerTransfer,
    Meter,
    MeterType,
    OfficeUser,
    Product,
    Sale,
    Tariff,
    TariffPlan,
    VendingPoint,
)
from vmsapp.models.sale import receipt_text
from vmsapp.models.user import username_of
from vmsapp.services.receipts import has_number, numbers_in
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY
from vmsapp.views.base import session
from vmsapp.views.lists.filters import (
    Among,
    Arguments,
    Choice,
    Days,
    Filter,
    Searched,
    YesNo,
    names_of,
)
from vmsapp.views.lists.region_filters import InRegion
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.words import METER_TYPES

MOST_NAMES: Final = 1000
"""Vending points and people offered in a field."""


@dataclass(frozen=True, kw_only=True)
class OfType(Choice):
    """Sales to one type of meter, as their tokens say, whatever became of the meter."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows whose token is of this service, in units or in money."""
        service = SUBCLASS[MeterType(value)]
        return Sale.subclass.in_((service, CURRENCY + service))


@dataclass(frozen=True, kw_only=True)
class AtHour(Choice):
    """Sales of one hour of the day, in the utility's time zone."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows of this hour."""
        return Sale.local_hour == int(value)

    def said(self, value: str) -> str:
        """The hour it begins with."""
        return hour_text(int(value))


@dataclass(frozen=True, kw_only=True)
class UnderTariff(Searched):
    """Sales under any plan of a tariff."""

    def rows(self, value: Tariff) -> ColumnElement[bool]:
        """Rows priced by one of its plans."""
        return Sale.plan_id.in_(select(TariffPlan.id).where(TariffPlan.tariff_id == value.id))


@dataclass(frozen=True, kw_only=True)
class ForProduct(Searched):
    """Sales to the meters of a product."""

    def rows(self, value: Product) -> ColumnElement[bool]:
        """Rows of its meters; which rows are seen is the sales' own scope."""
        meters = Meter.__table__.c
        return Sale.meter_id.in_(select(meters.id).where(meters.product_id == value.id))


@dataclass(frozen=True, kw_only=True)
class SoldBy(Among):
    """Sales of one operator: somebody the reader sees, or who sold what the reader sees."""

    def read(self, arguments: Arguments) -> str | None:
        """Take the id of such a person."""
        number = arguments.get(self.name, type=int)
        return None if number is None or not _seller(number) else str(number)

    def said(self, value: str) -> str:
        """The name this person signs in with."""
        return _seller(int(value))

    def options(self) -> list[tuple[str, str]]:
        """Those the reader sees, and the one chosen."""
        offered = {str(number): name for number, name in self.text()}
        return list((offered | {str(n): name for n, name in _known().items() if name}).items())


@dataclass(frozen=True, kw_only=True)
class WithReceipt(Filter):
    """The sale of a receipt number as it is printed."""

    kind = "typed"

    def read(self, arguments: Arguments) -> tuple[int, int, int] | None:
        """Take such a number, in the digits of any script."""
        return numbers_in(ascii_digits(arguments.get(self.name, "")))

    def rows(self, value: tuple[int, int, int]) -> ColumnElement[bool]:
        """The row that has it."""
        return has_number(*value)

    def said(self, value: tuple[int, int, int]) -> str:
        """The number as it is printed."""
        return receipt_text(*value)


@dataclass(frozen=True, kw_only=True)
class TakenBack(Days):
    """Sales that were taken back from a day to a day, by the business date of that."""

    def rows(self, value: tuple[date | None, date | None]) -> ColumnElement[bool]:
        """Rows answered by a reversal of these days."""
        answers = LedgerTransfer.kind == "reversal"
        return Sale.id.in_(select(LedgerTransfer.sale_id).where(answers, super().rows(value)))


@dataclass(frozen=True, kw_only=True)
class Counted(Days):
    """Sales that count from a day to a day: sold then, or taken back then whenever sold."""

    def rows(self, value: tuple[date | None, date | None]) -> ColumnElement[bool]:
        """Rows of these days, and those answered by a reversal of these days.

        Beyond the earliest of them no row is looked at, for the list is read along the days.
        """
        taken_back, sold = TAKEN_BACK.rows(value), super().rows(value)
        earliest = session().scalar(select(func.min(Sale.business_date)).where(taken_back))
        if earliest is None:
            return sold
        first, last = value
        within = super().rows((min(earliest, first) if first else None, last))
        return within & (sold | taken_back) if first else sold | taken_back


def hour_text(hour: int) -> str:
    """Name an hour of the day by its beginning and end.

    >>> hour_text(9)
    '09:00–10:00'
    """
    return f"{hour:02d}:00–{hour + 1:02d}:00"


def _known() -> dict[int, str]:
    """Names of the people this request asked about; an empty one for strangers."""
    if "sellers" not in g:
        g.sellers = {}
    known: dict[int, str] = g.sellers
    return known


def _seller(number: int) -> str:
    known = _known()
    if number not in known:
        known[number] = PEOPLE.of(number) or _sold_something(number)
    return known[number]


def _sold_something(number: int) -> str:
    if not 0 < number < 1 << 31:
        return ""
    by_them = select(username_of(number)).where(
        select(Sale.id).where(Sale.operator_id == number).exists()
    )
    return session().scalar(by_them) or ""


PEOPLE: Final = names_of(OfficeUser, OfficeUser.username, MOST_NAMES)
"""The people the reader sees."""

SOLD: Final = Days(name="sold", label=_l("Business date"), column=Sale.business_date)
TYPE: Final = OfType(name="type", label=_l("Meter type"), column=Sale.subclass, words=METER_TYPES)
REGION: Final = InRegion(
    name="region", label=_l("Region"), column=Sale.vending_point_id, through=VendingPoint
)
POINT: Final = Among(
    name="point", label=_l("Vending point"), column=Sale.vending_point_id, model=VendingPoint,
    text=names_of(VendingPoint, VendingPoint.name, MOST_NAMES),
)  # fmt: skip
OPERATOR: Final = SoldBy(
    name="operator", label=_l("Operator"), column=Sale.operator_id, model=OfficeUser, text=PEOPLE
)
TARIFF: Final = UnderTariff(
    name="tariff", label=_l("Tariff"), column=Sale.plan_id, model=Tariff,
    endpoint="Tariffs.lookup",
)  # fmt: skip
PRODUCT: Final = ForProduct(
    name="product", label=_l("Product"), column=Sale.meter_id, model=Product,
    endpoint="Products.lookup",
)  # fmt: skip

ABOUT: Final = (TYPE, REGION, POINT, OPERATOR, TARIFF, PRODUCT)
"""What both the list and the report are narrowed by."""

HOUR: Final = AtHour(
    name="hour", label=_l("Hour"), column=Sale.local_hour,
    words={str(hour): hour_text(hour) for hour in range(24)},
)  # fmt: skip
RECEIPT: Final = WithReceipt(name="receipt", label=_l("Receipt"), column=Sale.receipt_number)
MADE: Final = YesNo(name="made", label=_l("Token made"), column=Sale.receipt_number.is_not(None))
"""Issued, whether or not it was taken back later: what a report counts as sold."""

TAKEN_BACK: Final = TakenBack(
    name="back", label=_l("Taken back on"), column=LedgerTransfer.business_date
)
COUNTED: Final = Counted(
    name="counted", label=_l("Sold or taken back on"), column=Sale.business_date
)
"""What net figures of a report are made of."""
