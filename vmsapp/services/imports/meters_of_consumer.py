"""The sheet of meters, handed in for one consumer: each row's meter is bound at once.

A meter that is on record and hangs nowhere is taken where changing what is there was chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.models import Consumer, Meter, MeterState
from vmsapp.scope import Actor
from vmsapp.services.imports.consumers import ChangedSince, GoneSince, InUseSince
from vmsapp.services.imports.kinds import Done, RowFault, Undoable, Wanted
from vmsapp.services.imports.meter_columns import draft_of
from vmsapp.services.imports.meters import BroughtBack, Meters, mark, marks_of, meters_of
from vmsapp.services.imports.meters_with_consumers import ConsumerRetired
from vmsapp.services.registration import meters
from vmsapp.services.registration.binding import Link, bind
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.meter_errors import MeterBound, NoSuchConsumer
from vmsapp.services.registration.meter_locks import hung, why_busy
from vmsapp.services.registration.meter_states import put
from vmsapp.services.registration.taking_back import locked, take_back, take_off, used
from vmsapp.sts import identifiers


class MetersOfConsumer(Meters):
    """Meters, a row each, all for one consumer.

    Args:
        consumer_id: Whose they will be.
    """

    def __init__(self, consumer_id: int) -> None:
        self.consumer_id = consumer_id

    def check(self, session: Session, actor: Actor, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Ask about the meters, whether they hang nowhere, and about the consumer."""
        return [*super().check(session, actor, wanted), *self._unfit(session, wanted)]

    def apply(
        self, session: Session, actor: Actor, wanted: Sequence[Wanted], batch_id: int
    ) -> tuple[list[Done | None], list[RowFault]]:
        """Change those on record, add the others, and bind them all."""
        there = locked(session, _ids(wanted))
        faults = [*self._unfit(session, wanted), *self._busy(session, wanted, there)]
        unfit = {place for place, _, _ in faults}
        fit = [place for place in range(len(wanted)) if place not in unfit]
        before = {
            key: {"state": meter.state, "draft": asdict(draft_of(meter))}
            for key, meter in meters_of(session, _ids(wanted)).items()
        }
        chosen = [wanted[place] for place in fit]
        results, more = super().apply(session, actor, chosen, batch_id)
        faults += [(fit[place], column, error) for place, column, error in more]
        kept = {place: one for place, one in zip(fit, results, strict=True) if one}
        ids = [one.subject_id for one in kept.values()]
        if ids:
            points = bind(
                session, actor, [Link(key, self.consumer_id) for key in ids], batch_id=batch_id
            )
            place_of = dict(zip(ids, points, strict=True))
            session.expire_all()
            marks = marks_of(session, ids)
            kept = {
                place: _bound(one, before.get(one.subject_id), place_of, marks)
                for place, one in kept.items()
            }
        return [kept.get(place) for place in range(len(wanted))], faults

    def undo(
        self, session: Session, actor: Actor, rows: Sequence[Undoable], batch_id: int
    ) -> dict[int, VmsError]:
        """Delete meters that were added; take the others off, and put back what they were."""
        ids = [row.subject_id for row in rows]
        found, busy, where = locked(session, ids), used(session, ids), hung(session, ids)
        making = why_busy(session, found.values())
        stays: dict[int, VmsError] = {}
        for row in rows:
            meter = found.get(row.subject_id)
            place = (row.before or {}).get("place")
            if meter is None:
                stays[row.row] = GoneSince()
            elif row.state == "added" and row.subject_id in busy:
                stays[row.row] = InUseSince()
            elif place is None or where.get(row.subject_id) != place or mark(meter) != row.version:
                stays[row.row] = ChangedSince()
            elif row.subject_id in making:
                stays[row.row] = making[row.subject_id]
        back = [row for row in rows if row.row not in stays]
        added = [row.subject_id for row in back if row.state == "added"]
        if added:
            take_back(session, actor, added, batch_id)
        others = {row.subject_id: row for row in back if row.state != "added"}
        sold = take_off(session, actor, list(others), batch_id) if others else set()
        stays |= {others[key].row: InUseSince() for key in sold}
        put_back = {key: row.before or {} for key, row in others.items() if key not in sold}
        self._put_back(session, actor, put_back, batch_id)
        again = [key for key, said in put_back.items() if said.get("brought_back")]
        return stays | {others[key].row: BroughtBack() for key in again}

    def _put_back(
        self, session: Session, actor: Actor, before: dict[int, dict[str, Any]], batch_id: int
    ) -> None:
        """Give meters that were taken off the state and the values they had."""
        session.expire_all()
        for key, meter in meters_of(session, list(before)).items():
            if meter.state != MeterState.BLOCKED:
                put(meter, MeterState(before[key].get("state", MeterState.STOCK)), actor)
        session.flush()
        drafts = {key: MeterDraft(**said["draft"]) for key, said in before.items()
                  if said.get("draft")}  # fmt: skip
        if drafts:
            meters.change(session, actor, drafts, batch_id=batch_id)

    def _unfit(self, session: Session, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Say which meters hang somewhere; if the consumer takes none, each row says so."""
        consumer = session.scalars(select(Consumer).where(Consumer.id == self.consumer_id)).first()
        if consumer is None or consumer.retired:
            error = ConsumerRetired(number=consumer.number) if consumer else NoSuchConsumer()
            return [(place, self.key_column, error) for place in range(len(wanted))]
        hanging = hung(session, set(_ids(wanted)))
        return [
            (place, self.key_column, MeterBound(number=identifiers.drn.format(one.draft.number)))
            for place, one in enumerate(wanted)
            if one.existing_id in hanging
        ]

    def _busy(
        self, session: Session, wanted: Sequence[Wanted], there: Mapping[int, Meter]
    ) -> list[RowFault]:
        """Say for which of the meters on record a token is being made."""
        making = why_busy(session, there.values())
        return [
            (place, self.key_column, making[one.existing_id])
            for place, one in enumerate(wanted)
            if one.existing_id in making
        ]


def _ids(wanted: Sequence[Wanted]) -> list[int]:
    return [one.existing_id for one in wanted if one.existing_id is not None]


def _bound(
    done: Done, before: dict[str, Any] | None, places: dict[int, int], marks: dict[int, int]
) -> Done:
    """Tell what became of a row whose meter hangs at the consumer's now."""
    said = {"place": places[done.subject_id], **(before or done.before or {})}
    kind = "changed" if done.state == "same" else done.state
    return replace(done, state=kind, before=said, version=marks[done.subject_id])
