"""Setting what a former system counted: units, money and fees of service points.

A row names a place by the meter that hangs there, or by its id. Its figure is what was bought
there before, since the first day of the period; what is sold here counts on top. Setting it
anew replaces the figure, never the sales. All rows are looked at first: while one is bad,
nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, InvalidInput, NotFound, Refused, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import Counter, Meter, MeterInstallation, Sale, SaleKind, SaleState, ServicePoint
from vmsapp.money import MAX_MINOR
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.setup import zone_at
from vmsapp.sts import identifiers
from vmsapp.tariffs.engine import Used
from vmsapp.tariffs.figures import GRID, fits

EARLIEST: Final = date(1990, 1, 1)
"""No prepayment is older: a day before it is a slip of the pen."""

AHEAD: Final = timedelta(days=366)
"""How far ahead fees may have been paid."""

AT_ONCE: Final = 500
"""Rows asked for in one statement."""

STANDING: Final = (SaleState.PENDING, SaleState.ISSUED)


@dataclass(frozen=True, slots=True)
class CounterRow:
    """What is set of one service point; ``None`` leaves it as it is.

    Attributes:
        meter: Number of the meter that hangs there, or
        service_point_id: the place itself; one of the two.
        units: Bought before, since ``period_start``: 0 or more, on the grid.
        period_start: First day of the period that the units count in.
        charged_minor: Money charged for them, for limits in money.
        fees_paid_until: Fee periods that begin on this day or earlier are paid.
        attached_on: Day from which missed fees accumulate.
    """

    meter: str | None = None
    service_point_id: int | None = None
    units: Decimal | None = None
    period_start: date | None = None
    charged_minor: int | None = None
    fees_paid_until: date | None = None
    attached_on: date | None = None


class NoSuchPlace(NotFound):
    """No such meter or service point, or not in the asker's scope."""

    code = "no_such_place"
    message = N_("There is no such meter or service point here.")


class MeterHangsNowhere(Refused):
    """Counters belong to a place, and the meter hangs at none."""

    code = "meter_hangs_nowhere"
    message = N_("Meter %(drn)s hangs at no service point, so nothing is counted for it.")

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class NothingToSet(InvalidInput):
    """The row names a place and nothing else, or two places."""

    code = "nothing_to_set"
    message = N_("A row names one meter or one service point, and what is to be set there.")


class PeriodIncomplete(InvalidInput):
    """Units without the day they count from, or the day or money without units."""

    code = "period_incomplete"
    message = N_("Units and the first day of their period belong together; money goes with both.")


class UnitsOffGrid(InvalidInput):
    """Below nothing, or finer than is counted."""

    code = "units_off_grid"
    message = N_("Units are 0 or more, in steps of 0.1.")


class MoneyOutOfRange(InvalidInput):
    """Below nothing, or more than anybody pays."""

    code = "money_out_of_range"
    message = N_("The money is less than nothing or more than can be counted.")


class DayOutOfRange(InvalidInput):
    """A day that is still to come, or before there was any prepayment."""

    code = "day_out_of_range"
    message = N_("%(day)s cannot be: the day lies between %(first)s and %(last)s.")

    def __init__(self, *, day: date, first: date, last: date) -> None:
        super().__init__(day=day, first=first, last=last)


class NamedTwice(InvalidInput):
    """Two rows set the same of the same place."""

    code = "place_named_twice"
    message = N_("An earlier row sets the same of this service point.")


class SalesCount(Refused):
    """What is sold here counts in the period already; the figure may hold it, too."""

    code = "sales_count"
    message = N_(
        "%(count)s sales since %(day)s count there already. Set the figure without them, and say"
        " that it is to be replaced."
    )

    def __init__(self, *, count: int, day: date) -> None:
        super().__init__(count=count, day=day)


class BadRows(InvalidInput):
    """Some rows cannot be; ``faults`` are their places, from 0, with what is wrong."""

    code = "bad_rows"
    message = N_("%(count)s rows cannot be set; nothing was changed.")

    def __init__(self, faults: Sequence[tuple[int, VmsError]]) -> None:
        super().__init__(count=len(faults))
        self.faults = tuple(faults)


def set_counters(
    session: Session,
    actor: Actor,
    rows: Sequence[CounterRow],
    *,
    replace: bool = False,
    dry_run: bool = False,
) -> int:
    """Set what a former system counted, all of it in one transaction or nothing.

    Args:
        session: In the actor's scope.
        actor: Who sets it.
        rows: For one place or many; a place may have several periods, one a row.
        replace: Also where sales count in the period already.
        dry_run: Look at all rows and write nothing.

    Returns:
        How many service points the rows name.

    Raises:
        BadRows: With all that is wrong.
    """
    with atomic(session):
        places = _places_of(session, rows)
        points = _lock(session, {place for place in places if isinstance(place, int)})
        faults = list(_faults(session, rows, places, points, replace=replace))
        if faults:
            raise BadRows(faults)
        if not dry_run:
            for place, row in zip(places, rows, strict=True):
                assert isinstance(place, int), "a fault otherwise"
                _set(session, actor, points[place], row)
    return len(points)


Place = int | VmsError
"""Id of a service point, or why there is none."""

Value = TypeVar("Value", int, str)


def _some(values: Iterable[Value]) -> Iterator[list[Value]]:
    """Give values in order, as many at a time as are asked for at once."""
    ordered = sorted(values)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _places_of(session: Session, rows: Sequence[CounterRow]) -> list[Place]:
    """Find the place of each row."""
    numbers = {identifiers.drn.compact(row.meter) for row in rows if row.meter is not None}
    known: dict[str, Place] = {}
    for some in _some(numbers):
        hung = (
            select(Meter.drn, MeterInstallation.service_point_id)
            .outerjoin(
                MeterInstallation,
                (MeterInstallation.meter_id == Meter.id) & MeterInstallation.removed_at.is_(None),
            )
            .where(Meter.drn.in_(some))
        )
        for drn, point_id in session.execute(hung):
            known[drn] = MeterHangsNowhere(drn=drn) if point_id is None else point_id
    return [_place_of(row, known) for row in rows]


def _place_of(row: CounterRow, known: Mapping[str, Place]) -> Place:
    if row.service_point_id is not None:
        return row.service_point_id
    number = identifiers.drn.compact(row.meter or "")
    return known.get(number) or NoSuchPlace()


def _lock(session: Session, ids: Iterable[int]) -> dict[int, ServicePoint]:
    """Lock the service points that the asker sees, in the order of their ids."""
    found: dict[int, ServicePoint] = {}
    for some in _some(ids):
        points = session.scalars(
            select(ServicePoint)
            .where(ServicePoint.id.in_(some))
            .order_by(ServicePoint.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        found.update((point.id, point) for point in points)
    return found


def _faults(
    session: Session,
    rows: Sequence[CounterRow],
    places: Sequence[Place],
    points: Mapping[int, ServicePoint],
    *,
    replace: bool,
) -> Iterator[tuple[int, VmsError]]:
    """Find what is wrong with the rows, the first fault of each."""
    now = now_utc()
    today = business_day(now, zone_at(session, now))
    sold = {} if replace else sold_since(session, points)
    seen: set[tuple[int, object]] = set()
    for number, (row, place) in enumerate(zip(rows, places, strict=True)):
        fault = fault_of(row, today)
        if fault is None and not isinstance(place, int):
            fault = place
        elif fault is None and isinstance(place, int):
            named = {(place, part) for part in _parts(row)}
            if place not in points:
                fault = NoSuchPlace()
            elif named & seen:
                fault = NamedTwice()
            else:
                fault = _counted(row, sold.get(place, []))
            seen |= named
        if fault is not None:
            yield number, fault


def fault_of(row: CounterRow, today: date) -> VmsError | None:
    """Tell what is wrong with a row by itself, on a day."""
    if (row.meter is None) == (row.service_point_id is None) or not _parts(row):
        return NothingToSet()
    if (row.units is None) != (row.period_start is None) or (
        row.charged_minor is not None and row.units is None
    ):
        return PeriodIncomplete()
    if row.units is not None and (not fits(row.units, GRID) or row.units < 0):
        return UnitsOffGrid()
    if row.charged_minor is not None and not 0 <= row.charged_minor <= MAX_MINOR:
        return MoneyOutOfRange()
    for day, last in (
        (row.period_start, today),
        (row.fees_paid_until, today + AHEAD),
        (row.attached_on, today),
    ):
        if day is not None and not EARLIEST <= day <= last:
            return DayOutOfRange(day=day, first=EARLIEST, last=last)
    return None


def _parts(row: CounterRow) -> list[object]:
    """List what a row sets: of counters, their first days."""
    parts: list[object] = [
        name for name in ("fees_paid_until", "attached_on") if getattr(row, name) is not None
    ]
    figures = (row.units, row.charged_minor, row.period_start)
    return parts if figures == (None, None, None) else [*parts, row.period_start]


def sold_since(session: Session, points: Iterable[int]) -> Mapping[int, Sequence[tuple[date, int]]]:
    """Count the sales that stand at each place, by the day they count on."""
    sale = Sale.__table__.c  # past the scope: other vending points' sales count, too
    sold: dict[int, list[tuple[date, int]]] = defaultdict(list)
    for some in _some(points):
        found = session.execute(
            select(sale.service_point_id, sale.counter_period, func.count())
            .where(sale.service_point_id.in_(some), sale.state.in_(STANDING))
            .group_by(sale.service_point_id, sale.counter_period)
        )
        for point_id, day, count in found:
            sold[point_id].append((day, count))
    return sold


def _counted(row: CounterRow, sold: Sequence[tuple[date, int]]) -> VmsError | None:
    if row.period_start is None:
        return None
    since = row.period_start
    count = sum(many for day, many in sold if day >= since)
    return SalesCount(count=count, day=since) if count else None


def _set(session: Session, actor: Actor, point: ServicePoint, row: CounterRow) -> None:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if row.fees_paid_until is not None:
        before["fees_paid_until"] = _iso(point.fees_paid_until)
        after["fees_paid_until"] = _iso(row.fees_paid_until)
        point.fees_paid_until = row.fees_paid_until
    if row.attached_on is not None:
        before["attached_on"] = _iso(point.plan_attached_on)
        after["attached_on"] = _iso(row.attached_on)
        point.plan_attached_on = row.attached_on
    if row.period_start is not None and row.units is not None:
        was, now = _count(session, point.id, row.period_start, row.units, row.charged_minor)
        before |= {"units": str(was.units), "charged_minor": was.minor}
        after |= {"units": str(now.units), "charged_minor": now.minor}
    audit.record(
        session, actor, "counters.set", "service_point", point.id,
        meter=row.meter, period_start=_iso(row.period_start),
        before=before, after=after,
    )  # fmt: skip


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _count(
    session: Session, point_id: int, day: date, units: Decimal, charged_minor: int | None
) -> tuple[Used, Used]:
    """Set a counter's former part; the sales that count on it stay on top.

    Returns:
        What the former part was, and what it is now.
    """
    sale = Sale.__table__.c
    sold_units, sold_minor = session.execute(
        select(func.sum(_of_units()), func.sum(sale.charged_minor)).where(
            sale.service_point_id == point_id,
            sale.counter_period == day,
            sale.state.in_(STANDING),
        )
    ).one()
    sold_units, sold_minor = sold_units or Decimal(0), int(sold_minor or 0)
    counter = session.get(Counter, (point_id, day), populate_existing=True)
    if counter is None:
        counter = Counter(
            service_point_id=point_id, period_start=day, units=Decimal(0), charged_minor=0
        )
        session.add(counter)
    was = Used(counter.units - sold_units, counter.charged_minor - sold_minor)
    now = Used(units, was.minor if charged_minor is None else charged_minor)
    counter.units = now.units + sold_units
    counter.charged_minor = now.minor + sold_minor
    return was, now


def _of_units() -> ColumnElement[Decimal | None]:
    """The units of a sale that count: money is none, and what was given counts none."""
    sale = Sale.__table__.c
    return case(((sale.credit_minor.is_(None)) & (sale.kind == SaleKind.SALE), sale.units))


def former_units(
    session: Session, days: Iterable[tuple[int, date]]
) -> Mapping[tuple[int, date], Decimal]:
    """Tell what a former system counted at some places since some days, without the sales here.

    Args:
        session: The places are in its scope.
        days: Service points, each with the first day of a period.

    Returns:
        Units by place and day, where there is a counter.
    """
    sale, found = Sale.__table__.c, dict[tuple[int, date], Decimal]()
    wanted = set(days)
    first_days = {day for _, day in wanted}
    for some in _some({point for point, _ in wanted}):
        counted = session.execute(
            select(Counter.service_point_id, Counter.period_start, Counter.units)
            .where(Counter.service_point_id.in_(some), Counter.period_start.in_(first_days))
        )  # fmt: skip
        found |= {(point, day): units for point, day, units in counted}
        sold = session.execute(
            select(sale.service_point_id, sale.counter_period, func.sum(_of_units()))
            .where(sale.service_point_id.in_(some), sale.counter_period.in_(first_days),
                   sale.state.in_(STANDING))
            .group_by(sale.service_point_id, sale.counter_period)
        )  # fmt: skip
        for point, day, units in sold:
            found[point, day] = found.get((point, day), Decimal(0)) - (units or Decimal(0))
    return {one: units for one, units in found.items() if one in wanted}


def forget_fees(session: Session, actor: Actor, point_ids: Sequence[int]) -> None:
    """Forget what a former system told of fees, in the caller's transaction."""
    points = _lock(session, set(point_ids))
    for point in points.values():
        before, point.fees_paid_until = point.fees_paid_until, None
        audit.record(
            session, actor, "counters.set", "service_point", point.id, meter=None,
            period_start=None, before={"fees_paid_until": _iso(before)},
            after={"fees_paid_until": None},
        )  # fmt: skip
