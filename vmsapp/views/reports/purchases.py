"""Purchases one by one: whose, when, how much; and a consumer's statement to print."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from flask import g, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import joinedload, undefer

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l, money_text
from vmsapp.models import Consumer, Meter, Purchase, Sale, SaleState
from vmsapp.security import PURCHASE_RECORDS
from vmsapp.services.reports.purchase_records import BoughtSums, statement_of, sums_of
from vmsapp.services.reports.purchases import TYPES
from vmsapp.services.rows import among
from vmsapp.sts import identifiers
from vmsapp.sts.credit import CURRENCY
from vmsapp.views.base import actor, sentence, session, status_of, utility
from vmsapp.views.lists.asked import Listing
from vmsapp.views.lists.filters import Searched, YesNo
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import Answer, OfficeInterface, names
from vmsapp.views.look import digits, state
from vmsapp.views.reports.columns import units_said
from vmsapp.views.reports.lists import ReportList
from vmsapp.views.reports.periods import Period, read_period
from vmsapp.views.reports.presets import PRESETS
from vmsapp.views.reports.purchase_asked import ABOUT, DAYS
from vmsapp.views.reports.sales import type_text
from vmsapp.views.words import SALE_STATES

NARROW = frozenset({"bought", "consumer", "meter"})
"""Filters of which one must be in force for totals: all purchases ever are no question."""


def _type(row: Purchase) -> str:
    return TYPES[row.subclass % CURRENCY].value


def _sale(row: Purchase) -> int | Markup:
    """The sale's number; for whoever sees the sale, the way to its page."""
    if row.id not in g.get("sales_seen", ()):
        return row.id
    return Markup('<a href="{}">{}</a>').format(url_for("Sales.show", pk=row.id), row.id)


def _units(row: Purchase) -> str:
    if row.credit_minor is not None:
        return money_text(row.credit_minor, row.currency, row.exponent)
    return units_said(_type(row), row.units)


def _exact(row: Purchase, minor: int | None) -> Decimal | None:
    return None if minor is None else Decimal(minor).scaleb(-row.exponent)


def _paid(row: Purchase) -> str | Markup:
    """What was paid; struck out of the sums where it was taken back."""
    paid = money_text(row.charged_minor, row.currency, row.exponent)
    return paid if row.stands else Markup('<span class="muted">{}</span>').format(paid)


def _meter(row: Purchase) -> Any:  # noqa: ANN401 - a piece of HTML, or words
    return digits(identifiers.drn.format(row.meter.drn)) if row.meter else _("Outside your region")


class PurchaseRecords(ReportList):
    """Purchases for the places in the asker's region, wherever they were made."""

    datamodel = OfficeInterface(Purchase)
    route_base = "/purchase-records"
    class_permission_name = PURCHASE_RECORDS
    base_permissions = names("can_list can_export")
    exclude_route_methods = ReportList.exclude_route_methods | {"show"}
    list_template = "records/purchases.html"
    report = export_subject = "purchase_records"

    list_title = _l("Purchase records")
    list_columns = names("id sold_at consumer meter meter_type units charged_minor receipt"
                         " point_name state")  # fmt: skip
    show_columns = list_columns
    days = "business_date"
    order_columns = names("id sold_at charged_minor")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Sale"), "sold_at": _l("Sold at"), "business_date": _l("Business date"),
        "consumer": _l("Consumer"), "consumer_number": _l("Consumer number"),
        "consumer_name": _l("Consumer's name"), "meter": _l("Meter number"),
        "meter_type": _l("Meter type"),
        "units": _l("Units"), "credit": _l("Credit"), "charged_minor": _l("Paid"),
        "charged": _l("Paid"), "currency": _l("Currency"), "receipt": _l("Receipt"),
        "point_name": _l("Vending point"), "state": _l("State"),
    }  # fmt: skip
    numbers = frozenset({"units", "charged_minor"})
    folded = frozenset({"meter_type", "receipt"})
    filters = (
        Searched(name="consumer", label=_l("Consumer"), column=Purchase.consumer_id,
                 model=Consumer, endpoint="Consumers.lookup"),
        DAYS,
        Searched(name="meter", label=_l("Meter number"), column=Purchase.meter_id, model=Meter,
                 endpoint="Meters.lookup"),
        *ABOUT,
        YesNo(name="stands", label=_l("Stands"), column=Purchase.state == SaleState.ISSUED),
    )  # fmt: skip
    loads = (
        joinedload(Purchase.consumer), joinedload(Purchase.meter), undefer(Purchase.point_name),
    )  # fmt: skip
    cells = {
        "id": _sale,
        "consumer": lambda row: row.consumer or _("Outside your region"),
        "meter": _meter,
        "meter_type": lambda row: type_text(_type(row)),
        "units": _units,
        "charged_minor": _paid,
        "receipt": lambda row: digits(row.receipt),
        "state": lambda row: state(gettext(SALE_STATES[row.state]), "good" if row.stands else None),
    }
    export_columns = names("id sold_at business_date consumer_number consumer_name meter meter_type"
                           " units credit charged currency receipt point_name state")  # fmt: skip
    export_cells: ClassVar[Mapping[str, Any]] = {
        "id": lambda row: row.id,
        "consumer_number": lambda row: row.consumer.number if row.consumer else None,
        "consumer_name": lambda row: row.consumer.name if row.consumer else None,
        "meter": lambda row: row.meter.drn if row.meter else None,
        "units": lambda row: None if row.credit_minor is not None else row.units,
        "credit": lambda row: _exact(row, row.credit_minor),
        "charged": lambda row: _exact(row, row.charged_minor),
        "receipt": lambda row: row.receipt,
    }
    type_text, units_said = staticmethod(type_text), staticmethod(units_said)
    empty = _l("Purchases stand here as soon as somebody in your region bought something.")

    def make_ready(self, rows: Sequence[Purchase]) -> None:
        """Find out which of the sales the asker sees, to lead there."""
        if self.appbuilder.sm.has_access("can_show", "Sales"):
            ids = [row.id for row in rows]
            seen = session().scalars(select(Sale.id).where(among(session(), Sale.id, ids)))
            g.sales_seen = set(seen)

    def make_lines_ready(self, rows: Sequence[Purchase], columns: Sequence[str]) -> None:
        """A file leads nowhere."""

    def totals(self, listing: Listing) -> Sequence[BoughtSums] | None:
        """Sums of all rows the address asks for; none where it asks for all there are."""
        if not NARROW & listing.chosen_by_name().keys():
            return None
        statement, _search, _chosen = self.narrowed(select(Purchase))
        return sums_of(session(), statement)

    def statement_url(self, listing: Listing) -> str | None:
        """Where the statement of the chosen consumer is."""
        chosen = listing.chosen_by_name()
        if "consumer" not in chosen:
            return None
        first, last = chosen.get("bought", (None, None))
        days = {"from": first, "to": last} if first and last else {}
        return self.url("statement_page", pk=chosen["consumer"].id, **days)

    @expose("/statement/<int:pk>", methods=["GET"])
    @has_access
    @permission_name("list")
    def statement_page(self, pk: int) -> Answer:
        """Show what a consumer bought, for paper."""
        consumer = row_of(session(), Consumer, pk)
        if consumer is None:
            raise NotFound
        today = business_day(now_utc(), utility().time_zone)
        page: dict[str, Any] = {"title": _("Purchases of %(name)s", name=consumer.name)}
        page |= {"consumer": consumer, "presets": _presets(self, pk), "typed": _typed(None)}
        try:
            period = _period(today)
        except VmsError as error:
            answer = self._page("reports/statement.html", refusal=sentence(error), **page)
            return answer, status_of(error)
        found = statement_of(session(), pk, period.first, period.last)
        self.make_ready(found.lines)
        page |= {"typed": _typed(period), "period": period, "statement": found}
        return self._page(
            "reports/statement.html", **page, settings=utility(), who=actor().name, today=today,
            kept=self.url("list", consumer=pk, bought_from=period.first, bought_to=period.last),
            drn=identifiers.drn.format,
        )  # fmt: skip

    def name_of(self, row: Purchase) -> str:
        """The sale it is."""
        return str(_("Sale %(id)s", id=row.id))


def _period(today: date) -> Period:
    """Read the days; without any it is this year so far."""
    asked = request.args if request.args.keys() & {"period", "from", "to"} else None
    if asked is None:
        return Period(*PRESETS["this_year"][1](today), "this_year")
    return read_period(asked, today)


def _typed(period: Period | None) -> dict[str, str]:
    if period is None:
        return {name: request.args.get(name, "")[:20] for name in ("from", "to")}
    return {"from": period.first.isoformat(), "to": period.last.isoformat()}


def _presets(view: PurchaseRecords, pk: int) -> Sequence[tuple[str, str]]:
    return [
        (gettext(word), view.url("statement_page", pk=pk, period=code))
        for code, (word, _days) in PRESETS.items()
        if code in {"this_month", "last_month", "this_year"}
    ]
