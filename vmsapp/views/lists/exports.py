"""A list as a file: what it is narrowed to, in its order, as Excel or CSV.

A list offers it by naming ``Exported`` among its bases; who may take it away is a
permission of its own, ``can_export``, and every file taken is on record. Because of that
record it is a deed, not a link. A long list is written in the background: see
``vmsapp.views.lists.export_jobs``.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter, itemgetter
from typing import IO, Any, ClassVar, Final
from zoneinfo import ZoneInfo

from babel import Locale
from flask import abort, current_app, flash, g, redirect, request, send_file, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import get_locale
from markupsafe import Markup
from sqlalchemy import Select, func, select
from werkzeug.wrappers import Response

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, begin_reading, end_reading
from vmsapp.i18n import _
from vmsapp.security import JOBS
from vmsapp.services import audit, job_runs, regions
from vmsapp.services.sheets import Cell, Look, write_csv, write_xlsx
from vmsapp.tasks import background
from vmsapp.tasks.exports import EXPORT
from vmsapp.views.base import actor, session, zone
from vmsapp.views.jobs.watching import watch
from vmsapp.views.lists.asked import Chosen
from vmsapp.views.lists.cells import Coded, Known
from vmsapp.views.lists.filters import none_left_out
from vmsapp.views.lists.listing import chunks_in_order
from vmsapp.views.lists.pages import Answer, OfficeListView, columns_cookie
from vmsapp.views.look import href

LIMIT: Final = 50_000
"""Rows a file holds at most; whoever needs more narrows the list, by days say."""

DIRECTLY: Final = 5_000
"""Rows that are written while the asker waits; longer lists are written in the background."""

IN_MEMORY: Final = 1 << 20
"""Bytes of a file kept in memory before it goes to the disk."""

HIDDEN: Final = "•••••"
"""Stands on record for a search that may name somebody: what is on record stays for ever."""
ALL: Final = "all"
"""In an address: all columns, whichever the reader chose for the list."""

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF: Final = "application/pdf"
WRITTEN_AS_IT_IS: Final = frozenset({str, int, Decimal, type(None)})
"""Types of most cells."""

KINDS: Final = {
    "xlsx": XLSX,
    "csv": "text/csv; charset=utf-8",
    "pdf": PDF,
}
"""Kinds of file and their media types."""

SHEETS: Final = ("xlsx", "csv")
"""What every list can be had as; a report as a PDF file, too."""


def way_of(region_id: int) -> str:
    """Where a region lies, written as it is understood when the file is imported."""
    if "region_ways" not in g:
        g.region_ways = regions.ways(session())
    return str(g.region_ways.get(region_id, ""))


def write_table(
    file: IO[bytes], kind: str, title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> None:
    """Write a table as a file of a kind, the way the reader reads."""
    if kind == "csv":
        write_csv(file, header, rows)
        return
    rtl = (get_locale() or Locale("en")).text_direction == "rtl"
    write_xlsx(file, title, header, rows, Look(rtl=rtl))


def kind_words() -> dict[str, str]:
    """What the kinds of file are called."""
    return {"xlsx": str(_("Excel")), "csv": str(_("CSV")), "pdf": str(_("PDF"))}


def may_wait() -> bool:
    """Tell whether the asker may have a file made in the background, and fetch it there."""
    return bool(current_app.extensions["appbuilder"].sm.has_access("can_show", JOBS))


def ask_file(view: str, kind: str, title: str, name: str, columns: Sequence[str] = ()) -> Answer:
    """Have a file made in the background, and lead to where it can be watched.

    Args:
        view: Class name of the view that writes it, from the address that is asked now.
        kind: Of file.
        title: What the reader calls it.
        name: Of the file.
        columns: What stands in it, where that can be chosen.
    """
    end_reading(session())
    with atomic(session()) as current:
        job = job_runs.ask(
            current, actor(), EXPORT,
            {"view": view, "kind": kind, "title": title,
             "query": request.query_string.decode("utf-8", "replace"), "columns": [*columns]},
            locale=str(get_locale() or "en"), file_name=name,
        )  # fmt: skip
    background.send(job.id)
    watch(job.id)
    flash(_("The list is long, so its file is made in the background."), "info")
    return redirect(url_for("Jobs.show", pk=job.id))


def handed_over(write: Callable[[IO[bytes]], None], kind: str, name: str) -> Response:
    """Hand over a file while it is asked for."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - sent below
    write(file)
    file.seek(0)
    answer: Response = send_file(file, KINDS[kind], as_attachment=True, download_name=name)
    return answer


class Exported(OfficeListView):
    """A list that can be had as a file.

    Attributes:
        export_columns: What stands in the file; by default all columns of the list.
        export_cells: How a column is written there, where it differs from the page.
        finds_people: A search names people: on record is only that there was one.
        export_subject: What is exported, in the words of the audit trail; by default the table.
        files: The kinds of file there are.
    """

    base_permissions: ClassVar[list[str] | None] = ["can_list", "can_show", "can_export"]

    export_columns: ClassVar[Sequence[str]] = ()
    export_cells: ClassVar[Mapping[str, Any]] = {}
    finds_people: ClassVar[bool] = False
    export_subject: ClassVar[str | None] = None
    files: ClassVar[Sequence[str]] = SHEETS

    @classmethod
    def exported_subject(cls) -> str:
        """What is exported, in the words of the audit trail."""
        return cls.export_subject or str(cls.datamodel.obj.__tablename__)

    def export_statement(self) -> Select[Any]:
        """The rows of a file; columns alone, under the names its cells ask for, are quicker."""
        return self.statement()

    def make_lines_ready(self, rows: Sequence[Any], columns: Sequence[str]) -> None:
        """Read what these columns of a file need beyond the rows, for all of them at once."""
        self.make_ready(rows)

    def exports(self) -> Sequence[tuple[str, str]]:
        """The kinds of file the reader may take: words and addresses."""
        if not self.may("export"):
            return ()
        words = kind_words()
        offered = [(words[kind], self._export_url(kind)) for kind in self.files]
        if not self._chosen_columns():
            return offered
        whole = {"xlsx": _("Excel, all columns"), "csv": _("CSV, all columns"),
                 "pdf": _("PDF, all columns")}  # fmt: skip
        more = ((whole[kind], self._export_url(kind, columns=ALL)) for kind in self.files)
        return [*offered, *more]

    def export_limit(self) -> int | None:
        """Rows a file holds at most; no such limit for who may have it made in the background."""
        return None if self._background() else LIMIT

    @expose("/export/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def export(self, kind: str) -> Answer:
        """Hand the list over as a file, or have a long one made in the background."""
        if kind not in self.files:
            abort(404)
        begin_reading(session())
        if self._background() and self.rows_to_export(DIRECTLY + 1) > DIRECTLY:
            return self._ask(kind)
        lines = Lines(self, self.columns_to_export(), LIMIT)
        return handed_over(
            lambda file: self.write_export(file, kind, lines), kind, self._file_name(kind)
        )

    def write_export(self, file: IO[bytes], kind: str, lines: "Lines") -> None:
        """Write the list as the address asks for it, and put that on record."""
        self.write_lines(file, kind, lines)
        self._note_export(kind, lines)

    def write_lines(self, file: IO[bytes], kind: str, lines: "Lines") -> None:
        """Write the lines of a file."""
        header = [self.label(name) for name in lines.columns]
        write_table(file, kind, str(self.list_title), header, lines)

    def lines_at_most(self, kind: str) -> int | None:
        """How many rows a file made in the background holds; there is no limit to sheets."""
        return None

    def background_address(self) -> str:
        """The path under which the list is asked when its file is made in the background."""
        return f"{self.route_base}/list/"

    def make_file(
        self, file: IO[bytes], kind: str, columns: Sequence[str],
        follow: Callable[[int], None] | None = None,
    ) -> int:  # fmt: skip
        """Write the whole list in the background, as the address asks; gives how many rows."""
        lines = Lines(self, self.exportable(columns), self.lines_at_most(kind), follow)
        self.write_export(file, kind, lines)
        return lines.count

    def columns_to_export(self) -> list[str]:
        """The columns of the file: those the reader chose for the list, else all there are."""
        chosen = [] if request.args.get("columns") == ALL else self._chosen_columns()
        return self.exportable(chosen or self.export_columns or self.list_columns)

    def exportable(self, columns: Sequence[str]) -> list[str]:
        """Those of some columns that the reader may take away."""
        return [*columns]

    def _chosen_columns(self) -> list[str]:
        chosen = request.cookies.get(columns_cookie(), "").split(".")
        return [name for name in self.list_columns if name in chosen]

    def narrowed_for_file(self, statement: Select[Any]) -> tuple[Select[Any], str, Chosen]:
        """Narrow a list as the address says, for a file.

        Raises:
            FilterLeftOut: It asks for something that cannot be taken.
        """
        statement, search, chosen = self.narrowed(statement)
        none_left_out(self.filters, request.args, chosen)
        return statement, search, chosen

    def rows_to_export(self, most: int | None = None) -> int:
        """Count the rows the address asks for, up to a limit."""
        statement, _search, _chosen = self.narrowed_for_file(self.statement())
        keys = statement.with_only_columns(self.model.id).order_by(None)
        keys = keys if most is None else keys.limit(most)
        return session().scalar(select(func.count()).select_from(keys.subquery())) or 0

    def _background(self) -> bool:
        return may_wait()

    def _ask(self, kind: str) -> Answer:
        """Have the file made in the background, and lead to where it can be watched."""
        name = self._file_name(kind)
        return ask_file(type(self).__name__, kind, str(self.list_title), name,
                        self.columns_to_export())  # fmt: skip

    def _export_url(self, kind: str, **more: str) -> str:
        wanted = href(after=None, before=None, last=None, size=None, **more).partition("?")[2]
        return self.url("export", kind=kind) + (f"?{wanted}" if wanted else "")

    def _note_export(self, kind: str, lines: "Lines") -> None:
        subject = self.exported_subject()
        with atomic(session()) as current:
            audit.record(
                current, actor(), f"{subject}.exported", subject, None,
                kind=kind, rows=lines.count, cut_off=lines.more,
                search=HIDDEN if lines.search and self.finds_people else lines.search,
                columns=[*lines.columns],
                filters={one.name: one.recorded(value) for one, value in lines.chosen},
            )  # fmt: skip

    def _file_name(self, kind: str) -> str:
        subject = self.exported_subject()
        return f"{subject}-{now_utc().astimezone(ZoneInfo(zone())):%Y-%m-%d-%H%M}.{kind}"


class Lines:
    """The lines of a file, read as they are written; afterwards, how many there were.

    Args:
        view: The list.
        columns: What stands in the file.
        limit: Rows at most, if there is a limit.
        after_chunk: Called with the number of rows written, now and then.
    """

    def __init__(
        self,
        view: Exported,
        columns: Sequence[str],
        limit: int | None,
        after_chunk: Callable[[int], None] | None = None,
    ) -> None:
        self._view, self.columns, self._zone = view, columns, ZoneInfo(zone())
        self._limit, self._after_chunk = limit, after_chunk
        statement, self.search, self.chosen = view.narrowed_for_file(view.export_statement())
        _sorted_by, order = view.order_wanted(request.args.get("sort", ""))
        order = view.along(order, self.chosen)
        self._chunks = chunks_in_order(
            session(), statement, order, None if limit is None else limit + 1
        )
        told = [column["name"] for column in statement.column_descriptions]
        self._places = {name: place for place, name in enumerate(told)} if told[1:] else {}
        self._writers = [self._writer(name) for name in columns]
        self.count, self.more = 0, False

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        with closing(self._chunks):
            for chunk in self._chunks:
                self._view.make_lines_ready(chunk, self.columns)
                left = len(chunk) if self._limit is None else self._limit - self.count
                for line in self._lines(chunk[:left]):
                    self.count += 1
                    yield line
                if left < len(chunk):
                    self.more = True
                    said = _("There are more rows; a file holds %(count)s.", count=self._limit)
                    yield [str(said)]
                    return
                if self._after_chunk:
                    self._after_chunk(self.count)

    def _lines(self, rows: Sequence[Any]) -> Iterator[Sequence[Cell]]:
        """Write rows a column at a time, which takes half as long as cell by cell."""
        return zip(*(write(rows) for write in self._writers), strict=True)

    def _writer(self, name: str) -> Callable[[Sequence[Any]], Iterable[Cell]]:
        """How a column of some rows is written."""
        cell = self._view.export_cells.get(name) or self._view.cells.get(name)
        if isinstance(cell, Coded):
            read, said = self._reader(cell.column), cache(lambda code: self._plain(cell.say(code)))
            return lambda rows: map(said, map(read, rows))
        if isinstance(cell, Known):
            key, told = self._reader("id"), cell.of
            return lambda rows: told(map(key, rows))
        write = self._view.export_cells.get(name) or (
            self._reader(name) if name in self._places and cell is None
            else lambda row: self._view.value(row, name)
        )  # fmt: skip
        return lambda rows: [
            value if type(value) in WRITTEN_AS_IT_IS else self._plain(value)
            for value in map(write, rows)
        ]

    def _reader(self, column: str) -> Callable[[Any], Any]:
        """How a value is read: from its place in a row of columns, by name from a whole row."""
        place = self._places.get(column)
        return attrgetter(column) if place is None else itemgetter(place)

    def _plain(self, value: object) -> Cell:
        match value:
            case bool():
                return str(_("Yes") if value else _("No"))
            case Markup():
                return str(value.striptags())
            case datetime() if value.tzinfo:
                return value.astimezone(self._zone)
            case None | int() | Decimal() | date():
                return value
            case _:
                return str(value)
