"""Statistics of purchases: what consumers bought, by time and type of meter, and how many did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask import abort, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from werkzeug.wrappers import Response

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l, money_text
from vmsapp.models import Setup
from vmsapp.security import PURCHASES
from vmsapp.services import audit
from vmsapp.services.reports import Key
from vmsapp.services.reports.purchases import Bought, BoughtRow, Purchases, purchase_statistics
from vmsapp.services.sheets import Cell
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of, utility
from vmsapp.views.exports import KINDS, handed_over, write_table
from vmsapp.views.lists import Answer, names
from vmsapp.views.purchase_asked import ABOUT, BY_TIME, PurchasesAsked, read_purchases
from vmsapp.views.report_asked import read_filters
from vmsapp.views.report_figures import time_text, type_text, units_said
from vmsapp.views.report_periods import PRESETS
from vmsapp.views.words import METER_TYPES

HEADINGS: Final = (
    N_("Purchases"), N_("Units"), N_("Consumers who bought"), N_("Units per consumer"),
    N_("Purchases taken back since"),
)  # fmt: skip
IN_MONEY: Final = (N_("Amount"), N_("Amount per consumer"), N_("Amount taken back since"))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; one of totals has no key."""

    key: Key | None
    name: str
    meter_type: str
    bought: Bought


class PurchaseStatistics(OfficeView):
    """What was bought in the asker's region, wherever it was sold."""

    route_base = "/reports/purchases"
    default_view = "show"
    class_permission_name = PURCHASES
    base_permissions = names("can_show can_export")
    title = _l("Purchase statistics")

    @expose("/")
    @has_access
    def show(self) -> Answer:
        """Show the statistics an address asks for."""
        today = _today()
        try:
            asked = read_purchases(request.args, today)
        except VmsError as error:
            field = error.field if isinstance(error, InvalidInput) else None
            return self._page(None, refusal=sentence(error), wrong=field), status_of(error)
        found = purchase_statistics(session(), asked.purchases)
        return self._page(
            asked, lines=lines_of(asked, found, today), totals=total_lines(found),
            by_word=gettext(BY_TIME[asked.by]), several=len(found.totals) > 1,
            exports=self._exports(asked), settings=utility(), kinds=list(found.totals),
            facts=_facts(asked),
        )  # fmt: skip

    @expose("/export/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def export(self, kind: str) -> Response:
        """Hand the statistics over as a file, and put that on record."""
        if kind not in KINDS:
            abort(404)
        today = _today()
        asked = read_purchases(request.args, today)
        found, settings = purchase_statistics(session(), asked.purchases), utility()
        lines = [*lines_of(asked, found, today), *total_lines(found)]
        with atomic(session()) as current:
            audit.record(
                current, actor(), "purchase_statistics.exported", "purchase_statistics", None,
                kind=kind, rows=len(lines), by=asked.by.value,
                first=asked.period.first.isoformat(), last=asked.period.last.isoformat(),
                filters={one.name: one.recorded(value) for one, value in asked.chosen},
            )  # fmt: skip
        header, rows = _header(asked, settings), _file_rows(lines, settings)
        return handed_over(
            lambda file: write_table(file, kind, str(self.title), header, rows), kind,
            f"purchase-statistics-{asked.period.first}-{asked.period.last}.{kind}",
        )  # fmt: skip

    def _page(self, asked: PurchasesAsked | None, **context: Any) -> str:  # noqa: ANN401
        chosen = asked.chosen if asked else read_filters(request.args, ABOUT)
        values = {one.name: value for one, value in chosen}
        return self.page(
            "reports/purchases.html", title=str(self.title), asked=asked, typed=_typed(asked),
            bys=[(by.value, gettext(word)) for by, word in BY_TIME.items()],
            presets=_presets(asked), filters=[(one, values.get(one.name)) for one in ABOUT],
            chips=[
                (str(one.label), one.said(value), asked.url(**{one.name: None}))
                for one, value in chosen if asked
            ],
            type_text=type_text, units_said=units_said, series=list(METER_TYPES),
            exact=lambda minor: str(_exact(minor, utility())), **context,
        )  # fmt: skip

    def _exports(self, asked: PurchasesAsked) -> Sequence[tuple[str, str]]:
        if not self.appbuilder.sm.has_access("can_export", PURCHASES):
            return ()
        words = {"xlsx": _("Excel"), "csv": _("CSV")}
        return [
            (words[kind], url_for("PurchaseStatistics.export", kind=kind, **asked.address()))
            for kind in KINDS
        ]


def lines_of(asked: PurchasesAsked, found: Purchases, today: date) -> Sequence[Line]:
    """Put the rows in the order they are read, times without a purchase among them."""
    known: dict[Key, list[BoughtRow]] = {}
    for row in found.rows:
        known.setdefault(row.key, []).append(row)
    first = next(iter(found.totals), None)
    if first is None:
        return []
    times: list[Any] = sorted({*asked.keys(today), *known})
    return [
        Line(key, time_text(asked.by, key), row.meter_type, row.bought)
        for key in times
        for row in known.get(key) or [BoughtRow(key, first, Bought())]
    ]


def total_lines(found: Purchases) -> Sequence[Line]:
    """Give the whole time by type of meter."""
    total = str(_("Total"))
    return [Line(None, total, kind, bought) for kind, bought in found.totals.items()]


def _header(asked: PurchasesAsked, settings: Setup) -> list[str]:
    count, units, who, mean_units, back = map(gettext, HEADINGS)
    amount, mean, back_amount = (f"{gettext(word)} ({settings.currency})" for word in IN_MONEY)
    by, kind = gettext(BY_TIME[asked.by]), gettext(N_("Meter type"))
    return [by, kind, count, amount, units, who, mean, mean_units, back, back_amount]


def _file_rows(lines: Iterable[Line], settings: Setup) -> Iterable[Sequence[Cell]]:
    """Write lines as the rows of a file: days as days, amounts as exact numbers."""
    for line in lines:
        bought = line.bought
        mean = bought.mean_minor
        yield [
            line.key if isinstance(line.key, date) else line.name, type_text(line.meter_type),
            bought.purchases, _exact(bought.amount_minor, settings), bought.units,
            bought.consumers, None if mean is None else _exact(mean, settings), bought.mean_units,
            bought.back, _exact(bought.back_minor, settings),
        ]  # fmt: skip


def _exact(minor: int, settings: Setup) -> Decimal:
    return Decimal(minor).scaleb(-settings.exponent)


def _today() -> date:
    return business_day(now_utc(), utility().time_zone)


def _typed(asked: PurchasesAsked | None) -> dict[str, str]:
    """What stands in the form."""
    if asked is None:
        return {name: request.args.get(name, "")[:20] for name in ("from", "to", "by", "period")}
    return asked.typed()


def _presets(asked: PurchasesAsked | None) -> Sequence[tuple[str, str, bool]]:
    """The ready-made periods: words, addresses, and which is shown."""
    return [
        (
            gettext(word),
            asked.url(period=code) if asked else url_for(PurchasesAsked.endpoint, period=code),
            asked is not None and asked.period.code == code,
        )
        for code, (word, _days) in PRESETS.items()
    ]


def _facts(asked: PurchasesAsked) -> Sequence[tuple[str, str]]:
    """What the printed page says of the statistics."""
    return [
        (str(_("Period")), asked.period.said()),
        (str(_("Grouped by")), gettext(BY_TIME[asked.by])),
        *((str(one.label), one.said(value)) for one, value in asked.chosen),
        (str(_("Printed by")), actor().name),
    ]
