"""A page of a report: the question, the figures beside those before, a chart, the lines, files.

A report says what it can be asked, what its columns are, and how it is answered; the rest is here.
The address holds the whole question, so that a link shows another reader the same one, in that
reader's own scope; the browser keeps the last one and opens the report with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from flask import abort, make_response, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from werkzeug.wrappers import Response

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _
from vmsapp.models import Setup
from vmsapp.services import audit
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By
from vmsapp.services.sheets import Cell
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of, utility
from vmsapp.views.exports import KINDS, handed_over, write_table
from vmsapp.views.filters import Filter
from vmsapp.views.lists import YEAR, names, secure_cookies
from vmsapp.views.lists import Answer as Page
from vmsapp.views.report_asked import BY_WORDS, Asked, Asks, read_asked, read_filters
from vmsapp.views.report_columns import Column, Kind
from vmsapp.views.report_lines import (
    DRAWN,
    SERIES,
    Compared,
    compared,
    in_order,
    key_text,
    written,
)
from vmsapp.views.report_periods import PRESETS
from vmsapp.views.report_question import chips, cookie, days_said, facts, today, typed
from vmsapp.views.sale_filters import ABOUT

LONGEST_KEPT: Final = 500
"""Signs of an address that a browser keeps."""


class ReportPage(OfficeView):
    """A report.

    Attributes:
        subject: What it is called on record and in the names of files.
        bys: What its lines can stand for, the usual one first.
        heading: What its lines are, where that is fixed.
        filters: What it can be narrowed by.
        asks_days: Whether it is about some days.
        columns: In their order, after what a line is about.
        drawn: Name of the column that the chart draws; none without a chart.
        filled: Times without a figure have a line, too.
        note: What the figures are, below them.
        nothing: What is said where there are none, and what there could be.
    """

    default_view = "show"
    template: ClassVar[str] = "reports/report.html"
    base_permissions = names("can_show can_export")
    title: ClassVar[Any]
    subject: ClassVar[str]
    bys: ClassVar[Sequence[By]] = ()
    heading: ClassVar[str] = ""
    filters: ClassVar[Sequence[Filter]] = ABOUT
    asks_days: ClassVar[bool] = True
    columns: ClassVar[Sequence[Column]] = ()
    drawn: ClassVar[str] = ""
    filled: ClassVar[Any] = None
    note: ClassVar[str] = ""
    nothing: ClassVar[tuple[str, str]] = (
        N_("Nothing in this period"), N_("Nothing fits this period and these filters."),
    )  # fmt: skip

    def answer(self, asked: Asked) -> Answer[Any]:
        """Answer what is asked."""
        raise NotImplementedError

    def called(self, line: Line[Any], columns: Sequence[Column]) -> str:
        """Name what tells lines apart: in comparisons, and in the chart and its legend."""
        words = [one for one in columns if one.name.startswith("apart.")]
        return " · ".join(text for one in words if (text := one.text(line, utility())))

    def compared(self, answer: Answer[Any], settings: Setup) -> Sequence[Compared]:
        """Put totals beside those of the period before."""
        return compared(self.columns, answer, settings)

    def more(self, asked: Asked) -> Mapping[str, Any]:
        """What else the page shows, for a template of its own."""
        return {}

    @property
    def asks(self) -> Asks:
        """What it can be asked."""
        return Asks(f"{self.endpoint}.show", self.bys, self.filters, self.asks_days)

    @expose("/")
    @has_access
    def show(self) -> Page | Response:
        """Show the report, and have the browser keep what was asked."""
        kept = request.cookies.get(cookie(), "")
        if not request.args and kept:
            wanted = urlencode(parse_qsl(kept[:LONGEST_KEPT]))
            return redirect(f"{url_for(self.asks.endpoint)}?{wanted}")
        settings = utility()
        try:
            asked = read_asked(self.asks, request.args, today())
            found = self.answer(asked)
        except VmsError as error:
            return self._refused(error), status_of(error)
        answer = make_response(self._shown(asked, found, settings))
        answer.set_cookie(
            cookie(), urlencode(asked.address()), max_age=YEAR,
            path=request.script_root + self.route_base,
            samesite="Lax", httponly=True, secure=secure_cookies(),
        )  # fmt: skip
        return answer

    @expose("/export/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def export(self, kind: str) -> Response:
        """Hand the report over as a file, and put that on record."""
        if kind not in KINDS:
            abort(404)
        settings, asked = utility(), read_asked(self.asks, request.args, today())
        lines = in_order(asked, self.answer(asked), self.drawn, self.filled, today())
        with atomic(session()) as current:
            audit.record(
                current, actor(), f"{self.subject}.exported", self.subject, None, kind=kind,
                rows=len(lines), by=asked.by.value if asked.by else None,
                first=asked.period.first.isoformat(), last=asked.period.last.isoformat(),
                filters={one.name: one.recorded(value) for one, value in asked.chosen},
            )  # fmt: skip
        title, header = str(self.title), self._header(asked, settings)
        rows = self._rows(asked, lines, settings)
        stem = self.subject.replace("_", "-")
        return handed_over(
            lambda file: write_table(file, kind, title, header, rows), kind,
            f"{stem}-{asked.period.first}-{asked.period.last}.{kind}",
        )  # fmt: skip

    def _header(self, asked: Asked, settings: Setup) -> list[str]:
        filed = (one.heading(settings) for one in self.columns if "file" in one.on)
        return [gettext(self._about(asked)), *filed]

    def _rows(
        self, asked: Asked, lines: Iterable[Line[Any]], settings: Setup
    ) -> Iterable[Sequence[Cell]]:
        filed = [one for one in self.columns if "file" in one.on]
        for line in lines:
            about = line.key if isinstance(line.key, date) else key_text(asked.by, line)
            yield [about, *(one.cell(line, settings) for one in filed)]

    def _about(self, asked: Asked) -> str:
        """What lines are about."""
        return BY_WORDS[asked.by] if asked.by else self.heading

    def _shown(self, asked: Asked, found: Answer[Any], settings: Setup) -> str:
        lines = in_order(asked, found, self.drawn, self.filled, today())
        columns = self._columns(found)
        kinds = [line.apart for line in found.totals][:SERIES]
        drawn = {key: None for line in lines if (key := line.key) is not None}
        cut = not asked.by_time and len(drawn) > DRAWN
        keys = set(list(drawn)[:DRAWN]) if cut else set(drawn)
        several = len(found.totals) > 1
        rows = [
            written(asked, columns, line, settings, drawn=self.drawn if line.key in keys else "",
                    series=kinds, called=self.called(line, columns) if several else "")
            for line in lines
        ]  # fmt: skip
        total = str(_("Total"))
        return self._page(
            asked,
            rows=rows if found.totals else [],
            totals=[
                written(asked, columns, line, settings, total=total) for line in found.totals
            ],
            columns=[(gettext(one.word), one.is_number) for one in columns],
            compared=self.compared(found, settings) if found.before else [],
            before=days_said(found.before.first, found.before.last) if found.before else "",
            legend=[self.called(line, columns) for line in found.totals[:SERIES] if several],
            apart=len(found.totals) > SERIES,
            chips=chips(asked), facts=facts(asked, self._about(asked)),
            about=gettext(self._about(asked)), cut=DRAWN if cut else 0,
            chart=self._chart(asked, found), exports=self._exports(asked), **self.more(asked),
        )  # fmt: skip

    def _columns(self, found: Answer[Any]) -> Sequence[Column]:
        """Those of the page, without those that say nothing of any line."""
        types = {line.meter_type for line in found.totals}
        return [
            one for one in self.columns
            if "page" in one.on and (one.name != "apart.meter_type" or len(types) > 1)
            and (one.only is None or any(map(one.only, found.lines)))
        ]  # fmt: skip

    def _chart(self, asked: Asked, found: Answer[Any]) -> tuple[str, str] | None:
        """How the chart is drawn, and what it shows; none of nothing."""
        if not self.drawn:
            return None
        column = next(one for one in self.columns if one.name == self.drawn)
        if not any(column.value(line) for line in found.lines):
            return None
        what, figure = gettext(self._about(asked)), gettext(column.word)
        title = _("%(what)s: %(figure)s", what=what, figure=figure)
        return "bar" if asked.by_time else "hbar", str(title)

    def _refused(self, error: VmsError) -> str:
        """Show the form as it was filled in, and why there is no report."""
        field = error.field if isinstance(error, InvalidInput) else None
        return self._page(None, refusal=sentence(error), wrong=field)

    def _page(self, asked: Asked | None, **context: Any) -> str:  # noqa: ANN401 - the template's
        bys = [(by.value, gettext(BY_WORDS[by])) for by in BY_WORDS if by in self.bys]
        nothing = [gettext(text) for text in self.nothing]
        return self.page(
            self.template, title=str(self.title), asked=asked, typed=typed(asked), bys=bys,
            presets=self._presets(asked) if self.asks_days else (), filters=self._fields(asked),
            note_below=gettext(self.note) if self.note else "", nothing=nothing,
            money_columns=any(one.kind is Kind.MONEY for one in self.columns),
            settings=utility(), here=self.asks.endpoint, asks_days=self.asks_days, **context,
        )  # fmt: skip

    def _exports(self, asked: Asked) -> Sequence[tuple[str, str]]:
        if not self.appbuilder.sm.has_access("can_export", self.class_permission_name):
            return ()
        words = {"xlsx": _("Excel"), "csv": _("CSV")}
        where = f"{self.endpoint}.export"
        return [(words[kind], url_for(where, kind=kind, **asked.address())) for kind in KINDS]

    def _fields(self, asked: Asked | None) -> Sequence[tuple[Filter, Any]]:
        """The filters with their values, also of a report that cannot be made."""
        chosen = asked.chosen if asked else read_filters(self.asks, request.args)
        values = {one.name: value for one, value in chosen}
        return [(one, values.get(one.name)) for one in self.filters]

    def _presets(self, asked: Asked | None) -> Sequence[tuple[str, str, bool]]:
        """The ready-made periods: words, addresses, and which is shown."""
        where = self.asks.endpoint
        found = []
        for code, (word, _days_of) in PRESETS.items():
            url = asked.url(period=code) if asked else url_for(where, period=code)
            found.append((gettext(word), url, asked is not None and asked.period.code == code))
        return found
