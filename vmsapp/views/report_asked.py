"""The sales report as an address asks for it, kept by the browser, and the ways on from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Final, TypeVar

from flask import current_app, request, url_for
from werkzeug.datastructures import MultiDict

from vmsapp.errors import N_
from vmsapp.services.reports import By, Key, Question
from vmsapp.views.asked import Chosen
from vmsapp.views.filters import Filter
from vmsapp.views.report_periods import MOST_DAYS, Period, TooManyDays, read_period
from vmsapp.views.sale_filters import ABOUT, OPERATOR, POINT, PRODUCT, REGION, TARIFF, TYPE

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


@dataclass(frozen=True, slots=True)
class Asked:
    """A sales report as one address asks for it.

    Attributes:
        endpoint: Where such a report is shown.
        chosen: Filters in force, with their values.
    """

    endpoint: ClassVar[str] = "SalesReport.show"

    period: Period
    by: By
    chosen: Chosen

    @property
    def question(self) -> Question:
        """What the records are asked."""
        values = {one.name: _id(value) for one, value in self.chosen}
        return Question(
            self.period.first,
            self.period.last,
            self.by,
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
        return self.period.address() | {"by": self.by.value} | self.about()

    def typed(self) -> dict[str, str]:
        """What stands in the form."""
        return {
            "from": self.period.first.isoformat(), "to": self.period.last.isoformat(),
            "by": self.by.value, "period": self.period.code,
        }  # fmt: skip

    def url(self, **changes: str | None) -> str:
        """Address of the report with some parameters changed; ``None`` leaves one out."""
        wanted = self.address()
        if "period" in changes:
            wanted = {name: text for name, text in wanted.items() if name not in {"from", "to"}}
        wanted |= {name: text or "" for name, text in changes.items()}
        kept: dict[str, Any] = {name: text for name, text in wanted.items() if text}
        return url_for(self.endpoint, **kept)

    def sold_url(self, key: Key | None, meter_type: str | None) -> str | None:
        """Where the sales stand that a figure counts as sold; none for who may not see them."""
        return self._sales_url("sold", key, meter_type)

    def back_url(self, key: Key | None, meter_type: str | None) -> str | None:
        """Where the sales stand that a figure counts as taken back.

        None for an hour: at which one a sale was taken back, the list cannot be asked.
        """
        if self.by == By.HOUR and key is not None:
            return None
        return self._sales_url("back", key, meter_type)

    def _sales_url(self, days: str, key: Key | None, meter_type: str | None) -> str | None:
        if not current_app.extensions["appbuilder"].sm.has_access("can_list", "Sales"):
            return None
        first, last = self.days_of(key)
        wanted: dict[str, Any] = self.about() | {"made": "yes", "kind": "sale"}
        wanted |= {f"{days}_from": first.isoformat(), f"{days}_to": last.isoformat()}
        if meter_type:
            wanted[TYPE.name] = meter_type
        if key is not None and self.by in PARAMETER:
            wanted[PARAMETER[self.by]] = str(key)
        return url_for("Sales.list", **wanted)

    def days_of(self, key: Key | None) -> tuple[date, date]:
        """Give the days of a line that lie in the period."""
        if not isinstance(key, date):
            return self.period.first, self.period.last
        end = _next(self.by, key) - timedelta(days=1)
        return max(key, self.period.first), min(end, self.period.last)

    def keys(self, today: date) -> list[Key]:
        """List the times that have a line even if nothing was sold: none after today."""
        if self.by == By.HOUR:
            return list(range(24))
        if self.by not in TIMES:
            return []
        found: list[Key] = []
        day = self.by.begins(self.period.first)
        while day <= min(self.period.last, today):
            found.append(day)
            day = _next(self.by, day)
        return found


A = TypeVar("A", bound=Asked)


def read_asked(arguments: MultiDict[str, str], today: date) -> Asked:
    """Read the address of a sales report; an unknown filter or value is left out.

    Raises:
        InvalidInput: Its days cannot be used.
    """
    return read_as(Asked, BY_WORDS, ABOUT, arguments, today)


def read_as(
    kind: type[A],
    words: Mapping[By, str],
    filters: Sequence[Filter],
    arguments: MultiDict[str, str],
    today: date,
) -> A:
    """Read the address of a report of a kind, by what its lines stand for and its filters.

    Raises:
        InvalidInput: Its days cannot be used.
    """
    period = read_period(arguments, today)
    wanted = arguments.get("by", "")
    by = By(wanted) if wanted in words else By.DAY
    if by == By.DAY and period.days > MOST_DAYS:
        if wanted:
            raise TooManyDays
        by = By.MONTH
    return kind(period, by, read_filters(arguments, filters))


def read_filters(arguments: MultiDict[str, str], filters: Sequence[Filter] = ABOUT) -> Chosen:
    """Read the filters in force, with their values."""
    read = ((one, one.read(arguments)) for one in filters)
    return [(one, value) for one, value in read if value is not None]


def _next(by: By, first: date) -> date:
    """Give the first day of the time that follows."""
    longest = {By.WEEK: 7, By.MONTH: 31, By.YEAR: 366}.get(by, 1)
    return by.begins(first + timedelta(days=longest))


def _id(value: Any) -> Any:  # noqa: ANN401 - a row, its number as text, or a code
    if isinstance(value, str):
        return int(value) if value.isdecimal() else value
    return value.id
