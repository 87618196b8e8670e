"""How the day goes: the figures of the first page, in the reader's scope.

One day's sales are few, so they are read from the records themselves, by their business date,
beside those of the same weekday a week before. Sales count on the day they were made,
reversals on their own; tokens given without money are no sales.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, case, func, literal, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import business_day, now_utc
from vmsapp.models import (
    Installation,
    Job,
    JobState,
    LedgerTransfer,
    MeterType,
    RevenueFinding,
    Sale,
    SaleKind,
    SaleState,
    SecurityModule,
    Shift,
    VendingPoint,
)
from vmsapp.services.revenue_protection.rules import STOPPED
from vmsapp.services.revenue_protection.running import UNDER_WAY
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY

WEEK: Final = timedelta(days=7)
TOP: Final = 5
"""Vending points that are named."""
RECENT: Final = timedelta(days=1)
"""How long a job that failed is told of."""

_SOLD: Final = (SaleState.ISSUED, SaleState.REVERSED)
_TYPES: Final = {subclass: kind for kind, subclass in SUBCLASS.items()}


@dataclass(frozen=True, slots=True)
class Day:
    """What was sold on a business day.

    Attributes:
        sales: How many.
        gross_minor: What was paid for them, minor units.
        units: Sold by meter type, in its unit; meters credited with money have none.
        hours: Minor units paid in each hour of the day in the utility's zone, 24 of them.
    """

    on: date
    sales: int
    gross_minor: int
    units: Mapping[MeterType, Decimal]
    hours: Sequence[int]


@dataclass(frozen=True, slots=True)
class Trade:
    """A day beside the same weekday a week before.

    Attributes:
        so_far_minor, so_far: What the day before had taken, and its sales, at the same time
            of day.
        points: The vending points that took most today: name, sales, minor units.
    """

    today: Day
    before: Day
    so_far_minor: int
    so_far: int
    points: Sequence[tuple[str, int, int]]

    @property
    def change(self) -> Decimal | None:
        """Today against the same time a week before, as a share; ``None`` without a before."""
        if not self.so_far_minor:
            return None
        return Decimal(self.today.gross_minor) / self.so_far_minor - 1


@dataclass(frozen=True, slots=True)
class Sums:
    """Sales of one hour and one sub-class of tokens, ``so_far`` those before some moment."""

    business_date: date
    local_hour: int
    subclass: int
    count: int
    minor: int
    units: Decimal
    so_far: int
    so_far_minor: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What wants looking at.

    Attributes:
        still_since: Since when nothing is sold, because something was restored; None otherwise.
        pending, failed: Sales: pending of any day, and failed today.
        shifts: Open ones.
        jobs, jobs_failed: Under way, and failed within a day.
        requests: What waits for the reader's decision.
        reversed: Sales taken back today, of whichever day they were.
        reversed_minor: What was paid back for them.
        stopped: Meters that revenue protection found to have stopped buying, not decided yet.
        findings: All that it found and nobody decided yet.
    """

    still_since: datetime | None
    pending: int
    failed: int
    shifts: int
    jobs: int
    jobs_failed: int
    requests: int
    reversed: int
    reversed_minor: int
    stopped: int
    findings: int


def trade(session: Session, zone: str) -> Trade:
    """Read today's sales and those of a week before.

    Args:
        session: In the reader's scope.
        zone: The utility's, an IANA name.
    """
    now = now_utc()
    today = business_day(now, zone)
    days = (today, today - WEEK)
    sums = _sums(session, days, _same_time(now, zone))
    was = [row for row in sums if row.business_date == days[1]]
    return Trade(
        today=_day(today, sums),
        before=_day(days[1], sums),
        so_far_minor=sum(row.so_far_minor for row in was),
        so_far=sum(row.so_far for row in was),
        points=_top(session, today),
    )


def counts(session: Session, today: date, requests: Select[int] | None = None) -> Counts:
    """Count what wants looking at, in one statement; whoever asks shows what may be seen.

    Args:
        session: In the reader's scope.
        today: The business day.
        requests: States how many requests wait for the reader.
    """
    sales, jobs = select(func.count(Sale.id)), select(func.count(Job.id))
    back = (
        select(LedgerTransfer.id)
        .join(Sale, Sale.id == LedgerTransfer.sale_id)
        .where(LedgerTransfer.kind == "reversal", LedgerTransfer.business_date == today)
        .where(Sale.kind == SaleKind.SALE)
    )
    jobs = jobs.where(Job.recurring.is_(False))
    findings = select(func.count(RevenueFinding.id)).where(RevenueFinding.state.in_(UNDER_WAY))
    wanted = (
        select(Installation.standstill_since),
        sales.where(Sale.state == SaleState.PENDING),
        sales.where(Sale.business_date == today, Sale.state == SaleState.FAILED),
        select(func.count(Shift.id)).where(Shift.closed_at.is_(None)),
        jobs.where(Job.state.in_((JobState.WAITING, JobState.RUNNING))),
        jobs.where(Job.state == JobState.FAILED, Job.finished_at > now_utc() - RECENT),
        select(literal(0)) if requests is None else requests,
        back.with_only_columns(func.count(Sale.id)),
        back.with_only_columns(func.coalesce(func.sum(Sale.charged_minor), 0)),
        findings.where(RevenueFinding.rule == STOPPED),
        findings,
    )
    still, *numbers = session.execute(select(*(one.scalar_subquery() for one in wanted))).one()
    return Counts(still, *map(int, numbers))


def modules(session: Session) -> Sequence[SecurityModule]:
    """The security modules in use, with how they were when last asked and their keys."""
    wanted = (
        select(SecurityModule)
        .options(joinedload(SecurityModule.health), joinedload(SecurityModule.keys))
        .where(SecurityModule.retired_at.is_(None))
        .order_by(SecurityModule.name)
    )
    return session.scalars(wanted).unique().all()


def _same_time(now: datetime, zone: str) -> datetime:
    """The moment a week ago at which the utility's clocks showed the same time."""
    return (now.astimezone(ZoneInfo(zone)) - WEEK).astimezone(UTC)


def _sums(session: Session, days: Sequence[date], same_time: datetime) -> Sequence[Sums]:
    early = Sale.sold_at <= same_time
    wanted = (
        select(
            Sale.business_date,
            Sale.local_hour,
            Sale.subclass,
            func.count(Sale.id),
            func.sum(Sale.charged_minor),
            func.sum(Sale.units),
            func.sum(case((early, 1), else_=0)),
            func.sum(case((early, Sale.charged_minor), else_=0)),
        )
        .where(Sale.business_date.in_(days), Sale.state.in_(_SOLD), Sale.kind == SaleKind.SALE)
        .group_by(Sale.business_date, Sale.local_hour, Sale.subclass)
    )
    return [
        Sums(day, hour, subclass, count, int(minor), units, int(so_far), int(so_far_minor))
        for day, hour, subclass, count, minor, units, so_far, so_far_minor in session.execute(
            wanted
        )
    ]


def _day(on: date, sums: Sequence[Sums]) -> Day:
    rows = [row for row in sums if row.business_date == on]
    units: dict[MeterType, Decimal] = {}
    hours = [0] * 24
    for row in rows:
        hours[row.local_hour] += row.minor
        if row.subclass < CURRENCY:
            kind = _TYPES[row.subclass]
            units[kind] = units.get(kind, Decimal(0)) + row.units
    return Day(
        on,
        sales=sum(row.count for row in rows),
        gross_minor=sum(hours),
        units={kind: units[kind] for kind in MeterType if kind in units},
        hours=hours,
    )


def _top(session: Session, today: date) -> Sequence[tuple[str, int, int]]:
    took = func.sum(Sale.charged_minor)
    wanted = (
        select(VendingPoint.name, func.count(Sale.id), took)
        .join(Sale, Sale.vending_point_id == VendingPoint.id)
        .where(Sale.business_date == today, Sale.state.in_(_SOLD), Sale.kind == SaleKind.SALE)
        .group_by(VendingPoint.id, VendingPoint.name)
        .order_by(took.desc(), VendingPoint.name)
        .limit(TOP)
    )
    return [(name, count, int(minor)) for name, count, minor in session.execute(wanted)]
