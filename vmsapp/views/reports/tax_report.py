"""The tax report: what an accountant files, by tax and rate."""

from collections.abc import Sequence
from typing import Any, Final

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import Setup
from vmsapp.security import TAX_REPORT
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.question import By
from vmsapp.services.reports.taxes import PERCENT, UNIT, TaxFigures, owed, tax_report
from vmsapp.views.base import session
from vmsapp.views.counter.sale_filters import TYPE
from vmsapp.views.counter.sale_lines import TAX, tax_name, terms_said
from vmsapp.views.reports.asked import Asked
from vmsapp.views.reports.columns import Column, Kind
from vmsapp.views.reports.leads import Sales
from vmsapp.views.reports.lines import Compared, money_beside
from vmsapp.views.reports.page import ReportPage
from vmsapp.views.reports.sales import TYPE_COLUMN

SALES: Final = Sales(lambda line: {TAX.name: TAX.code(line.apart), TYPE.name: line.meter_type})


def _of_percent(line: Line[Any]) -> bool:
    return bool(line.apart.how == PERCENT)


def _of_units(line: Line[Any]) -> bool:
    return bool(line.apart.how == UNIT)


class TaxReport(ReportPage):
    """Of each tax and rate: what it is of, what was taken, what went back."""

    route_base = "/reports/taxes"
    class_permission_name = TAX_REPORT
    report = "tax_report"
    title = _l("Tax report")
    bys = (By.MONTH, By.DAY, By.YEAR, By.REGION, By.VENDING_POINT)
    columns = (
        Column(name="apart.name", word=N_("Tax"), said=tax_name),
        Column(name="apart.terms", word=N_("Rate"), said=terms_said),
        TYPE_COLUMN,
        Column(name="figures.sold", word=N_("Sales"), kind=Kind.COUNT, leads=SALES.sold),
        Column(name="figures.reversed", word=N_("Sales taken back"), kind=Kind.COUNT,
               leads=SALES.back),
        Column(name="figures.base_minor", word=N_("Taxed amount, net"), kind=Kind.MONEY,
               only=_of_percent, leads=SALES.counted),
        Column(name="figures.units", word=N_("Taxed units, net"), kind=Kind.UNITS, only=_of_units,
               leads=SALES.counted),
        Column(name="figures.charged_minor", word=N_("Tax charged"), kind=Kind.MONEY,
               leads=SALES.sold),
        Column(name="figures.back_minor", word=N_("Tax given back"), kind=Kind.MONEY,
               leads=SALES.back),
        Column(name="figures.net_minor", word=N_("Tax, net"), kind=Kind.MONEY, leads=SALES.counted),
    )  # fmt: skip
    drawn = "figures.net_minor"
    note = N_(
        "A tax counts on the business date of its sale; what is taken back takes it off on the"
        " date of that. The amount that is taxed is rounded in each sale."
    )
    nothing = (
        N_("No tax was taken in this period"),
        N_("No taxed sale, and none taken back, fits this period and these filters."),
    )

    def answer(self, asked: Asked) -> Answer[TaxFigures]:
        """Add the taxes up."""
        return tax_report(session(), asked.question)

    def compared(self, answer: Answer[TaxFigures], settings: Setup) -> Sequence[Compared]:
        """Put each tax beside itself: what they are of overlaps, so that is not added up."""
        assert answer.before is not None, "taxes are compared"
        now, before = answer.totals, answer.before.totals
        taxes = dict.fromkeys([*(one.apart for one in now), *(one.apart for one in before)])
        was = {one.apart: one.figures.net_minor for one in before}
        here = {one.apart: one.figures.net_minor for one in now}
        lines = [
            money_beside(
                self.called(Line(None, "", tax, TaxFigures()), self.columns),
                here.get(tax, 0), was.get(tax, 0), settings,
            )
            for tax in taxes
        ]  # fmt: skip
        total = money_beside(str(_("All taxes, net")), owed(now), owed(before), settings)
        return [*lines, total]
