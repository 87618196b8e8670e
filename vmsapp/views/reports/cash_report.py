"""Cash-up: drawers by day, vending point and operator, with the way to their shifts."""

from typing import Any

from flask import url_for

from vmsapp.errors import N_
from vmsapp.i18n import _l
from vmsapp.security import CASH_REPORT
from vmsapp.services.reports.cash import CashFigures, cash_report
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By
from vmsapp.views.base import actor, session
from vmsapp.views.counter.sale_filters import OPERATOR, POINT, REGION
from vmsapp.views.reports.asked import Asked, may_list
from vmsapp.views.reports.columns import Column, Kind
from vmsapp.views.reports.page import ReportPage


def _shifts(asked: Asked, line: Line[Any], state: str) -> str | None:
    """Where the shifts of a drawer stand."""
    if not may_list("Shifts"):
        return None
    first, last = asked.days_of(line.key)
    whose = line.apart.operator_id or asked.about().get(OPERATOR.name)
    return url_for(
        "Shifts.list", opened_from=first, opened_to=last, point=line.apart.vending_point_id,
        operator=whose, state=state,
    )  # fmt: skip


def closed_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where its closed shifts stand."""
    return _shifts(asked, line, "closed")


def open_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where those stand that are not closed, counted ones among them."""
    return _shifts(asked, line, "not_closed")


def _some_open(line: Line[Any]) -> bool:
    return bool(line.figures.open)


class CashReport(ReportPage):
    """What drawers held, took, gave, should hold and did hold."""

    route_base = "/reports/cash"
    class_permission_name = CASH_REPORT
    report = "cash_report"
    title = _l("Cash-up")
    bys = (By.DAY, By.WEEK, By.MONTH)
    filters = (REGION, POINT, OPERATOR)
    columns = (
        Column(name="apart.point", word=N_("Vending point")),
        Column(name="apart.operator", word=N_("Operator")),
        Column(name="figures.shifts", word=N_("Shifts"), kind=Kind.COUNT, leads=closed_url),
        Column(
            name="figures.open",
            word=N_("Not closed"),
            kind=Kind.COUNT,
            leads=open_url,
            only=_some_open,
        ),
        Column(
            name="figures.float_minor",
            word=N_("Cash at the beginning"),
            kind=Kind.MONEY,
            leads=closed_url,
        ),
        Column(name="figures.sold_minor", word=N_("Sold"), kind=Kind.MONEY, leads=closed_url),
        Column(name="figures.back_minor", word=N_("Taken back"), kind=Kind.MONEY, leads=closed_url),
        Column(name="figures.in_minor", word=N_("Put in"), kind=Kind.MONEY, leads=closed_url),
        Column(name="figures.out_minor", word=N_("Taken out"), kind=Kind.MONEY, leads=closed_url),
        Column(
            name="figures.expected_minor", word=N_("Expected"), kind=Kind.MONEY, leads=closed_url
        ),
        Column(name="figures.counted_minor", word=N_("Counted"), kind=Kind.MONEY, leads=closed_url),
        Column(name="figures.over_minor", word=N_("Over"), kind=Kind.MONEY, leads=closed_url),
        Column(name="figures.short_minor", word=N_("Short"), kind=Kind.MONEY, leads=closed_url),
    )
    note = N_(
        "A shift counts on the day it was opened, once it is closed. Cash at the beginning, what"
        " was sold and put in, less what was taken back and out, is what was expected."
    )
    nothing = (
        N_("No shift was opened in this period"),
        N_("No shift that you may see the figures of fits this period and these filters."),
    )

    def answer(self, asked: Asked) -> Answer[CashFigures]:
        """Add the drawers up."""
        return cash_report(session(), actor(), asked.question)
