"""Float statement: the floats of all vending points in a period, with the way to each one's own."""

from typing import Any

from flask import url_for

from vmsapp.errors import N_
from vmsapp.i18n import _l
from vmsapp.security import FLOAT_REPORT, FLOATS
from vmsapp.services.reports.floats import FloatFigures, float_report
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By
from vmsapp.views.base import session
from vmsapp.views.counter.sale_filters import POINT, REGION
from vmsapp.views.reports.asked import Asked, may_list
from vmsapp.views.reports.columns import Column, Kind
from vmsapp.views.reports.page import ReportPage


def statement_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where the statement of a float stands; none of a region, or of all."""
    if line.key is None or asked.by != By.VENDING_POINT or not may_list(FLOATS):
        return None
    period = asked.period
    return url_for("Floats.show", pk=line.key, day_from=period.first, day_to=period.last)


def _amount(name: str, word: str) -> Column:
    return Column(name=f"figures.{name}", word=word, kind=Kind.MONEY, leads=statement_url)


class FloatReport(ReportPage):
    """Of each float: what it held at the beginning, what moved it, what it held at the end."""

    route_base = "/reports/floats"
    class_permission_name = FLOAT_REPORT
    report = "float_report"
    title = _l("Float statement")
    bys = (By.VENDING_POINT, By.REGION)
    filters = (REGION, POINT)
    columns = (
        _amount("begin_minor", N_("Balance at the beginning")),
        _amount("paid_in_minor", N_("Paid in")),
        _amount("taken_out_minor", N_("Taken out")),
        _amount("sold_minor", N_("Sold")),
        _amount("back_minor", N_("Taken back")),
        _amount("end_minor", N_("Balance at the end")),
    )
    drawn = "figures.end_minor"
    note = N_("Vending points that neither sell from a float nor had one moved are left out.")
    nothing = (
        N_("No vending point has a float"),
        N_("A vending point stands here once it sells from a float, or money was paid into one."),
    )

    def answer(self, asked: Asked) -> Answer[FloatFigures]:
        """Reckon the floats."""
        return float_report(session(), asked.question)
