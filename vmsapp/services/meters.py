"""Finding a meter, and the card the operator sees before selling to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, Select, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from vmsapp.models import (
    Consumer,
    KeyChange,
    Meter,
    MeterInstallation,
    MeterState,
    Sale,
    ServicePoint,
    Setup,
)
from vmsapp.services.key_changes.in_force import newest_open
from vmsapp.services.vending.errors import MeterWithoutConsumer, NoSuchMeter
from vmsapp.services.vending.history import History, history_of
from vmsapp.sts import identifiers
from vmsapp.tariffs.plan import Accumulation

MAX_FOUND: Final = 20
"""Meters shown for one search; more than that asks for a longer search."""

SALES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A meter in a list of results."""

    meter: Meter
    consumer: Consumer | None


@dataclass(frozen=True, slots=True)
class Card:
    """What the operator checks before selling: whose meter it is and how it stands.

    Attributes:
        point: Where it hangs, ``None`` for a meter not installed.
        history: What was bought and paid there: a price needs it, too.
        key_change: Whose tokens go before the next credit, or are being made.
        last_sales: The newest first.
    """

    meter: Meter
    consumer: Consumer | None
    point: ServicePoint | None
    history: History | None
    key_change: KeyChange | None
    last_sales: Sequence[Sale]

    @property
    def units_this_month(self) -> Decimal:
        """Units bought at the service point this month."""
        return self.history.bought(Accumulation.MONTH) if self.history else Decimal(0)

    @property
    def can_sell(self) -> bool:
        """Whether anything can be sold at all; the sale itself checks again."""
        return (
            self.consumer is not None
            and self.meter.tariff_id is not None
            and self.meter.state == MeterState.ACTIVE
        )


def find_meters(session: Session, text: str) -> list[Found]:
    """Find meters by number, or by their consumer's number, name or phone.

    Args:
        session: In the asker's scope.
        text: As typed; spaces and hyphens in numbers do not matter.

    Returns:
        Up to ``MAX_FOUND`` + 1; a whole meter number gives that meter alone.
    """
    text = text.strip()
    number = identifiers.drn.compact(text)
    if not text:
        return []
    if number.isdigit():
        exact = _found(session, _meters().where(Meter.drn == number))
        if exact:
            return exact
    return _found(
        session,
        _meters().where(_matches(text, number)).order_by(Meter.drn).limit(MAX_FOUND + 1),
    )


def meter_card(session: Session, setup: Setup, meter_id: int, now: datetime) -> Card:
    """Gather what is shown of one meter, under the settings in force.

    Raises:
        NoSuchMeter: There is none in the asker's scope.
    """
    meter, point, consumer, change = _meter(session, meter_id)
    return Card(
        meter=meter,
        consumer=consumer,
        point=point,
        history=history_of(session, setup, point, now) if point else None,
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
    meter, point, _, _ = _meter(session, meter_id)
    if point is None or point.consumer_id is None:
        raise MeterWithoutConsumer(drn=meter.drn)
    return meter, point


_Row = tuple[Meter, ServicePoint | None, Consumer | None, KeyChange | None]


def _meter(session: Session, meter_id: int) -> _Row:
    statement = (
        _meters()
        .add_columns(KeyChange)
        .outerjoin(KeyChange, KeyChange.id == newest_open())
        .where(Meter.id == meter_id)
        .options(joinedload(Meter.tariff))
    )
    found = session.execute(statement).first()
    if found is None:
        raise NoSuchMeter
    meter, point, consumer, change = found
    return meter, point, consumer, change


def _meters() -> Select[Meter, ServicePoint, Consumer]:
    """Meters with the place they hang at and who lives there; either may be missing."""
    return (
        select(Meter, ServicePoint, Consumer)
        .outerjoin(
            MeterInstallation,
            (MeterInstallation.meter_id == Meter.id) & MeterInstallation.removed_at.is_(None),
        )
        .outerjoin(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
        .options(joinedload(Meter.region))
    )


def _matches(text: str, number: str) -> ColumnElement[bool]:
    bare_phone = "".join(mark for mark in text if mark in "+0123456789")
    return or_(
        Consumer.name.icontains(text, autoescape=True),
        _bare(Consumer.phone).contains(bare_phone, autoescape=True) if bare_phone else false(),
        Consumer.number == text.upper(),
        *([Meter.drn.contains(number, autoescape=True)] if number.isdigit() else []),
    )


def _bare(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """A phone number without the signs people put between its digits."""
    bare: ColumnElement[str] = column.expression
    for mark in " -()":
        bare = func.replace(bare, mark, "")
    return bare


def _found(session: Session, statement: Select[Meter, ServicePoint, Consumer]) -> list[Found]:
    return [Found(meter, consumer) for meter, _, consumer in session.execute(statement)]
