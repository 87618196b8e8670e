"""Setting a former system's figures, and putting back what was there before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from vmsapp.models import ServicePoint
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.counters import (
    CounterRow,
    forget_fees,
    former_units,
    set_counters,
    sold_since,
)
from vmsapp.services.opening.planning import Change, Opening, Planned, plan, points_of
from vmsapp.services.registration.meter_errors import MeterMoved
from vmsapp.services.registration.meter_locks import hung, lock_places
from vmsapp.services.vending.tids import lock_head


def put(
    session: Session, actor: Actor, rows: Sequence[Opening], *, batch_id: int
) -> Planned:  # fmt: skip
    """Set the figures of the rows without faults, in the caller's transaction.

    Raises:
        MeterMoved: A meter was bound, unbound or swapped meanwhile.
    """
    _lock(session, [row.meter_id for row in rows])
    planned = plan(session, rows)
    counted = [
        CounterRow(
            service_point_id=one.place,
            units=one.units and one.units[1],
            period_start=rows[place].month if one.units else None,
            fees_paid_until=one.fees and one.fees[1],
        )
        for place, one in planned.changes.items()
        if one.units or one.fees
    ]
    if counted:
        set_counters(session, actor, counted)
    raised = [one for one in planned.changes.values() if one.floor]
    for one in sorted(raised, key=lambda one: (one.meter.meter_pan, one.base_date or "")):
        _raise(session, actor, one, batch_id)
    return planned


def _lock(session: Session, meter_ids: Sequence[int]) -> None:
    """Lock the places where meters hang; heads come after them, as in a sale."""
    points = lock_places(session, meter_ids)
    if hung(session, meter_ids) != {meter: point.id for meter, point in points.items()}:
        raise MeterMoved


def _raise(session: Session, actor: Actor, one: Change, batch_id: int) -> None:
    assert one.floor is not None, "asked of those that have one"
    assert one.base_date is not None, "it goes with the floor"
    head = lock_head(session, one.meter.meter_pan, one.base_date)
    before, head.floor = head.floor, max(head.floor, one.floor[1])
    audit.record(
        session, actor, "tid.floor_raised", "meter", one.meter.id, batch=batch_id,
        base_date=one.base_date, before=before, after=head.floor,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """What an import wrote of a meter's place, as it was kept.

    Attributes:
        floor_raised: A floor was raised, too.
    """

    meter_id: int
    place: int | None
    month: date | None
    units: tuple[Decimal, Decimal] | None
    fees: tuple[date | None, date] | None
    floor_raised: bool


def as_kept(one: Change, month: date | None) -> dict[str, Any]:
    """Write what was changed as JSON, for ``written``."""
    return {
        "place": one.place,
        "month": month.isoformat() if month and one.units else None,
        "units": [str(units) for units in one.units] if one.units else None,
        "fees": [day and day.isoformat() for day in one.fees] if one.fees else None,
        "floor": one.floor is not None,
    }


def written(meter_id: int, kept: Mapping[str, Any]) -> Written:
    """Read what ``as_kept`` wrote."""
    units, fees, month = kept["units"], kept["fees"], kept["month"]
    return Written(
        meter_id,
        kept["place"],
        month and date.fromisoformat(month),
        (Decimal(units[0]), Decimal(units[1])) if units else None,
        (fees[0] and date.fromisoformat(fees[0]), date.fromisoformat(fees[1])) if fees else None,
        bool(kept["floor"]),
    )


@dataclass(frozen=True, slots=True)
class Back:
    """Which of some meters cannot be put back: places where they hang no more, changed, sold to."""

    changed: frozenset[int]
    sold: frozenset[int]


def put_back(session: Session, actor: Actor, rows: Sequence[Written]) -> Back:
    """Give places back the units and fees they had, under the locks of meters and places.

    Returns:
        By meter, what stays: of somebody who changed it since, and where something was sold.
    """
    hangs = hung(session, [row.meter_id for row in rows])
    points = points_of(session, hangs.values())
    sold = sold_since(session, points)
    units = former_units(session, [(row.place, row.month) for row in rows
                                   if row.place and row.month])  # fmt: skip
    changed: set[int] = set()
    busy: set[int] = set()
    back: list[Written] = []
    for row in rows:
        if row.place is None:
            continue
        if hangs.get(row.meter_id) != row.place or row.place not in points:
            changed.add(row.meter_id)
        elif _counts(row, sold.get(row.place, ())):
            busy.add(row.meter_id)
        elif _differs(row, points[row.place], units):
            changed.add(row.meter_id)
        else:
            back.append(row)
    set_counters(session, actor, list(_counted_back(back)))
    forget_fees(session, actor, [
        row.place for row in back if row.place and row.fees and row.fees[0] is None
    ])  # fmt: skip
    return Back(frozenset(changed), frozenset(busy))


def _counted_back(rows: Iterable[Written]) -> Iterator[CounterRow]:
    for row in rows:
        fees = row.fees[0] if row.fees else None
        if row.units or fees:
            yield CounterRow(
                service_point_id=row.place, fees_paid_until=fees,
                units=row.units and row.units[0], period_start=row.month,
            )  # fmt: skip


def _counts(row: Written, sold: Sequence[tuple[date, int]]) -> bool:
    """Tell whether a sale counts on what was written."""
    if row.fees:
        return bool(sold)
    return row.month is not None and any(day >= row.month for day, _ in sold)


def _differs(
    row: Written, point: ServicePoint, units: Mapping[tuple[int, date], Decimal]
) -> bool:  # fmt: skip
    if row.fees and point.fees_paid_until != row.fees[1]:
        return True
    if row.units is None or row.month is None:
        return False
    return units.get((point.id, row.month), Decimal(0)) != row.units[1]
