"""Sums of sales kept beside the records, and which records are in none of them yet.

A cell is a row: what was sold and taken back in a span of time, by what a report tells sales
apart by. It can be made anew from the records at any time. No cell refers to users, tariffs or
products: the sales do, and keep them there.
"""

from datetime import date
from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.types import BigId, Minor, Units


class Span(StrEnum):
    """How much time a cell stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


FIGURES: Final = (
    "sold", "reversed", "gross_minor", "reversed_minor", "units", "units_reversed",
    "tax_minor", "fee_minor", "penalty_minor",
)  # fmt: skip
"""The columns that are added up."""


class Unsummed(Model):
    """A posted transfer of a sale whose figures are in no cell yet.

    The row is committed with its transfer, and deleted by whoever adds the figures, in the same
    transaction: a transfer whose transaction ends late is found like any other.
    """

    __tablename__ = "ledger_unsummed"

    transfer_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("ledger_transfer.id"), primary_key=True, autoincrement=False
    )


class LastPurchase(Model):
    """When somebody last bought for a place; kept with the cells, by the same mover.

    While a transfer of theirs is listed as unsummed, the sales are asked instead.

    Attributes:
        bought_on: Business date of the last purchase that stands; ``None`` where all were taken
            back.
    """

    __tablename__ = "last_purchase"

    service_point_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("service_point.id"), primary_key=True, autoincrement=False
    )
    consumer_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("consumer.id"), primary_key=True, autoincrement=False
    )
    bought_on: Mapped[date | None]


class Cell(PointScoped):
    """What cells of all kinds hold; those that end in ``reversed`` count what was taken back.

    Attributes:
        span: How much time it stands for.
        first_on: The first business date of that; weeks begin on Monday.
        subclass: Of the tokens; money on a token is no units.
        tax_minor, fee_minor, penalty_minor: From the ledger, less what went back.
    """

    span: Mapped[str] = mapped_column(String(5), primary_key=True)
    first_on: Mapped[date] = mapped_column(primary_key=True)
    vending_point_id: Mapped[int] = mapped_column(ForeignKey("vending_point.id"), primary_key=True)
    subclass: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    sold: Mapped[Minor]
    reversed: Mapped[Minor]
    gross_minor: Mapped[Minor]
    reversed_minor: Mapped[Minor]
    units: Mapped[Units]
    units_reversed: Mapped[Units]
    tax_minor: Mapped[Minor]
    fee_minor: Mapped[Minor]
    penalty_minor: Mapped[Minor]


class SalesByPoint(Cell, Model):
    """Sales told apart by nothing more: a year by week is read from few of them."""

    __tablename__ = "sales_by_point"
    __table_args__ = (
        CheckConstraint("span IN ('day', 'week', 'month')", name="ck_sales_by_point_span"),
    )


class SalesByHour(Cell, Model):
    """Sales by hour of the day in the utility's time zone, 0 to 23."""

    __tablename__ = "sales_by_hour"
    __table_args__ = (
        CheckConstraint("span IN ('day', 'month')", name="ck_sales_by_hour_span"),
        CheckConstraint("hour BETWEEN 0 AND 23", name="ck_sales_by_hour_hour"),
    )

    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class SalesByTariff(Cell, Model):
    """Sales by operator and tariff."""

    __tablename__ = "sales_by_tariff"
    __table_args__ = (
        CheckConstraint("span IN ('day', 'week', 'month')", name="ck_sales_by_tariff_span"),
    )

    operator_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tariff_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)


class SalesByProduct(Cell, Model):
    """Sales by the product of the meter as it is now."""

    __tablename__ = "sales_by_product"
    __table_args__ = (
        CheckConstraint("span IN ('day', 'week', 'month')", name="ck_sales_by_product_span"),
    )

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
