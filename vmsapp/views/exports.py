"""A list as a file: what it is narrowed to, in its order, as Excel or CSV.

A list offers it by naming ``Exported`` among its bases; who may take it away is a
permission of its own, ``can_export``, and every file taken is on record. Because of that
record it is a deed, not a link.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from flask import abort, request, send_file
from flask_appbuilder import expose, has_access, permission_name
from markupsafe import Markup
from werkzeug.wrappers import Response

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, begin_reading
from vmsapp.i18n import _
from vmsapp.services import audit
from vmsapp.services.sheets import Cell, write_csv, write_xlsx
from vmsapp.views.base import actor, session, zone
from vmsapp.views.listing import rows_in_order
from vmsapp.views.lists import Answer, OfficeListView
from vmsapp.views.look import href

LIMIT: Final = 50_000
"""Rows a file holds at most; whoever needs more narrows the list, by days say."""

IN_MEMORY: Final = 1 << 20
"""Bytes of a file kept in memory before it goes to the disk."""

KINDS: Final = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


class Exported(OfficeListView):
    """A list that can be had as a file.

    Attributes:
        export_columns: What stands in the file; by default all columns of the list.
        export_cells: How a column is written there, where it differs from the page.
    """

    base_permissions = ["can_list", "can_show", "can_export"]

    export_columns: ClassVar[Sequence[str]] = ()
    export_cells: ClassVar[Mapping[str, Any]] = {}

    def exports(self) -> Sequence[tuple[str, str]]:
        """The kinds of file the reader may take: words and addresses."""
        if not self.may("export"):
            return ()
        words = {"xlsx": _("Excel"), "csv": _("CSV")}
        return [(words[kind], self._export_url(kind)) for kind in KINDS]

    @property
    def export_limit(self) -> int:
        """Rows a file holds at most."""
        return LIMIT

    @expose("/export/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def export(self, kind: str) -> Answer:
        """Hand the list over as a file."""
        if kind not in KINDS:
            abort(404)
        begin_reading(session())
        columns = list(self.export_columns or self.list_columns)
        header, lines = [self.label(name) for name in columns], _Lines(self, columns)
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - sent below
        if kind == "csv":
            write_csv(file, header, lines)
        else:
            write_xlsx(file, str(self.list_title), header, lines)
        self._note_export(kind, lines)
        file.seek(0)
        answer: Response = send_file(
            file, KINDS[kind], as_attachment=True, download_name=self._file_name(kind)
        )
        return answer

    def _export_url(self, kind: str) -> str:
        wanted = href(after=None, before=None, last=None, size=None).partition("?")[2]
        return self.url("export", kind=kind) + (f"?{wanted}" if wanted else "")

    def _note_export(self, kind: str, lines: "_Lines") -> None:
        table = self.model.__tablename__
        with atomic(session()) as current:
            audit.record(
                current, actor(), f"{table}.exported", table, None,
                kind=kind, rows=lines.count, cut_off=lines.more, search=lines.search,
                filters={one.name: one.said(value) for one, value in lines.chosen},
            )  # fmt: skip

    def _file_name(self, kind: str) -> str:
        table = str(self.model.__tablename__)
        return f"{table}-{now_utc().astimezone(ZoneInfo(zone())):%Y-%m-%d-%H%M}.{kind}"


class _Lines:
    """The lines of a file, read as they are written; afterwards, how many there were."""

    def __init__(self, view: Exported, columns: Sequence[str]) -> None:
        self._view, self._columns, self._zone = view, columns, ZoneInfo(zone())
        statement, self.search, self.chosen = view.narrowed(view.statement())
        _sorted_by, order = view.order_wanted(request.args.get("sort", ""))
        self._rows = rows_in_order(session(), statement, order, LIMIT + 1)
        self.count, self.more = 0, False

    def __iter__(self) -> Iterator[list[Cell]]:
        for row in self._rows:
            if self.count == LIMIT:
                self.more = True
                yield [str(_("There are more rows; a file holds %(count)s.", count=LIMIT))]
                return
            self.count += 1
            yield [self._cell(row, name) for name in self._columns]

    def _cell(self, row: Any, name: str) -> Cell:  # noqa: ANN401 - a row of any model
        write = self._view.export_cells.get(name)
        value = write(row) if write else self._view.value(row, name)
        match value:
            case bool():
                return str(_("Yes") if value else _("No"))
            case Markup():
                return str(value.striptags())
            case datetime() if value.tzinfo:
                return value.astimezone(self._zone)
            case None | int() | Decimal() | datetime():
                return value
            case _:
                return str(value)
