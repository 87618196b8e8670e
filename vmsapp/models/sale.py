"""Sales: every input of the token and of the price, and what became of it.

A sale is pending, then issued or failed; an issued one may be reversed. Doubt and
sealing are time stamps on a pending sale, not states. Every write to a pending sale is
a compare-and-set on its state and request id.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.consumer import Consumer
from vmsapp.models.key_change import KeyChange
from vmsapp.models.meter import Meter
from vmsapp.models.mixins import PointScoped
from vmsapp.models.token import Token
from vmsapp.models.types import Id, Minor, Moment, Units, UtcDateTime
from vmsapp.models.user import username_of
from vmsapp.models.vending_point import VendingPoint


class SaleState(StrEnum):
    """What a sale is."""

    PENDING = "pending"
    ISSUED = "issued"
    FAILED = "failed"
    REVERSED = "reversed"


class SaleKind(StrEnum):
    """Whether a sale is paid for; the others are tokens given without money."""

    SALE = "sale"
    FREE = "free"
    COMPENSATION = "compensation"


MOVES: dict[SaleState, frozenset[SaleState]] = {
    SaleState.PENDING: frozenset({SaleState.ISSUED, SaleState.FAILED}),
    SaleState.ISSUED: frozenset({SaleState.REVERSED}),
    SaleState.FAILED: frozenset(),
    SaleState.REVERSED: frozenset(),
}
"""The allowed moves; every other is a mistake."""


BOUGHT: Final = text("state = 'issued' AND kind = 'sale'")
"""Which sales are purchases that stand: paid for, and not taken back."""


class Sale(PointScoped, Model):
    """One purchase of one credit token, or one that was given without money.

    Attributes:
        rnd: Random; of a token in money the upper 4 bits of its amount.
        amount_field: The 16 bits of the amount that follow the TID.
        units: In the unit of the token's sub-class, as is ``units_carried``: kWh, m³, minutes,
            or the currency's, no finer than a thousandth.
        credit_minor: Money on the token; ``None`` where it carries units.
    """

    __tablename__ = "sale"
    __table_args__ = (
        UniqueConstraint("vending_point_id", "idempotency_key", name="uq_sale_key"),
        UniqueConstraint(
            "vending_point_id", "receipt_series", "receipt_number", name="uq_sale_receipt"
        ),
        CheckConstraint(
            "state IN ('pending', 'issued', 'failed', 'reversed')", name="ck_sale_state"
        ),
        CheckConstraint("mode IN ('amount', 'quantity')", name="ck_sale_mode"),
        CheckConstraint("kind IN ('sale', 'free', 'compensation')", name="ck_sale_kind"),
        CheckConstraint(
            "charged_minor >= 0 AND (kind = 'sale') = (charged_minor > 0)", name="ck_sale_charged"
        ),
        CheckConstraint("received_minor = charged_minor + change_minor", name="ck_sale_adds_up"),
        CheckConstraint("change_minor >= 0", name="ck_sale_change"),
        CheckConstraint("units > 0", name="ck_sale_units"),
        CheckConstraint("units_carried >= units", name="ck_sale_carried"),
        CheckConstraint("tid BETWEEN 0 AND 16777215", name="ck_sale_tid"),
        CheckConstraint("rnd BETWEEN 0 AND 15", name="ck_sale_rnd"),
        CheckConstraint("amount_field BETWEEN 0 AND 65535", name="ck_sale_field"),
        CheckConstraint(
            "(state IN ('issued', 'reversed')) = (receipt_number IS NOT NULL)",
            name="ck_sale_receipt",
        ),
        Index(
            "ix_sale_pending",
            "sold_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_sale_sealed",
            "sealed_by_id",
            "sealed_at",
            sqlite_where=text("sealed_at IS NOT NULL"),
            postgresql_where=text("sealed_at IS NOT NULL"),
        ),
        Index("ix_sale_meter", "meter_id", "id"),
        Index(  # when a consumer bought at a place: all of it is read in the index
            "ix_sale_bought",
            "service_point_id",
            "consumer_id",
            "business_date",
            sqlite_where=BOUGHT,
            postgresql_where=BOUGHT,
        ),
        Index("ix_sale_sold_at", "sold_at"),
        Index(
            "ix_sale_shift",
            "shift_id",
            sqlite_where=text("shift_id IS NOT NULL"),
            postgresql_where=text("shift_id IS NOT NULL"),
        ),
        Index(
            "ix_sale_key_change",
            "key_change_id",
            sqlite_where=text("key_change_id IS NOT NULL"),
            postgresql_where=text("key_change_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    idempotency_key: Mapped[str] = mapped_column(String(60))
    body_hash: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12), default=SaleKind.SALE, server_default="sale")
    state: Mapped[str] = mapped_column(String(8), default=SaleState.PENDING)
    doubt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sealed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sealed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    operator_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    shift_id: Mapped[int | None] = mapped_column(ForeignKey("shift.id"))
    consumer_id: Mapped[int] = mapped_column(ForeignKey("consumer.id"), index=True)
    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), index=True)
    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"))

    # every input of the token; issue and every retry read these alone
    meter_pan: Mapped[str] = mapped_column(String(18))
    sgc: Mapped[str] = mapped_column(String(6))
    krn: Mapped[int]
    kt: Mapped[int]
    ti: Mapped[str] = mapped_column(String(2))
    base_date: Mapped[str] = mapped_column(String(2))
    ken: Mapped[int]
    dkga: Mapped[str] = mapped_column(String(2))
    ea: Mapped[int]
    tct: Mapped[int]
    table_set: Mapped[str] = mapped_column(String(20))
    subclass: Mapped[int]
    tid: Mapped[int]
    rnd: Mapped[int]
    amount_field: Mapped[int]
    request_id: Mapped[str] = mapped_column(String(40), unique=True)
    attempt: Mapped[int] = mapped_column(default=1)
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"))
    key_change_id: Mapped[int | None] = mapped_column(ForeignKey("key_change.id"))
    """The set that is handed out before the token, and under whose new key it is made."""

    # the price, as calculated under the lock
    plan_id: Mapped[int] = mapped_column(ForeignKey("tariff_plan.id"), index=True)
    mode: Mapped[str] = mapped_column(String(8))
    currency: Mapped[str] = mapped_column(String(3))
    exponent: Mapped[int]
    received_minor: Mapped[Minor]
    charged_minor: Mapped[Minor]
    change_minor: Mapped[Minor]
    units: Mapped[Units]
    units_carried: Mapped[Units]
    credit_minor: Mapped[Minor | None]
    bought_before: Mapped[Units]
    bought_after: Mapped[Units]
    counter_period: Mapped[date]
    calculation: Mapped[dict[str, Any]] = mapped_column(JSON)

    # times: sold_at decides, the others are for the record
    sold_at: Mapped[Moment]
    business_date: Mapped[date] = mapped_column(index=True)
    local_hour: Mapped[int]
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure: Mapped[str | None] = mapped_column(String(40))
    shown_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    receipt_series: Mapped[int | None]
    receipt_number: Mapped[int | None]

    vending_point: Mapped[VendingPoint] = relationship(lazy="raise_on_sql")
    operator_name: Mapped[str] = column_property(
        username_of(operator_id),
        deferred=True,
        raiseload=True,
    )
    """Whoever sold stands on the receipt, also for readers who see no other users."""

    consumer: Mapped[Consumer] = relationship(lazy="raise_on_sql")
    meter: Mapped[Meter] = relationship(lazy="raise_on_sql")
    token: Mapped[Token | None] = relationship(
        primaryjoin="Sale.id == foreign(Token.sale_id)", viewonly=True, lazy="raise_on_sql"
    )
    key_change: Mapped[KeyChange | None] = relationship(lazy="raise_on_sql")

    @property
    def receipt(self) -> str | None:
        """Receipt number as it is printed: vending point, series and number."""
        if self.receipt_number is None:
            return None
        assert self.receipt_series is not None
        return receipt_text(self.vending_point_id, self.receipt_series, self.receipt_number)

    @property
    def in_money(self) -> bool:
        """The token carries money: the meter rates itself."""
        return self.credit_minor is not None

    @property
    def is_free(self) -> bool:
        """No money was taken for it: it was given, for a reason."""
        return self.kind != SaleKind.SALE

    @property
    def counted_units(self) -> Decimal:
        """What the sale adds to its service point's counter.

        Money is no units, and what was given moves nobody to another step.
        """
        return Decimal(0) if self.in_money or self.is_free else self.units

    @property
    def money_given_back(self) -> bool:
        """A supervisor handed the money back while the outcome was open."""
        return self.sealed_at is not None


def receipt_text(vending_point_id: int, series: int, number: int) -> str:
    """Write a receipt number as it is printed.

    >>> receipt_text(3, 1, 42)
    '3-1-000042'
    """
    return f"{vending_point_id}-{series}-{number:06d}"


class SaleAttempt(Model):
    """Every module and request id ever asked for a sale, stored before the first byte."""

    __tablename__ = "sale_attempt"

    request_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"), index=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"))
    tid: Mapped[int]
    asked_at: Mapped[Moment]


class ClockAcceptance(Model):
    """An administrator accepted that the clock had been wrong.

    Forgives all sales up to ``newest_sale_id``, or one meter's token identifiers.
    """

    __tablename__ = "clock_acceptance"
    __table_args__ = (
        CheckConstraint(
            "(newest_sale_id IS NULL) <> (meter_pan IS NULL)", name="ck_clock_acceptance_one"
        ),
    )

    id: Mapped[Id]
    accepted_at: Mapped[Moment]
    accepted_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    reason: Mapped[str] = mapped_column(String(255))
    newest_sale_id: Mapped[int | None] = mapped_column(ForeignKey("sale.id"))
    meter_pan: Mapped[str | None] = mapped_column(String(18), index=True)
    base_date: Mapped[str | None] = mapped_column(String(2))
    last_tid: Mapped[int | None]


PURCHASES: Final = (
    Sale.__table__.c.state == literal_column("'issued'"),
    Sale.__table__.c.kind == literal_column("'sale'"),
)
"""``BOUGHT`` of the bare table, in words that an index of just these is recognised by."""
