"""Step statistics: how much is sold in each step of the block tariffs."""

from typing import Final

from vmsapp.errors import N_
from vmsapp.i18n import _l, price_text
from vmsapp.security import STEP_REPORT
from vmsapp.services.reports.lines import Answer
from vmsapp.services.reports.question import By
from vmsapp.services.reports.steps import StepFigures, step_report
from vmsapp.views.base import session
from vmsapp.views.counter.sale_filters import TYPE
from vmsapp.views.counter.sale_lines import STEP, bounds_said
from vmsapp.views.look import number_text
from vmsapp.views.reports.asked import Asked
from vmsapp.views.reports.columns import Column, Kind
from vmsapp.views.reports.leads import Sales
from vmsapp.views.reports.page import ReportPage
from vmsapp.views.reports.sales import TYPE_COLUMN

SALES: Final = Sales(lambda line: {STEP.name: STEP.code(line.apart), TYPE.name: line.meter_type})


class StepReport(ReportPage):
    """Units and energy of each step at each of its prices."""

    route_base = "/reports/steps"
    class_permission_name = STEP_REPORT
    report = "step_report"
    title = _l("Step statistics")
    bys = (By.MONTH, By.DAY, By.WEEK, By.YEAR, By.REGION, By.VENDING_POINT, By.PRODUCT)
    columns = (
        TYPE_COLUMN,
        Column(name="apart.tariff", word=N_("Tariff")),
        Column(name="apart.number", word=N_("Tariff step"), said=number_text, filed=int),
        Column(name="apart.bounds", word=N_("Units from, to"), said=bounds_said),
        Column(name="apart.price", word=N_("Price a unit, without taxes"), said=price_text),
        Column(name="figures.sold", word=N_("Sales"), kind=Kind.COUNT, leads=SALES.sold),
        Column(name="figures.units", word=N_("Units, net"), kind=Kind.UNITS, compared=True,
               leads=SALES.counted),
        Column(name="figures.energy_minor", word=N_("Energy, net"), kind=Kind.MONEY,
               compared=True, leads=SALES.counted),
    )  # fmt: skip
    drawn = "figures.units"
    note = N_(
        "A purchase counts in every step that it reaches. What is taken back is taken off on the"
        " date of that; the number of sales keeps it."
    )
    nothing = (
        N_("Nothing was sold under a tariff with steps"),
        N_("No sale and nothing taken back fits this period and these filters."),
    )

    def answer(self, asked: Asked) -> Answer[StepFigures]:
        """Add the steps up."""
        return step_report(session(), asked.question)
