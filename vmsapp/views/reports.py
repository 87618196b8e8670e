"""Reports: the sales report, narrowed and told apart as its address asks.

The address holds all of it, so that a link shows another reader the same question, in that
reader's own scope; the browser keeps the last one and opens the report with it.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import IO, Any, Final
from urllib.parse import parse_qsl, urlencode

from flask import abort, make_response, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import format_date, gettext
from werkzeug.wrappers import Response

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import InvalidInput, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l, money_text
from vmsapp.security import SALES_REPORT
from vmsapp.services import audit
from vmsapp.services.reports import Report, sales_report
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of, utility
from vmsapp.views.exports import KINDS, handed_over, write_table
from vmsapp.views.filters import Filter
from vmsapp.views.lists import YEAR, Answer, names, secure_cookies
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
from vmsapp.views.report_periods import PRESETS
from vmsapp.views.sale_filters import ABOUT
from vmsapp.views.words import METER_TYPES

LONGEST_KEPT: Final = 500
"""Signs of an address that a browser keeps."""


class SalesReport(OfficeView):
    """What was sold and taken back: amounts, units, counts; the period before beside it."""

    route_base = "/reports/sales"
    default_view = "show"
    class_permission_name = SALES_REPORT
    base_permissions = names("can_show can_export")
    title = _l("Sales report")

    @expose("/")
    @has_access
    def show(self) -> Answer | Response:
        """Show the report, and have the browser keep what was asked."""
        kept = request.cookies.get(_cookie(), "")
        if not request.args and kept:
            wanted = urlencode(parse_qsl(kept[:LONGEST_KEPT]))
            return redirect(f"{url_for('SalesReport.show')}?{wanted}")
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
            several=len(report.totals) > 1, exports=self._exports(asked), settings=settings,
        )  # fmt: skip
        answer = make_response(page)
        answer.set_cookie(
            _cookie(), urlencode(asked.address()), max_age=YEAR,
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
        settings, today = utility(), _today()
        asked = read_asked(request.args, today)
        lines = lines_of(asked, sales_report(session(), asked.question), today)
        with atomic(session()) as current:
            audit.record(
                current, actor(), "sales_report.exported", "sales_report", None, kind=kind,
                rows=len(lines), by=asked.by.value, first=asked.period.first.isoformat(),
                last=asked.period.last.isoformat(),
                filters={one.name: one.recorded(value) for one, value in asked.chosen},
            )  # fmt: skip
        rows = file_rows(lines, settings)
        return handed_over(
            lambda file: self._write(file, kind, header(asked, settings), rows), kind,
            f"sales-report-{asked.period.first}-{asked.period.last}.{kind}",
        )  # fmt: skip

    def _write(self, file: IO[bytes], kind: str, names: Sequence[str], rows: Any) -> None:  # noqa: ANN401
        write_table(file, kind, str(self.title), names, rows)

    def _refused(self, error: VmsError) -> str:
        """Show the form as it was filled in, and why there is no report."""
        field = error.field if isinstance(error, InvalidInput) else None
        return self._page(asked=None, refusal=sentence(error), wrong=field)

    def _page(self, asked: Asked | None, **context: Any) -> str:  # noqa: ANN401 - the template's
        typed = _typed(asked)
        return self.page(
            "reports/sales.html",
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

    def _exports(self, asked: Asked) -> Sequence[tuple[str, str]]:
        if not self.appbuilder.sm.has_access("can_export", SALES_REPORT):
            return ()
        words = {"xlsx": _("Excel"), "csv": _("CSV")}
        return [
            (words[kind], url_for("SalesReport.export", kind=kind, **asked.address()))
            for kind in KINDS
        ]


def _fields(asked: Asked | None) -> Sequence[tuple[Filter, Any]]:
    """The filters with their values, also of a report that cannot be made."""
    chosen = asked.chosen if asked else read_filters(request.args)
    values = {one.name: value for one, value in chosen}
    return [(one, values.get(one.name)) for one in ABOUT]


def _today() -> date:
    return business_day(now_utc(), utility().time_zone)


def _cookie() -> str:
    """The cookie that holds what this browser last asked."""
    return "__Secure-asked" if secure_cookies() else "asked"


def _typed(asked: Asked | None) -> dict[str, str]:
    """What stands in the form."""
    if asked is None:
        return {name: request.args.get(name, "")[:20] for name in ("from", "to", "by", "period")}
    return asked.typed()


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
    return [
        (str(_("Period")), asked.period.said()),
        (str(_("Grouped by")), gettext(BY_WORDS[asked.by])),
        *((str(one.label), one.said(value)) for one, value in asked.chosen),
        (str(_("Printed by")), actor().name),
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
