"""What the address of a list asks for: the rows, narrowed and in an order, and the page of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from flask import request
from flask_appbuilder import ModelView
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from vmsapp.models import Region
from vmsapp.models.search import SEARCHED, indexes_of
from vmsapp.scope import current_sight
from vmsapp.views.base import session
from vmsapp.views.lists.filters import Filter, unindexed
from vmsapp.views.lists.listing import Page, Parts, Place
from vmsapp.views.lists.orders import Order
from vmsapp.views.look import href

Chosen = Sequence[tuple[Filter, Any]]
"""Filters in force, each with its value."""

MAX_SEARCH: Final = 100


@dataclass(frozen=True)
class Listing:
    """A list as one address asks for it, and the addresses that lead on from it.

    Attributes:
        search: What is searched for.
        chosen: Filters in force with their values.
        sorted_by: Name of the column, with a minus for the largest first.
        columns: Names of the columns shown.
        left_out: Filters by which the address asks for something that could not be taken.
    """

    view: "AskedList"
    search: str
    chosen: Chosen
    sorted_by: str
    size: int
    columns: Sequence[str]
    page: Page
    left_out: Sequence[Filter] = ()

    @property
    def narrowed(self) -> bool:
        """Whether a search or a filter hides rows."""
        return bool(self.search or self.chosen)

    def chosen_by_name(self) -> dict[str, Any]:
        """Values of the filters in force."""
        return {chosen.name: value for chosen, value in self.chosen}

    def sort_url(self, column: str) -> str:
        """Sort by a column; by the one sorted by already, the other way."""
        wanted = f"-{column}" if self.sorted_by == column else column
        return self.turned(sort=wanted)

    def sorted_as(self, column: str) -> str:
        """Tell whether a column is sorted, for ``aria-sort``."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sorted_by, "")

    def without(self, chosen: Filter) -> str:
        """The same list without a filter."""
        return self.turned(**dict.fromkeys(chosen.parameters))

    def turned(self, **where: object) -> str:
        """Another page of the same list."""
        whole: dict[str, object] = {"after": None, "before": None, "last": None}
        return href(**whole | dict(self.view.standing) | where)


class AskedList(ModelView):
    """Narrows and sorts the rows of a list as its address says; what it says amiss is left out.

    Attributes:
        searched: Columns the one search box looks in.
        ties: Column by which rows follow that are equal in the one sorted by; by default the id.
        filters: What the list can be narrowed by.
        loads: Loader options for what ``cells`` reads beyond the row.
        days: Name of the column of days that ids follow: a list narrowed to some days is read
            along it, for going along the ids would pass all that is newer.
        standing: Parameters that stand in every address which is asked for on the page.
    """

    searched: ClassVar[tuple[InstrumentedAttribute[Any], ...]] = ()
    ties: ClassVar[str | None] = None
    filters: ClassVar[tuple[Filter, ...]] = ()
    loads: ClassVar[tuple[Any, ...]] = ()
    days: ClassVar[str | None] = None
    standing: ClassVar[Mapping[str, str]] = {}

    @property
    def model(self) -> Any:  # noqa: ANN401 - a mapped class
        """The mapped class."""
        return self.datamodel.obj

    def statement(self) -> Select[Any]:
        """The rows this screen is about, in the asker's scope."""
        return select(self.model).options(*self.loads)

    def narrowed(self, statement: Select[Any]) -> tuple[Select[Any], str, Chosen]:
        """Narrow a list as the address says; an export narrows the same way."""
        statement, search, chosen = self.filtered(statement)
        return self.matching(statement, search), search, chosen

    def filtered(self, statement: Select[Any]) -> tuple[Select[Any], str, Chosen]:
        """Narrow a list by its filters, and read what is searched for."""
        search = request.args.get("q", "").strip()[:MAX_SEARCH] if self.searched else ""
        read = ((chosen, chosen.read(request.args)) for chosen in self.filters)
        chosen = [(one, value) for one, value in read if value is not None]
        return statement.where(*(one.rows(value) for one, value in chosen)), search, chosen

    def walking(self, whole: Select[Any], search: str, chosen: Chosen) -> Select[Any]:
        """Narrow a list as ``filtered`` and ``matching`` do, for rows that are read in order."""
        clauses = [one.rows(value) for one, value in chosen]
        if session().get_bind().dialect.name == "sqlite" and not current_sight().everything:
            clauses = list(map(unindexed, clauses))
        return self.matching(whole.where(*clauses), search, walking=True)

    def matching(
        self, statement: Select[Any], search: str, *, walking: bool | None = None
    ) -> Select[Any]:
        """Narrow a list to rows in which one of the searched columns holds a text.

        Args:
            statement: The list.
            search: As typed; nothing narrows nothing.
            walking: Without the index of the search: see ``vmsapp.models.search``.
        """
        if not search or not self.searched:
            return statement
        if self.model in SEARCHED:
            return SEARCHED[self.model].narrow(session(), statement, search, walking=walking)
        found = (column.icontains(search, autoescape=True) for column in self.searched)
        return statement.where(or_(*found))

    def order_wanted(self, wanted: str) -> tuple[str, Order]:
        """Read how a list is to be sorted; what has no order is sorted as ever."""
        name = wanted.removeprefix("-")
        if name not in self.order_columns:
            name, direction = self.base_order or ("id", "desc")
            wanted = name if direction == "asc" else f"-{name}"
        ties = getattr(self.model, self.ties) if self.ties else None
        order = Order(getattr(self.model, name), self.model.id, wanted.startswith("-"), ties)
        return wanted, order

    def along(self, order: Order, chosen: Chosen) -> Order:
        """Sort what is narrowed to some days by these, and by the id within each."""
        if self.days is None or order.column is not order.key:
            return order
        column = getattr(self.model, self.days)
        narrowed = any(one.column is column for one, _value in chosen)
        return replace(order, column=column) if narrowed else order

    def has_index(self, order: Order, search: str, chosen: Chosen) -> bool:
        """Tell whether an index has just these rows in this order; small lists need none."""
        if self.model not in SEARCHED:
            return True
        if search or not current_sight().everything or len(chosen) > 1:
            return False
        wanted = [getattr(one.column, "key", None) for one, _value in chosen]
        wanted += [column.key for column in order.columns if column is not order.key]
        return any(wanted == index[: len(wanted)] for index in indexes_of(self.model))

    def parts(self, order: Order, search: str) -> Parts | None:
        """The regions that a large list falls into, for who does not see all of them."""
        if self.model not in SEARCHED or current_sight().everything:
            return None
        merged = session().get_bind().dialect.name == "postgresql"
        wanted = ["region_id"]
        wanted += [column.key for column in order.columns if column is not order.key]
        ordered = merged and any(wanted == index[: len(wanted)] for index in indexes_of(self.model))
        return Parts(self.model.region_id, select(Region.id), ordered, bool(search), merged)


def place() -> Place:
    """The page an address asks for."""
    after, before = (request.args.get(name, type=int) for name in ("after", "before"))
    if after is not None:
        return Place(after=after)
    return Place(before=before, last="last" in request.args)
