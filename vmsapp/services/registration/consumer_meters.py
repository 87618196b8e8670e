"""The meters of consumers: how many, which, since when, and the fees due at their places."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import and_, exists, func, null, or_, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import business_day
from vmsapp.models import (
    Consumer,
    Counter,
    FeePayment,
    Meter,
    MeterInstallation,
    Sale,
    ServicePoint,
    Setup,
    TariffPlan,
)
from vmsapp.scope import unscoped
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import as_plan
from vmsapp.tariffs.arrears import DatedFee, fees_due
from vmsapp.tariffs.plan import FeePeriod

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
        .where(ServicePoint.consumer_id.in_(ids), MeterInstallation.removed_at.is_(None))
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


def links_of(session: Session, consumer_id: int, limit: int = MOST_LINKS) -> list[Link]:
    """List a consumer's meters that the actor sees: first those bound now, newest first.

    A link keeps its consumer; of an old one where nobody noted it, the place's counts.
    """
    mine = or_(
        MeterInstallation.consumer_id == consumer_id,
        and_(MeterInstallation.consumer_id.is_(None), ServicePoint.consumer_id == consumer_id),
    )
    wanted = (
        select(MeterInstallation, Meter, ServicePoint)
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
    return [
        Link(meter, point, hung.installed_at, hung.removed_at)
        for hung, meter, point in session.execute(wanted)
    ]


def fees_at(
    session: Session, setup: Setup, links: Sequence[Link], moment: datetime
) -> dict[int, int]:
    """Add up the fixed fees due at the places of meters that are bound, in two statements.

    They are what the next purchase there would be charged; the fee of a sale itself is none.

    Returns:
        Minor units by the place's id; places whose meter has no plan in force are left out.
    """
    bound = [link for link in links if link.until is None and link.meter.tariff_id]
    if not bound:
        return {}
    plans = _plans(session, {link.meter.tariff_id for link in bound})
    paid, newest = _standing(session, [link.point.id for link in bound])
    today, currency, due = business_day(moment, setup.time_zone), currency_of(setup), {}
    for link in bound:
        point, day = link.point, max(today, newest.get(link.point.id, today))
        known = [row for row in plans[link.meter.tariff_id] if row.effective_on <= day]
        if not known:
            continue
        fees = fees_due(
            [DatedFee(row.effective_on, as_plan(row, currency).fixed_fee) for row in known],
            attached_on=point.plan_attached_on, paid=paid[point.id],
            paid_until=point.fees_paid_until, today=day,
        )  # fmt: skip
        due[point.id] = sum(fee.amount_minor for fee in fees if fee.period is not FeePeriod.SALE)
    return due


def _standing(
    session: Session, places: Sequence[int]
) -> tuple[Mapping[int, set[tuple[FeePeriod, date]]], Mapping[int, date]]:
    """Read which fees were paid at places, and the newest day with purchases of each.

    A clock that was set back does not go behind that day.
    """
    fees = select(
        FeePayment.service_point_id, FeePayment.fee_period, FeePayment.period_start
    ).where(FeePayment.service_point_id.in_(places))
    days = (
        select(Counter.service_point_id, null(), func.max(Counter.period_start))
        .where(Counter.service_point_id.in_(places))
        .group_by(Counter.service_point_id)
    )
    paid: dict[int, set[tuple[FeePeriod, date]]] = defaultdict(set)
    newest: dict[int, date] = {}
    for place, period, day in session.execute(fees.union_all(days)):
        if period is None:
            newest[place] = day
        else:
            paid[place].add((FeePeriod(period), day))
    return paid, newest


def _plans(session: Session, tariffs: set[int | None]) -> Mapping[int | None, list[TariffPlan]]:
    rows = session.scalars(
        select(TariffPlan).where(TariffPlan.tariff_id.in_(tariffs))
        .order_by(TariffPlan.effective_on)
    )  # fmt: skip
    plans: dict[int | None, list[TariffPlan]] = defaultdict(list)
    for row in rows:
        plans[row.tariff_id].append(row)
    return plans
