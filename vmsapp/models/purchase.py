"""Purchases: sales that made a token for money, seen from the side of who buys.

A view of the sales, for reports on consumers. A sale is seen by where it was sold; a purchase by
where the consumer's meter hangs, wherever the consumer went to buy. Nothing of a token is in it.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Mapped, column_property, relationship

from vmsapp.models.base import Model
from vmsapp.models.consumer import Consumer
from vmsapp.models.meter import Meter, ServicePoint
from vmsapp.models.mixins import region_table
from vmsapp.models.sale import PURCHASES, Sale, SaleState, receipt_text
from vmsapp.models.vending_point import VendingPoint
from vmsapp.scope import ScopedMixin, Sight, below

# the kind in words that an index of just these is recognised by
_sale, _place, _point = Sale.__table__.c, ServicePoint.__table__.c, VendingPoint.__table__.c

_purchase = (
    select(
        _sale.id, _sale.service_point_id, _sale.consumer_id, _sale.meter_id, _sale.vending_point_id,
        _sale.plan_id, _sale.subclass, _sale.state, _sale.sold_at, _sale.business_date,
        _sale.local_hour, _sale.receipt_series, _sale.receipt_number, _sale.currency,
        _sale.exponent, _sale.charged_minor, _sale.units, _sale.credit_minor, _sale.calculation,
    )
    .where(PURCHASES[1], _sale.receipt_number.is_not(None))
    .subquery("purchase")
)  # fmt: skip


class Purchase(ScopedMixin, Model):
    """A sale whose token was made, taken back since or not; never written.

    Attributes:
        point_name: Where it was sold: the consumer's receipt says it, too.
        units: As of the sale: in the currency's unit where money is on the token.
    """

    __table__ = _purchase
    __mapper_args__ = {"primary_key": [_purchase.c.id]}  # noqa: RUF012 - the library's

    id: Mapped[int]
    service_point_id: Mapped[int]
    consumer_id: Mapped[int]
    meter_id: Mapped[int]
    vending_point_id: Mapped[int]
    plan_id: Mapped[int]
    subclass: Mapped[int]
    state: Mapped[str]
    sold_at: Mapped[datetime]
    business_date: Mapped[date]
    local_hour: Mapped[int]
    receipt_series: Mapped[int]
    receipt_number: Mapped[int]
    currency: Mapped[str]
    exponent: Mapped[int]
    charged_minor: Mapped[int]
    units: Mapped[Decimal]
    credit_minor: Mapped[int | None]
    calculation: Mapped[dict[str, Any]] = column_property(_purchase.c.calculation, deferred=True)

    point_name: Mapped[str] = column_property(
        select(_point.name).where(_point.id == _purchase.c.vending_point_id).scalar_subquery(),
        deferred=True, raiseload=True,
    )  # fmt: skip

    consumer: Mapped[Consumer | None] = relationship(
        primaryjoin=lambda: Purchase.consumer_id == Consumer.id,
        foreign_keys=[_purchase.c.consumer_id], viewonly=True, lazy="raise_on_sql",
    )  # fmt: skip
    meter: Mapped[Meter | None] = relationship(
        primaryjoin=lambda: Purchase.meter_id == Meter.id,
        foreign_keys=[_purchase.c.meter_id], viewonly=True, lazy="raise_on_sql",
    )  # fmt: skip

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those for places in the region and all below it."""
        regions = select(region_table.c.id).where(below(region_table.c.path, sight.region_path))
        return cls.service_point_id.in_(select(_place.id).where(_place.region_id.in_(regions)))

    @property
    def stands(self) -> bool:
        """It was not taken back."""
        return self.state == SaleState.ISSUED

    @property
    def receipt(self) -> str:
        """Receipt number as it is printed."""
        return receipt_text(self.vending_point_id, self.receipt_series, self.receipt_number)
