"""Consumers: checked, added, changed and deleted, many at once; a form is the case of one.

What is personal never stands in the audit trail, which keeps what it has for ever: its events
hold a consumer's number and region, and which other fields changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete as removal
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotFound
from vmsapp.extensions import atomic
from vmsapp.models import Consumer, NumberSeries, Region
from vmsapp.models.consumer import FOUND_BY
from vmsapp.models.folding import search_key
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.registration.consumer_faults import (
    NumberMissing,
    NumberTaken,
    NumberTwice,
    RegionUnknown,
    number_of,
    own_faults,
)
from vmsapp.services.registration.drafts import ConsumerDraft
from vmsapp.services.registration.faults import Fault, FaultyRows
from vmsapp.services.rows import among, insert_missing, insert_rows, lock, parts, referred_to

SERIES: Final = "consumer"
DIGITS: Final = 8
"""Of a number that follows by itself, so that numbers in order are in order as texts, too."""

ATTEMPTS: Final = 3
"""A number that follows may be given by hand at the same moment; not three times in a row."""

FIELDS: Final = (
    "number", "name", "region_id", "address", "gender", "id_number", "email", "phone", "language",
)  # fmt: skip
ADDRESSES: Final = ("email", "phone")
"""Fields to which receipts are sent; a new one counts later (``services.delivery.addresses``)."""
TOLD: Final = ("number", "region_id")
"""Fields whose values go on record; of the others only that they changed."""


class ConsumerHasHistory(Conflict):
    """Something hangs on the consumer: a place, a sale, a debt; that is never lost."""

    code = "consumer_has_history"
    message = N_(
        "Meters, sales or debts are on record for this consumer, so it stays. Retire it instead."
    )


class ConsumerAnonymised(Conflict):
    """Nothing more is written about somebody whose data were removed."""

    code = "consumer_anonymised"
    message = N_("This consumer's data were removed for good, so nothing can be changed here.")


def check(
    session: Session,
    actor: Actor,  # noqa: ARG001 - every use case names who asks; the scope is the session's
    drafts: Sequence[ConsumerDraft],
    but: Sequence[int | None] | None = None,
) -> list[Fault]:
    """Find all that is wrong with consumers as they are to be.

    Args:
        session: In the actor's scope.
        actor: Who registers; regions are those the actor sees.
        drafts: One for each row.
        but: Ids of the consumers that are to be changed into them; by default all are new.
    """
    ids = but or [None] * len(drafts)
    seen = _regions_seen(session, {draft.region_id for draft in drafts} - {None})
    owners = _owners(session, [number_of(draft) for draft in drafts if draft.number])
    twice: dict[str, int] = {}
    faults = []
    for row, (draft, own_id) in enumerate(zip(drafts, ids, strict=True)):
        faults += [Fault(row, column, error) for column, error in own_faults(draft)]
        if draft.region_id not in seen:
            faults.append(Fault(row, "region", RegionUnknown()))
        number = number_of(draft)
        if not number and own_id is not None:
            faults.append(Fault(row, "number", NumberMissing()))
        elif number and twice.setdefault(number, row) != row:
            faults.append(Fault(row, "number", NumberTwice(number=number)))
        elif number and owners.get(number, own_id) != own_id:
            faults.append(Fault(row, "number", NumberTaken(number=number)))
    return faults


def add(
    session: Session,
    actor: Actor,
    drafts: Sequence[ConsumerDraft],
    *,
    batch_id: int | None = None,
) -> list[int]:
    """Register consumers; who has no number gets the next.

    Args:
        session: In the actor's scope.
        actor: Who registers.
        drafts: One for each.
        batch_id: Of the import they come with, for the record.

    Returns:
        Their ids, in the order of the drafts.

    Raises:
        FaultyRows: With every fault of every row; nothing was written.
    """
    with atomic(session):
        for _attempt in range(ATTEMPTS):
            _refuse(check(session, actor, drafts))
            rows = [_values(draft) for draft in drafts]
            _number(session, rows)
            rows = [
                row | {"search_key": key_of(row)} | _written_now(ADDRESSES, actor) for row in rows
            ]
            try:
                with session.begin_nested():
                    ids = list(insert_rows(session, Consumer, rows))
            except IntegrityError:  # somebody took one of the numbers at this moment
                continue
            _note_added(session, actor, ids, rows, batch_id)
            return ids
        raise FaultyRows([Fault(0, "number", NumberTaken(number=rows[0]["number"]))])


def change(
    session: Session,
    actor: Actor,
    drafts: Mapping[int, ConsumerDraft],
    *,
    batch_id: int | None = None,
) -> None:
    """Change consumers, by id, into what the drafts say.

    Raises:
        NotFound: One is not there, as far as the actor sees.
        ConsumerAnonymised: One of them tells nothing any more.
        FaultyRows: With every fault of every row; nothing was written.
    """
    with atomic(session):
        before = locked(session, drafts)
        if any(row.anonymised_at for row in before.values()):
            raise ConsumerAnonymised
        _refuse(check(session, actor, list(drafts.values()), list(drafts)))
        changes = {key: _difference(before[key], draft) for key, draft in drafts.items()}
        changes = {key: values for key, values in changes.items() if values}
        _note_changed(session, actor, before, changes, batch_id)
        try:
            with session.begin_nested():
                _write(session, actor, before, changes)
        except IntegrityError as error:
            faults = [
                Fault(row, "number", NumberTaken(number=changes[key]["number"]))
                for row, key in enumerate(drafts) if "number" in changes.get(key, {})
            ]  # fmt: skip
            raise FaultyRows(faults) from error


def delete(
    session: Session, actor: Actor, ids: Sequence[int], *, batch_id: int | None = None
) -> None:
    """Delete consumers on whom nothing hangs.

    Args:
        session: In the actor's scope.
        actor: Who deletes.
        ids: Which.
        batch_id: Of the import that is taken back, for the record.

    Raises:
        NotFound: One is not there, as far as the actor sees.
        ConsumerHasHistory: Something hangs on one; nothing was deleted.
    """
    with atomic(session):
        rows = locked(session, ids)
        if with_history(session, ids):
            raise ConsumerHasHistory
        _note_deleted(session, actor, list(rows.values()), batch_id)
        try:
            with session.begin_nested():
                for some in parts(list(rows)):
                    session.execute(removal(Consumer).where(Consumer.id.in_(some)))
        except IntegrityError as error:
            raise ConsumerHasHistory from error


def with_history(session: Session, ids: Sequence[int]) -> set[int]:
    """Tell on which consumers something hangs, wherever it does: a place, a sale, a debt."""
    return referred_to(session, Consumer, ids)


def locked(session: Session, ids: Mapping[int, Any] | Sequence[int]) -> dict[int, Consumer]:
    """Fetch consumers as they are now, and keep others from changing them until the end.

    Raises:
        NotFound: One is not there, as far as the actor sees.
    """
    wanted = list(ids)
    found: dict[int, Consumer] = {}
    for some in parts(wanted):
        rows = session.scalars(
            select(Consumer).where(Consumer.id.in_(some)).order_by(Consumer.id)
            .with_for_update().execution_options(populate_existing=True)
        )  # fmt: skip
        found |= {row.id: row for row in rows}
    if len(found) < len(set(wanted)):
        raise NotFound
    return found


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise FaultyRows(faults)


def _regions_seen(session: Session, wanted: set[int | None]) -> set[int]:
    some = sorted(number for number in wanted if number is not None)
    return {
        key
        for part in parts(some)
        for key in session.scalars(select(Region.id).where(Region.id.in_(part)))
    }


def _owners(session: Session, numbers: Sequence[str]) -> dict[str, int]:
    """Ids of the consumers that have some of these numbers, in whichever region."""
    with unscoped("a number that must be unique is taken wherever its consumer is"):
        return {
            number: key
            for part in parts(sorted(set(numbers)))
            for number, key in session.execute(
                select(Consumer.number, Consumer.id).where(among(session, Consumer.number, part))
            )
        }


def _values(draft: ConsumerDraft) -> dict[str, Any]:
    """Write a draft as columns."""
    values = {name: getattr(draft, name) for name in FIELDS}
    return values | {"number": number_of(draft), "id_number": draft.id_number or ""}


def _number(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Give the next numbers of the series to rows without one; others keep theirs."""
    given = {row["number"] for row in rows}
    without = [row for row in rows if not row["number"]]
    for row, number in zip(without, _following(session, len(without), given), strict=True):
        row["number"] = number


def _following(session: Session, count: int, given: set[str]) -> Iterator[str]:
    """Take numbers from the series; those that are taken already are passed over."""
    if not count:
        return
    insert_missing(session, NumberSeries, kind=SERIES, last=0)
    series = lock(session, NumberSeries, NumberSeries.kind == SERIES)
    while count:
        first = series.last + 1
        numbers = [f"{last:0{DIGITS}d}" for last in range(first, first + count)]
        series.last += count
        taken = given | _owners(session, numbers).keys()
        free = [number for number in numbers if number not in taken]
        yield from free
        count -= len(free)


def _difference(row: Consumer, draft: ConsumerDraft) -> dict[str, Any]:
    values = _values(draft)
    if draft.id_number is None:
        del values["id_number"]
    return {name: value for name, value in values.items() if value != getattr(row, name)}


def _written_now(names: Sequence[str], actor: Actor) -> dict[str, Any]:
    """Write down when and by whom addresses were entered; nobody has confirmed them."""
    now = now_utc()
    return {
        column: value
        for name in names
        for column, value in (
            (f"{name}_changed_at", now),
            (f"{name}_changed_by_id", actor.user_id),
            (f"{name}_confirmed_at", None),
        )
    }


def _write(
    session: Session,
    actor: Actor,
    before: Mapping[int, Consumer],
    changes: Mapping[int, Mapping[str, Any]],
) -> None:
    """Write what changed: rows with the same fields in one statement."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for key, values in changes.items():
        row = {"id": key, **values, "version": before[key].version + 1}
        if not values.keys().isdisjoint(FOUND_BY):
            row["search_key"] = key_of(_found_by(before[key]) | dict(values))
        row |= _written_now([name for name in ADDRESSES if name in values], actor)
        alike.setdefault(tuple(values), []).append(row)
    for rows in alike.values():
        session.execute(update(Consumer), rows)
    for key in changes:
        session.expire(before[key])


def _found_by(row: Consumer) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FOUND_BY}


def key_of(values: Mapping[str, Any]) -> str:
    """Write the key by which a consumer with these values is searched."""
    return search_key(*(values[name] for name in FOUND_BY))


def _note_added(
    session: Session,
    actor: Actor,
    ids: Sequence[int],
    rows: Sequence[Mapping[str, Any]],
    batch_id: int | None,
) -> None:
    if batch_id is not None:
        _note_batch(session, actor, "consumer.added", batch_id, [row["number"] for row in rows])
        return
    for key, row in zip(ids, rows, strict=True):
        audit.record(session, actor, "consumer.added", "consumer", key,
                     number=row["number"], region_id=row["region_id"])  # fmt: skip


def _note_changed(
    session: Session,
    actor: Actor,
    before: Mapping[int, Consumer],
    changes: Mapping[int, Mapping[str, Any]],
    batch_id: int | None,
) -> None:
    if batch_id is not None:
        numbers = [before[key].number for key in changes]
        _note_batch(session, actor, "consumer.changed", batch_id, numbers)
        return
    for key, values in changes.items():
        told = [name for name in TOLD if name in values]
        audit.record(
            session, actor, "consumer.changed", "consumer", key, number=before[key].number,
            changed=sorted(values), before={name: getattr(before[key], name) for name in told},
            after={name: values[name] for name in told},
        )  # fmt: skip


def _note_deleted(
    session: Session, actor: Actor, rows: Sequence[Consumer], batch_id: int | None
) -> None:
    if batch_id is not None:
        _note_batch(session, actor, "consumer.deleted", batch_id, [row.number for row in rows])
        return
    for row in rows:
        audit.record(session, actor, "consumer.deleted", "consumer", row.id,
                     number=row.number, region_id=row.region_id)  # fmt: skip


def _note_batch(
    session: Session, actor: Actor, action: str, batch_id: int, numbers: Sequence[str]
) -> None:
    if numbers:
        audit.record(
            session, actor, action, "consumer", None, count=len(numbers), batch_id=batch_id,
            first=numbers[0], last=numbers[-1],
        )  # fmt: skip
