"""Reports on consumers: who has not bought for a while, and where to look for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

from flask import current_app, url_for
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import joinedload

from vmsapp.clock import business_day, now_utc
from vmsapp.i18n import _, _l
from vmsapp.models import Consumer, Meter, SuppliedPlace
from vmsapp.security import INACTIVE
from vmsapp.services.reports.consumers import QUIET_DAYS, bought
from vmsapp.sts import identifiers
from vmsapp.views.base import zone
from vmsapp.views.lists.exports import way_of
from vmsapp.views.lists.filters import Arguments, Days, YesNo
from vmsapp.views.lists.pages import OfficeInterface, names
from vmsapp.views.lists.region_filters import InRegion
from vmsapp.views.look import digits, number_text
from vmsapp.views.reports.lists import ReportList
from vmsapp.views.words import METER_STATES

EVER = "ever"


@dataclass(frozen=True, kw_only=True)
class NotBought(Days):
    """Nothing bought from a day to a day, by consumers who had their meter before.

    Where an address names neither day, it is the last ``QUIET_DAYS``; unless it asks for who
    never bought, whenever they came.
    """

    def read(self, arguments: Arguments) -> tuple[date | None, date | None] | None:
        """Take one day or both, else the last days."""
        wanted = super().read(arguments)
        if wanted is not None or arguments.get(EVER) == "no":
            return wanted
        return _today() - timedelta(days=QUIET_DAYS), None

    def rows(self, value: tuple[date | None, date | None]) -> ColumnElement[bool]:
        """Places without a purchase on these days."""
        first, last = value
        had = Days.rows(self, (None, first - timedelta(days=1) if first else last))
        return and_(had, ~bought(first, last))


@dataclass(frozen=True, kw_only=True)
class EverBought(YesNo):
    """Whether the consumer ever bought for the place."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Those who did, or never did."""
        return bought() if value == "yes" else ~bought()


def _today() -> date:
    return business_day(now_utc(), zone())


def _consumer(row: SuppliedPlace, column: str) -> Any:  # noqa: ANN401 - a value of a column
    return getattr(row.consumer, column) if row.consumer else None


def _number(row: SuppliedPlace) -> Any:  # noqa: ANN401 - a piece of HTML, or words
    """The consumer's number; for who may see consumers, the way to the page."""
    if not row.consumer:
        return _("Outside your region")
    number = digits(row.consumer.number)
    if not current_app.extensions["appbuilder"].sm.has_access("can_show", "Consumers"):
        return number
    way = url_for("Consumers.show", pk=row.consumer_id)
    return Markup('<a href="{}">{}</a>').format(way, number)


def _phone(row: SuppliedPlace) -> Any:  # noqa: ANN401 - a piece of HTML
    phone = _consumer(row, "phone")
    return digits(phone) if phone else None


def _meter(row: SuppliedPlace) -> Any:  # noqa: ANN401 - a piece of HTML, or words
    return digits(identifiers.drn.format(row.meter.drn)) if row.meter else _("Outside your region")


def _meter_state(row: SuppliedPlace) -> str | None:
    return gettext(METER_STATES[row.meter.state]) if row.meter else None


def _idle(row: SuppliedPlace) -> int | None:
    return (_today() - row.bought_on).days if row.bought_on else None


def _idle_said(row: SuppliedPlace) -> str | None:
    days = _idle(row)
    return None if days is None else number_text(days)


class InactiveConsumers(ReportList):
    """Places in the asker's region whose consumers bought nothing for a time."""

    datamodel = OfficeInterface(SuppliedPlace)
    route_base = "/inactive-consumers"
    class_permission_name = INACTIVE
    base_permissions = names("can_list can_export")
    exclude_route_methods = ReportList.exclude_route_methods | {"show"}
    report = export_subject = "inactive_consumers"

    list_title = _l("Inactive consumers")
    list_columns = names("number name phone address region_id meter meter_state bought_on idle"
                         " installed_at")  # fmt: skip
    show_columns = list_columns
    order_columns = names("region_id bought_on installed_at")
    # region by region, as they are visited; who is longest without a purchase is one press away
    base_order = ("region_id", "asc")
    label_columns = {
        "number": _l("Consumer number"), "name": _l("Consumer's name"), "phone": _l("Telephone"),
        "address": _l("Address"), "region_id": _l("Region"), "meter": _l("Meter number"),
        "meter_state": _l("Meter state"), "bought_on": _l("Last purchase"),
        "idle": _l("Days since"), "installed_at": _l("Meter since"),
    }  # fmt: skip
    numbers = frozenset({"idle"})
    folded = frozenset({"meter_state", "installed_at"})
    filters = (
        NotBought(name="quiet", label=_l("No purchase"), column=SuppliedPlace.installed_at),
        EverBought(name=EVER, label=_l("Ever bought"), column=SuppliedPlace.bought_on),
        InRegion(name="region", label=_l("Region"), column=SuppliedPlace.region_id),
    )  # fmt: skip
    loads = (
        joinedload(SuppliedPlace.consumer).load_only(
            Consumer.number, Consumer.name, Consumer.phone, Consumer.address
        ),
        joinedload(SuppliedPlace.meter).load_only(Meter.drn, Meter.state),
        joinedload(SuppliedPlace.region),
    )
    cells = {
        "number": _number,
        "name": lambda row: _consumer(row, "name"),
        "phone": _phone,
        "address": lambda row: row.address or _consumer(row, "address"),
        "region_id": lambda row: row.region.name,
        "meter": _meter,
        "meter_state": _meter_state,
        "bought_on": lambda row: row.bought_on or _("Never"),
        "idle": _idle_said,
    }
    # for whoever visits them: the whole way to the place, figures as figures
    export_cells: ClassVar[Mapping[str, Any]] = {
        "number": lambda row: _consumer(row, "number"),
        "phone": lambda row: _consumer(row, "phone"),
        "region_id": lambda row: way_of(row.region_id),
        "meter": lambda row: row.meter.drn if row.meter else None,
        "idle": _idle,
    }
    empty = _l("Nobody: everyone who has a meter bought something in this time.")

    def name_of(self, row: SuppliedPlace) -> str:
        """Who buys there."""
        return str(_consumer(row, "name") or _("Outside your region"))
