"""What a rule is, what it is asked with, and what it answers.

A rule looks at one part of all there is after the other. For each part it tells what it found and
which findings lie in it, so that those it no longer finds are known without looking at all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import Session

from vmsapp.models import RevenueFinding

finding = RevenueFinding.__table__.c


class About(StrEnum):
    """What a rule's findings are about."""

    METER = "meter"
    OPERATOR = "operator"
    POINT = "point"
    SALE = "sale"


@dataclass(frozen=True, slots=True)
class Number:
    """A threshold: its name in the rule's sentence, its word, and what it may be."""

    name: str
    word: str
    default: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a rule is asked with.

    Attributes:
        session: Beside any scope: the statements are of bare tables.
        today: The business day.
        zone: The utility's, an IANA name.
        numbers: The rule's thresholds.
        smallest_minor: Of a purchase in money; ``None`` where there is no such limit.
        pause: Called between statements, for whoever wants to stop.
    """

    session: Session
    today: date
    zone: str
    numbers: Mapping[str, int]
    smallest_minor: int | None
    pause: Callable[[], None]

    @property
    def since(self) -> date:
        """The first of the last ``days`` days, of which today is one."""
        return self.today - timedelta(days=self.numbers["days"] - 1)

    def days(self) -> Iterator[date]:
        """Go through the last ``days`` days, one statement's worth at a time."""
        for past in range(self.numbers["days"]):
            self.pause()
            yield self.since + timedelta(days=past)


@dataclass(frozen=True, slots=True)
class Found:
    """One subject that a rule found, with the figures its sentence tells."""

    subject: str
    facts: Mapping[str, Any]
    meter_id: int | None = None
    vending_point_id: int | None = None
    operator_id: int | None = None
    sale_id: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What was found in one part.

    Attributes:
        within: States which findings lie in the part.
        size: Meters looked at, or one, for how far it is.
    """

    found: Sequence[Found]
    within: ColumnElement[bool]
    size: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for.

    Attributes:
        code: Stable, as kept with findings.
        word: Its name.
        sentence: Says exactly what it looks for, with its thresholds.
        said: Says of one finding what was found, with its facts.
        look: Answers part by part.
        by_meter: Goes through all meters; else it answers in one part.
    """

    code: str
    word: str
    sentence: str
    said: str
    about: About
    numbers: tuple[Number, ...]
    look: Callable[[Look], Iterator[Part]]
    by_meter: bool = False


def whole(found: Sequence[Found]) -> Part:
    """Make one part of all there is."""
    return Part(found, true())


def of_meter(meter_id: int, **facts: Any) -> Found:  # noqa: ANN401 - what JSON can hold
    """Name a meter."""
    return Found(f"meter {meter_id}", facts, meter_id=meter_id)


def of_operator(point_id: int, operator_id: int, **facts: Any) -> Found:  # noqa: ANN401
    """Name somebody at a vending point."""
    return Found(
        f"point {point_id} operator {operator_id}", facts,
        vending_point_id=point_id, operator_id=operator_id,
    )  # fmt: skip


def of_point(point_id: int, **facts: Any) -> Found:  # noqa: ANN401
    """Name a vending point."""
    return Found(f"point {point_id}", facts, vending_point_id=point_id)


def of_sale(sale_id: int, point_id: int, operator_id: int, **facts: Any) -> Found:  # noqa: ANN401
    """Name a sale, with where and by whom it was sold."""
    return Found(
        f"sale {sale_id}", facts, vending_point_id=point_id, operator_id=operator_id,
        sale_id=sale_id,
    )  # fmt: skip


def month_begin(day: date, back: int = 0) -> date:
    """Give the first day of a month so many months back.

    >>> month_begin(date(2026, 1, 31), 2)
    datetime.date(2025, 11, 1)
    """
    months = day.year * 12 + day.month - 1 - back
    return date(months // 12, months % 12 + 1, 1)
