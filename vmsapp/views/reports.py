"""Reports: the sales report, narrowed and told apart as its address asks.

The address holds all of it, so that a link shows another reader the same question, in that
reader's own scope.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from flask_appbuilder import expose, has_access
from flask_babel import format_date, gettext
from werkzeug.wrappers import Response

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import InvalidInput, VmsError
from vmsapp.i18n import _, _l, money_text
from vmsapp.security import SALES_REPORT
from vmsapp.services.reports import Report, sales_report
from vmsapp.views.base import actor, sentence, session, status_of, utility
from vmsapp.views.filters import Filter
from vmsapp.views.lists import Answer
from vmsapp.views.presets import PRESETS
from vmsapp.views.report_asked import BY_WORDS, Asked, read_asked, read_filters
from vmsapp.views.report_figures import (
    DRAWN,
    MONEY,
    compared,
    file_rows,
    header,
    lines_of,
    total_lines,
    type_text,
    units_said,
)
from vmsapp.views.report_files import Table
from vmsapp.views.report_pages import ReportPage
from vmsapp.views.sale_filters import ABOUT
from vmsapp.views.words import METER_TYPES


class SalesReport(ReportPage):
    """What was sold and taken back: amounts, units, counts; the period before beside it."""

    report = "sales_report"
    route_base = "/reports/sales"
    class_permission_name = SALES_REPORT
    title = _l("Sales report")
    filters = ABOUT

    @expose("/")
    @has_access
    def show(self) -> Answer | Response:
        """Show the report, at first as it was asked for last."""
        return self.opening() or self._show()

    def _show(self) -> Answer | Response:
        settings, today = utility(), _today()
        try:
            asked = read_asked(request.args, today)
            report = sales_report(session(), asked.question)
        except VmsError as error:
            return self._refused(error), status_of(error)
        lines = lines_of(asked, report, today)
        page = self._page(
            asked=asked, report=report, lines=lines, totals=total_lines(report),
            compared=compared(report, settings), chips=_chips(asked), facts=_facts(asked),
            before=_days(report), by_word=gettext(BY_WORDS[asked.by]),
            cut=DRAWN if not all(line.drawn for line in lines) else 0,
            several=len(report.totals) > 1, exports=self.exports(), settings=settings,
        )  # fmt: skip
        return self.shown(page)

    def asked_query(self) -> str:
        """What was asked, written anew: what an address says amiss is left out."""
        try:
            return urlencode(read_asked(request.args, _today()).address())
        except InvalidInput:
            return ""

    def table(self) -> Table:
        """The report as a table."""
        settings, today = utility(), _today()
        asked = read_asked(request.args, today)
        report = sales_report(session(), asked.question)
        return Table(
            self.report_title(), questions(asked), header(asked, settings),
            file_rows(lines_of(asked, report, today), settings),
            list(file_rows(total_lines(report), settings)),
        )  # fmt: skip

    def recorded(self) -> Mapping[str, Any]:
        """Its days, what it is told apart by, and its filters."""
        asked = read_asked(request.args, _today())
        return {
            "by": asked.by.value,
            "first": asked.period.first.isoformat(),
            "last": asked.period.last.isoformat(),
            "filters": {one.name: one.recorded(value) for one, value in asked.chosen},
        }

    def file_name(self, kind: str) -> str:
        """It is called after its days."""
        period = read_asked(request.args, _today()).period
        return f"sales-report-{period.first}-{period.last}.{kind}"

    def _refused(self, error: VmsError) -> str:
        """Show the form as it was filled in, and why there is no report."""
        field = error.field if isinstance(error, InvalidInput) else None
        return self._page(asked=None, refusal=sentence(error), wrong=field)

    def _page(self, asked: Asked | None, **context: Any) -> str:  # noqa: ANN401 - the template's
        typed = _typed(asked)
        return self.page(
            "reports/sales.html",
            view=self,
            title=str(self.title),
            asked=asked,
            typed=typed,
            bys=[(by.value, gettext(word)) for by, word in BY_WORDS.items()],
            presets=_presets(asked),
            filters=_fields(asked),
            money_columns=[(name, gettext(word)) for name, word in MONEY],
            type_text=type_text,
            units_said=units_said,
            amount=_amount,
            exact=_exact,
            series=list(METER_TYPES),
            **context,
        )


def _fields(asked: Asked | None) -> Sequence[tuple[Filter, Any]]:
    """The filters with their values, also of a report that cannot be made."""
    chosen = asked.chosen if asked else read_filters(request.args)
    values = {one.name: value for one, value in chosen}
    return [(one, values.get(one.name)) for one in ABOUT]


def _today() -> date:
    return business_day(now_utc(), utility().time_zone)


def _typed(asked: Asked | None) -> dict[str, str]:
    """What stands in the form."""
    if asked is None:
        return {name: request.args.get(name, "")[:20] for name in ("from", "to", "by", "period")}
    return {
        "from": asked.period.first.isoformat(), "to": asked.period.last.isoformat(),
        "by": asked.by.value, "period": asked.period.code,
    }  # fmt: skip


def _presets(asked: Asked | None) -> Sequence[tuple[str, str, bool]]:
    """The ready-made periods: words, addresses, and which is shown."""
    found = []
    for code, (word, _days) in PRESETS.items():
        url = asked.url(period=code) if asked else url_for("SalesReport.show", period=code)
        found.append((gettext(word), url, asked is not None and asked.period.code == code))
    return found


def _chips(asked: Asked) -> Sequence[tuple[str, str, str]]:
    """The filters in force: what each narrows, to what, and the report without it."""
    return [
        (str(one.label), one.said(value), asked.url(**{one.name: None}))
        for one, value in asked.chosen
    ]


def _facts(asked: Asked) -> Sequence[tuple[str, str]]:
    """What the printed page says of the report."""
    return [*questions(asked), (str(_("Printed by")), actor().name)]


def questions(asked: Asked) -> Sequence[tuple[str, str]]:
    """What was asked, in words."""
    return [
        (str(_("Period")), asked.period.said()),
        (str(_("Grouped by")), gettext(BY_WORDS[asked.by])),
        *((str(one.label), one.said(value)) for one, value in asked.chosen),
    ]


def _days(report: Report) -> str:
    first, last = (format_date(day, "medium") for day in (report.before.first, report.before.last))
    return first if first == last else str(_("%(first)s to %(last)s", first=first, last=last))


def _amount(minor: int) -> str:
    settings = utility()
    return money_text(minor, settings.currency, settings.exponent, symbol=False)


def _exact(minor: int) -> str:
    """Write an amount as scripts read it."""
    return str(Decimal(minor).scaleb(-utility().exponent))
