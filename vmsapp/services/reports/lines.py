"""Lines of a report: what each is about, what else tells it apart, and figures that add up.

A report says what it found, piece by piece: the key of a line, what tells it from other lines of
that key (the tax and its rate, the step), and figures. Here the pieces become lines, totals, and
the totals of the period before.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session

from vmsapp.services.reports.narrowing import names_of
from vmsapp.services.reports.question import By, Figures, Key, Question, period_before

Apart = tuple[Any, ...]
"""A named tuple of a report's own; its values are in the order lines are read."""


F = TypeVar("F", bound=Figures)
Found = Iterable[tuple[Key, Apart, F]]


@dataclass(frozen=True, slots=True)
class Line(Generic[F]):
    """One line.

    Attributes:
        key: What it is about; ``None`` in a line of totals.
        apart: What tells it from other lines of that key.
    """

    key: Key | None
    name: str
    apart: Any
    figures: F

    @property
    def meter_type(self) -> str:
        """The type of meter its units are of; empty where there are none."""
        return str(getattr(self.apart, "meter_type", ""))


@dataclass(frozen=True, slots=True)
class Past(Generic[F]):
    """The period a report is compared with, and its totals."""

    first: date
    last: date
    totals: Sequence[Line[F]]


@dataclass(frozen=True, slots=True)
class Answer(Generic[F]):
    """What a report answers; ``before`` is none where a comparison says nothing."""

    lines: Sequence[Line[F]]
    totals: Sequence[Line[F]]
    before: Past[F] | None = None


def answered(
    session: Session,
    question: Question,
    found: Callable[[Session, Question], Found[F]],
    together: Callable[[Any], Apart] = lambda apart: apart,
    *,
    compared: bool = True,
) -> Answer[F]:
    """Add up what a report finds, and what it found in the period before.

    Args:
        session: In the asker's scope.
        question: What is asked.
        found: Reads the pieces.
        together: What tells lines of totals apart.
        compared: Whether the period before is read, too.
    """
    lines = _lines(session, question.by, found(session, question))
    before = None
    if compared:
        first, last = period_before(question.first, question.last)
        earlier = replace(question, first=first, last=last, by=By.YEAR)
        past = _lines(session, By.YEAR, found(session, earlier))
        before = Past(first, last, totals_of(past, together))
    return Answer(lines, totals_of(lines, together), before)


def totals_of(lines: Iterable[Line[F]], together: Callable[[Any], Apart]) -> list[Line[F]]:
    """Add lines up, whatever their keys."""
    sums: dict[Apart, F] = {}
    for line in lines:
        place = together(line.apart)
        sums[place] = sums[place] + line.figures if place in sums else line.figures
    return [Line(None, "", apart, sums[apart]) for apart in sorted(sums)]


def _lines(session: Session, by: By, found: Found[F]) -> list[Line[F]]:
    sums: dict[tuple[Key, Apart], F] = {}
    for key, apart, figures in found:
        place = by.begins(key) if isinstance(key, date) else key, apart
        sums[place] = sums[place] + figures if place in sums else figures
    names = names_of(session, by, {key for key, _apart in sums})
    return [Line(key, names.get(key, ""), apart, sums[key, apart]) for key, apart in sorted(sums)]
