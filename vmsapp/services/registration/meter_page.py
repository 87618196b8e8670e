"""What a meter's own page tells: where it hangs and hung, what is due there, its key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, Select, exists, or_, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.models import (
    CHANGES_MADE,
    MAY_BE_MADE,
    Consumer,
    EngineeringToken,
    KeyChange,
    Meter,
    MeterInstallation,
    MeterState,
    Sale,
    SecurityModule,
    ServicePoint,
    Setup,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.models.meter import Algorithm
from vmsapp.services.key_changes.in_force import IS_NEWEST_OPEN
from vmsapp.services.registration.dues import Dues, dues_of
from vmsapp.services.registration.meters import MADE
from vmsapp.services.rows import among
from vmsapp.services.vending.history import history_of
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import key_expires_at
from vmsapp.tariffs.plan import Accumulation, Span

LINKS_SHOWN: Final = 20
FOUND: Final = 20
"""Meters or consumers offered for one search; more than that asks for a longer one."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The public side of the vending key a meter's tokens are made with."""

    module: str
    name: str
    kcv: str
    expires_at: datetime
    demo: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a meter, beyond its row.

    Attributes:
        point: Where it hangs; ``None``: nowhere.
        links: Where it hung, the newest first, as far as the asker sees the place.
        token_made: Its key parameters stay as they are.
        key: ``None``: no module has it.
        key_change: Which nobody confirmed yet.
        today, month, year: Units bought at the place.
        dues: Fees due at the place.
    """

    point: ServicePoint | None
    consumer: Consumer | None
    links: Sequence[tuple[MeterInstallation, Consumer | None]]
    token_made: bool
    key: KeyFacts | None
    key_change: KeyChange | None = None
    today: Decimal = Decimal(0)
    month: Decimal = Decimal(0)
    year: Decimal = Decimal(0)
    dues: Dues | None = None


def facts_of(session: Session, setup: Setup | None, meter: Meter, now: datetime) -> Facts:
    """Gather them.

    Args:
        session: In the asker's scope; the meter is seen.
        setup: In force; ``None`` before the utility is set up: then nothing was counted.
        meter: Whose page it is.
        now: The moment.
    """
    made, change, key, links = _links(session, meter)
    bound = next((link for link, _, _ in links if link.removed_at is None), None)
    point = next((place for link, place, _ in links if link is bound), None)
    shown = [(link, consumer) for link, _, consumer in links]
    if point is None or setup is None:
        return Facts(point, _consumer_of(point, links), shown, made, key, change)
    history = history_of(session, setup, point, now)
    return Facts(
        point=point,
        consumer=_consumer_of(point, links),
        links=shown,
        token_made=made,
        key=key,
        key_change=change,
        today=history.used()[Span.DAY].units,
        month=history.bought(Accumulation.MONTH),
        year=history.bought(Accumulation.YEAR),
        dues=dues_of(session, setup, meter.tariff_id, history),
    )


_Row = tuple[MeterInstallation, ServicePoint | None, Consumer | None]


def _links(
    session: Session, meter: Meter
) -> tuple[bool, KeyChange | None, KeyFacts | None, list[_Row]]:
    """Read in one statement where a meter hung, whether a token was made for it, and its key."""
    # past the scope: other vending points' sales count, too
    sale, change = Sale.__table__.c, KeyChange.__table__.c
    managed = EngineeringToken.__table__.c
    made = or_(
        exists().where(sale.meter_id == meter.id, sale.state.in_(MADE)),
        exists().where(change.meter_id == meter.id, change.state.in_(CHANGES_MADE)),
        exists().where(managed.meter_id == meter.id, managed.state.in_(MAY_BE_MADE)),
    )
    link = MeterInstallation
    whose = (link.consumer_id == Consumer.id) | (
        link.consumer_id.is_(None) & (ServicePoint.consumer_id == Consumer.id)
    )
    key = VendingKey
    of_meter = (
        (key.module_id == SmAlgorithm.module_id)
        & (key.sgc == meter.sgc)
        & (key.krn == meter.krn)
        & (key.kt == meter.kt)
        & (key.dkga == Algorithm(meter.algorithm).dkga)
    )
    told = (SecurityModule.name, key.name, key.kcv, key.base_date, key.ken, key.demo)
    rows = session.execute(
        select(made, link, ServicePoint, Consumer, KeyChange, *told)
        .select_from(Meter)
        .outerjoin(SmAlgorithm, SmAlgorithm.algorithm == Meter.algorithm)
        .outerjoin(SecurityModule, SecurityModule.id == SmAlgorithm.module_id)
        .outerjoin(key, of_meter)
        .outerjoin(link, link.meter_id == Meter.id)
        .outerjoin(ServicePoint, ServicePoint.id == link.service_point_id)
        .outerjoin(Consumer, whose)
        .outerjoin(KeyChange, IS_NEWEST_OPEN)
        .where(Meter.id == meter.id)
        .order_by(link.id.desc())
        .limit(LINKS_SHOWN)
    ).all()
    found: list[_Row] = [(row[1], row[2], row[3]) for row in rows if row[1] is not None]
    if not rows:
        return False, None, None, found
    return bool(rows[0][0]), rows[0][4], _key_facts(rows[0][5:]), found


def _consumer_of(point: ServicePoint | None, links: Sequence[_Row]) -> Consumer | None:
    if point is None or point.consumer_id is None:
        return None
    people = (consumer for _, _, consumer in links if consumer is not None)
    return next((one for one in people if one.id == point.consumer_id), None)


def _key_facts(told: Sequence[Any]) -> KeyFacts | None:
    module, name, kcv, base_date, ken, demo = told
    if kcv is None:
        return None
    return KeyFacts(module, name, kcv, key_expires_at(ken, BaseDate(base_date)), demo)


def vending_keys(session: Session) -> list[tuple[str, VendingKey]]:
    """List the keys that serve meters, each with its algorithm."""
    rows = session.execute(
        select(SmAlgorithm.algorithm, VendingKey)
        .join(VendingKey, VendingKey.module_id == SmAlgorithm.module_id)
        .order_by(SmAlgorithm.algorithm, VendingKey.sgc, VendingKey.krn, VendingKey.kt)
    )
    return [(name, key) for name, key in rows if Algorithm(name).dkga == key.dkga]


def consumers_of(session: Session, meter_ids: Sequence[int]) -> dict[int, Row[int, str, str]]:
    """Tell who has meters now, as far as the asker sees them, by the meters' ids.

    Returns:
        Of each the ``name`` and ``number``.
    """
    rows = session.execute(
        select(MeterInstallation.meter_id, Consumer.name, Consumer.number)
        .join(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .join(Consumer, Consumer.id == ServicePoint.consumer_id)
        .where(
            among(session, MeterInstallation.meter_id, meter_ids),
            MeterInstallation.removed_at.is_(None),
        )
    )
    return {row.meter_id: row for row in rows}


def unbound(session: Session, text: str, meter_type: str | None = None) -> Sequence[Meter]:
    """Find meters that hang nowhere and can be bound, by a part of the number.

    Args:
        session: In the asker's scope.
        text: As typed; nothing finds the newest.
        meter_type: Only those that measure this.

    Returns:
        At most ``FOUND`` + 1.
    """
    hangs = exists().where(
        MeterInstallation.meter_id == Meter.id, MeterInstallation.removed_at.is_(None)
    )
    found: Select[Meter] = (
        select(Meter)
        .where(~hangs, Meter.state != MeterState.RETIRED)
        .options(joinedload(Meter.product), joinedload(Meter.region))
        .order_by(Meter.id.desc())
        .limit(FOUND + 1)
    )
    if meter_type is not None:
        found = found.where(Meter.meter_type == meter_type)
    number = identifiers.drn.compact(text)
    if number:
        found = found.where(Meter.drn.contains(number, autoescape=True))
    return session.scalars(found).all()


def buyers(session: Session, text: str) -> Sequence[Consumer]:
    """Find consumers to bind a meter to, by a part of number or name; at most ``FOUND`` + 1."""
    found = (
        select(Consumer)
        .where(Consumer.retired.is_(False))
        .options(joinedload(Consumer.region))
        .order_by(Consumer.id.desc())
        .limit(FOUND + 1)
    )
    if text:
        found = found.where(
            Consumer.number.icontains(text, autoescape=True)
            | Consumer.name.icontains(text, autoescape=True)
        )
    return session.scalars(found).all()


def vacant(
    session: Session, meter: Meter, consumer: Consumer
) -> list[tuple[ServicePoint, MeterInstallation, Consumer | None]]:
    """List the places that a meter could take over for a consumer.

    Those of the consumer where nothing hangs, and the one where the meter hung last; each with
    its last link, whose meter was of the same kind, and with who bought there.
    """
    link, last = MeterInstallation, Meter.__table__.alias("last_meter")
    taken = exists().where(
        link.service_point_id == ServicePoint.id, link.removed_at.is_(None)
    ).correlate(ServicePoint)  # fmt: skip
    newest = (
        select(link.id).where(link.service_point_id == ServicePoint.id)
        .order_by(link.id.desc()).limit(1).correlate(ServicePoint).scalar_subquery()
    )  # fmt: skip
    rows = session.execute(
        select(ServicePoint, link, Consumer)
        .join(link, (link.service_point_id == ServicePoint.id) & (link.id == newest))
        .join(last, last.c.id == link.meter_id)
        .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
        .where(~taken, last.c.meter_type == meter.meter_type)
        .where((ServicePoint.consumer_id == consumer.id) | (link.meter_id == meter.id))
        .order_by((link.meter_id == meter.id).desc(), ServicePoint.id.desc())
        .limit(FOUND)
    )
    return [(point, hung, who) for point, hung, who in rows]
