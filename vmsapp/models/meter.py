"""Meters, and the service points they hang at.

A service point outlives its meters: month-to-date units, fees paid and debts belong to
the place, not to the device. What a token needs of the meter is copied onto the sale,
so nothing here is read again once a sale is reserved.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.consumer import Consumer
from vmsapp.models.mixins import RegionScoped
from vmsapp.models.product import METER_TYPE_CHECK, Product
from vmsapp.models.region import Region
from vmsapp.models.tariff import Tariff
from vmsapp.models.types import Id, Minor, Moment, Text, Units, UtcDateTime


class Algorithm(StrEnum):
    """The two generations of STS a meter may be of."""

    LEGACY = "legacy"
    STS6 = "sts6"

    @property
    def dkga(self) -> str:
        """The decoder key generation algorithm of this generation."""
        return "02" if self is Algorithm.LEGACY else "04"


class MeterState(StrEnum):
    """Where a meter is in its life."""

    STOCK = "stock"
    ACTIVE = "active"
    BLOCKED = "blocked"
    RETIRED = "retired"


class CreditMode(StrEnum):
    """What a meter is credited with: units, or money that it rates itself."""

    UNITS = "units"
    CURRENCY = "currency"


LISTED_BY: Final = (
    "region_id", "product_id", "tariff_id", "state", "meter_type", "algorithm"
)  # fmt: skip
"""Columns by which lists of meters are narrowed and sorted, equals by number."""


class Meter(RegionScoped, Model):
    """A prepayment meter with all that its decoder key is made of.

    Attributes:
        drn: 11 or 13 digits with check digit; ``meter_pan`` the 18 digits, unique over
            all regions, retired meters included.
        sgc, krn, kt, ti, base_date, ea, tct: The key parameters in force.
        blocked_at, blocked_by_id: Since when it is blocked, and by whom.
        retired_at, retired_by_id: Since when it is retired, and by whom; what one deed retires
            shares the moment, by which it is undone.
        bound: Whether it hangs somewhere, as its installations say; written with them, under the
            lock of the meter.
        retired_from: The state it had before; of a blocked one ``blocked_reason`` and who
            blocked it when are kept.
    """

    __tablename__ = "meter"
    __table_args__ = (
        CheckConstraint(METER_TYPE_CHECK, name="ck_meter_type"),
        CheckConstraint("algorithm IN ('legacy', 'sts6')", name="ck_meter_algorithm"),
        CheckConstraint(
            "state IN ('stock', 'active', 'blocked', 'retired')", name="ck_meter_state"
        ),
        CheckConstraint("krn BETWEEN 1 AND 9", name="ck_meter_krn"),
        CheckConstraint("kt BETWEEN 0 AND 3", name="ck_meter_kt"),
        CheckConstraint("ea IN (7, 11)", name="ck_meter_ea"),
        CheckConstraint("tct IN (1, 2)", name="ck_meter_tct"),
        CheckConstraint("length(meter_pan) = 18", name="ck_meter_pan"),
        CheckConstraint("credit_mode IN ('units', 'currency')", name="ck_meter_credit_mode"),
        *(Index(f"ix_meter_{column.removesuffix('_id')}", column, "drn") for column in LISTED_BY),
        # all that is asked of the few that hang nowhere, so that their rows are not read
        Index("ix_meter_bound", "bound", "drn", "state", "region_id", "id"),
        Index(
            "ix_meter_retired",
            "retired_by_id",
            "retired_at",
            sqlite_where=text("retired_at IS NOT NULL"),
            postgresql_where=text("retired_at IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    region_id: Mapped[int] = mapped_column(ForeignKey("region.id"))
    drn: Mapped[str] = mapped_column(String(13), index=True)
    meter_pan: Mapped[str] = mapped_column(String(18), unique=True)
    meter_type: Mapped[str] = mapped_column(String(12))
    credit_mode: Mapped[str] = mapped_column(String(8), default=CreditMode.UNITS)
    algorithm: Mapped[str] = mapped_column(String(8))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    tariff_id: Mapped[int | None] = mapped_column(ForeignKey("tariff.id"))
    sgc: Mapped[str] = mapped_column(String(6))
    krn: Mapped[int]
    kt: Mapped[int]
    ti: Mapped[str] = mapped_column(String(2))
    base_date: Mapped[str] = mapped_column(String(2))
    ea: Mapped[int]
    tct: Mapped[int]
    state: Mapped[str] = mapped_column(String(8), default=MeterState.STOCK)
    blocked_reason: Mapped[Text] = mapped_column(default="")
    blocked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    blocked_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retired_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    retired_from: Mapped[str | None] = mapped_column(String(8))
    bound: Mapped[bool] = mapped_column(default=False, server_default=false())

    product: Mapped[Product] = relationship(lazy="raise_on_sql")
    tariff: Mapped[Tariff | None] = relationship(lazy="raise_on_sql")
    region: Mapped[Region] = relationship(lazy="raise_on_sql")

    def __repr__(self) -> str:
        return self.drn


class ServicePoint(RegionScoped, Model):
    """The place a meter hangs: it keeps its counters through meter swaps.

    Attributes:
        address: Where it is; empty for the consumer's own address.
        plan_attached_on: Day from which missed fixed fees accumulate.
        fees_paid_until: Fee periods that begin on this day or earlier were paid before the
            place came to this system.
    """

    __tablename__ = "service_point"

    id: Mapped[Id]
    consumer_id: Mapped[int | None] = mapped_column(ForeignKey("consumer.id"), index=True)
    address: Mapped[Text] = mapped_column(default="")
    plan_attached_on: Mapped[date]
    fees_paid_until: Mapped[date | None]

    consumer: Mapped[Consumer | None] = relationship(lazy="raise_on_sql")


class MeterInstallation(Model):
    """Which meter hung at which service point, for which consumer, from when to when.

    Attributes:
        consumer_id: Who bought there meanwhile; ``None`` where nobody did, or nobody noted it.
        installed_credit, removed_credit: Units that stood on the meter, as far as somebody read
            it: when it came, and when it went.
        arrears_minor: Missed fees the leaving consumer went with, minor units: noted when the
            meter is taken off, and taken away again should the same consumer go on there.
    """

    __tablename__ = "meter_installation"
    __table_args__ = (
        CheckConstraint("arrears_minor >= 0", name="ck_meter_installation_arrears"),
        Index(
            "uq_installed_meter",
            "meter_id",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index(
            "uq_installed_point",
            "service_point_id",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), index=True)
    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), index=True)
    consumer_id: Mapped[int | None] = mapped_column(ForeignKey("consumer.id"), index=True)
    installed_at: Mapped[Moment]
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    installed_credit: Mapped[Units | None]
    removed_credit: Mapped[Units | None]
    arrears_minor: Mapped[Minor | None]

    meter: Mapped[Meter] = relationship(lazy="raise_on_sql")
    consumer: Mapped[Consumer | None] = relationship(lazy="raise_on_sql")


class Counter(Model):
    """What was bought at a service point on a day.

    The day is the shortest period; weeks, months and years are sums of days, so that a plan
    may count any of them, and go over from one to another, without losing a unit. What was
    bought in a former system stands on the first day of its period.

    Attributes:
        period_start: The day.
        charged_minor: Money charged for the units, for limits in money.
    """

    __tablename__ = "counter"
    __table_args__ = (
        CheckConstraint("units >= 0", name="ck_counter_units"),
        CheckConstraint("charged_minor >= 0", name="ck_counter_charged"),
    )

    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), primary_key=True)
    period_start: Mapped[date] = mapped_column(primary_key=True)
    units: Mapped[Units]
    charged_minor: Mapped[Minor] = mapped_column(default=0)


class FeePayment(Model):
    """A fixed fee paid for a period; the row goes when its sale is voided or reversed."""

    __tablename__ = "fee_payment"

    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), primary_key=True)
    fee_period: Mapped[str] = mapped_column(String(8), primary_key=True)
    period_start: Mapped[date] = mapped_column(primary_key=True)
    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"), index=True)


class TidHead(Model):
    """The highest token identifier given to a meter under a base date, and its floor.

    The row that is locked before a token identifier is chosen.
    """

    __tablename__ = "tid_head"

    meter_pan: Mapped[str] = mapped_column(String(18), primary_key=True)
    base_date: Mapped[str] = mapped_column(String(2), primary_key=True)
    last_tid: Mapped[int | None]
    floor: Mapped[int] = mapped_column(default=0)


class SpentTid(Model):
    """A token identifier given out: never again, whatever becomes of it.

    Not tied to the meter's row: identifiers belong to the number, for ever.
    """

    __tablename__ = "tid"

    meter_pan: Mapped[str] = mapped_column(String(18), primary_key=True)
    base_date: Mapped[str] = mapped_column(String(2), primary_key=True)
    tid: Mapped[int] = mapped_column(Integer, primary_key=True)
    request_id: Mapped[str] = mapped_column(String(40))
