"""Working out what a former system's figures change, and what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.models import Meter, ServicePoint, TidHead
from vmsapp.services.counters import (
    CounterRow,
    MeterHangsNowhere,
    NoSuchPlace,
    NothingToSet,
    fault_of,
    former_units,
    sold_since,
)
from vmsapp.services.opening.errors import SoldHereAlready
from vmsapp.services.opening.last_token import Now, last_tid
from vmsapp.services.registration.meter_locks import hung
from vmsapp.services.rows import parts
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate


@dataclass(frozen=True, slots=True)
class Opening:
    """What is said of one meter; ``None`` says nothing.

    Attributes:
        meter_id: Which.
        units: Bought in the former system since the first day of ``month``.
        month: First day of the month the units count in.
        fees_paid_until: Fee periods that begin on this day or earlier are paid.
        base_date: Under which the last token was made; ``None`` is the meter's.
        last_tid: The last token's identifier.
        last_at: When it was made, as the former system shows it: without a zone.
    """

    meter_id: int
    units: Decimal | None = None
    month: date | None = None
    fees_paid_until: date | None = None
    base_date: str | None = None
    last_tid: int | None = None
    last_at: datetime | None = None

    @property
    def counted(self) -> bool:
        """Whether anything is said of the place."""
        return (self.units, self.month, self.fees_paid_until) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one meter and its place: what was, and what is.

    Attributes:
        floor: The lowest identifier that its next token may have, before and after.
    """

    meter: Meter
    place: int | None
    units: tuple[Decimal, Decimal] | None = None
    fees: tuple[date | None, date] | None = None
    base_date: str | None = None
    floor: tuple[int, int] | None = None

    @property
    def any(self) -> bool:
        """Whether anything changes."""
        return (self.units, self.fees, self.floor) != (None, None, None)


RowFault = tuple[int, str, VmsError]
"""Place among the rows, column, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What rows would do, by their places, and all that is wrong."""

    changes: Mapping[int, Change]
    faults: Sequence[RowFault]


def plan(session: Session, rows: Sequence[Opening]) -> Planned:
    """Work out what rows change; what stands already as they say is no change, nor a fault.

    Args:
        session: In the asker's scope; under the locks of meters and places where it is to hold.
        rows: At most one of a meter.
    """
    now = Now.of(session)
    there = _There(session, rows)
    changes: dict[int, Change] = {}
    faults: list[RowFault] = []
    for number, row in enumerate(rows):
        wrong = list(_faults(row, there, now))
        if wrong:
            faults += [(number, column, error) for column, error in wrong]
        else:
            changes[number] = _change(row, there, now)
    return Planned(changes, faults)


def points_of(session: Session, ids: Iterable[int]) -> dict[int, ServicePoint]:
    """Fetch the places that the session sees, as they are now."""
    return {
        point.id: point
        for some in parts(sorted(set(ids)))
        for point in session.scalars(
            select(ServicePoint).where(ServicePoint.id.in_(some))
            .execution_options(populate_existing=True)
        )
    }  # fmt: skip


@dataclass(slots=True)
class _There:
    """What stands of the meters of some rows."""

    session: Session
    rows: Sequence[Opening]
    meters: dict[int, Meter] = field(init=False)
    hangs: dict[int, int] = field(init=False)
    points: dict[int, ServicePoint] = field(init=False)
    sold: Mapping[int, Sequence[tuple[date, int]]] = field(init=False)
    units: Mapping[tuple[int, date], Decimal] = field(init=False)
    heads: dict[tuple[str, str], TidHead] = field(init=False)

    def __post_init__(self) -> None:
        ids = [row.meter_id for row in self.rows]
        self.meters = {
            meter.id: meter
            for some in parts(ids)
            for meter in self.session.scalars(select(Meter).where(Meter.id.in_(some)))
        }
        self.hangs = hung(self.session, ids)
        self.points = points_of(self.session, self.hangs.values())
        self.sold = sold_since(self.session, self.points)
        self.units = former_units(self.session, [
            (self.hangs[row.meter_id], row.month)
            for row in self.rows if row.month and row.meter_id in self.hangs
        ])  # fmt: skip
        self.heads = _heads(self.session, [meter.meter_pan for meter in self.meters.values()])

    def point(self, row: Opening) -> ServicePoint | None:
        """The place where the row's meter hangs, if it does and the place is seen."""
        return self.points.get(self.hangs.get(row.meter_id, 0))


def _heads(session: Session, pans: Sequence[str]) -> dict[tuple[str, str], TidHead]:
    found: dict[tuple[str, str], TidHead] = {}
    for some in parts(pans):
        heads = session.scalars(
            select(TidHead).where(TidHead.meter_pan.in_(some))
            .execution_options(populate_existing=True)
        )  # fmt: skip
        found |= {(head.meter_pan, head.base_date): head for head in heads}
    return found


def _faults(row: Opening, there: _There, now: Now) -> Iterator[tuple[str, VmsError]]:
    """Find what is wrong with a row."""
    meter = there.meters.get(row.meter_id)
    if meter is None:
        yield "number", NoSuchPlace()
        return
    if not row.counted and row.last_tid is None and row.last_at is None:
        yield "number", NothingToSet()
        return
    if row.counted:
        yield from _faults_of_place(row, meter, there, now)
    try:
        _last(row, meter, now)
    except VmsError as error:
        yield "last_at" if row.last_tid is None else "last_tid", error


def _faults_of_place(
    row: Opening, meter: Meter, there: _There, now: Now
) -> Iterator[tuple[str, VmsError]]:  # fmt: skip
    units, fees = row.units is not None or row.month is not None, row.fees_paid_until is not None
    for column, asked, said in (
        ("units", units, CounterRow(service_point_id=0, units=row.units, period_start=row.month)),
        ("fees_paid_until", fees,
         CounterRow(service_point_id=0, fees_paid_until=row.fees_paid_until)),
    ):  # fmt: skip
        error = fault_of(said, now.today) if asked else None
        if error is not None:
            yield column, error
            return
    if row.meter_id not in there.hangs:
        yield "number", MeterHangsNowhere(drn=identifiers.drn.format(meter.drn))
        return
    point = there.point(row)
    if point is None:
        yield "number", NoSuchPlace()
        return
    sold = there.sold.get(point.id, ())
    if _units(row, point, there) and any(day >= (row.month or day) for day, _ in sold):
        yield "units", SoldHereAlready()
    if _fees(row, point) and sold:
        yield "fees_paid_until", SoldHereAlready()


def _change(row: Opening, there: _There, now: Now) -> Change:
    """Tell what a row without faults changes."""
    meter, point = there.meters[row.meter_id], there.point(row)
    base = row.base_date or meter.base_date
    last = _last(row, meter, now)
    floor = None
    if last is not None:
        head = there.heads.get((meter.meter_pan, base))
        before = head.floor if head else 0
        floor = (before, last + 1) if last + 1 > before else None
    return Change(
        meter,
        point.id if point and row.counted else None,
        _units(row, point, there) if point else None,
        _fees(row, point) if point else None,
        base,
        floor,
    )


def _units(row: Opening, point: ServicePoint, there: _There) -> tuple[Decimal, Decimal] | None:
    if row.units is None or row.month is None:
        return None
    was = there.units.get((point.id, row.month), Decimal(0))
    return None if was == row.units else (was, row.units)


def _fees(row: Opening, point: ServicePoint) -> tuple[date | None, date] | None:
    said, was = row.fees_paid_until, point.fees_paid_until
    return None if said is None or said == was else (was, said)


def _last(row: Opening, meter: Meter, now: Now) -> int | None:
    base = BaseDate(row.base_date or meter.base_date)
    return last_tid(base, row.last_tid, row.last_at, now)
