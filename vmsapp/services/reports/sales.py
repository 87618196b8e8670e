"""The sales report.

A sale counts on its business date once its token is made, and goes on counting when it is taken
back: that counts on its own business date. Names are read beside the scope, since they belong to
figures that are seen.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any, Final

from sqlalchemy.orm import Session

from vmsapp.models import FIGURES, MeterType
from vmsapp.services.reports.narrowing import TYPES, names_of
from vmsapp.services.reports.question import (
    Before,
    By,
    Key,
    Question,
    Report,
    Row,
    Sums,
    period_before,
)
from vmsapp.services.reports.sources import statement
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY

IN_UNITS: Final = {"units", "units_reversed"}
"""Figures that are no whole numbers."""

Found = Iterator[tuple[tuple[Key, str], Sums]]


Find = Callable[[Session, Question], Found]


def sales_report(session: Session, question: Question, find: Find | None = None) -> Report:
    """Answer a question about sales, as far as the asker sees them.

    Args:
        session: In the asker's scope.
        question: What is asked.
        find: Reads the pieces; at once, unless it is told otherwise.
    """
    find = find or found_at_once
    sums: dict[tuple[Key, str], Sums] = {}
    for place, more in find(session, question):
        sums[place] = sums.get(place, Sums()) + more
    names = names_of(session, question.by, {key for key, _kind in sums})
    rows = [
        Row(key, names.get(key, ""), kind, found)
        for (key, kind), found in sorted(sums.items(), key=lambda item: _order(*item[0]))
    ]
    past = period_of(question)
    before = totals_of((kind, sums) for (_key, kind), sums in find(session, past))
    return Report(
        rows=rows,
        totals=totals_of((row.meter_type, row.sums) for row in rows),
        before=Before(past.first, past.last, before),
    )


def _order(key: Key, kind: str) -> tuple[Any, int]:
    return key, SUBCLASS[MeterType(kind)]


def period_of(question: Question) -> Question:
    """The question about the period before, as a whole."""
    first, last = period_before(question.first, question.last)
    return replace(question, first=first, last=last, by=By.YEAR)


def totals_of(found: Iterable[tuple[str, Sums]]) -> dict[str, Sums]:
    """Add up what each type of meter has."""
    totals: dict[str, Sums] = {}
    for kind, sums in found:
        totals[kind] = totals.get(kind, Sums()) + sums
    return {kind: totals[kind] for kind in SUBCLASS if kind in totals}


def found_at_once(session: Session, question: Question) -> Found:
    """Read the pieces of an answer in one statement."""
    for key, subclass, *figures in session.execute(statement(session, question)):
        found: dict[str, Any] = {
            name: figure if name in IN_UNITS else int(figure)
            for name, figure in zip(FIGURES, figures, strict=True)
        }
        sums = Sums(**found)
        if sums != Sums():  # what was taken out of a cell leaves it empty
            yield _place(question, key, subclass), sums


def _place(question: Question, key: Any, subclass: int) -> tuple[Key, str]:  # noqa: ANN401
    kind = TYPES[subclass % CURRENCY].value
    return (question.by.begins(key) if isinstance(key, date) else key), kind
