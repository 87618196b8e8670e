"""What purchases are narrowed by: their statistics and their list read the same parameters."""

from dataclasses import dataclass
from typing import Any, Final

from flask import url_for
from sqlalchemy import ColumnElement

from vmsapp.i18n import _l
from vmsapp.models import MeterType, Purchase, Region
from vmsapp.security import PURCHASE_RECORDS
from vmsapp.services.reports import By
from vmsapp.services.reports.lines import Line
from vmsapp.services.reports.purchases import in_region
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY
from vmsapp.views.lists.filters import Choice, MovingDays, Searched
from vmsapp.views.reports.asked import Asked, may_list
from vmsapp.views.words import METER_TYPES


@dataclass(frozen=True, kw_only=True)
class OfType(Choice):
    """Purchases for one type of meter, as their tokens say."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows whose token is of this service, in units or in money."""
        service = SUBCLASS[MeterType(value)]
        return Purchase.subclass.in_((service, CURRENCY + service))


@dataclass(frozen=True, kw_only=True)
class AtPlaceIn(Searched):
    """Purchases for places in a region and all below it."""

    def rows(self, value: Region) -> ColumnElement[bool]:
        """Rows of these places."""
        return in_region(value.id)


DAYS: Final = MovingDays(name="bought", label=_l("Business date"), column=Purchase.business_date)
TYPE: Final = OfType(
    name="type", label=_l("Meter type"), column=Purchase.subclass, words=METER_TYPES
)
REGION: Final = AtPlaceIn(
    name="region", label=_l("Region of the place"), column=Purchase.service_point_id,
    model=Region, endpoint="Regions.lookup",
)  # fmt: skip
ABOUT: Final = (TYPE, REGION)
"""What both statistics and records are narrowed by."""


def records_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where the purchases stand that a figure counts; an hour's cannot be asked for alone."""
    if not may_list(PURCHASE_RECORDS) or (asked.by == By.HOUR and line.key is not None):
        return None
    first, last = asked.days_of(line.key)
    days = dict(zip(DAYS.ends, (first.isoformat(), last.isoformat()), strict=True))
    narrowed = asked.about() | {TYPE.name: line.meter_type, "stands": "yes"}
    wanted: dict[str, Any] = narrowed | days
    return url_for("PurchaseRecords.list", **wanted)
