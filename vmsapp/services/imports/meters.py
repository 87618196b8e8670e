"""The sheet of meters."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, Conflict, VmsError
from vmsapp.models import Meter, MeterInstallation, MeterState, ServicePoint
from vmsapp.scope import Actor
from vmsapp.services.imports.consumers import ChangedSince, GoneSince, InUseSince
from vmsapp.services.imports.kinds import (
    Done,
    RowFault,
    SheetKind,
    Undoable,
    Values,
    Wanted,
    refusals,
)
from vmsapp.services.imports.leaving_out import without_faulty
from vmsapp.services.imports.meter_columns import TEXTS, draft_of, drafted, meter_columns
from vmsapp.services.licence.standing import admit_meters
from vmsapp.services.registration import meters
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.faults import Fault
from vmsapp.services.registration.meter_checks import Added, batches
from vmsapp.services.registration.meter_locks import why_busy
from vmsapp.services.registration.meter_numbers import number_of
from vmsapp.services.registration.meters import today_of
from vmsapp.services.registration.number_errors import NumberTwice
from vmsapp.services.registration.taking_back import locked, take_back, used
from vmsapp.services.rows import among
from vmsapp.services.sheets.columns import Column, told_columns
from vmsapp.services.sheets.names import Words


class BroughtBack(Conflict):
    """It was on record before, and so is not deleted."""

    code = "brought_back"
    message = N_("The meter was on record as retired before, so it stays. Retire it again.")


class RetiredStays(Conflict):
    """The row says that the meter is retired, as it is, and would change it."""

    code = "retired_stays"
    message = N_(
        "The meter is retired and stays as it is. To put it back into stock, empty the row's state."
    )


OWNER: Final = {
    "consumer_number": N_("Consumer number"), "consumer_name": N_("Consumer's name"),
}  # fmt: skip
"""Headings of whose a meter is; the sheet of meters with consumers takes them."""


DAY: Final = "attached_on"
"""Beside a former draft: the link by which the meter hung, since when its tariff had counted
there, and since when the import's did."""


class Meters:
    """Meters, a row each."""

    code = "meters"
    title = N_("Meters")
    key_column = "number"
    updates = True
    people = False

    def texts(self) -> Sequence[str]:
        """Headings, notes and choices."""
        return [self.title, *TEXTS, *OWNER.values()]

    def columns(
        self, session: Session, words: Words, language: str, sign: str | None = None
    ) -> list[Column]:
        """The columns, knowing regions, products and tariffs."""
        return [*meter_columns(session, words, language), *told_columns(OWNER)]

    def key(self, values: Values) -> str | None:
        """The bare digits of a number without mistakes."""
        return meter_key(values)

    def wanted(self, session: Session, rows: Sequence[Values], *, update: bool) -> list[Wanted]:
        """Make drafts; with ``update`` of meters that are seen and in use or stock, too."""
        found = (
            on_record(session, [key for row in rows if (key := self.key(row))]) if update else {}
        )
        stay = staying(session, rows)
        result = []
        for row in rows:
            key = self.key(row) or ""
            meter = found.get(key) or stay.get(key)
            draft = drafted(row, draft_of(meter) if meter else None)
            if meter is None or key in found:
                result.append(Wanted(draft, meter.id if meter else None))
            else:
                left = update and _says_the_same(draft, meter)
                result.append(Wanted(draft, meter.id, left, None if left else RetiredStays()))
        return result

    def admit(self, session: Session, count: int) -> None:
        """Ask whether the licence lets so many in."""
        admit_meters(session, count)

    def check(self, session: Session, actor: Actor, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Ask the service about new ones, then about those that change."""
        new = [place for place, one in enumerate(wanted) if one.existing_id is None]
        found = meters.check(session, actor, [wanted[place].draft for place in new])
        faults = refusals(wanted, "number") + told(placed(found, new))
        changes, where = _changes(wanted)
        if changes:
            places = [where[key] for key in sorted(changes)]
            faults += told(placed(meters.check_changes(session, actor, changes), places))
        return faults

    def apply(
        self, session: Session, actor: Actor, wanted: Sequence[Wanted], batch_id: int
    ) -> tuple[list[Done | None], list[RowFault]]:
        """Change those on record, then add the others."""
        done: list[Done | None] = [
            Done("same", one.existing_id) if one.left and one.existing_id is not None else None
            for one in wanted
        ]
        faults = refusals(wanted, "number")
        changes, where = _changes(wanted)
        changed, wrong = without_faulty(
            session, wanted, [where[key] for key in sorted(changes)],
            partial(_change, session, actor, batch_id),
        )  # fmt: skip
        for place, one in changed.items():
            done[place] = one
        faults += told(wrong)
        left = [place for place, one in enumerate(wanted) if one.existing_id is None]
        added, more = add_meters(session, actor, wanted, left, batch_id)
        for place, one in added.items():
            done[place] = one
        return done, faults + more

    def undo(
        self, session: Session, actor: Actor, rows: Sequence[Undoable], batch_id: int
    ) -> dict[int, VmsError]:
        """Delete what was added, put back what was changed; what was touched since stays."""
        ids = [row.subject_id for row in rows]
        found, busy = locked(session, ids), used(session, ids)
        making = why_busy(session, found.values())
        stays: dict[int, VmsError] = {}
        for row in rows:
            meter = found.get(row.subject_id)
            if meter is None:
                stays[row.row] = GoneSince()
            elif row.state == "added" and row.subject_id in busy:
                stays[row.row] = InUseSince()
            elif mark(meter) != row.version:
                stays[row.row] = ChangedSince()
            elif row.before == {"brought_back": True}:
                stays[row.row] = BroughtBack()
            elif row.state == "changed" and row.before is None:
                stays[row.row] = ChangedSince()
            elif row.subject_id in making:
                stays[row.row] = making[row.subject_id]
        back = [row for row in rows if row.row not in stays]
        added = [row.subject_id for row in back if row.state == "added"]
        if added:
            take_back(session, actor, added, batch_id)
        before = {row.subject_id: row.before for row in back if row.before}
        if before:
            since = _since(session, before)
            drafts = {key: MeterDraft(**_without_day(said)) for key, said in before.items()}
            meters.change(session, actor, drafts, batch_id=batch_id, since=since)
        return stays


def meter_key(values: Values) -> str | None:
    """The bare digits of a number without mistakes."""
    number = number_of(str(values.get("number") or ""))
    return number if isinstance(number, str) else None


def on_record(session: Session, numbers: Sequence[str]) -> dict[str, Meter]:
    """The meters of these numbers that the session sees; retired ones are added anew instead."""
    return {
        meter.drn: meter
        for some in batches(set(numbers))
        for meter in session.scalars(
            select(Meter).where(Meter.drn.in_(some), Meter.state != MeterState.RETIRED)
            .execution_options(populate_existing=True)
        )
    }  # fmt: skip


def staying(session: Session, rows: Sequence[Values]) -> dict[str, Meter]:
    """The retired meters that the session sees and whose rows say that they are retired."""
    numbers = {key for row in rows if row.get("state") and (key := meter_key(row))}
    return {
        meter.drn: meter
        for some in batches(numbers)
        for meter in session.scalars(
            select(Meter).where(Meter.drn.in_(some), Meter.state == MeterState.RETIRED)
        )
    }


def _says_the_same(draft: MeterDraft, meter: Meter) -> bool:
    return replace(draft, number=meter.drn, meter_type=meter.meter_type) == draft_of(meter)


def add_meters(
    session: Session, actor: Actor, wanted: Sequence[Wanted], places: Sequence[int], batch_id: int
) -> tuple[dict[int, Done], list[RowFault]]:
    """Add the meters at some places; those with faults are left out.

    Returns:
        What became of each by its place, and the faults.
    """
    added, faults = without_faulty(
        session, wanted, places, partial(_add, session, actor, batch_id)
    )  # fmt: skip
    return added, told(faults)


def _add(session: Session, actor: Actor, batch_id: int, wanted: Sequence[Wanted]) -> list[Done]:
    added = meters.add(session, actor, [one.draft for one in wanted], batch_id=batch_id)
    return [_done(one) for one in added]


def _done(one: Added) -> Done:
    said = _mark([*(one.columns[name] for name in meters.COLUMNS), MeterState.STOCK])
    if one.brought_back:
        return Done("changed", one.meter_id, {"brought_back": True}, said)
    return Done("added", one.meter_id, version=said)


def _change(session: Session, actor: Actor, batch_id: int, wanted: Sequence[Wanted]) -> list[Done]:
    drafts: dict[int, MeterDraft] = {
        one.existing_id: one.draft for one in wanted if one.existing_id is not None
    }
    # under their locks, so that what is kept is what is changed
    kept = {key: asdict(draft_of(one)) for key, one in locked(session, list(drafts)).items()}
    hung, today = _attached(session, list(drafts)), today_of(session)
    changed = set(meters.change(session, actor, drafts, batch_id=batch_id))
    said = {key: mark(meter) for key, meter in meters_of(session, list(drafts)).items()}
    for key in changed & hung.keys():
        if kept[key]["tariff_id"] != drafts[key].tariff_id:
            link_id, was = hung[key]
            kept[key][DAY] = [link_id, was.isoformat(), today.isoformat()]
    return [
        Done("changed", key, kept[key], said[key])
        if key in changed
        else Done("same", key, version=said[key])
        for key in drafts
    ]


def _attached(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, date]]:
    """By which link meters hang, and since when their tariff counts at the place, by id."""
    link, place = MeterInstallation.__table__.c, ServicePoint.__table__.c
    return {
        meter_id: (link_id, day)
        for some in batches(ids)
        for meter_id, link_id, day in session.execute(
            select(link.meter_id, link.id, place.plan_attached_on)
            .where(place.id == link.service_point_id)
            .where(link.meter_id.in_(some), link.removed_at.is_(None))
        )
    }


def _since(session: Session, before: Mapping[int, dict[str, Any]]) -> dict[int, date]:
    """Since when the former tariffs count again: as before, so that no missed fee is forgiven.

    A day that somebody set since stays. Where the meter was bound anew since, the former one
    says nothing any more; imports of before this was kept tell none.
    """
    kept = {key: said[DAY] for key, said in before.items() if DAY in said}
    found = _attached(session, list(kept))
    since = {}
    for key, (link_id, was, imported) in kept.items():
        hangs_by, now = found.get(key, (None, None))
        if now is not None and hangs_by == link_id:
            since[key] = date.fromisoformat(was) if now.isoformat() == imported else now
    return since


def _without_day(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != DAY}


def told(faults: Iterable[tuple[int, Fault]]) -> list[RowFault]:
    """Put a service's faults under the columns' names, each with the place of its row."""
    return [
        (place, one.column.removesuffix("_id"), one.error)
        for place, one in faults
        if not isinstance(one.error, NumberTwice)
    ]


def placed(faults: Sequence[Fault], places: Sequence[int]) -> Iterator[tuple[int, Fault]]:
    """Put faults at the places of their rows in the chunk."""
    return ((places[one.row], one) for one in faults)


def mark(meter: Meter) -> int:
    """Sum up what a meter's record says, to notice that somebody changed it since."""
    return _mark([*(getattr(meter, name) for name in meters.COLUMNS), meter.state])


def marks_of(session: Session, ids: Sequence[int]) -> dict[int, int]:
    """Sum up meters' records, by id."""
    told = [getattr(Meter, name) for name in (*meters.COLUMNS, "state")]
    return {
        row[0]: _mark(row[1:])
        for some in batches(set(ids))
        for row in session.execute(select(Meter.id, *told).where(among(session, Meter.id, some)))
    }


def _mark(said: Sequence[object]) -> int:
    written = "\0".join("" if value is None else str(value) for value in said)
    return zlib.crc32(written.encode()) & 0x7FFFFFFF


def _changes(wanted: Sequence[Wanted]) -> tuple[dict[int, MeterDraft], dict[int, int]]:
    """The changes, and the rows' places, by id; the service counts rows in the order of ids."""
    changes, where = dict[int, MeterDraft](), dict[int, int]()
    for place, one in enumerate(wanted):
        if one.asked and one.existing_id is not None and one.existing_id not in changes:
            changes[one.existing_id], where[one.existing_id] = one.draft, place
    return changes, where


def meters_of(session: Session, ids: Sequence[int]) -> dict[int, Meter]:
    """Fetch meters as they are now, by id."""
    return {
        meter.id: meter
        for some in batches(set(ids))
        for meter in session.scalars(
            select(Meter).where(Meter.id.in_(some)).execution_options(populate_existing=True)
        )
    }


METERS: Final[SheetKind] = Meters()
