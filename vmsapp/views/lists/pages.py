"""The base of every list and record page: ``OfficeListView``.

It keeps the framework's routes and permissions and does their work itself: lists turn by
keys, filters hold nothing between requests, deeds on rows touch only rows the asker sees.
``vmsapp.views.lists.crud`` adds what changes rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from flask import abort, current_app, flash, jsonify, make_response, redirect, request, url_for
from flask_appbuilder import AppBuilder, expose, has_access, permission_name
from flask_appbuilder.forms import DynamicForm
from flask_appbuilder.models.filters import BaseFilterConverter
from flask_appbuilder.models.sqla.interface import SQLAInterface
from markupsafe import Markup
from sqlalchemy import Boolean, Select
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.wrappers import Response

from vmsapp.errors import NotAllowed, NotFound
from vmsapp.i18n import _, _l, groups_in_order
from vmsapp.views.base import session
from vmsapp.views.lists.asked import MAX_SEARCH, AskedList, Listing, place
from vmsapp.views.lists.cells import Coded
from vmsapp.views.lists.filters import left_out
from vmsapp.views.lists.listing import SIZES, Place, holds, read_page, row_of
from vmsapp.views.look import cell

Answer = str | Response | tuple[str, int]

FOUND: Final = 20
"""Rows a searching field offers."""
RELATED: Final = 5
"""Rows of a related list on a record's page."""
MAX_CHOSEN: Final = 1000
"""Rows one deed may be done to."""
YEAR: Final = 365 * 24 * 3600

WRITING: Final = frozenset({"add", "edit", "delete"})
ACTING: Final = frozenset({"action", "action_post"})


class _NoFilters(BaseFilterConverter):
    """Has no filter for any column."""

    def convert(self, col_name: str) -> None:
        """None for this one either."""


class OfficeInterface(SQLAInterface):
    """The framework's door to a table, without its filters: see ``vmsapp.views.lists.filters``."""

    filter_converter_class = _NoFilters

    def get_search_columns_list(self) -> list[str]:
        """None: the framework would make a field and filters for each."""
        return []

    def is_unique(self, col_name: str) -> bool:
        """No: what is taken shows when it is saved, whoever types at the same time.

        The framework's own check keeps its sentence in the language of who read it first.
        """
        return False


@dataclass(frozen=True)
class Related:
    """A list under a record: rows of another view whose filter names this record.

    Attributes:
        view: Class name of the other view.
        filter: Name of its filter that takes the record's id.
        column: The column that filter compares.
    """

    view: str
    filter: str
    column: InstrumentedAttribute[Any]


class OfficeListView(AskedList):
    """Base of every list and record page; by itself it only shows what is made elsewhere.

    A view names its columns, and gives every name and title the reader's language.

    Attributes:
        cells: How a column of a row is written, where its type does not say.
        numbers: Columns whose values stand at the end of their cell.
        folded: Columns not shown until the reader asks for them.
        related: Lists under a record.
        empty: What to do while there are no rows at all.
    """

    list_template = "office/list.html"
    show_template = "office/show.html"
    add_template = edit_template = "office/form.html"
    search_form = DynamicForm  # the framework insists on one
    exclude_route_methods: ClassVar[set[str]] = {"download"} | WRITING | ACTING
    base_permissions: ClassVar[list[str] | None] = ["can_list", "can_show"]

    cells: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    numbers: ClassVar[frozenset[str]] = frozenset()
    folded: ClassVar[frozenset[str]] = frozenset()
    related: ClassVar[tuple[Related, ...]] = ()
    empty: Any = _l("This list fills as the system is used.")

    # the framework's hooks

    @property
    def _filters(self) -> Any:  # noqa: ANN401 - the framework's; nobody's, so never kept
        return self.datamodel.get_filters([])

    @_filters.setter
    def _filters(self, _filters: object) -> None:
        """Drop it: the framework would share it between all people."""

    def _init_properties(self) -> None:
        needed = ["list_title", "list_columns"]
        if "add" not in self.exclude_route_methods:
            needed.append("add_title")
        for name in needed:
            assert getattr(self, name), f"{type(self).__name__} names no {name}"
        super()._init_properties()
        for name in self.order_columns:
            column = getattr(self.model, name).type
            assert not isinstance(column, Boolean), f"{name} has no order to turn pages by"

    def _init_titles(self) -> None:
        self.title = self.list_title

    def _init_forms(self) -> None:
        if self.exclude_route_methods >= WRITING:
            self.add_form = self.edit_form = DynamicForm
        super()._init_forms()

    # the list

    @expose("/list/")
    @has_access
    def list(self) -> Answer:
        """Show one page of the list."""
        return self._page(self.list_template, title=self.list_title, listing=self.listing())

    @expose("/columns", methods=["POST"])
    @has_access
    @permission_name("list")
    def columns(self) -> Answer:
        """Keep which columns this browser shows, for a year."""
        wanted = [name for name in self.list_columns if name in request.form.getlist("column")]
        query = urlencode(parse_qsl(request.form.get("query", ""), keep_blank_values=True))
        answer = make_response(redirect(self.url("list") + (f"?{query}" if query else "")))
        answer.set_cookie(
            columns_cookie(), ".".join(wanted or self.list_columns), max_age=YEAR,
            path=request.script_root + self.route_base,
            samesite="Lax", httponly=True, secure=secure_cookies(),
        )  # fmt: skip
        return answer

    @expose("/lookup")
    @has_access
    @permission_name("list")
    def lookup(self) -> Response:
        """Answer a searching field."""
        return self._found()

    def _found(self) -> Response:
        """Give a searching field the rows the asker sees, at most ``FOUND``."""
        search, whole = request.args.get("q", "")[:MAX_SEARCH], self.offered()
        _sorted_by, order = self.order_wanted("")
        page = read_page(
            session(), self.matching(whole, search, walking=False), order, FOUND, Place(),
            walked=self.matching(whole, search, walking=True), whole=whole,
            parts=self.parts(order, search),
        )  # fmt: skip
        return jsonify([{"value": row.id, "text": self.name_of(row)} for row in page.rows])

    def offered(self) -> Select[Any]:
        """The rows a searching field offers."""
        return self.statement()

    def listing(self) -> Listing:
        """Read the list the address asks for; what it says amiss is left out, and said to be."""
        whole = self.statement()
        statement, search, chosen = self.filtered(whole)
        sorted_by, order = self.order_wanted(request.args.get("sort", ""))
        wanted, order = order, self.along(order, chosen)
        size = request.args.get("size", type=int)
        size = size if size in SIZES else self.page_size
        walked = None
        if not self.has_index(order, search, chosen):
            walked = self.walking(whole, search, chosen)
        page = read_page(
            session(), self.matching(statement, search, walking=False), order, size, place(),
            walked=walked, whole=whole, parts=self.parts(order, search),
            counted_by=None if order is wanted else order.column,
        )  # fmt: skip
        self.make_ready(page.rows)
        amiss = left_out(self.filters, request.args, chosen)
        return Listing(self, search, chosen, sorted_by, size, self._columns(), page, amiss)

    def make_ready(self, rows: Sequence[Any]) -> None:
        """Read what the cells of rows need beyond ``loads``, for all of them at once."""

    def exports(self) -> Sequence[tuple[str, str]]:
        """Kinds of file the list can be had as, and where: see ``vmsapp.views.lists.exports``."""
        return ()

    def imports(self) -> Sequence[tuple[str, str]]:
        """The imports of such records, and where they begin: see ``imported``."""
        return ()

    def _columns(self) -> Sequence[str]:
        kept = request.cookies.get(columns_cookie(), "").split(".")
        chosen = [name for name in self.list_columns if name in kept]
        return chosen or [name for name in self.list_columns if name not in self.folded]

    # one record

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show a record with the lists that belong to it."""
        row = self.row(pk)
        self.make_ready([row])
        return self._page(
            self.show_template, title=self.name_of(row), row=row, related=self._related_lists(row)
        )

    def row(self, pk: int) -> Any:  # noqa: ANN401 - a row of the model
        """Fetch a row the asker sees.

        Raises:
            NotFound: There is none.
        """
        row = row_of(session(), self.model, pk, *self.loads)
        if row is None:
            raise NotFound
        return row

    def sections(self) -> Sequence[tuple[Any, Sequence[str]]]:
        """The parts of a record's page: heading and columns."""
        if self.show_fieldsets:
            return [(heading, spec["fields"]) for heading, spec in self.show_fieldsets]
        return [(None, self.show_columns)]

    def links(self, row: Any) -> Sequence[tuple[str, str]]:  # noqa: ANN401
        """Where else a record's page leads: words and addresses."""
        return ()

    def _related_lists(self, row: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401
        lists = []
        for related in self.related:
            view = view_named(self.appbuilder, related.view)
            if not view.may("list"):
                continue
            statement = view.statement().where(related.column == row.id)
            newest = statement.order_by(view.model.id.desc()).limit(RELATED + 1)
            rows = list(session().scalars(newest).unique())
            url = view.url("list", **{related.filter: row.id})
            shown, more = rows[:RELATED], len(rows) > RELATED
            lists.append({"view": view, "rows": shown, "more": more, "url": url})
        return lists

    # deeds on rows

    @expose("/action/<string:name>/<int:pk>", methods=["POST"])
    def action(self, name: str, pk: int) -> Answer:
        """Do a deed to one row."""
        return self._act(name, [pk], single=True)

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Answer:
        """Do a deed to the rows chosen in the list."""
        chosen = request.form.getlist("rowid", type=int)[:MAX_CHOSEN]
        return self._act(request.form.get("action", ""), chosen, single=False)

    def _act(self, name: str, chosen: Sequence[int], *, single: bool) -> Answer:
        deed = self.actions.get(name)
        if deed is None or not (deed.single if single else deed.multiple):
            abort(404)
        if not self.appbuilder.sm.has_access(name, self.class_permission_name):
            raise NotAllowed
        wanted = [number for number in chosen if holds(self.model.id, number)]
        rows = list(session().scalars(self.statement().where(self.model.id.in_(wanted))).unique())
        if not rows:
            flash(_("Nothing was chosen."), "warning")
            return redirect(self.url("list"))
        answer: Answer = deed.func(rows[0] if single else rows)
        return answer

    # small questions

    def may(self, deed: str) -> bool:
        """Tell whether the asker's group permits a deed that this view offers."""
        offered = deed not in self.exclude_route_methods
        return offered and bool(
            self.appbuilder.sm.has_access(f"can_{deed}", self.class_permission_name)
        )

    def open_to(self, deed: str, row: Any) -> bool:  # noqa: ANN401
        """Tell whether a row is one that can be edited or deleted at all; most are."""
        return True

    def deeds(self, *, single: bool) -> Sequence[Any]:
        """The deeds the asker may do, to one row or to several."""
        return [
            deed for name, deed in sorted(self.actions.items())
            if (deed.single if single else deed.multiple)
            and ("action" if single else "action_post") not in self.exclude_route_methods
            and self.appbuilder.sm.has_access(name, self.class_permission_name)
        ]  # fmt: skip

    def deeds_for(self, row: Any) -> Sequence[Any]:  # noqa: ANN401
        """The deeds that a record's page offers."""
        return self.deeds(single=True)

    def url(self, route: str, **values: Any) -> str:  # noqa: ANN401
        """The address of one of this view's routes."""
        return url_for(f"{self.endpoint}.{route}", **values)

    def name_of(self, row: Any) -> str:  # noqa: ANN401
        """What a row is called."""
        return str(row)

    def called(self, row: Any) -> str:  # noqa: ANN401
        """What a row is called, for use among words of any language."""
        return groups_in_order(self.name_of(row))

    def cleared_url(self) -> str:
        """The list without search and filters."""
        return self.url("list")

    def way(self, deed: str) -> str:
        """The address of a deed that the asker may do to rows, but for the row's id at its end."""
        return self.url(deed, pk=0).removesuffix("0") if self.may(deed) else ""

    def written(
        self, columns: Sequence[str], *, labelled: bool
    ) -> Sequence[tuple[str, Markup, Callable[[Any], Any]]]:
        """How columns of a table are written: name, attributes of the cells, and what is in one.

        Args:
            columns: Their names.
            labelled: Each cell says what it is, as it does where a row is a card. In a long table
                a script has them say so, for that is a fifth of the page.
        """
        return [(name, self._look(name, labelled=labelled), self._writer(name)) for name in columns]

    def _look(self, column: str, *, labelled: bool) -> Markup:
        look = Markup(' data-label="{}"').format(self.label(column)) if labelled else Markup()
        return look + Markup(' class="num"') if column in self.numbers else look

    def _writer(self, column: str) -> Callable[[Any], Any]:
        """Write a column; what depends on a code alone is said once for all rows."""
        said = self.cells.get(column)
        if not isinstance(said, Coded):
            return lambda row: cell(self.value(row, column))
        read, say = attrgetter(said.column), cache(lambda code: cell(said.say(code)))
        return lambda row: say(read(row))

    def value(self, row: Any, column: str) -> Any:  # noqa: ANN401
        """What stands in a cell."""
        return self.cells[column](row) if column in self.cells else getattr(row, column)

    def label(self, column: str) -> str:
        """What a column is called."""
        return str(self.label_columns[column])

    def labels(self, columns: Sequence[str]) -> dict[str, str]:
        """What the columns of a table are called."""
        return {column: self.label(column) for column in columns}

    def _page(self, template: str, **context: Any) -> str:  # noqa: ANN401 - the template's
        return str(self.render_template(template, view=self, **context))


def names(text: str) -> list[str]:
    """Write the names of columns without quotes and commas."""
    return text.split()


def view_named(builder: AppBuilder, name: str) -> OfficeListView:
    """Find a registered view by its class's name."""
    found: OfficeListView = next(v for v in builder.baseviews if type(v).__name__ == name)
    return found


def secure_cookies() -> bool:
    """Tell whether cookies go over HTTPS alone."""
    return bool(current_app.config["SESSION_COOKIE_SECURE"])


def columns_cookie() -> str:
    """The cookie that holds which columns a browser shows, each list its own."""
    return "__Secure-columns" if secure_cookies() else "columns"
