"""The card the operator sees before selling to a meter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BindParameter, CompoundSelect, Select, bindparam, select
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm import join as orm_join

from vmsapp.models import (
    Consumer,
    CreditMode,
    KeyChange,
    Meter,
    MeterInstallation,
    MeterState,
    Sale,
    ServicePoint,
    Setup,
    SmAlgorithm,
    TariffPlan,
    VendingKey,
)
from vmsapp.services.key_changes.in_force import with_key
from vmsapp.services.registration.dues import Dues, plans_known
from vmsapp.services.security_modules.health import ends_at
from vmsapp.services.setup import currency_of
from vmsapp.services.vending.errors import MeterWithoutConsumer, NoSuchMeter
from vmsapp.services.vending.history import History, history_of
from vmsapp.services.vending.pricing import fees_of
from vmsapp.services.vending.reading import HANGS
from vmsapp.statements import made_once
from vmsapp.tariffs.plan import Accumulation, Span

SALES_SHOWN: Final = 3

KEY_WARNING: Final = timedelta(days=30)
"""How long before its end a key is warned of at the counter."""


_Place = tuple[
    Meter, ServicePoint | None, Consumer | None, KeyChange | None, VendingKey | None, int | None
]


@dataclass(frozen=True, slots=True)
class Card:
    """What the operator checks before selling: whose meter it is and how it stands.

    Attributes:
        point: Where it hangs, ``None`` for a meter not installed.
        history: What was bought and paid there: a price needs it, too.
        key_change: Whose tokens go before the next credit, or are being made.
        last_sales: The newest first.
        plans: Of the meter's tariff since the place got it: a price needs them, too.
        dues: Fixed fees due there.
        key_ends_at: When the vending key of its next token expires, or must not be used any more,
            where that is near or past; ``None`` otherwise, and where no module has a key.
        key_ended: It is past.
        module_id: The module that makes its next token, ``None`` where none does.
    """

    meter: Meter
    consumer: Consumer | None
    point: ServicePoint | None
    history: History | None
    key_change: KeyChange | None
    last_sales: Sequence[Sale]
    plans: Sequence[TariffPlan] = ()
    dues: Dues | None = None
    key_ends_at: datetime | None = None
    key_ended: bool = False
    module_id: int | None = None

    @property
    def units_this_month(self) -> Decimal:
        """Units bought at the service point this month."""
        return self.history.bought(Accumulation.MONTH) if self.history else Decimal(0)

    @property
    def paid_this_month(self) -> int:
        """Money charged at the service point this month, minor units."""
        return self.history.used()[Span.MONTH].minor if self.history else 0

    @property
    def in_money(self) -> bool:
        """Whether the meter rates itself, and is sold to by amount alone."""
        return self.meter.credit_mode == CreditMode.CURRENCY

    @property
    def can_sell(self) -> bool:
        """Whether anything can be sold at all; the sale itself checks again."""
        return (
            self.consumer is not None
            and self.meter.tariff_id is not None
            and self.meter.state == MeterState.ACTIVE
        )


def meter_card(session: Session, setup: Setup, meter_id: int, now: datetime) -> Card:
    """Gather what is shown of one meter, under the settings in force.

    Raises:
        NoSuchMeter: There is none in the asker's scope.
    """
    meter, point, consumer, change, key, module_id = _meter(session, meter_id)
    history = history_of(session, setup, point, now) if point else None
    plans = plans_known(session, meter.tariff_id, history) if history else ()
    ends = None if key is None else ends_at(key)
    return Card(
        meter=meter,
        consumer=consumer,
        point=point,
        history=history,
        plans=plans,
        dues=Dues.of(fees_of(plans, currency_of(setup), history)) if history and plans else None,
        key_ends_at=ends if ends is not None and ends - now < KEY_WARNING else None,
        key_ended=ends is not None and ends <= now,
        module_id=module_id,
        key_change=change,
        last_sales=session.scalars(
            select(Sale)
            .where(Sale.meter_id == meter.id)
            .order_by(Sale.id.desc())
            .limit(SALES_SHOWN)
        ).all(),
    )


def meter_to_sell_to(session: Session, meter_id: int) -> tuple[Meter, ServicePoint]:
    """Fetch a meter and the service point it hangs at: what a price needs.

    Raises:
        NoSuchMeter: There is none in the asker's scope.
        MeterWithoutConsumer: It hangs nowhere, or nobody lives there.
    """
    found = session.execute(_with_place(), {"meter_id": meter_id}).first()
    if found is None:
        raise NoSuchMeter
    meter, point = found
    if point is None or point.consumer_id is None:
        raise MeterWithoutConsumer(drn=meter.drn)
    return meter, point


@made_once
def _with_place() -> Select[Meter, ServicePoint]:
    return (
        select(Meter, ServicePoint)
        .outerjoin(MeterInstallation, HANGS)
        .outerjoin(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .where(Meter.id == bindparam("meter_id"))
    )


def _meter(session: Session, meter_id: int) -> _Place:
    found = session.execute(_with_all_around(), {"meter_id": meter_id}).first()
    if found is None:
        raise NoSuchMeter
    meter, point, consumer, change, key, module_id = found
    return meter, point, consumer, change, key, module_id


@made_once
def _with_all_around() -> Select[*tuple[Any, ...]]:
    meter_id: BindParameter[int] = bindparam("meter_id")
    found = meters_with_places().add_columns(KeyChange, VendingKey, SmAlgorithm.module_id)
    return with_key(found, KeyChange).where(Meter.id == meter_id).options(joinedload(Meter.tariff))


def meters_with_places(
    ids: Select[int] | CompoundSelect[int] | None = None,
) -> Select[Meter, ServicePoint, Consumer]:
    """Meters with the place they hang at and who lives there; either may be missing.

    Args:
        ids: A select of the ids of few meters. They are found first and the rest is read by them:
            where they are a condition, PostgreSQL reads every meter and consumer there is, for
            so many joined tables it takes in the order they are written.
    """
    few = None if ids is None else ids.subquery()
    start = Meter if few is None else orm_join(few, Meter, Meter.id == next(iter(few.c)))
    return (
        select(Meter, ServicePoint, Consumer)
        .select_from(start)
        .outerjoin(MeterInstallation, HANGS)
        .outerjoin(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
        .options(joinedload(Meter.region))
    )
