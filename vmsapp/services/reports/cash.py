"""Cash-up: what each operator's drawer held, took, gave, should hold and did hold, day by day.

A shift counts on the day it was opened, in the utility's time zone, once it is closed; those
that are open are counted alone. What a drawer held is told to who may see it: of the own shifts,
or of all with that leave.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.models import LedgerTransfer, Sale, Shift, ShiftCash
from vmsapp.scope import Actor
from vmsapp.security import SHIFTS
from vmsapp.services.reports.lines import Answer, answered
from vmsapp.services.reports.narrowing import at_places, names_of
from vmsapp.services.reports.question import By, Figures, Key, Question
from vmsapp.services.setup import zone_at
from vmsapp.services.shifts.figures import SOLD


class Drawer(NamedTuple):
    """Whose drawer it was, and where; of totals where alone."""

    point: str
    operator: str
    vending_point_id: int
    operator_id: int


@dataclass(frozen=True, slots=True)
class CashFigures(Figures):
    """Drawers of closed shifts, in minor units.

    Attributes:
        shifts, open: Closed ones, and those that are not.
        expected_minor: Float, and what was sold and put in, less what was taken back and out.
        counted_minor: Of the shifts whose cash was counted.
        over_minor, short_minor: What was there beyond it, and what was missing; both positive.
    """

    shifts: int = 0
    open: int = 0
    float_minor: int = 0
    sold_minor: int = 0
    back_minor: int = 0
    in_minor: int = 0
    out_minor: int = 0
    expected_minor: int = 0
    counted_minor: int = 0
    over_minor: int = 0
    short_minor: int = 0

    @property
    def difference_minor(self) -> int:
        """Over or short, all in all."""
        return self.over_minor - self.short_minor


def cash_report(session: Session, actor: Actor, question: Question) -> Answer[CashFigures]:
    """Answer a question about drawers, as far as the asker may see what they held."""

    def found(session: Session, question: Question) -> Iterator[tuple[Key, Drawer, CashFigures]]:
        return _found(session, actor, question)

    return answered(session, question, found, _by_point, compared=False)


def _by_point(drawer: Drawer) -> Drawer:
    return Drawer(drawer.point, "", drawer.vending_point_id, 0)


def _found(
    session: Session, actor: Actor, question: Question
) -> Iterator[tuple[Key, Drawer, CashFigures]]:
    zone = zone_at(session, now_utc())
    asked = _shifts(actor, question, zone)
    shifts = session.scalars(asked).all()
    ids = asked.with_only_columns(Shift.id)
    sold = _sums(session, select(Sale.shift_id, func.sum(Sale.charged_minor))
                 .where(Sale.shift_id.in_(ids), Sale.state.in_(SOLD), Sale.sealed_at.is_(None))
                 .group_by(Sale.shift_id))  # fmt: skip
    back = _sums(session, select(LedgerTransfer.shift_id, func.sum(Sale.charged_minor))
                 .join(Sale, Sale.id == LedgerTransfer.sale_id)
                 .where(LedgerTransfer.shift_id.in_(ids), LedgerTransfer.kind == "reversal")
                 .where(Sale.sealed_at.is_(None))
                 .group_by(LedgerTransfer.shift_id))  # fmt: skip
    put, amount = ShiftCash.amount_minor > 0, ShiftCash.amount_minor
    moves = {
        shift: (int(into), -int(out))
        for shift, into, out in session.execute(
            select(ShiftCash.shift_id, func.sum(case((put, amount), else_=0)),
                   func.sum(case((put, 0), else_=amount)))
            .where(ShiftCash.shift_id.in_(ids))
            .group_by(ShiftCash.shift_id)
        )
    }  # fmt: skip
    points = names_of(session, By.VENDING_POINT, {one.vending_point_id for one in shifts})
    people = names_of(session, By.OPERATOR, {one.operator_id for one in shifts})
    for shift in shifts:
        place, whose = shift.vending_point_id, shift.operator_id
        drawer = Drawer(points.get(place, ""), people.get(whose, ""), place, whose)
        figures = CashFigures(open=1)
        if shift.closed_at is not None:
            figures = _closed(shift, sold, back, moves.get(shift.id, (0, 0)))
        yield business_day(shift.opened_at, zone), drawer, figures


def _closed(
    shift: Shift, sold: Mapping[int, int], back: Mapping[int, int], moved: tuple[int, int]
) -> CashFigures:
    difference = shift.over_short_minor or 0
    return CashFigures(
        1, 0, shift.opening_minor, sold.get(shift.id, 0), back.get(shift.id, 0), *moved,
        shift.expected_minor or 0, shift.counted_minor or 0,
        max(difference, 0), max(-difference, 0),
    )  # fmt: skip


def _shifts(actor: Actor, question: Question, zone: str) -> Select[Shift]:
    """Select the shifts opened in a period whose figures the asker may see."""
    first = _midnight(question.first, zone)
    end = _midnight(question.last + timedelta(days=1), zone)
    asked = select(Shift).where(Shift.opened_at >= first, Shift.opened_at < end)
    asked = asked.where(*at_places(question, Shift.vending_point_id))
    if question.operator_id is not None:
        asked = asked.where(Shift.operator_id == question.operator_id)
    if not (actor.may("can_figures", SHIFTS) or actor.may("can_close_others", SHIFTS)):
        asked = asked.where(Shift.operator_id == actor.user_id)
    return asked


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone))


def _sums(session: Session, statement: Any) -> dict[int, int]:  # noqa: ANN401 - ids and sums
    return {shift: int(minor) for shift, minor in session.execute(statement)}
