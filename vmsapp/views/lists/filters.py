"""Filters of lists: what may stand in the address, which rows it leaves, how it reads.

The framework's own filters answer odd addresses with an error, know neither this
product's column types nor "no", and are shared between people; these are values, made
once, which hold nothing of a request. What an address says amiss is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from flask import g, url_for
from flask_babel import gettext
from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, UnaryExpression, select
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.visitors import replacement_traverse
from werkzeug.datastructures import MultiDict

from vmsapp.clock import business_day, now_utc
from vmsapp.i18n import _, date_text, labelled
from vmsapp.models import Consumer
from vmsapp.models.base import Model
from vmsapp.models.types import UtcDateTime
from vmsapp.views.base import session, zone
from vmsapp.views.lists.listing import row_of
from vmsapp.views.reports.presets import PRESETS

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
"""Days outside these are slips of the finger, and beyond what zones can count."""

Arguments = MultiDict[str, str]
Column = Any
"""A mapped column; what it compares to is a condition whatever it holds."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One thing a list can be narrowed by.

    Attributes:
        name: The parameter in the address.
        label: What the reader calls it.
        column: The column compared.
    """

    kind: ClassVar[str]

    name: str
    label: Any
    column: Column

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters it reads."""
        return (self.name,)

    def read(self, arguments: Arguments) -> Any:  # noqa: ANN401 - each kind's own
        """Read its value from an address; ``None`` for none and for nonsense."""
        raise NotImplementedError

    def rows(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        """State which rows are left."""
        raise NotImplementedError

    def said(self, value: Any) -> str:  # noqa: ANN401
        """Put the value into words."""
        raise NotImplementedError

    def recorded(self, value: Any) -> str:  # noqa: ANN401
        """Put the value on record, which stays for ever and so names no consumer."""
        return self.said(value)


@dataclass(frozen=True, kw_only=True)
class Choice(Filter):
    """One of a few codes, each with its word."""

    kind = "choice"
    words: Mapping[str, str]

    def read(self, arguments: Arguments) -> str | None:
        """Take a code that is known."""
        code = arguments.get(self.name)
        return code if code in self.words else None

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows with this code."""
        return _is(self.column, value)

    def said(self, value: str) -> str:
        """The code's word."""
        return str(gettext(self.words[value]))

    def options(self) -> list[tuple[str, str]]:
        """The codes and their words."""
        return [(code, self.said(code)) for code in self.words]


@dataclass(frozen=True, kw_only=True)
class YesNo(Filter):
    """Yes or no."""

    kind = "choice"

    def read(self, arguments: Arguments) -> str | None:
        """Take ``yes`` or ``no``."""
        word = arguments.get(self.name)
        return word if word in {"yes", "no"} else None

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows where it is so, or is not."""
        return _is(self.column, value == "yes")

    def said(self, value: str) -> str:
        """The word."""
        return str(_("Yes") if value == "yes" else _("No"))

    def options(self) -> list[tuple[str, str]]:
        """Both."""
        return [(code, self.said(code)) for code in ("yes", "no")]


@dataclass(frozen=True, kw_only=True)
class Days(Filter):
    """From a day to a day, both included, in the utility's time zone."""

    kind = "days"

    @property
    def ends(self) -> tuple[str, str]:
        """The parameters of the first day and the last."""
        return (f"{self.name}_from", f"{self.name}_to")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The first day and the last."""
        return self.ends

    def read(self, arguments: Arguments) -> tuple[date | None, date | None] | None:
        """Take one day or both."""
        first, last = (read_day(arguments.get(name)) for name in self.ends)
        return (first, last) if first or last else None

    def rows(self, value: tuple[date | None, date | None]) -> ColumnElement[bool]:
        """Rows of these days."""
        first, last = value
        moments = isinstance(self.column.type, UtcDateTime)
        clauses: list[ColumnElement[bool]] = []
        if first:
            clauses.append(self.column >= (_midnight(first) if moments else first))
        if last:
            end = last + timedelta(days=1)
            clauses.append(self.column < (_midnight(end) if moments else end))
        return clauses[0] if len(clauses) == 1 else clauses[0] & clauses[1]

    def said(self, value: tuple[date | None, date | None]) -> str:
        """The days, the reader's way."""
        first, last = (date_text(day) if day else None for day in value)
        if first and last:
            return str(_("%(first)s to %(last)s", first=first, last=last))
        return str(_("from %(day)s", day=first) if first else _("until %(day)s", day=last))


@dataclass(frozen=True, kw_only=True)
class MovingDays(Days):
    """The same, or a ready-made period, which moves on: a kept report asks for that of its time.

    The name of a period wins over days that stand beside it.
    """

    @property
    def parameters(self) -> tuple[str, ...]:
        """The period's name, the first day and the last."""
        return (self.name, *self.ends)

    def read(self, arguments: Arguments) -> tuple[date | None, date | None] | None:
        """Take a period by its name, or one day or both."""
        code = arguments.get(self.name, "")
        if code not in PRESETS:
            return super().read(arguments)
        return _Named(*PRESETS[code][1](business_day(now_utc(), zone())), code)

    def said(self, value: tuple[date | None, date | None]) -> str:
        """The days, after the name of the period."""
        days = super().said(value)
        if not isinstance(value, _Named):
            return days
        word = gettext(PRESETS[value.code][0])
        return labelled(word, days)

    def periods(self) -> list[tuple[str, str]]:
        """The ready-made periods: names and words."""
        return [(code, str(gettext(word))) for code, (word, _days) in PRESETS.items()]


class _Named(tuple[date | None, date | None]):
    """Days of a ready-made period, which keep its name."""

    code: str

    def __new__(cls, first: date, last: date, code: str) -> "_Named":
        made = super().__new__(cls, (first, last))
        made.code = code
        return made


@dataclass(frozen=True, kw_only=True)
class Among(Filter):
    """A row of another table, small enough to be listed whole."""

    kind = "choice"
    model: type[Model]
    text: Callable[[], Sequence[tuple[int, str]]]

    def read(self, arguments: Arguments) -> str | None:
        """Take an id that is in the list."""
        number = arguments.get(self.name, type=int)
        return None if number is None or number not in dict(self.text()) else str(number)

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows that belong to it."""
        return _is(self.column, int(value))

    def said(self, value: str) -> str:
        """Its name."""
        return dict(self.text())[int(value)]

    def options(self) -> list[tuple[str, str]]:
        """All of them."""
        return [(str(number), name) for number, name in self.text()]


@dataclass(frozen=True, kw_only=True)
class Searched(Filter):
    """A row of a large table, found by searching; ``endpoint`` answers the search."""

    kind = "searched"
    model: type[Model]
    endpoint: str

    def read(self, arguments: Arguments) -> Any:  # noqa: ANN401 - a row of ``model``
        """Take a row the asker sees."""
        number = arguments.get(self.name, type=int)
        return None if number is None else row_of(session(), self.model, number)

    def rows(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        """Rows that belong to it."""
        return _is(self.column, value.id)

    def said(self, value: Any) -> str:  # noqa: ANN401
        """Its name."""
        return str(value)

    def recorded(self, value: Any) -> str:  # noqa: ANN401
        """Its name; of a consumer the number."""
        return value.number if isinstance(value, Consumer) else self.said(value)

    def url(self) -> str:
        """Where the search is answered."""
        return url_for(self.endpoint)


def unindexed(clause: ColumnElement[bool]) -> ColumnElement[bool]:
    """State a condition so that SQLite uses no index of the columns it compares.

    To it an index that narrows to a region is no better than one that narrows to half of the
    table, so it has to be kept from that one.
    """

    def signed(element: Any, **_more: Any) -> Any:  # noqa: ANN401 - any part of a condition
        if isinstance(element, TableColumn):
            return UnaryExpression(element, operator=custom_op("+"), type_=element.type)
        return None

    found: ColumnElement[bool] = replacement_traverse(clause, {}, signed)
    return found


def names_of(model: type[Model], name: Column, limit: int = 200) -> Any:  # noqa: ANN401
    """Make the list of a small table: ids and names, in the asker's scope."""

    def listed() -> list[tuple[int, str]]:
        known: dict[str, list[tuple[int, str]]] = g.setdefault("names", {})
        if model.__name__ not in known:
            rows = select(model.id, name).order_by(name).limit(limit)  # type: ignore[attr-defined]
            known[model.__name__] = [(number, text) for number, text in session().execute(rows)]
        return known[model.__name__]

    return listed


def _is(column: Column, value: object) -> ColumnElement[bool]:
    equal: ColumnElement[bool] = column == value
    return equal


def read_day(text: str | None) -> date | None:
    """Read a day as browsers send it; ``None`` for what is none, or none of these times."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone()))
