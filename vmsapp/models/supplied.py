"""Places that are supplied: a meter hangs there, and a consumer buys for it.

A view of other tables, for lists and reports that ask when somebody bought last. The place, not
the meter, is what a purchase belongs to: whoever gets another meter has bought all the same.
"""

from datetime import date, datetime

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Mapped, relationship

from vmsapp.models.base import Model
from vmsapp.models.consumer import Consumer
from vmsapp.models.ledger import LedgerTransfer
from vmsapp.models.meter import Meter, MeterInstallation, ServicePoint
from vmsapp.models.mixins import SeenByRegion
from vmsapp.models.region import Region
from vmsapp.models.roll_up import LastPurchase, Unsummed
from vmsapp.models.sale import PURCHASES, Sale

_place, _link = ServicePoint.__table__.c, MeterInstallation.__table__.c
_sale, _transfer = Sale.__table__.c, LedgerTransfer.__table__.c
_kept, _listed = LastPurchase.__table__.c, Unsummed.__table__.c

# The bare table, past the scope: whoever bought at another vending point is not inactive.
_by_the_sales = (
    select(func.max(_sale.business_date))
    .where(
        _sale.service_point_id == _place.id,
        _sale.consumer_id == _place.consumer_id,
        *PURCHASES,
    )
    .correlate(ServicePoint.__table__)
    .scalar_subquery()
)
_unsummed = (
    select(_sale.service_point_id)
    .join_from(Unsummed.__table__, LedgerTransfer.__table__, _transfer.id == _listed.transfer_id)
    .join(Sale.__table__, _sale.id == _transfer.sale_id)
    .where(_sale.service_point_id.is_not(None))
)
_bought_on = case((_place.id.in_(_unsummed), _by_the_sales), else_=_kept.bought_on)

_supplied = (
    select(
        _place.id,
        _place.region_id,
        _place.consumer_id,
        _place.address,
        _link.meter_id,
        _link.installed_at,
        _bought_on.label("bought_on"),
    )
    .join_from(
        ServicePoint.__table__, MeterInstallation.__table__, _link.service_point_id == _place.id
    )
    .outerjoin(
        LastPurchase.__table__,
        and_(_kept.service_point_id == _place.id, _kept.consumer_id == _place.consumer_id),
    )
    .where(_link.removed_at.is_(None), _place.consumer_id.is_not(None))
    .subquery("supplied_place")
)


class SuppliedPlace(SeenByRegion, Model):
    """A service point with the meter that hangs there now, and who buys for it; never written.

    Attributes:
        address: Where it is; empty for the consumer's own address.
        bought_on: Business date of the consumer's last purchase here that stands; ``None`` for
            who never bought.
    """

    __table__ = _supplied
    __mapper_args__ = {"primary_key": [_supplied.c.id]}  # noqa: RUF012 - the library's

    id: Mapped[int]
    region_id: Mapped[int]
    consumer_id: Mapped[int]
    address: Mapped[str]
    meter_id: Mapped[int]
    installed_at: Mapped[datetime]
    bought_on: Mapped[date | None]

    consumer: Mapped[Consumer | None] = relationship(
        primaryjoin=lambda: SuppliedPlace.consumer_id == Consumer.id,
        foreign_keys=[_supplied.c.consumer_id], viewonly=True, lazy="raise_on_sql",
    )  # fmt: skip
    meter: Mapped[Meter | None] = relationship(
        primaryjoin=lambda: SuppliedPlace.meter_id == Meter.id,
        foreign_keys=[_supplied.c.meter_id], viewonly=True, lazy="raise_on_sql",
    )  # fmt: skip
    region: Mapped[Region] = relationship(
        primaryjoin=lambda: SuppliedPlace.region_id == Region.id,
        foreign_keys=[_supplied.c.region_id], viewonly=True, lazy="raise_on_sql",
    )  # fmt: skip
