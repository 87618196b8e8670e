"""Statistics of purchases: what consumers bought, by time and type of meter, and how many did."""

from vmsapp.errors import N_
from vmsapp.i18n import _l
from vmsapp.models import Region
from vmsapp.security import PURCHASES
from vmsapp.services.reports import By, Key
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.services.reports.purchases import Bought, PurchaseQuestion, purchase_statistics
from vmsapp.views.base import session
from vmsapp.views.reports.asked import Asked
from vmsapp.views.reports.columns import FILE, Column, Kind
from vmsapp.views.reports.page import ReportPage
from vmsapp.views.reports.purchase_asked import ABOUT, REGION, TYPE, records_url
from vmsapp.views.reports.sales import TYPE_COLUMN, ByType


class PurchaseStatistics(ReportPage):
    """What was bought for the places in the asker's region, wherever it was sold."""

    route_base = "/reports/purchases"
    class_permission_name = PURCHASES
    report = "purchase_statistics"
    title = _l("Purchase statistics")
    bys = (By.DAY, By.WEEK, By.MONTH, By.YEAR, By.HOUR)
    filters = ABOUT
    columns = (
        TYPE_COLUMN,
        Column(name="figures.purchases", word=N_("Purchases"), kind=Kind.COUNT,
               leads=records_url),
        Column(name="figures.amount_minor", word=N_("Amount"), kind=Kind.MONEY,
               leads=records_url),
        Column(name="figures.units", word=N_("Units"), kind=Kind.UNITS,
               leads=records_url),
        Column(name="figures.consumers", word=N_("Consumers who bought"), kind=Kind.COUNT),
        Column(name="figures.mean_minor", word=N_("Amount per consumer"), kind=Kind.MONEY),
        Column(name="figures.mean_units", word=N_("Units per consumer"), kind=Kind.UNITS),
        Column(name="figures.back", word=N_("Purchases taken back since"), kind=Kind.COUNT,
               on=FILE),
        Column(name="figures.back_minor", word=N_("Taken back since"), kind=Kind.MONEY),
    )  # fmt: skip
    drawn = "figures.amount_minor"
    note = N_(
        "Purchases for meters that hang in your region, wherever they were made; what was taken"
        " back since stands apart. Who bought at several times is one consumer in the total."
    )
    nothing = (
        N_("Nothing was bought in this period"),
        N_("No purchase for a place in your region fits this period and these filters."),
    )

    def answer(self, asked: Asked) -> Answer[Bought]:
        """Read it; how many consumers there are cannot be added up, so nothing is compared."""
        values = {one.name: value for one, value in asked.chosen}
        region: Region | None = values.get(REGION.name)
        found = purchase_statistics(session(), PurchaseQuestion(
            asked.period.first, asked.period.last, asked.by or By.DAY,
            meter_type=values.get(TYPE.name), region_id=region.id if region else None,
        ))  # fmt: skip
        return Answer(
            [Line(row.key, "", ByType(row.meter_type), row.bought) for row in found.rows],
            [Line(None, "", ByType(kind), bought) for kind, bought in found.totals.items()],
        )

    @staticmethod
    def filled(key: Key, answer: Answer[Bought]) -> Line[Bought]:
        """Make the line of a time in which nothing was bought."""
        return Line(key, "", answer.totals[0].apart, Bought())
