"""The base of reports of records: ``ReportList``, a list that is a report, too.

It names its ``report``; all else is a list's. Its file is the list's, narrowed as the address
asks, and on paper it says how.
"""

from collections.abc import Mapping, Sequence
from typing import IO, ClassVar, Final

from flask import make_response
from flask_appbuilder import expose, has_access
from werkzeug.wrappers import Response

from vmsapp.i18n import _
from vmsapp.services.sheets.pages import Column
from vmsapp.views.base import utility_name
from vmsapp.views.lists.exports import KINDS, Exported, Lines
from vmsapp.views.lists.pages import Answer
from vmsapp.views.reports.files import Follow, Table, write_file
from vmsapp.views.reports.reported import ASKED, Reported

MOST_ON_PAPER: Final = 20_000
"""Rows of a PDF file at most, some 500 pages; who needs more takes a sheet."""


class ReportList(Reported, Exported):
    """A report of records."""

    opens: ClassVar[str] = "list"
    list_template = "reports/list.html"
    files: ClassVar[Sequence[str]] = tuple(KINDS)
    standing: ClassVar[Mapping[str, str]] = {ASKED: "yes"}

    @expose("/list/")
    @has_access
    def list(self) -> Answer | Response:
        """Show one page of the list, at first as it was asked for last."""
        return self.opening() or self.remember(make_response(super().list()))

    def cleared_url(self) -> str:
        """The list as it opens for the first time."""
        return self.reset_url()

    def paper_title(self) -> str:
        """What stands at the top of a printed page; its filters stand below it."""
        return f"{utility_name()} · {self.report_title()}"

    def report_table(self, limit: int | None, follow: Follow | None = None) -> Table:
        """The list as a table."""
        lines = Lines(self, self.columns_to_export(), limit, follow)
        return self._table(lines)

    def write_lines(self, file: IO[bytes], kind: str, lines: Lines) -> None:
        """Write the lines of a file."""
        write_file(file, kind, self._table(lines))

    def lines_at_most(self, kind: str) -> int | None:
        """How many rows a file made in the background holds."""
        return MOST_ON_PAPER if kind == "pdf" else None

    def _table(self, lines: Lines) -> Table:
        asked = [(str(one.label), one.said(value)) for one, value in lines.chosen]
        if lines.search:
            asked.append((str(_("Searched for")), lines.search))
        columns = [Column(self.label(name), name in self.numbers) for name in lines.columns]
        return Table(self.report_title(), asked, columns, lines)
