"""The meters of consumers: how many, which, and since when."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.models import Consumer, Meter, MeterInstallation, Sale, ServicePoint
from vmsapp.scope import unscoped
from vmsapp.services.rows import among

MOST_LINKS: Final = 50
"""Meters a consumer's page shows; who has more finds them in the list of meters."""


@dataclass(frozen=True, slots=True)
class Link:
    """A meter that hangs, or hung, at a consumer's place.

    Attributes:
        until: When it was taken away; ``None`` for one that hangs there.
    """

    meter: Meter
    point: ServicePoint
    since: datetime
    until: datetime | None


class Links(NamedTuple):
    """A consumer's meters: those asked for, and how many are bound in all."""

    shown: list[Link]
    bound: int


def meters_bound(
    session: Session, ids: Sequence[int], *, everywhere: bool = False
) -> dict[int, int]:
    """Count the meters that are bound to consumers now, as far as the actor sees, or all.

    Returns:
        By the consumer's id; who has none is left out.
    """
    wanted = (
        select(ServicePoint.consumer_id, func.count(MeterInstallation.id))
        .join(MeterInstallation, MeterInstallation.service_point_id == ServicePoint.id)
        .where(among(session, ServicePoint.consumer_id, ids))
        .where(MeterInstallation.removed_at.is_(None))
        .group_by(ServicePoint.consumer_id)
    )
    with unscoped("a bound meter counts wherever it hangs") if everywhere else nullcontext():
        return {key: count for key, count in session.execute(wanted) if key is not None}


def bound_and_history(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """Count the bound meters that the actor sees, and tell whether anything hangs on a consumer.

    Returns:
        Both by the consumer's id, in one statement for a whole page.
    """
    bound = (
        select(func.count(MeterInstallation.id))
        .join(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .where(ServicePoint.consumer_id == Consumer.id, MeterInstallation.removed_at.is_(None))
        .scalar_subquery()
    )
    # the bare tables, past the scope: a history counts wherever it was made
    tables = (model.__table__ for model in (ServicePoint, MeterInstallation, Sale))
    hangs = or_(*(exists().where(table.c.consumer_id == Consumer.id) for table in tables))
    wanted = select(Consumer.id, bound, hangs).where(Consumer.id.in_(ids))
    return {key: (count, kept) for key, count, kept in session.execute(wanted)}


def links_of(session: Session, consumer_id: int, limit: int = MOST_LINKS) -> Links:
    """List a consumer's meters that the actor sees: first those bound now, newest first.

    A link keeps its consumer; of an old one where nobody noted it, the place's counts.
    """
    mine = or_(
        MeterInstallation.consumer_id == consumer_id,
        and_(MeterInstallation.consumer_id.is_(None), ServicePoint.consumer_id == consumer_id),
    )
    bound = func.count(case((MeterInstallation.removed_at.is_(None), 1))).over()
    wanted = (
        select(MeterInstallation, Meter, ServicePoint, bound)
        .join(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .join(Meter, Meter.id == MeterInstallation.meter_id)
        .where(mine)
        .options(joinedload(Meter.product), joinedload(Meter.tariff))
        .order_by(
            MeterInstallation.removed_at.is_not(None),
            MeterInstallation.removed_at.desc(),
            MeterInstallation.id.desc(),
        )
        .limit(limit)
    )
    found = session.execute(wanted).all()
    return Links(
        [Link(meter, point, hung.installed_at, hung.removed_at) for hung, meter, point, _ in found],
        found[0][3] if found else 0,
    )
