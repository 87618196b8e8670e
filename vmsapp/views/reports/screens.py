"""The base of reports of figures: ``ReportScreen``.

A report names itself, tells its table and what of its question goes on record:

    class TaxReport(ReportScreen):
        report = "tax_report"
        route_base = "/reports/tax"
        class_permission_name = TAX_REPORT
        title = _l("Tax report")

        @expose("/")
        @has_access
        def show(self) -> Answer | Response: ...    # opens with self.opening(), ends with remember
        def table(self) -> Table: ...               # of request.args; raises what it refuses
        def recorded(self) -> Mapping[str, Any]: ...
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, ClassVar

from flask import abort, url_for
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response

from vmsapp.clock import business_day, now_utc
from vmsapp.extensions import atomic
from vmsapp.i18n import _
from vmsapp.services import audit
from vmsapp.views.base import OfficeView, actor, session, zone
from vmsapp.views.lists.exports import DIRECTLY, KINDS, ask_file, handed_over, kind_words, may_wait
from vmsapp.views.lists.pages import Answer, names
from vmsapp.views.reports.files import Follow, Table, write_file
from vmsapp.views.reports.reported import Reported


class ReportScreen(Reported, OfficeView):
    """A report of figures, which can be had as a file, saved, and sent."""

    default_view = "show"
    base_permissions: ClassVar[list[str]] = names("can_show can_export")

    def table(self) -> Table:
        """Tell the report's table, as ``request.args`` asks for it.

        Raises:
            InvalidInput: What is asked cannot be answered.
        """
        raise NotImplementedError

    def recorded(self) -> Mapping[str, Any]:
        """What of the question goes on record, where it stays for ever: it names no consumer."""
        return {}

    def report_table(self, limit: int | None, follow: Follow | None = None) -> Table:
        """The table, cut off at a limit."""
        table = self.table()
        rows = list(table.rows)
        if limit is not None and len(rows) > limit:
            cut = _("There are more rows; a file holds %(count)s.", count=limit)
            rows = [*rows[:limit], [str(cut)]]
        if follow:
            follow(len(rows))
        return replace(table, rows=rows)

    @expose("/export/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def export(self, kind: str) -> Answer:
        """Hand the report over as a file, or have a long one made in the background."""
        if kind not in KINDS:
            abort(404)
        self.check_filters()
        table = self.report_table(None)
        rows = _counted(table)
        name = self.file_name(kind)
        if rows > DIRECTLY and may_wait():
            return ask_file(type(self).__name__, kind, self.report_title(), name)
        self.note_file(kind, rows)
        return handed_over(lambda file: write_file(file, kind, table), kind, name)

    def make_file(
        self, file: IO[bytes], kind: str, _columns: Sequence[str], follow: Follow | None = None
    ) -> int:
        """Write the report in the background, as the address asks; gives how many rows."""
        self.check_filters()
        table = self.report_table(None, follow)
        rows = _counted(table)
        write_file(file, kind, table)
        self.note_file(kind, rows)
        return rows

    def rows_to_export(self) -> int:
        """How many rows there are is known once they are made."""
        return 0

    def exports(self) -> Sequence[tuple[str, str]]:
        """The kinds of file the reader may take: words and addresses."""
        if not self.appbuilder.sm.has_access("can_export", self.class_permission_name):
            return ()
        words, query = kind_words(), self.asked_query()
        ways = ((kind, url_for(f"{self.endpoint}.export", kind=kind)) for kind in KINDS)
        return [(words[kind], f"{way}?{query}" if query else way) for kind, way in ways]

    def file_name(self, kind: str) -> str:
        """What a file is called."""
        subject = self.report.replace("_", "-")
        return f"{subject}-{business_day(now_utc(), zone())}.{kind}"

    def note_file(self, kind: str, rows: int) -> None:
        """Put on record that it was taken away."""
        with atomic(session()) as current:
            audit.record(
                current, actor(), f"{self.report}.exported", self.report, None, kind=kind,
                rows=rows, **self.recorded(),
            )  # fmt: skip

    def shown(self, page: str) -> Response:
        """Answer with the page, and have the browser keep what was asked."""
        return self.remember(Response(page, mimetype="text/html"))


def _counted(table: Table) -> int:
    assert isinstance(table.rows, list), "made by report_table"
    return len(table.rows)
