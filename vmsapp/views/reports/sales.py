"""The sales report: what was sold and taken back, the period before beside it."""

from typing import Any, Final, NamedTuple

from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _l
from vmsapp.security import SALES_REPORT
from vmsapp.services.reports import Key, Report, Sums, sales_report
from vmsapp.services.reports.lines import Answer, Line, Past
from vmsapp.views.base import session
from vmsapp.views.counter.sale_filters import TYPE
from vmsapp.views.reports.asked import BY_WORDS, Asked
from vmsapp.views.reports.columns import FILE, PAGE, Column, Kind
from vmsapp.views.reports.leads import Sales
from vmsapp.views.reports.making import MadeInBackground
from vmsapp.views.words import METER_TYPES


class ByType(NamedTuple):
    """Lines of one key are told apart by the type of meter."""

    meter_type: str


def type_text(meter_type: str) -> str:
    """Name a type of meter."""
    return str(gettext(METER_TYPES[meter_type])) if meter_type else ""


SALES: Final = Sales(lambda line: {TYPE.name: line.meter_type})

TYPE_COLUMN: Final = Column(name="apart.meter_type", word=N_("Meter type"), said=type_text)


class SalesReport(MadeInBackground):
    """Amounts, units, counts."""

    route_base = "/reports/sales"
    class_permission_name = SALES_REPORT
    report = "sales_report"
    title = _l("Sales report")
    bys = tuple(BY_WORDS)
    columns = (
        TYPE_COLUMN,
        Column(name="figures.sold", word=N_("Sales"), kind=Kind.COUNT, leads=SALES.sold,
               compared=True),
        Column(name="figures.net_units", word=N_("Units, net"), kind=Kind.UNITS, on=PAGE,
               leads=SALES.counted, compared=True),
        Column(name="figures.units", word=N_("Units"), kind=Kind.UNITS, on=FILE),
        Column(name="figures.reversed", word=N_("Sales taken back"), kind=Kind.COUNT, on=FILE),
        Column(name="figures.units_reversed", word=N_("Units taken back"), kind=Kind.UNITS,
               on=FILE),
        Column(name="figures.gross_minor", word=N_("Gross"), kind=Kind.MONEY, leads=SALES.sold,
               compared=True),
        Column(name="figures.reversed_minor", word=N_("Taken back"), kind=Kind.MONEY,
               leads=SALES.back, compared=True),
        Column(name="figures.net_minor", word=N_("Net"), kind=Kind.MONEY,
               leads=SALES.counted, compared=True),
        Column(name="figures.tax_minor", word=N_("Taxes"), kind=Kind.MONEY,
               leads=SALES.counted, compared=True),
        Column(name="figures.fee_minor", word=N_("Fixed fees"), kind=Kind.MONEY,
               leads=SALES.counted, compared=True),
        Column(name="figures.penalty_minor", word=N_("Penalties"), kind=Kind.MONEY,
               leads=SALES.counted, compared=True),
    )  # fmt: skip
    drawn = "figures.net_minor"
    note = N_(
        "A sale counts on its business date once its token is made; what is taken back counts on"
        " the date of that."
    )
    nothing = (
        N_("Nothing was sold in this period"),
        N_("No sale and nothing taken back fits this period and these filters."),
    )

    def answer(self, asked: Asked) -> Answer[Sums]:
        """Read it, as lines of types of meters."""
        return self.answer_of(sales_report(session(), asked.question))

    def answer_of(self, report: Report) -> Answer[Sums]:
        """Make lines of what was found."""
        past = report.before
        return Answer(
            [Line(row.key, row.name, ByType(row.meter_type), row.sums) for row in report.rows],
            _totals(report.totals),
            Past(past.first, past.last, _totals(past.totals)),
        )

    @staticmethod
    def filled(key: Key, answer: Answer[Sums]) -> Line[Sums]:
        """Make the line of a time in which nothing was sold."""
        return Line(key, "", answer.totals[0].apart, Sums())


def _totals(found: Any) -> list[Line[Sums]]:  # noqa: ANN401 - sums by type of meter
    return [Line(None, "", ByType(kind), sums) for kind, sums in found.items()]
