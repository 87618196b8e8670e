"""The sheet of opening figures: what a former system counted of meters that are on record here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.errors import N_, VmsError
from vmsapp.scope import Actor
from vmsapp.services.counters import NoSuchPlace
from vmsapp.services.imports.consumers import ChangedSince, GoneSince
from vmsapp.services.imports.kinds import (
    Done,
    RowFault,
    SheetKind,
    Undoable,
    Values,
    Wanted,
    refusals,
)
from vmsapp.services.imports.meter_columns import YEARS, MeterNumber, Whole
from vmsapp.services.imports.meters import meter_key, on_record
from vmsapp.services.opening.errors import FloorStays, SoldHereAlready
from vmsapp.services.opening.planning import Opening, plan
from vmsapp.services.opening.putting import as_kept, put, put_back, written
from vmsapp.services.registration.meter_numbers import number_of
from vmsapp.services.registration.taking_back import locked
from vmsapp.services.sheets.cleaners import Cleaner, Day, Number, Value, western
from vmsapp.services.sheets.columns import Column
from vmsapp.services.sheets.faults import CellFault, shown
from vmsapp.services.sheets.names import Choice, Words
from vmsapp.sts.tid import TID_MAX

HEADINGS: Final = {
    "number": N_("Meter number"),
    "units": N_("Units bought in the month"),
    "month": N_("Month"),
    "fees_paid_until": N_("Fees paid until"),
    "last_tid": N_("TID of the last token"),
    "last_at": N_("Time of the last token"),
    "base_date": N_("Base date"),
}
NOTES: Final = {
    "number": N_("Needed: a meter that is on record here. Keep the cells as text."),
    "units": N_("What was bought in the former system since the month began."),
    "month": N_("Needed with units: year and month, such as 2026-01."),
    "fees_paid_until": N_("A day: fees of periods that begin by then are not asked for here."),
    "last_tid": N_("The token identifier, 0 to 16777215, if the former system tells it."),
    "last_at": N_("Otherwise its time, such as 2026-01-31 14:05, as the former system shows it."),
    "base_date": N_("Of the last token: 1993, 2014 or 2035; left empty, the meter's."),
}
EXAMPLE: Final = {
    "number": "0700 0000 013", "units": "84.5", "month": "2026-01",
    "fees_paid_until": "2026-01-31", "last_at": "2026-01-31 14:05", "base_date": "2014",
}  # fmt: skip
AS_TEXT: Final = frozenset({"number", "month", "fees_paid_until", "last_at"})
DECIMALS: Final = 1
"""Of units: the grid on which they are counted."""

_MONTH: Final = re.compile(r"(\d{4})[-/.](\d{1,2})")
_MINUTE: Final = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2})(?:[T ]+(\d{1,2}):(\d\d)(?::\d\d)?)?")
LAST_MINUTE: Final = time(23, 59)
"""Of a day without a time: no token of that day is later."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month, or any day of it."""

    def __call__(self, value: Value) -> date:
        """Give its first day."""
        found = _MONTH.fullmatch(western(value)) if isinstance(value, str) else None
        day = Day()(f"{found[1]}-{found[2]}-1" if found else value)
        return day.replace(day=1)


@dataclass(frozen=True, slots=True)
class Minute:
    """A minute of no known zone; of a day alone the last one."""

    def __call__(self, value: Value) -> datetime:
        """Give the minute, without a zone."""
        if isinstance(value, datetime):
            return value.replace(second=0, microsecond=0)
        if isinstance(value, str) and (found := _MINUTE.fullmatch(western(value))):
            return datetime.combine(Day()(found[1]), _time_of(value, found[2], found[3]))
        return datetime.combine(Day()(value), LAST_MINUTE)


def _time_of(value: str, hour: str | None, minute: str) -> time:
    if hour is None:
        return LAST_MINUTE
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise CellFault("wrong_form", shown=shown(value)) from None


class OpeningFigures:
    """Opening figures of meters, a row each; the meters are on record."""

    code = "opening-figures"
    title = N_("Opening figures of meters")
    key_column = "number"
    updates = False
    people = False

    def texts(self) -> Sequence[str]:
        """Headings and notes."""
        return [self.title, *HEADINGS.values(), *NOTES.values()]

    def columns(
        self, session: Session, words: Words, language: str, sign: str | None = None
    ) -> list[Column]:
        """The columns; none depends on what the session sees."""
        cleaners: dict[str, Cleaner] = {
            "number": MeterNumber(), "units": Number(DECIMALS, 0, sign=sign), "month": Month(),
            "fees_paid_until": Day(), "last_tid": Whole(0, TID_MAX), "last_at": Minute(),
            "base_date": Choice([(said, pair[1]) for pair in YEARS for said in pair]),
        }  # fmt: skip
        return [
            Column(
                name, heading, cleaners[name], required=name == "number", note=NOTES[name],
                width=24, example=EXAMPLE.get(name, ""), keep_text=name in AS_TEXT,
                choices=[year for year, _ in YEARS] if name == "base_date" else (),
            )
            for name, heading in HEADINGS.items()
        ]  # fmt: skip

    def key(self, values: Values) -> str | None:
        """The bare digits of a number without mistakes."""
        return meter_key(values)

    def wanted(self, session: Session, rows: Sequence[Values], *, update: bool) -> list[Wanted]:
        """Find the meters that the session sees; retired ones are none."""
        found = on_record(session, [key for row in rows if (key := self.key(row))])
        wanted = []
        for row in rows:
            meter = found.get(self.key(row) or "")
            if meter is None:
                wanted.append(Wanted(None, refused=_unknown(row)))
            else:
                said = {name: row.get(name) for name in HEADINGS if name != "number"}
                wanted.append(Wanted(Opening(meter.id, **said), meter.id))  # type: ignore[arg-type]
        return wanted

    def admit(self, session: Session, count: int) -> None:
        """No meter comes with them."""

    def check(self, session: Session, actor: Actor, wanted: Sequence[Wanted]) -> list[RowFault]:
        """Ask what the rows would change."""
        known = [place for place, one in enumerate(wanted) if one.asked]
        planned = plan(session, [wanted[place].draft for place in known])
        return refusals(wanted, "number") + [
            (known[place], column, error) for place, column, error in planned.faults
        ]

    def apply(
        self, session: Session, actor: Actor, wanted: Sequence[Wanted], batch_id: int
    ) -> tuple[list[Done | None], list[RowFault]]:
        """Set the figures of the rows without faults."""
        known = [place for place, one in enumerate(wanted) if one.asked]
        rows: list[Opening] = [wanted[place].draft for place in known]
        planned = put(session, actor, rows, batch_id=batch_id)
        done: list[Done | None] = [None] * len(wanted)
        for place, change in planned.changes.items():
            row = rows[place]
            done[known[place]] = (
                Done("changed", row.meter_id, as_kept(change, row.month))
                if change.any
                else Done("same", row.meter_id)
            )
        faults = [(known[place], column, error) for place, column, error in planned.faults]
        return done, refusals(wanted, "number") + faults

    def undo(
        self, session: Session, actor: Actor, rows: Sequence[Undoable], batch_id: int
    ) -> dict[int, VmsError]:
        """Put units and fees back where nothing was sold or changed since; floors stay."""
        there = locked(session, [row.subject_id for row in rows])
        stays: dict[int, VmsError] = {}
        for row in rows:
            if row.subject_id not in there:
                stays[row.row] = GoneSince()
            elif row.before is None:
                stays[row.row] = ChangedSince()
        back = {row.row: written(row.subject_id, row.before) for row in rows
                if row.before and row.row not in stays}  # fmt: skip
        left = put_back(session, actor, list(back.values()))
        for number, one in back.items():
            if one.meter_id in left.sold:
                stays[number] = SoldHereAlready()
            elif one.meter_id in left.changed:
                stays[number] = ChangedSince()
            elif one.floor_raised:
                stays[number] = FloorStays()
        return stays


def _unknown(row: Values) -> VmsError:
    """Say why a number names no meter."""
    number = number_of(str(row.get("number") or ""))
    return NoSuchPlace() if isinstance(number, str) else number


OPENING_FIGURES: Final[SheetKind] = OpeningFigures()
