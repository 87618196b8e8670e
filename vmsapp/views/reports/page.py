"""A page of a report: the question, the figures beside those before, a chart, the lines, files.

A report says what it can be asked, what its columns are, and how it is answered; the rest is here.
The address holds the whole question, so that a link shows another reader the same one, in that
reader's own scope.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from flask import request, url_for
from flask_appbuilder import expose, has_access
from flask_babel import gettext
from werkzeug.wrappers import Response

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.i18n import _, labelled
from vmsapp.models import Setup
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By
from vmsapp.services.sheets import Cell
from vmsapp.services.sheets.pages import Column as SheetColumn
from vmsapp.views.base import sentence, status_of, utility
from vmsapp.views.counter.sale_filters import ABOUT
from vmsapp.views.lists.filters import Filter, left_out
from vmsapp.views.lists.pages import Answer as Page
from vmsapp.views.reports.asked import BY_WORDS, Asked, Asks, read_asked, read_filters
from vmsapp.views.reports.columns import Column, Kind, side_by_side
from vmsapp.views.reports.files import Table
from vmsapp.views.reports.lines import (
    DRAWN,
    SERIES,
    Compared,
    Writer,
    compared,
    in_order,
    key_text,
)
from vmsapp.views.reports.presets import PRESETS
from vmsapp.views.reports.question import chips, days_said, facts, questions, today, typed
from vmsapp.views.reports.screens import ReportScreen

LISTED: Final = 100
"""Lines a page shows at first, where they follow no times; files and totals have all."""

ALL_LINES: Final = "lines"
"""In an address: the page shows every line, to be read or printed."""


class ReportPage(ReportScreen):
    """A report that is asked about some days, told apart and narrowed.

    Attributes:
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

    template: ClassVar[str] = "reports/report.html"
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
        return side_by_side(text for one in words if (text := one.text(line, utility())))

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
        """Show the report, at first as it was asked for last."""
        return self.opening() or self._opened()

    def _opened(self) -> Page | Response:
        settings = utility()
        try:
            asked = self._asked()
            found = self.answer(asked)
        except VmsError as error:
            return self._refused(error), status_of(error)
        return self.shown(self._shown(asked, found, settings))

    def asked_query(self) -> str:
        """What was asked, written anew: what an address says amiss is left out."""
        try:
            return urlencode(self._asked().address())
        except InvalidInput:  # the page says why
            return ""

    def table(self) -> Table:
        """The report as a table."""
        settings, asked = utility(), self._asked()
        found = self.answer(asked)
        lines = in_order(asked, found, self.drawn, self.filled, today())
        filed = [one for one in self.columns if "file" in one.on]
        columns = [SheetColumn(one.heading(settings), number=one.is_number) for one in filed]
        about = gettext(self._about(asked))
        return Table(
            str(self.title), questions(asked, about), [SheetColumn(about), *columns],
            [_filed(asked, filed, line, settings) for line in lines],
            [_filed(asked, filed, line, settings, str(_("Total"))) for line in found.totals],
        )  # fmt: skip

    def recorded(self) -> Mapping[str, Any]:
        """Its days, what it is told apart by, and its filters."""
        asked = self._asked()
        return {
            "by": asked.by.value if asked.by else None,
            "first": asked.period.first.isoformat(),
            "last": asked.period.last.isoformat(),
            "filters": {one.name: one.recorded(value) for one, value in asked.chosen},
        }

    def file_name(self, kind: str) -> str:
        """It is called after its days."""
        period = self._asked().period
        return f"{self.report.replace('_', '-')}-{period.first}-{period.last}.{kind}"

    def _asked(self) -> Asked:
        return read_asked(self.asks, request.args, today())

    def _about(self, asked: Asked) -> str:
        """What lines are about."""
        return BY_WORDS[asked.by] if asked.by else self.heading

    def _shown(self, asked: Asked, found: Answer[Any], settings: Setup, made: object = None) -> str:
        lines = in_order(asked, found, self.drawn, self.filled, today())
        columns = self._columns(found)
        kinds = [line.apart for line in found.totals][:SERIES]
        drawn = {key: None for line in lines if (key := line.key) is not None}
        cut = not asked.by_time and len(drawn) > DRAWN
        keys = set(list(drawn)[:DRAWN]) if cut else set(drawn)
        count = len(lines)
        if not asked.by_time and count > LISTED and ALL_LINES not in request.args:
            lines = lines[:LISTED]
        several = len(found.totals) > 1
        called = {
            apart: self.called(line, columns) if several else ""
            for apart, line in {line.apart: line for line in lines}.items()
        }
        writer = Writer(asked, columns, settings, drawn=self.drawn, series=kinds)
        rows = [
            writer.line(line, drawn=line.key in keys, called=called[line.apart]) for line in lines
        ]
        total = str(_("Total"))
        return self._page(
            asked,
            rows=rows if found.totals else [],
            totals=[writer.total(line, total) for line in found.totals],
            columns=[(gettext(one.word), one.is_number) for one in columns],
            compared=self.compared(found, settings) if found.before else [],
            before=days_said(found.before.first, found.before.last) if found.before else "",
            legend=[self.called(line, columns) for line in found.totals[:SERIES] if several],
            apart=len(found.totals) > SERIES,
            **self._question_said(asked), cut=DRAWN if cut else 0,
            listed=LISTED if len(lines) < count else 0, count=count,
            all_lines=asked.url(**{ALL_LINES: "all"}),
            chart=self._chart(asked, found), exports=self.exports(), **self.more(asked),
            made=made,
        )  # fmt: skip

    def _question_said(self, asked: Asked) -> dict[str, Any]:
        """The question, in words."""
        about = self._about(asked)
        amiss = left_out(self.filters, request.args, asked.chosen)
        return {"chips": chips(asked), "facts": facts(asked, about), "about": gettext(about),
                "left_out": [one.label for one in amiss]}  # fmt: skip

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
        title = labelled(gettext(self._about(asked)), gettext(column.word))
        return "bar" if asked.by_time else "hbar", title

    def _refused(self, error: VmsError) -> str:
        """Show the form as it was filled in, and why there is no report."""
        field = error.field if isinstance(error, InvalidInput) else None
        return self._page(None, refusal=sentence(error), wrong=field)

    def _page(self, asked: Asked | None, **context: Any) -> str:  # noqa: ANN401 - the template's
        bys = [(by.value, gettext(BY_WORDS[by])) for by in BY_WORDS if by in self.bys]
        nothing = [gettext(text) for text in self.nothing]
        return self.page(
            self.template, view=self, title=str(self.title), asked=asked, bys=bys,
            typed=typed(asked),
            presets=self._presets(asked) if self.asks_days else (), filters=self._fields(asked),
            note_below=gettext(self.note) if self.note else "", nothing=nothing,
            money_columns=any(one.kind is Kind.MONEY for one in self.columns),
            settings=utility(), here=self.asks.endpoint, asks_days=self.asks_days, **context,
        )  # fmt: skip

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


def _filed(
    asked: Asked, columns: Iterable[Column], line: Line[Any], settings: Setup, total: str = ""
) -> Sequence[Cell]:
    """Write a line into a file."""
    about = total or (line.key if isinstance(line.key, date) else key_text(asked.by, line))
    return [about, *(one.cell(line, settings) for one in columns)]
