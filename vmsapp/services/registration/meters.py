"""Registering and changing meters, many at a time.

A number is unique as MeterPAN over all regions, retired meters included: adding a retired
number brings that meter back. Once a token was made for a meter, what its key is made of does
not change here.

Source: SALE.md, "10. Key change".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.models import (
    CHANGES_MADE,
    MAY_BE_MADE,
    EngineeringToken,
    KeyChange,
    Meter,
    MeterState,
    Sale,
    SaleState,
    ServicePoint,
)
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.licence.standing import admit_meters
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.faults import Fault, FaultyRows
from vmsapp.services.registration.meter_checks import (
    Added,
    Known,
    Taken,
    batches,
    columns_of,
    faults_of,
    known,
    pan_of,
    recorded,
    taken,
    tariff_fault,
    warnings_of,
)
from vmsapp.services.registration.meter_errors import FixedByToken
from vmsapp.services.registration.meter_locks import hung, lock_both, why_busy
from vmsapp.services.registration.meter_numbers import number_of
from vmsapp.services.registration.meter_states import put
from vmsapp.services.registration.number_errors import NumberTaken, NumberTwice
from vmsapp.services.roll_ups import take_out
from vmsapp.services.rows import insert_rows
from vmsapp.services.setup import zone_at
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts import identifiers

MADE: Final = (SaleState.PENDING, SaleState.ISSUED, SaleState.REVERSED)
"""States of sales whose token was made, or may have been."""

FIXED: Final = {
    "drn": "number", "algorithm": "algorithm", "ea": "ea", "sgc": "sgc", "krn": "krn", "ti": "ti",
    "kt": "kt", "base_date": "base_date",
}  # fmt: skip
"""Columns that stay once a token was made, with the draft's field of each."""

COLUMNS: Final = (
    "drn", "meter_pan", "meter_type", "credit_mode", "algorithm", "product_id", "tariff_id",
    "region_id", "sgc", "krn", "kt", "ti", "base_date", "ea", "tct",
)  # fmt: skip


def check(session: Session, actor: Actor, drafts: Sequence[MeterDraft]) -> list[Fault]:
    """Say all that is wrong with meters that are to be added; nothing is written.

    Args:
        session: In the actor's scope.
        actor: Who adds them.
        drafts: The rows.
    """
    del actor  # the scope says what is seen
    facts = known(session, drafts)
    numbers = [number_of(draft.number) for draft in drafts]
    return list(_faults(session, drafts, numbers, facts, _there(session, numbers)))


def warnings(session: Session, drafts: Sequence[MeterDraft]) -> list[Fault]:
    """Say what is odd about rows without mistakes, and yet may be."""
    facts = known(session, drafts)
    return [
        Fault(row, column, error)
        for row, draft in enumerate(drafts)
        for column, error in warnings_of(draft, facts)
    ]


def add(
    session: Session, actor: Actor, drafts: Sequence[MeterDraft], *, batch_id: int | None = None
) -> list[Added]:
    """Register meters, all of them or none, into stock.

    Args:
        session: In the actor's scope.
        actor: Who adds them.
        drafts: The rows.
        batch_id: The import they belong to; it has one event for all.

    Returns:
        What became of each, in the order of the rows.

    Raises:
        FaultyRows: With all that is wrong.
        MeterLimitReached: The licence does not allow so many.
    """
    with atomic(session):
        admit_meters(session, len(drafts))
        facts = known(session, drafts)
        numbers = [number_of(draft.number) for draft in drafts]
        there = _there(session, numbers)
        faults = list(_faults(session, drafts, numbers, facts, there))
        if faults:
            raise FaultyRows(faults)
        rows = [
            columns_of(draft, str(number), facts)
            for draft, number in zip(drafts, numbers, strict=True)
        ]
        ids = _insert(session, [row for row in rows if row["meter_pan"] not in there])
        ids |= _bring_back(
            session, actor, [row for row in rows if row["meter_pan"] in there], there
        )
        _note_added(session, actor, rows, ids, there, facts, batch_id)
    return [Added(ids[row["meter_pan"]], row, row["meter_pan"] in there) for row in rows]


def _there(session: Session, numbers: Iterable[str | VmsError]) -> dict[str, Taken]:
    good = {number for number in numbers if isinstance(number, str)}
    return taken(session, map(pan_of, good))


def _faults(
    session: Session,
    drafts: Sequence[MeterDraft],
    numbers: Sequence[str | VmsError],
    facts: Known,
    there: Mapping[str, Taken],
) -> Iterator[Fault]:
    back = _returning(session, there)
    seen: set[str] = set()
    for row, (draft, number) in enumerate(zip(drafts, numbers, strict=True)):
        if isinstance(number, VmsError):
            yield Fault(row, "number", number)
        elif number in seen:
            yield Fault(row, "number", NumberTwice(number=identifiers.drn.format(number)))
        else:
            seen.add(number)
            one = there.get(pan_of(number)) if there else None
            if one is not None and one.meter_id not in back:
                taken_by = NumberTaken(number=identifiers.drn.format(number))
                yield Fault(row, "number", taken_by)
        for column, error in faults_of(draft, facts):
            yield Fault(row, column, error)
        for column, error in tariff_fault(draft, facts, None):
            yield Fault(row, column, error)
        if back and isinstance(number, str):
            yield from _fixed_faults(row, draft, number, facts, there, back)


def _returning(session: Session, there: Mapping[str, Taken]) -> dict[int, Meter | None]:
    """Find the retired meters that come back, each with its row if tokens were made for it."""
    ids = [one.meter_id for one in there.values() if one.seen and one.state == MeterState.RETIRED]
    made = tokens_made(session, ids)
    found: dict[int, Meter | None] = dict.fromkeys(ids)
    for some in batches(made):
        rows = session.scalars(select(Meter).where(Meter.id.in_(some)))
        found |= {meter.id: meter for meter in rows}
    return found


def _fixed_faults(
    row: int,
    draft: MeterDraft,
    number: str,
    facts: Known,
    there: Mapping[str, Taken],
    back: Mapping[int, Meter | None],
) -> Iterator[Fault]:
    one = there.get(pan_of(number))
    meter = back.get(one.meter_id) if one is not None else None
    if meter is not None and draft.product_id in facts.products:
        yield from changed_faults(row, meter, columns_of(draft, number, facts))


def changed_faults(row: int, meter: Meter, columns: Mapping[str, Any]) -> Iterator[Fault]:
    """Refuse what may not change once a token was made."""
    for name, field in FIXED.items():
        if getattr(meter, name) != columns[name]:
            yield Fault(row, field, FixedByToken(field))


def tokens_made(session: Session, meter_ids: Iterable[int]) -> set[int]:
    """Tell for which meters a token was made, or may have been, wherever it was sold."""
    sale = Sale.__table__.c  # past the scope: other vending points' sales count, too
    change, managed = KeyChange.__table__.c, EngineeringToken.__table__.c
    return {
        meter_id
        for some in batches(set(meter_ids))
        for meter_id in session.scalars(
            select(sale.meter_id)
            .where(sale.meter_id.in_(some), sale.state.in_(MADE))
            .union(
                select(change.meter_id).where(
                    change.meter_id.in_(some), change.state.in_(CHANGES_MADE)
                ),
                select(managed.meter_id).where(
                    managed.meter_id.in_(some), managed.state.in_(MAY_BE_MADE)
                ),
            )
        )
    }


def _insert(session: Session, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    if not rows:
        return {}
    fresh = [{**row, "state": MeterState.STOCK, "blocked_reason": ""} for row in rows]
    made = insert_rows(session, Meter, fresh)
    return {row["meter_pan"]: number for row, number in zip(rows, made, strict=True)}


def _bring_back(
    session: Session,
    actor: Actor,
    rows: Sequence[Mapping[str, Any]],
    there: Mapping[str, Taken],
) -> dict[str, int]:
    """Put retired meters into stock again, with what is said of them now."""
    wanted = {there[row["meter_pan"]].meter_id: row for row in rows}
    for some in batches(wanted):
        meters = session.scalars(
            select(Meter).where(Meter.id.in_(some)).order_by(Meter.id)
            .with_for_update().execution_options(populate_existing=True)
        ).all()  # fmt: skip
        take_out(session, _of_another_product((one, wanted[one.id]) for one in meters))
        for meter in meters:
            for name, value in wanted[meter.id].items():
                setattr(meter, name, value)
            put(meter, MeterState.STOCK, actor)
    session.flush()
    return {row["meter_pan"]: number for number, row in wanted.items()}


def _note_added(
    session: Session,
    actor: Actor,
    rows: Sequence[Mapping[str, Any]],
    ids: Mapping[str, int],
    there: Mapping[str, Taken],
    facts: Known,
    batch_id: int | None,
) -> None:
    if batch_id is not None:
        audit.record(
            session, actor, "meter.imported", "meter", None, batch=batch_id, count=len(rows),
            brought_back=len(there), first=rows[0]["drn"], last=rows[-1]["drn"],
        )  # fmt: skip
        return
    for row in rows:
        action = "meter.brought_back" if row["meter_pan"] in there else "meter.added"
        audit.record(
            session, actor, action, "meter", ids[row["meter_pan"]], after=recorded(row, facts)
        )


def change(
    session: Session,
    actor: Actor,
    changes: Mapping[int, MeterDraft],
    *,
    batch_id: int | None = None,
    since: Mapping[int, date] | None = None,
) -> list[int]:
    """Change meters, all of them or none.

    Another tariff counts at the meter's place from today on; another region takes the place
    along.

    Args:
        session: In the actor's scope.
        actor: Who changes them.
        changes: What is said of each meter now, by its id.
        batch_id: The import they belong to; it has one event for all.
        since: Days from which another tariff counts instead, by the meter's id: one that is
            put back counts from when it did.

    Returns:
        Ids of those that are other than before.

    Raises:
        NoSuchMeter: One is not there, or not in the actor's scope.
        FaultyRows: With all that is wrong; of an import, with the meters that are busy, too.
        MetersBusy, KeyChangeUnderway, EngineeringUnderway: A token for one is being made.
    """
    with atomic(session):
        points, meters = lock_both(session, changes)
        drafts = [changes[number] for number in meters]
        facts = known(session, [*drafts, *map(draft_of, meters.values())])
        rows, faults = changed_rows(session, list(meters.values()), drafts, points, facts)
        if faults:
            raise FaultyRows(faults)
        changed = [
            (meter, row)
            for meter, row in zip(meters.values(), rows, strict=True)
            if any(getattr(meter, name) != value for name, value in row.items())
        ]
        _refuse_busy(session, [meter for meter, _ in changed], list(meters), batch_id)
        today, from_day = today_of(session), since or {}
        take_out(session, _of_another_product(changed))
        for meter, row in changed:
            before = {name: getattr(meter, name) for name in COLUMNS}
            write(meter, row, points.get(meter.id), from_day.get(meter.id, today))
            if batch_id is None:
                audit.record(
                    session, actor, "meter.changed", "meter", meter.id,
                    before=recorded(before, facts), after=recorded(row, facts),
                )  # fmt: skip
        if batch_id is not None and changed:
            audit.record(
                session, actor, "meter.import_changed", "meter", None, batch=batch_id,
                count=len(changed), first=changed[0][1]["drn"], last=changed[-1][1]["drn"],
            )  # fmt: skip
        session.flush()
    return [meter.id for meter, _ in changed]


def _of_another_product(changed: Iterable[tuple[Meter, Mapping[str, Any]]]) -> list[int]:
    """Meters whose product changes: what was sold for them is summed by it."""
    return [meter.id for meter, row in changed if row["product_id"] != meter.product_id]


def _refuse_busy(
    session: Session, changed: Sequence[Meter], rows: Sequence[int], batch_id: int | None
) -> None:
    """Refuse while tokens are being made; of an import each such row, so that the others go on.

    Args:
        session: Under the locks of the meters and their places.
        changed: Those that are to be other than before.
        rows: Ids of all meters, in the order of the rows.
        batch_id: The import they belong to.
    """
    making = why_busy(session, changed)
    if making and batch_id is not None:
        raise FaultyRows([Fault(rows.index(key), "number", one) for key, one in making.items()])
    for first in making.values():
        raise first


def check_changes(session: Session, actor: Actor, changes: Mapping[int, MeterDraft]) -> list[Fault]:
    """Say all that is wrong with changes; nothing is written, nothing is locked.

    Raises:
        NoSuchMeter: One is not there, or not in the actor's scope.
    """
    del actor
    meters = {
        meter.id: meter
        for some in batches(changes)
        for meter in session.scalars(select(Meter).where(Meter.id.in_(some)).order_by(Meter.id))
    }
    if len(meters) != len(changes):
        raise NoSuchMeter
    drafts = [changes[number] for number in meters]
    facts = known(session, drafts)
    points = dict.fromkeys(hung(session, changes))
    return changed_rows(session, list(meters.values()), drafts, points, facts)[1]


def changed_rows(
    session: Session,
    meters: Sequence[Meter],
    drafts: Sequence[MeterDraft],
    points: Mapping[int, ServicePoint | None],
    facts: Known,
    *,
    correcting: bool = False,
) -> tuple[list[dict[str, Any]], list[Fault]]:
    """Write what meters are to be, and say what is wrong with it.

    A correction may also change what stays otherwise once a token was made.
    """
    numbers = [number_of(draft.number) for draft in drafts]
    there = _there(session, numbers)
    made = tokens_made(session, [meter.id for meter in meters])
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for row, (meter, draft, number) in enumerate(zip(meters, drafts, numbers, strict=True)):
        found = [Fault(row, column, error) for column, error in faults_of(draft, facts)]
        found += [
            Fault(row, *told) for told in tariff_fault(draft, facts, meter.tariff_id)
        ]  # fmt: skip
        if isinstance(number, VmsError):
            found.append(Fault(row, "number", number))
        else:
            one = there.get(pan_of(number))
            if one is not None and one.meter_id != meter.id:
                shown = identifiers.drn.format(number)
                found.append(Fault(row, "number", NumberTaken(number=shown)))
        if not found:
            rows.append(columns_of(draft, str(number), facts))
            if meter.id in made and not correcting:
                found += changed_faults(row, meter, rows[-1])
            used = meter.id in made or meter.id in points
            if used and rows[-1]["meter_type"] != meter.meter_type:
                found.append(Fault(row, "product_id", wrong.TypeFixed()))
        faults += found
    return rows, faults


def write(meter: Meter, row: Mapping[str, Any], point: ServicePoint | None, today: date) -> None:
    """Write a meter's columns, and what goes with them at its place."""
    if point is not None and row["tariff_id"] != meter.tariff_id:
        point.plan_attached_on = today
    if point is not None and row["region_id"] != meter.region_id:
        point.region_id = row["region_id"]
    for name, value in row.items():
        setattr(meter, name, value)


def draft_of(meter: Meter) -> MeterDraft:
    """What a meter's row would be as a draft: to know the names of what it was."""
    return MeterDraft(
        number=meter.drn, product_id=meter.product_id, region_id=meter.region_id,
        algorithm=meter.algorithm, sgc=meter.sgc, ti=meter.ti, tariff_id=meter.tariff_id,
    )  # fmt: skip


def today_of(session: Session) -> date:
    """The utility's day."""
    now = now_utc()
    return business_day(now, zone_at(session, now))
