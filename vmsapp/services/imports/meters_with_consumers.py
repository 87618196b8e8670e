"""The sheet of meters, each with the consumer it hangs at.

A consumer's number that is on record takes the meter; one that is not, or none, registers the
consumer with the row's name, in the meter's region. Several rows may name one consumer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.models import Consumer
from vmsapp.scope import Actor
from vmsapp.services.imports.consumers import CONSUMERS, ChangedSince, GoneSince, InUseSince
from vmsapp.services.imports.kinds import (
    Done,
    RowFault,
    SheetKind,
    Undoable,
    Values,
    Wanted,
    refusals,
)
from vmsapp.services.imports.meter_columns import TEXTS, drafted, meter_columns
from vmsapp.services.imports.meters import (
    RetiredStays,
    add_meters,
    mark,
    marks_of,
    meter_key,
    placed,
    staying,
    told,
)
from vmsapp.services.licence.standing import admit_meters
from vmsapp.services.registration import consumers, meters
from vmsapp.services.registration.binding import Link, bind
from vmsapp.services.registration.consumer_faults import NumberTwice
from vmsapp.services.registration.drafts import ConsumerDraft, MeterDraft
from vmsapp.services.registration.faults import FaultyRows
from vmsapp.services.registration.meter_checks import batches
from vmsapp.services.registration.taking_back import locked, take_back, used
from vmsapp.services.sheets.columns import Column
from vmsapp.services.sheets.names import Words, loose_key

PREFIX: Final = "consumer_"
"""Before the names of a consumer's columns, some of which a meter has, too."""

HEADINGS: Final = {
    "name": N_("Consumer's name"),
    "address": N_("Consumer's address"),
    "gender": N_("Consumer's gender"),
    "id_number": N_("Consumer's ID number"),
    "email": N_("Consumer's e-mail"),
    "phone": N_("Consumer's telephone"),
    "language": N_("Consumer's language"),
}


class ConsumerRetired(InvalidInput):
    """Nothing new is hung on a consumer who is retired."""

    code = "row_consumer_retired"
    message = N_("The consumer %(number)s is retired. Put the consumer back in use first.")


class ConsumerNamedOtherwise(InvalidInput):
    """The row names another person than whose number it says: one of the two is a slip."""

    code = "row_consumer_named_otherwise"
    message = N_(
        "The consumer %(number)s is %(name)s, not %(shown)s. Correct the number or the name; "
        "of a consumer on record the name may be left empty."
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """A meter and whom it hangs at: a consumer on record, by that name, or a new one."""

    meter: MeterDraft
    consumer: ConsumerDraft
    consumer_id: int | None
    retired: bool = False
    name: str = ""


class MetersWithConsumers:
    """Meters with consumers, a row each."""

    code = "meters-with-consumers"
    title = N_("Meters with consumers")
    key_column = "number"
    updates = False
    people = True

    def texts(self) -> Sequence[str]:
        """Headings, notes and choices of both."""
        return [*CONSUMERS.texts(), self.title, *TEXTS, *HEADINGS.values()]

    def columns(
        self, session: Session, words: Words, language: str, sign: str | None = None
    ) -> list[Column]:
        """Those of a meter, then those of a consumer; one region for both."""
        people = [
            replace(column, name=PREFIX + column.name, required=False,
                    heading=HEADINGS.get(column.name, column.heading))
            for column in CONSUMERS.columns(session, words, language, sign)
            if column.name != "region" and not column.told
        ]  # fmt: skip
        return [*meter_columns(session, words, language), *people]

    def key(self, values: Values) -> str | None:
        """The meter's number."""
        return meter_key(values)

    def wanted(self, session: Session, rows: Sequence[Values], *, update: bool) -> list[Wanted]:
        """Make drafts; whose number is on record is not registered again."""
        people = [_person(row) for row in rows]
        found = _on_record(session, [one.number.upper() for one in people if one.number])
        stay = staying(session, rows)
        result = []
        for row, person in zip(rows, people, strict=True):
            known = found.get(person.number.upper())
            meter = drafted(row, None)
            pair = Pair(meter, person, known.id if known else None, bool(known and known.retired),
                        known.name if known else "")  # fmt: skip
            refused = RetiredStays() if self.key(row) in stay else None
            result.append(Wanted(pair, refused=refused))
        return result

    def admit(self, session: Session, count: int) -> None:
        """Ask whether the licence lets so many in."""
        admit_meters(session, count)

    def check(self, session: Session, actor: Actor, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Ask both services; consumers that several rows name are asked about once."""
        pairs: list[Pair] = [one.draft for one in wanted]
        every = list(range(len(pairs)))
        faults = told(placed(meters.check(session, actor, [one.meter for one in pairs]), every))
        new = [place for place in every if pairs[place].consumer_id is None]
        found = consumers.check(session, actor, [pairs[place].consumer for place in new])
        for fault in found:
            if not isinstance(fault.error, NumberTwice) and fault.column != "region":
                faults.append((new[fault.row], PREFIX + fault.column, fault.error))
        faults += refusals(wanted, "number")
        for place, one in enumerate(pairs):
            if one.retired:
                error = ConsumerRetired(number=one.consumer.number)
                faults.append((place, PREFIX + "number", error))
        return [*faults, *_named_otherwise(pairs)]

    def apply(
        self, session: Session, actor: Actor, wanted: Sequence[Wanted], batch_id: int
    ) -> tuple[list[Done | None], list[RowFault]]:
        """Register consumers, then meters, then bind them; a row whole or not at all."""
        faults = self.check(session, actor, wanted)
        wrong = {place for place, _, _ in faults}
        good = [place for place in range(len(wanted)) if place not in wrong]
        done: list[Done | None] = [None] * len(wanted)
        if not good:
            return done, faults
        pairs: dict[int, Pair] = {place: wanted[place].draft for place in good}
        with session.begin_nested() as saved:
            owners, made, more = _owners(session, actor, pairs, batch_id)
            drafts = [Wanted(one.draft.meter) for one in wanted]
            added, worse = (
                add_meters(session, actor, drafts, good, batch_id) if not more else ({}, [])
            )
            if more or worse:  # somebody was quicker; the next try leaves these rows out
                saved.rollback()
        if more or worse:
            bad = {place for place, _, _ in (*more, *worse)}
            rest = [place for place in good if place not in bad]
            again, still = self.apply(session, actor, [wanted[place] for place in rest], batch_id)
            for place, one in zip(rest, again, strict=True):
                done[place] = one
            return done, [*faults, *more, *worse, *((rest[p], c, e) for p, c, e in still)]
        links = [Link(one.subject_id, owners[place]) for place, one in added.items()]
        bind(session, actor, links, batch_id=batch_id)
        session.expire_all()
        said = marks_of(session, [one.subject_id for one in added.values()])
        for place, one in added.items():
            before = one.before or {"owner": owners[place], "made": owners[place] in made}
            done[place] = Done(one.state, one.subject_id, before, said[one.subject_id])
        return done, faults

    def undo(
        self, session: Session, actor: Actor, rows: Sequence[Undoable], batch_id: int
    ) -> dict[int, VmsError]:
        """Delete meters with their places, and consumers that came with them."""
        ids = [row.subject_id for row in rows]
        found, busy = locked(session, ids), used(session, ids)
        stays: dict[int, VmsError] = {}
        for row in rows:
            meter = found.get(row.subject_id)
            if meter is None:
                stays[row.row] = GoneSince()
            elif row.subject_id in busy or row.state != "added":
                stays[row.row] = InUseSince()
            elif mark(meter) != row.version or row.before is None:
                stays[row.row] = ChangedSince()
        back = [row for row in rows if row.row not in stays]
        if back:
            take_back(session, actor, [row.subject_id for row in back], batch_id)
        came = {int(row.before["owner"]) for row in back if row.before and row.before["made"]}
        alone = sorted(came - consumers.with_history(session, sorted(came)))
        untouched = [key for some in batches(alone) for key in session.scalars(
            select(Consumer.id).where(Consumer.id.in_(some), Consumer.version == 1)
        )]  # fmt: skip
        if untouched:
            consumers.delete(session, actor, untouched, batch_id=batch_id)
        return stays


def _named_otherwise(pairs: Sequence[Pair]) -> Iterator[RowFault]:
    """Find rows whose name is not that on record, or of the row before with the same number."""
    names: dict[str, str] = {}
    for place, one in enumerate(pairs):
        number, said = one.consumer.number.upper(), one.consumer.name
        if not number or not said:
            continue
        name = one.name or names.setdefault(number, said)
        if loose_key(name) != loose_key(said):
            error = ConsumerNamedOtherwise(number=number, name=name, shown=said)
            yield place, PREFIX + "name", error


def _owners(
    session: Session, actor: Actor, pairs: dict[int, Pair], batch_id: int
) -> tuple[dict[int, int], set[int], list[RowFault]]:
    """Whom each meter hangs at: by place; which consumers are new; and what is wrong."""
    owners = {place: one.consumer_id for place, one in pairs.items() if one.consumer_id is not None}
    first: dict[str, int] = {}
    for place, one in pairs.items():
        if one.consumer_id is None:
            first.setdefault(one.consumer.number.upper() or f"\0{place}", place)
    places = list(first.values())
    try:
        ids = consumers.add(
            session, actor, [pairs[place].consumer for place in places], batch_id=batch_id
        )
    except FaultyRows as error:
        return {}, set(), [(places[f.row], PREFIX + f.column, f.error) for f in error.faults]
    made = dict(zip(first, ids, strict=True))
    for place, one in pairs.items():
        if place not in owners:
            owners[place] = made[one.consumer.number.upper() or f"\0{place}"]
    return owners, set(ids), []


def _person(row: Values) -> ConsumerDraft:
    said = {name.removeprefix(PREFIX): value for name, value in row.items()
            if name.startswith(PREFIX)}  # fmt: skip
    blank: dict[str, object] = {"name": ""}
    region = row.get("region")
    return ConsumerDraft(**{**blank, **said}, region_id=region)  # type: ignore[arg-type]


def _on_record(session: Session, numbers: Sequence[str]) -> dict[str, Consumer]:
    return {
        row.number: row
        for some in batches(set(numbers))
        for row in session.scalars(
            select(Consumer).where(Consumer.number.in_(some))
            .execution_options(populate_existing=True)
        )
    }  # fmt: skip


METERS_WITH_CONSUMERS: Final[SheetKind] = MetersWithConsumers()
