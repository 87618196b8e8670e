"""Copies and reversals: who made how many, against how many sales, with the way to the sales."""

from typing import Any

from vmsapp.errors import N_
from vmsapp.i18n import _l
from vmsapp.security import SECOND_LOOKS
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By, Key
from vmsapp.services.reports.second_looks import Seconds, second_looks
from vmsapp.views.base import session
from vmsapp.views.counter.sale_filters import OPERATOR
from vmsapp.views.counter.sale_hands import BACK_BY, COPIED, COPIED_BY
from vmsapp.views.reports.asked import Asked
from vmsapp.views.reports.columns import Column, Kind
from vmsapp.views.reports.page import ReportPage


def sold_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where the sales stand."""
    return asked.sales_url("sold", line.key)


def _by_whom(asked: Asked, line: Line[Any], days: str, who: str) -> str | None:
    """Where the sales stand that somebody dealt with; whoever sold them."""
    person = asked.about().get(OPERATOR.name)
    if asked.by == By.OPERATOR and line.key is not None:
        person = str(line.key)
    return asked.sales_url(days, line.key, **{OPERATOR.name: None, who: person})


def back_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where the sales stand that were taken back."""
    return _by_whom(asked, line, "back", BACK_BY.name)


def copied_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where the sales stand whose receipts were printed again."""
    return _by_whom(asked, line, COPIED.name, COPIED_BY.name)


class SecondLookReport(ReportPage):
    """Receipts printed again and sales taken back, by who did it."""

    route_base = "/reports/copies-and-reversals"
    class_permission_name = SECOND_LOOKS
    report = "copies_and_reversals"
    title = _l("Copies and reversals")
    bys = (By.OPERATOR, By.DAY, By.WEEK, By.MONTH, By.REGION, By.VENDING_POINT)
    columns = (
        Column(name="figures.sold", word=N_("Sales"), kind=Kind.COUNT, leads=sold_url,
               compared=True),
        Column(name="figures.gross_minor", word=N_("Gross"), kind=Kind.MONEY, leads=sold_url),
        Column(name="figures.copies", word=N_("Copies of receipts"), kind=Kind.COUNT,
               leads=copied_url, compared=True),
        Column(name="figures.copies_share", word=N_("Copies against sales"), kind=Kind.SHARE),
        Column(name="figures.reversed", word=N_("Sales taken back"), kind=Kind.COUNT,
               leads=back_url, compared=True),
        Column(name="figures.reversed_share", word=N_("Taken back against sales"),
               kind=Kind.SHARE),
        Column(name="figures.reversed_minor", word=N_("Taken back"), kind=Kind.MONEY,
               leads=back_url, compared=True),
    )  # fmt: skip
    drawn = "figures.reversed"
    note = N_(
        "By operator a sale counts for who sold it, a copy for who printed it, and what was taken"
        " back for who asked for that."
    )
    nothing = (
        N_("Nothing was sold, copied or taken back in this period"),
        N_("Nothing fits this period and these filters."),
    )

    def answer(self, asked: Asked) -> Answer[Seconds]:
        """Count them."""
        return second_looks(session(), asked.question)

    @staticmethod
    def filled(key: Key, answer: Answer[Seconds]) -> Line[Seconds]:
        """Make the line of a time in which nothing happened."""
        return Line(key, "", answer.totals[0].apart, Seconds())
