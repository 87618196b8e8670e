"""A report as an address asks for it, kept by the browser, and the ways on from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote_plus

from flask import current_app, g, request, url_for
from werkzeug.datastructures import MultiDict

from vmsapp.errors import N_
from vmsapp.services.reports import By, Key, Question
from vmsapp.views.counter.sale_filters import ABOUT, OPERATOR, POINT, PRODUCT, REGION, TARIFF, TYPE
from vmsapp.views.lists.asked import Chosen
from vmsapp.views.lists.filters import Filter
from vmsapp.views.reports.periods import MOST_DAYS, Period, TooManyDays, read_period

BY_WORDS: Final[Mapping[By, str]] = {
    By.DAY: N_("Day"),
    By.WEEK: N_("Week"),
    By.MONTH: N_("Month"),
    By.YEAR: N_("Year"),
    By.HOUR: N_("Hour of the day"),
    By.REGION: N_("Region"),
    By.VENDING_POINT: N_("Vending point"),
    By.OPERATOR: N_("Operator"),
    By.TARIFF: N_("Tariff"),
    By.PRODUCT: N_("Product"),
}
"""What a line can stand for, in the order it is offered."""

TIMES: Final = frozenset({By.HOUR, By.DAY, By.WEEK, By.MONTH, By.YEAR})
PARAMETER: Final = {
    By.REGION: REGION.name,
    By.VENDING_POINT: POINT.name,
    By.OPERATOR: OPERATOR.name,
    By.TARIFF: TARIFF.name,
    By.PRODUCT: PRODUCT.name,
    By.HOUR: "hour",
}
"""The filter of the list of sales that a line's key is handed to."""

LEFT_ALONE: Final = "!$'()*,/:;?@"
"""Signs that stand in a query as they are."""


@dataclass(frozen=True, slots=True)
class Asks:
    """What a report can be asked.

    Attributes:
        endpoint: Where it stands.
        bys: What its lines can stand for, the usual one first; none where that is fixed.
        filters: What it can be narrowed by.
        days: Whether it is about some days; else it is about now.
    """

    endpoint: str
    bys: Sequence[By] = ()
    filters: Sequence[Filter] = ABOUT
    days: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A report as one address asks for it.

    Attributes:
        by: What a line stands for; ``None`` where that is fixed.
        chosen: Filters in force, with their values.
    """

    asks: Asks
    period: Period
    by: By | None
    chosen: Chosen

    @property
    def question(self) -> Question:
        """What the records are asked."""
        values = {one.name: _id(value) for one, value in self.chosen}
        return Question(
            self.period.first,
            self.period.last,
            self.by or By.YEAR,
            meter_type=values.get(TYPE.name),
            region_id=values.get(REGION.name),
            vending_point_id=values.get(POINT.name),
            operator_id=values.get(OPERATOR.name),
            tariff_id=values.get(TARIFF.name),
            product_id=values.get(PRODUCT.name),
        )

    @property
    def by_time(self) -> bool:
        """Lines follow one another in time."""
        return self.by in TIMES

    def about(self) -> dict[str, str]:
        """The filters in force, as parameters."""
        return {one.name: request.args[one.name] for one, _value in self.chosen}

    def address(self) -> dict[str, Any]:
        """The whole of it, as parameters; what they say amiss is left out."""
        days = self.period.address() if self.asks.days else {}
        return days | ({"by": self.by.value} if self.by else {}) | self.about()

    def url(self, **changes: str | None) -> str:
        """Address of the report with some parameters changed; ``None`` leaves one out."""
        wanted = self.address()
        if "period" in changes:
            wanted = {name: text for name, text in wanted.items() if name not in {"from", "to"}}
        wanted |= {name: text or "" for name, text in changes.items()}
        kept: dict[str, Any] = {name: text for name, text in wanted.items() if text}
        return url_for(self.asks.endpoint, **kept)

    def sales_url(self, days: str, key: Key | None, **more: str | None) -> str | None:
        """Where the sales stand that a figure counts; none for who may not see them.

        Args:
            days: The filter of days that they fit: ``sold``, ``back``, or ``counted`` for both.
            key: What the line is about; ``None`` for all of them.
            more: Other filters of the list; ``None`` leaves one out.
        """
        if not may_list("Sales"):
            return None
        first, last = self.days_of(key)
        wanted: dict[str, Any] = self.about() | {"made": "yes", "kind": "sale"}
        wanted |= {f"{days}_from": first.isoformat(), f"{days}_to": last.isoformat()}
        if key is not None and self.by in PARAMETER:
            wanted[PARAMETER[self.by]] = str(key)
        wanted |= more
        query = "&".join([f"{name}={_quoted(text)}" for name, text in wanted.items() if text])
        return f"{_address('Sales.list')}?{query}"

    def days_of(self, key: Key | None) -> tuple[date, date]:
        """Give the days of a line that lie in the period."""
        if not isinstance(key, date):
            return self.period.first, self.period.last
        end = _next(self.by or By.DAY, key) - timedelta(days=1)
        return max(key, self.period.first), min(end, self.period.last)

    def times(self, today: date) -> list[Key]:
        """List the times that have a line even if nothing happened: none after today."""
        if self.by == By.HOUR:
            return list(range(24))
        if self.by not in TIMES or self.by is None:
            return []
        found: list[Key] = []
        day = self.by.begins(self.period.first)
        while day <= min(self.period.last, today):
            found.append(day)
            day = _next(self.by, day)
        return found


def read_asked(asks: Asks, arguments: MultiDict[str, str], today: date) -> Asked:
    """Read a report's address; an unknown filter or value is left out.

    Raises:
        InvalidInput: Its days cannot be used.
    """
    chosen = read_filters(asks, arguments)
    period = read_period(arguments, today) if asks.days else Period(today, today)
    if not asks.bys:
        return Asked(asks, period, None, chosen)
    wanted = arguments.get("by", "")
    by = By(wanted) if wanted in asks.bys else asks.bys[0]
    if by == By.DAY and period.days > MOST_DAYS:
        if wanted:
            raise TooManyDays
        by = By.MONTH
    return Asked(asks, period, by, chosen)


def read_filters(asks: Asks, arguments: MultiDict[str, str]) -> Chosen:
    """Read the filters in force, with their values."""
    read = ((one, one.read(arguments)) for one in asks.filters)
    return [(one, value) for one, value in read if value is not None]


def may_list(view: str) -> bool:
    """Tell whether the reader may open a list; asked once a request."""
    known: dict[str, bool] = g.setdefault("lists_open", {})
    if view not in known:
        known[view] = current_app.extensions["appbuilder"].sm.has_access("can_list", view)
    return known[view]


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return quote_plus(text, safe=LEFT_ALONE)


def _address(endpoint: str) -> str:
    """The address of a list, made once a request: thousands of figures lead to it."""
    known: dict[str, str] = g.setdefault("list_addresses", {})
    if endpoint not in known:
        known[endpoint] = url_for(endpoint)
    return known[endpoint]


def _next(by: By, first: date) -> date:
    """Give the first day of the time that follows."""
    longest = {By.WEEK: 7, By.MONTH: 31, By.YEAR: 366}.get(by, 1)
    return by.begins(first + timedelta(days=longest))


def _id(value: Any) -> Any:  # noqa: ANN401 - a row, its number as text, or a code
    if isinstance(value, str):
        return int(value) if value.isdecimal() else value
    return value.id
