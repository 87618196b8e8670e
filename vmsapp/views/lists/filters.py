"""Filters of lists: what may stand in the address, which rows it leaves, how it reads.

The framework's own filters answer odd addresses with an error, know neither this
product's column types nor "no", and are shared between people; these are values, made
once, which hold nothing of a request. What an address says amiss is left out: a page says so,
and no file is made, for it would hold more than was asked for.
"""

from collections.abc import Iterable, Mapping
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
from vmsapp.errors import N_, InvalidInput
from vmsapp.i18n import _, date_text, labelled
from vmsapp.models import Consumer
from vmsapp.models.base import Model
from vmsapp.models.types import UtcDateTime
from vmsapp.views.base import session, zone
from vmsapp.views.lists.listing import holds, row_of
from vmsapp.views.reports.presets import PRESETS

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
"""Days outside these are slips of the finger, and beyond what zones can count."""


class FilterLeftOut(InvalidInput):
    """A file is asked for, narrowed by what there is not."""

    code = "filter_left_out"
    message = N_(
        "No file was made. What is asked for by “%(name)s” cannot be read, does not exist, or lies"
        " outside what you see, and without it the file would hold more than was asked for. Open"
        " the list, choose it anew or remove it, and export then."
    )

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


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

    def amiss(self, arguments: Arguments, value: Any) -> bool:  # noqa: ANN401 - what was read
        """Tell whether an address asks for something by it that cannot be taken."""
        return value is None and any(arguments.get(name, "").strip() for name in self.parameters)

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

    def amiss(self, arguments: Arguments, _value: object) -> bool:
        """Tell whether one of the days is none: the other alone leaves more rows."""
        typed = (arguments.get(name, "").strip() for name in self.ends)
        return any(text and read_day(text) is None for text in typed)

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

    def amiss(self, arguments: Arguments, value: object) -> bool:
        """Tell whether there is no such period, or one of the days is none."""
        code = arguments.get(self.name, "")
        return code not in PRESETS if code else super().amiss(arguments, value)

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


@dataclass(frozen=True)
class Names:
    """Names of the rows of a small table, in the asker's scope: the first ones, and any by its id.

    Attributes:
        column: What they are called.
        limit: So many are offered.
    """

    model: type[Model]
    column: Column
    limit: int

    def __call__(self) -> list[tuple[int, str]]:
        """Ids and names of those offered, and of others that were asked for by their id."""
        return [(number, name) for number, name in self._known().items() if name is not None]

    def of(self, number: int) -> str | None:
        """The name of a row the asker sees, whether or not it is offered; else ``None``."""
        known = self._known()
        if number not in known:
            key = self.model.id  # type: ignore[attr-defined]
            named = select(self.column).where(key == number)
            known[number] = session().scalar(named) if holds(key, number) else None
        return known[number]

    def _known(self) -> dict[int, str | None]:
        """What this request has read of them."""
        read: dict[tuple[str, int], dict[int, str | None]] = g.setdefault("names", {})
        here = (self.model.__name__, self.limit)
        if here not in read:
            key = self.model.id  # type: ignore[attr-defined]
            rows = select(key, self.column).order_by(self.column).limit(self.limit)
            read[here] = dict(map(tuple, session().execute(rows)))
        return read[here]


@dataclass(frozen=True, kw_only=True)
class Among(Filter):
    """A row of another table, of which the first ones are offered by their names."""

    kind = "choice"
    model: type[Model]
    text: Names

    def read(self, arguments: Arguments) -> str | None:
        """Take the id of a row the asker sees, whether or not it is among those offered."""
        number = arguments.get(self.name, type=int)
        return None if number is None or self.text.of(number) is None else str(number)

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows that belong to it."""
        return _is(self.column, int(value))

    def said(self, value: str) -> str:
        """Its name."""
        return self.text.of(int(value)) or ""

    def options(self) -> list[tuple[str, str]]:
        """Those offered, and the one chosen."""
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


def names_of(model: type[Model], name: Column, limit: int = 200) -> Names:
    """Offer the first names of a small table, in the asker's scope."""
    return Names(model, name, limit)


def left_out(
    filters: Iterable[Filter], arguments: Arguments, chosen: Iterable[tuple[Filter, Any]]
) -> list[Filter]:
    """List the filters by which an address asks for something that could not be taken.

    Args:
        filters: All there are.
        arguments: Of the address.
        chosen: Those in force, with the values that were read.
    """
    values = {one.name: value for one, value in chosen}
    return [one for one in filters if one.amiss(arguments, values.get(one.name))]


def none_left_out(
    filters: Iterable[Filter], arguments: Arguments, chosen: Iterable[tuple[Filter, Any]]
) -> None:
    """Make sure that a file is as narrow as its address asks: it does not show that it is not.

    Raises:
        FilterLeftOut: It would hold more.
    """
    for one in left_out(filters, arguments, chosen):
        raise FilterLeftOut(name=str(one.label))


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
