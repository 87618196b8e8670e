"""Beginning anew after a restore: floors of token identifiers, a new epoch, a new receipt series.

What was given out in the lost interval is not known here, or not all of it. So nothing is given
out that could have been: every meter's identifiers go on two days and a minute behind all that
is known, which is further than they may ever run ahead of the clock; receipts are numbered in a
new series, and a form of before is refused.

Source: SALE.md 5 "TID", 16 "Restore, promotion, standby".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Integer, case, func, literal, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.hsm.answers import JournalEntry
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.models import Installation, TidHead
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.rows import lock, rows_changed, table_of
from vmsapp.services.vending.tids import TID_LEAD, first_floor, lock_head
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import TID_MAX

PAGE: Final = 1000
"""Lines of a journal read at a time."""
AHEAD: Final = TID_LEAD + 1
"""Minutes behind the highest identifier that is known, at which a meter goes on."""

Highest = Mapping[tuple[str, str], int]
"""The highest identifiers of journals, by MeterPAN and base date, of those later than now."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What was begun.

    Attributes:
        epoch: Of the installation from now on.
        series: Of receipts from now on.
        floors: How many meters' identifiers were raised; None where it was done before.
    """

    epoch: int
    series: int
    floors: int | None


def lines_of(module: Module, after: int = 0) -> Iterator[list[JournalEntry]]:
    """Read a module's journal in pages, from the line after ``after``."""
    while entries := module.journal(after, PAGE):
        yield entries
        after = entries[-1].number


def highest_in(journals: Iterator[list[JournalEntry]]) -> dict[tuple[str, str], int]:
    """Find the identifiers of journals that lie ahead of the clock: others raise no floor."""
    now = {base.value: first_floor(now_utc(), base) for base in BaseDate}
    found: dict[tuple[str, str], int] = {}
    for entries in journals:
        for each in entries:
            if each.tid is None or each.meter_pan is None or each.base_date is None:
                continue
            key = (each.meter_pan, each.base_date)
            if each.tid > max(now[each.base_date], found.get(key, 0)):
                found[key] = each.tid
    return found


def begin_anew(
    session: Session, actor: Actor, highest: Highest, known_epoch: int, *, at_least: int = 1
) -> Begun:
    """Raise floors, epoch and receipt series, once for a restore.

    Args:
        session: Outside any transaction, while all stand still.
        actor: Who does it.
        highest: Of all journals.
        known_epoch: The highest epoch of any module's record.
        at_least: Which epoch and series it must be at the least.
    """
    now = now_utc()
    with atomic(session, durable=True):
        here = lock(session, Installation, Installation.id == 1)
        since = here.standstill_since
        if here.begun_anew_at is not None and since is not None and here.begun_anew_at >= since:
            return Begun(here.epoch, here.receipt_series, None)
        here.epoch = max(here.epoch + 1, known_epoch + 1, at_least)
        here.receipt_series = max(here.receipt_series + 1, here.epoch)
        here.tids_from = max(now, here.tids_from or now) + timedelta(minutes=AHEAD)
        here.begun_anew_at = max(now, since or now)
        session.flush()
        floors = sum(_raise_all(session, base) for base in BaseDate)
        for (meter_pan, base_date), tid in sorted(highest.items()):
            head = lock_head(session, meter_pan, base_date)
            head.floor = max(head.floor, min(tid + AHEAD, TID_MAX))
        audit.record(
            session, actor, "restore.begun_anew", "installation", 1, epoch=here.epoch,
            series=here.receipt_series, floors=floors, ahead=len(highest),
        )  # fmt: skip
        return Begun(here.epoch, here.receipt_series, floors)


def _raise_all(session: Session, base: BaseDate) -> int:
    """Raise the floors of all meters under a base date, in one statement."""
    head = table_of(TidHead).c
    now = literal(first_floor(now_utc(), base), Integer)
    known = _greater(now, _greater(func.coalesce(head.last_tid, 0), head.floor))
    raised = known + AHEAD
    floor = case((raised > TID_MAX, TID_MAX), else_=raised)
    return rows_changed(
        session,
        update(table_of(TidHead)).where(head.base_date == base.value).values(floor=floor),
    )


def _greater(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    return case((one > other, one), else_=other)
