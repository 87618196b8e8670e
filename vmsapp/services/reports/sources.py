"""Where the figures of a report come from: a roll-up and what is not in it yet, or the records.

All of a statement is one moment: a transfer that is added to the cells meanwhile is read once.
The statements are of plain tables, and state the asker's scope themselves.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Select, func, select, union_all
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput
from vmsapp.models import FIGURES, MeterType, Span, Unsummed, VendingPoint
from vmsapp.scope import current_sight
from vmsapp.services.reports.narrowing import at_places
from vmsapp.services.reports.question import By, Question
from vmsapp.services.roll_ups import RollUp, covering
from vmsapp.services.roll_ups.facts import Columns, facts, summed
from vmsapp.services.setup import zone_at
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY

LONGEST: Final = timedelta(days=31)
"""What is read from the records: crossings that no roll-up tells apart."""

KEYS: Final[Mapping[By, str]] = {
    By.HOUR: "hour",
    By.REGION: "region_id",
    By.VENDING_POINT: "vending_point_id",
    By.OPERATOR: "operator_id",
    By.TARIFF: "tariff_id",
    By.PRODUCT: "product_id",
}
"""The column a line stands for; where it is none, lines stand for times."""

points = VendingPoint.__table__.c


class CrossingTooLong(InvalidInput):
    """Nothing is kept for this crossing, and the records of so many days are too many."""

    code = "crossing_too_long"
    message = N_(
        "Told apart and narrowed like this, a report reaches over 31 days at most:"
        " choose fewer days, or fewer filters."
    )
    field = "to"


LENGTHS: Final = {
    Span.DAY: timedelta(days=1), Span.WEEK: timedelta(days=7), Span.MONTH: timedelta(days=31)
}  # fmt: skip
"""As long as a span may be."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Days whose figures are read from cells of one span."""

    span: Span
    first: date
    last: date


def statement(session: Session, question: Question) -> Executable:
    """State the figures of a question: key, sub-class of the tokens, then ``FIGURES``.

    Keys and sub-classes may come more than once; a time is any day in it.

    Raises:
        CrossingTooLong: It has to be read from the records, and they are too many.
    """
    zone = zone_at(session, now_utc())
    if from_records(question):
        return _read(question, zone)
    roll_up = covering(_told_apart(question))
    assert roll_up is not None
    kept = [_kept(question, roll_up, piece) for piece in pieces(question, roll_up.spans)]
    return union_all(*kept, _read(question, zone, unsummed=True))


def from_records(question: Question) -> bool:
    """Tell whether a question is answered from the records alone: no sums tell it apart.

    Raises:
        CrossingTooLong: It is, and reaches over too many days.
    """
    if covering(_told_apart(question)) is not None:
        return False
    if question.last - question.first >= LONGEST:
        raise CrossingTooLong
    return True


def pieces(question: Question, spans: Collection[Span]) -> Iterator[Piece]:
    """Cut the days of a question into whole weeks or months, and the days beside them.

    >>> year = Question(date(2026, 1, 1), date(2026, 12, 31), By.MONTH)
    >>> [(one.span.value, one.last.isoformat()) for one in pieces(year, [*Span])]
    [('month', '2026-12-31')]
    """
    by = question.by if question.by in (By.DAY, By.WEEK) else By.MONTH
    span, day = Span(by.value), timedelta(days=1)
    begins, ends = by.begins(question.first), by.begins(question.last + day)
    if begins < question.first:
        begins = by.begins(begins + LENGTHS[span])
    if span not in spans or begins >= ends:
        yield Piece(Span.DAY, question.first, question.last)
        return
    yield Piece(span, begins, ends - day)
    if question.first < begins:
        yield Piece(Span.DAY, question.first, begins - day)
    if ends <= question.last:
        yield Piece(Span.DAY, ends, question.last)


def _told_apart(question: Question) -> set[str]:
    """What sales are told apart by, and chosen by, but for times and types of meter."""
    names = {KEYS[question.by]} if question.by in KEYS else set()
    names |= {name for name in KEYS.values() if getattr(question, name, None) is not None}
    # a region is one of its points, wherever they lie now
    return {"vending_point_id" if name == "region_id" else name for name in names}


def _kept(question: Question, roll_up: RollUp, piece: Piece) -> Select[Any]:
    """State the figures that the cells of a piece hold."""
    table = roll_up.model.__table__
    cells, source = dict(table.c), table
    if question.by == By.REGION:
        source = table.join(VendingPoint.__table__, points.id == cells["vending_point_id"])
        cells["region_id"] = points.region_id
    keys = [cells[KEYS.get(question.by, "first_on")].label("key"), cells["subclass"]]
    sums = (func.sum(cells[name]) for name in FIGURES)
    return (
        select(*keys, *sums)
        .select_from(source)
        .where(cells["span"] == piece.span.value)
        .where(cells["first_on"].between(piece.first, piece.last))
        .where(*_wanted(question, cells))
        .group_by(*keys[:1], cells["subclass"])
    )


def _read(question: Question, zone: str, *, unsummed: bool = False) -> Select[Any]:
    """State the figures that the records give; of what is in no cell yet alone."""
    names = {"day", "vending_point_id", "subclass", KEYS.get(question.by, "day")}
    names |= _told_apart(question)

    def where(columns: Columns) -> Iterator[ColumnElement[bool]]:
        yield columns["day"].between(question.first, question.last)
        yield from _wanted(question, columns)
        if unsummed:
            yield columns["transfer_id"].in_(select(Unsummed.__table__.c.transfer_id))

    found = facts(sorted(names), zone, where)
    return summed(found, [found.c[KEYS.get(question.by, "day")].label("key"), found.c.subclass])


def _wanted(question: Question, columns: Columns) -> Iterator[ColumnElement[bool]]:
    """Narrow to what is asked for, as far as the asker sees it."""
    sight, point = current_sight(), columns["vending_point_id"]
    if not sight.everything:
        yield point.in_(select(points.id).where(VendingPoint.visible_to(sight)))
    if question.meter_type is not None:
        service = SUBCLASS[MeterType(question.meter_type)]
        yield columns["subclass"].in_((service, CURRENCY + service))
    yield from at_places(question, point)
    for name in ("operator_id", "tariff_id", "product_id"):
        if getattr(question, name) is not None:
            yield columns[name] == getattr(question, name)
