"""The sheet of consumers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import LANGUAGES
from vmsapp.errors import N_, Conflict, VmsError
from vmsapp.models import Consumer, Gender, Region
from vmsapp.scope import Actor
from vmsapp.services.imports.kinds import Done, RowFault, SheetKind, Undoable, Values, Wanted
from vmsapp.services.imports.leaving_out import without_faulty
from vmsapp.services.registration import consumers
from vmsapp.services.registration.consumer_faults import NumberTwice, number_of
from vmsapp.services.registration.drafts import ConsumerDraft
from vmsapp.services.rows import parts
from vmsapp.services.sheets.cleaners import Email, Phone, Text
from vmsapp.services.sheets.columns import Column
from vmsapp.services.sheets.names import Choice, Words, in_any_language

OFFERED: Final = 2_000
"""Regions a template offers at most; more are known all the same."""

GENDERS: Final = {
    N_("Female"): Gender.FEMALE,
    N_("Male"): Gender.MALE,
    N_("Other"): Gender.OTHER,
    N_("Not given"): Gender.UNKNOWN,
}
HEADINGS: Final = {
    "number": N_("Consumer number"),
    "name": N_("Name"),
    "region": N_("Region"),
    "address": N_("Address"),
    "gender": N_("Gender"),
    "id_number": N_("ID number"),
    "email": N_("E-mail"),
    "phone": N_("Telephone"),
    "language": N_("Language"),
}
NOTES: Final = {
    "number": N_(
        "1 to 20 of the letters A to Z, digits, - and /. Left empty, the next number is given."
    ),
    "name": N_("Needed, up to 120 characters."),
    "region": N_("Needed: the name of a region, or its place such as Country / Province / City."),
    "id_number": N_("Of an identity card, up to 40 characters. Keep the cells as text."),
    "phone": N_("5 to 15 digits. Keep the cells as text, so that leading zeros stay."),
    "language": N_("In which receipts are printed and messages sent; left empty, English."),
}
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
    message = N_("A meter or a sale hangs on the record now, so it stays.")


class GoneSince(Conflict):
    """The record is not there any more, or not seen."""

    code = "gone_since"
    message = N_("The record is not there any more.")


class Consumers:
    """Consumers, a row each."""

    code = "consumers"
    title = N_("Consumers")
    key_column = "number"
    updates = True
    people = True

    def texts(self) -> Sequence[str]:
        """Headings, notes and genders."""
        return [self.title, *HEADINGS.values(), *NOTES.values(), *GENDERS]

    def columns(
        self, session: Session, words: Words, language: str, sign: str | None = None
    ) -> list[Column]:
        """The columns, knowing the regions the session sees."""
        regions = region_names(session)
        genders = [words.get(text, {}).get(language) or text for text in GENDERS]
        spoken = [(one, code) for code, spec in LANGUAGES.items() for one in (code, spec["name"])]
        cleaners: dict[str, Any] = {
            "number": Text(20, exact=True), "name": Text(120),
            "region": Choice(regions), "address": Text(255),
            "gender": Choice([*in_any_language(GENDERS, words), *((g, g) for g in Gender)]),
            "id_number": Text(40, exact=True), "email": Email(), "phone": Phone(),
            "language": Choice(spoken),
        }  # fmt: skip
        choices: dict[str, Sequence[str]] = {
            "region": [name for name, _ in regions[:OFFERED]],
            "gender": genders,
            "language": [spec["name"] for spec in LANGUAGES.values()],
        }
        empty = {"gender": Gender.UNKNOWN, "id_number": None, "language": "en"}
        return [
            Column(
                name, heading, cleaners[name], required=name in {"name", "region"},
                empty=empty.get(name, ""), note=NOTES.get(name, ""),
                width=30 if name in {"name", "region", "address", "email"} else 18,
                example=EXAMPLE.get(name, ""), choices=choices.get(name, ()),
                keep_text=name in {"number", "id_number", "phone"},
            )
            for name, heading in HEADINGS.items()
        ]  # fmt: skip

    def key(self, values: Values) -> str | None:
        """The number, as it is kept."""
        number = values.get("number")
        return str(number).upper() if number else None

    def wanted(self, session: Session, rows: Sequence[Values], *, update: bool) -> list[Wanted]:
        """Make drafts; a column that is missing leaves what is on record."""
        found = (
            _on_record(session, [key for row in rows if (key := self.key(row))]) if update else {}
        )
        wanted = []
        for row in rows:
            known = found.get(self.key(row) or "") if found else None
            draft = _drafted(_draft_of(known) if known else None, row)
            wanted.append(Wanted(draft, known.id if known else None))
        return wanted

    def admit(self, session: Session, count: int) -> None:
        """Consumers are not counted by the licence."""

    def check(self, session: Session, actor: Actor, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Ask the service; two rows with one number are told by the pipeline, with the row."""
        drafts = [one.draft for one in wanted]
        ids = [one.existing_id for one in wanted]
        return [
            (fault.row, fault.column, fault.error)
            for fault in consumers.check(session, actor, drafts, ids)
            if not isinstance(fault.error, NumberTwice)
        ]

    def apply(
        self, session: Session, actor: Actor, wanted: Sequence[Wanted], batch_id: int
    ) -> tuple[list[Done | None], list[RowFault]]:
        """Change those on record, then add the others."""
        done: list[Done | None] = [None] * len(wanted)
        faults: list[RowFault] = []
        old = [place for place, one in enumerate(wanted) if one.existing_id is not None]
        new = [place for place, one in enumerate(wanted) if one.existing_id is None]
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


def region_names(session: Session) -> list[tuple[str, int]]:
    """Names of the regions the session sees: alone, where no two share it, and with their way."""
    rows = session.execute(select(Region.id, Region.name, Region.path).order_by(Region.path)).all()
    names = {row.id: row.name for row in rows}
    ways = []
    for row in rows:
        above = [names[int(part)] for part in row.path.split(".") if part and int(part) in names]
        ways.append((" / ".join(above), row.id))
    counted: dict[str, int] = {}
    for row in rows:
        counted[row.name] = counted.get(row.name, 0) + 1
    alone = [(row.name, row.id) for row in rows if counted[row.name] == 1]
    shared = [pair for pair, row in zip(ways, rows, strict=True) if counted[row.name] > 1]
    known = {name for name, _ in (*alone, *shared)}
    return [*alone, *shared, *(pair for pair in ways if pair[0] not in known),
            *((row.name, row.id) for row in rows if counted[row.name] > 1)]  # fmt: skip


def _on_record(session: Session, numbers: Sequence[str]) -> dict[str, Consumer]:
    """The consumers of these numbers that the session sees and that may be changed."""
    return {
        row.number: row
        for some in parts(sorted(set(numbers)))
        for row in session.scalars(
            select(Consumer).where(Consumer.number.in_(some), Consumer.anonymised_at.is_(None))
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
        "region_id" if name == "region" else name: value for name, value in row.items()
    }
    if values.get("id_number", "") is None:
        del values["id_number"]
    if base is None:
        return ConsumerDraft(**{"name": "", "region_id": None, **values})
    return replace(base, **values)


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
        same = replace(draft, number=number_of(draft), id_number=draft.id_number or "") == replace(
            old, id_number=old.id_number or ""
        )
        results.append(
            Done("same", key, version=version)
            if same
            else Done("changed", key, before=asdict(old), version=version + 1)
        )
    return results


CONSUMERS: Final[SheetKind] = Consumers()
