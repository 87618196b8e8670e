"""The sheet of consumers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import LANGUAGES
from vmsapp.errors import N_, Conflict, InvalidInput, VmsError
from vmsapp.models import Consumer, Gender
from vmsapp.scope import Actor
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
from vmsapp.services.regions import known_names
from vmsapp.services.registration import consumers
from vmsapp.services.registration.consumer_faults import NumberTwice, number_of
from vmsapp.services.registration.drafts import ConsumerDraft
from vmsapp.services.registration.masking import DOTS, NOBODY
from vmsapp.services.rows import parts
from vmsapp.services.sheets.cleaners import Text, Value, one_spelling, western
from vmsapp.services.sheets.columns import Column, told_columns
from vmsapp.services.sheets.names import Choice, Words, in_any_language

OFFERED: Final = 2_000
"""Regions a template offers at most; more are known all the same."""

REGION_NOTE: Final[str] = N_(
    "Needed: where a region lies, such as Country / Province / City; its name alone if no other"
    " has it."
)
GENDERS: Final = {
    N_("Female"): Gender.FEMALE,
    N_("Male"): Gender.MALE,
    N_("Another gender"): Gender.OTHER,
    N_("Not given"): Gender.UNKNOWN,
}
HEADINGS: Final = {
    "number": N_("Consumer number"),
    "name": N_("Full name"),
    "region": N_("Region"),
    "address": N_("Address"),
    "gender": N_("Gender"),
    "id_number": N_("ID number"),
    "email": N_("E-mail"),
    "phone": N_("Telephone"),
    "language": N_("Language"),
}
ONCE: Final = {"name": N_("Name")}
"""Headings of older files."""
NOTES: Final = {
    "number": N_(
        "1 to 20 of the letters A to Z, digits, - and /. Left empty, the next number is given."
    ),
    "name": N_("Needed, up to 120 characters."),
    "region": REGION_NOTE,
    "id_number": N_("Of an identity card, up to 40 characters. Keep the cells as text."),
    "phone": N_("Keep the cells as text, so that leading zeros stay."),
    "language": N_("In which receipts are printed and messages sent; left empty, English."),
}
TOLD: Final = {
    "state": N_("State"), "retired": N_("No longer a consumer"), "meters": N_("Meters"),
}  # fmt: skip
"""Headings of what an export tells besides, and no import changes."""

EXAMPLE: Final = {
    "number": "C-0001", "name": "Amina Mwangi", "address": "12 Harbour Street",
    "id_number": "0012345678", "email": "amina@example.org", "phone": "+254 700 000001",
}  # fmt: skip


class ChangedSince(Conflict):
    """Somebody changed the record after the import."""

    code = "changed_since"
    message = N_("The record was changed after the import, so it stays.")


class InUseSince(Conflict):
    """Something was hung on the record after the import."""

    code = "in_use_since"
    message = N_(
        "Something hangs on the record now, such as a meter, a sale, a debt or a campaign, so it"
        " stays."
    )


class GoneSince(Conflict):
    """The record is not there any more, or not seen."""

    code = "gone_since"
    message = N_("The record is not there any more.")


class NobodyLeft(InvalidInput):
    """The row is of somebody whose data were removed; that cannot be done again."""

    code = "nobody_left"
    message = N_("The data of this consumer were removed for good. Take the row out.")


@dataclass(frozen=True, slots=True)
class Telephone:
    """A telephone number as a text; what is wrong with it the service says."""

    longest: int

    def __call__(self, value: Value) -> str:
        """Give the text with Western digits."""
        return western(Text(self.longest, exact=True)(value))


@dataclass(frozen=True, slots=True)
class IdNumber:
    """An ID number; one whose beginning is hidden says nothing, so what is on record stays."""

    def __call__(self, value: Value) -> str | None:
        """Give the text."""
        text = Text(40, exact=True)(value)
        return None if text.startswith(DOTS[0]) else text


class Consumers:
    """Consumers, a row each."""

    code = "consumers"
    title = N_("Consumers")
    key_column = "number"
    updates = True
    people = True

    def texts(self) -> Sequence[str]:
        """Headings, notes and genders."""
        return [
            self.title, *HEADINGS.values(), *ONCE.values(), *NOTES.values(), *GENDERS,
            *TOLD.values(),
        ]  # fmt: skip

    def columns(
        self, session: Session, words: Words, language: str, sign: str | None = None
    ) -> list[Column]:
        """The columns, knowing the regions the session sees."""
        regions = known_names(session)
        genders = [words.get(text, {}).get(language) or text for text in GENDERS]
        spoken = [(one, code) for code, spec in LANGUAGES.items() for one in (code, spec["name"])]
        cleaners: dict[str, Any] = {
            "number": Text(20, exact=True), "name": Text(120),
            "region": Choice(regions, "ambiguous_region"), "address": Text(255, lines=True),
            "gender": Choice([*in_any_language(GENDERS, words), *((g, g) for g in Gender)]),
            "id_number": IdNumber(), "email": Text(120),
            "phone": Telephone(40),
            "language": Choice(spoken),
        }  # fmt: skip
        choices: dict[str, Sequence[str]] = {
            "region": offered(regions),
            "gender": genders,
            "language": [spec["name"] for spec in LANGUAGES.values()],
        }
        empty = {"gender": Gender.UNKNOWN, "id_number": None, "language": "en"}
        taken = [
            Column(
                name, heading, cleaners[name], required=name in {"name", "region"},
                empty=empty.get(name, ""), note=NOTES.get(name, ""),
                width=30 if name in {"name", "region", "address", "email"} else 18,
                example=EXAMPLE.get(name, ""), choices=choices.get(name, ()),
                keep_text=name in {"number", "id_number", "phone"}, once=ONCE.get(name, ""),
            )
            for name, heading in HEADINGS.items()
        ]  # fmt: skip
        return [*taken, *told_columns(TOLD)]

    def key(self, values: Values) -> str | None:
        """The number, as it is kept."""
        number = values.get("number")
        return str(number).upper() if number else None

    def wanted(self, session: Session, rows: Sequence[Values], *, update: bool) -> list[Wanted]:
        """Make drafts; a column that is missing leaves what is on record.

        Of whom the data were removed nothing is written: a row that says no more than what is
        left is let be.
        """
        found = (
            _on_record(session, [key for row in rows if (key := self.key(row))]) if update else {}
        )
        wanted = []
        for row in rows:
            known = found.get(self.key(row) or "") if found else None
            draft = _drafted(_draft_of(known) if known else None, row)
            if known is None or known.anonymised_at is None:
                gone = NobodyLeft() if known is None and draft.name == NOBODY else None
                wanted.append(Wanted(draft, known.id if known else None, refused=gone))
            elif _same(draft, _draft_of(known)):
                wanted.append(Wanted(draft, known.id, left=True))
            else:
                wanted.append(Wanted(draft, refused=NobodyLeft()))
        return wanted

    def admit(self, session: Session, count: int) -> None:
        """Consumers are not counted by the licence."""

    def check(self, session: Session, actor: Actor, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Ask the service; two rows with one number are told by the pipeline, with the row."""
        asked = [place for place, one in enumerate(wanted) if one.asked]
        drafts = [wanted[place].draft for place in asked]
        ids = [wanted[place].existing_id for place in asked]
        return refusals(wanted, "number") + [
            (asked[fault.row], fault.column, fault.error)
            for fault in consumers.check(session, actor, drafts, ids)
            if not isinstance(fault.error, NumberTwice)
        ]

    def apply(
        self, session: Session, actor: Actor, wanted: Sequence[Wanted], batch_id: int
    ) -> tuple[list[Done | None], list[RowFault]]:
        """Change those on record, then add the others."""
        done: list[Done | None] = [
            Done("same", one.existing_id) if one.left and one.existing_id is not None else None
            for one in wanted
        ]
        faults = refusals(wanted, "number")
        asked = [place for place, one in enumerate(wanted) if one.asked]
        old = [place for place in asked if wanted[place].existing_id is not None]
        new = [place for place in asked if wanted[place].existing_id is None]
        for places, deed in ((old, _change), (new, _add)):
            results, wrong = without_faulty(
                session, wanted, places, partial(deed, session, actor, batch_id)
            )
            for place, result in results.items():
                done[place] = result
            faults += [(place, fault.column, fault.error) for place, fault in wrong]
        return done, faults

    def undo(
        self, session: Session, actor: Actor, rows: Sequence[Undoable], batch_id: int
    ) -> dict[int, VmsError]:
        """Delete what was added, put back what was changed; what was touched since stays."""
        found = _locked(session, [row.subject_id for row in rows])
        used = consumers.with_history(session, [r.subject_id for r in rows if r.state == "added"])
        stays: dict[int, VmsError] = {}
        for row in rows:
            known = found.get(row.subject_id)
            if known is None:
                stays[row.row] = GoneSince()
            elif known.version != row.version or known.anonymised_at:
                stays[row.row] = ChangedSince()
            elif row.subject_id in used:
                stays[row.row] = InUseSince()
            elif row.state == "changed" and row.before is None:
                stays[row.row] = ChangedSince()
        back = [row for row in rows if row.row not in stays]
        added = [row.subject_id for row in back if row.state == "added"]
        if added:
            consumers.delete(session, actor, added, batch_id=batch_id)
        changed = {row.subject_id: ConsumerDraft(**row.before) for row in back if row.before}
        if changed:
            consumers.change(session, actor, changed, batch_id=batch_id)
        return stays


def offered(regions: Sequence[tuple[str, int]]) -> list[str]:
    """What a template offers of the names of regions: how an export writes each."""
    first: dict[int, str] = {}
    for name, key in regions:
        first.setdefault(key, name)
    return list(first.values())[:OFFERED]


def _on_record(session: Session, numbers: Sequence[str]) -> dict[str, Consumer]:
    """The consumers of these numbers that the session sees."""
    return {
        row.number: row
        for some in parts(sorted(set(numbers)))
        for row in session.scalars(
            select(Consumer).where(Consumer.number.in_(some))
            .execution_options(populate_existing=True)
        )
    }  # fmt: skip


def _locked(session: Session, ids: Sequence[int]) -> dict[int, Consumer]:
    return {
        row.id: row
        for some in parts(sorted(set(ids)))
        for row in session.scalars(
            select(Consumer).where(Consumer.id.in_(some)).order_by(Consumer.id)
            .with_for_update().execution_options(populate_existing=True)
        )
    }  # fmt: skip


def _draft_of(row: Consumer) -> ConsumerDraft:
    return ConsumerDraft(**{name: getattr(row, name) for name in consumers.FIELDS})


def _drafted(base: ConsumerDraft | None, row: Values) -> ConsumerDraft:
    values: dict[str, Any] = {
        "region_id" if name == "region" else name: value
        for name, value in row.items()
        if name in HEADINGS
    }
    if values.get("id_number", "") is None:
        del values["id_number"]
    if base is None:
        return ConsumerDraft(**{"name": "", "region_id": None, **values})
    return replace(base, **{
        name: kept if _alike(kept := getattr(base, name), value) else value
        for name, value in values.items()
    })  # fmt: skip


def _alike(kept: object, said: object) -> bool:
    """Tell whether a text on record is what a cell says, but for spaces and spelling."""
    return isinstance(kept, str) and kept != said and one_spelling(kept) == said


def _same(draft: ConsumerDraft, old: ConsumerDraft) -> bool:
    return replace(draft, number=number_of(draft), id_number=draft.id_number or "") == replace(
        old, id_number=old.id_number or ""
    )


def _add(session: Session, actor: Actor, batch_id: int, wanted: Sequence[Wanted]) -> list[Done]:
    ids = consumers.add(session, actor, [one.draft for one in wanted], batch_id=batch_id)
    return [Done("added", key, version=1) for key in ids]


def _change(session: Session, actor: Actor, batch_id: int, wanted: Sequence[Wanted]) -> list[Done]:
    drafts: Mapping[int, ConsumerDraft] = {
        one.existing_id: one.draft for one in wanted if one.existing_id is not None
    }
    before = {
        key: (_draft_of(row), row.version) for key, row in _locked(session, list(drafts)).items()
    }
    consumers.change(session, actor, drafts, batch_id=batch_id)
    results = []
    for key, draft in drafts.items():
        old, version = before[key]
        results.append(
            Done("same", key, version=version)
            if _same(draft, old)
            else Done("changed", key, before=asdict(old), version=version + 1)
        )
    return results


CONSUMERS: Final[SheetKind] = Consumers()
