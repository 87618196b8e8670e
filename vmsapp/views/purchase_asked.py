"""Purchases as an address asks for them: the filters of statistics and records, the ways between."""

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

from flask import current_app, url_for
from sqlalchemy import ColumnElement
from werkzeug.datastructures import MultiDict

from vmsapp.i18n import _l
from vmsapp.models import MeterType, Purchase, Region
from vmsapp.security import PURCHASE_RECORDS
from vmsapp.services.reports import By, Key
from vmsapp.services.reports.purchases import PurchaseQuestion, in_region
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY
from vmsapp.views.filters import Choice, Days, Searched
from vmsapp.views.report_asked import BY_WORDS, TIMES, Asked, read_as
from vmsapp.views.words import METER_TYPES

BY_TIME: Final = {by: word for by, word in BY_WORDS.items() if by in TIMES}
"""What a line of the statistics can stand for."""


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


DAYS: Final = Days(name="bought", label=_l("Business date"), column=Purchase.business_date)
TYPE: Final = OfType(
    name="type", label=_l("Meter type"), column=Purchase.subclass, words=METER_TYPES
)
REGION: Final = AtPlaceIn(
    name="region", label=_l("Region of the place"), column=Purchase.service_point_id,
    model=Region, endpoint="Regions.lookup",
)  # fmt: skip
ABOUT: Final = (TYPE, REGION)
"""What both statistics and records are narrowed by."""


@dataclass(frozen=True, slots=True)
class PurchasesAsked(Asked):
    """Statistics of purchases as one address asks for them."""

    endpoint: ClassVar[str] = "PurchaseStatistics.show"

    @property
    def purchases(self) -> PurchaseQuestion:
        """What the records are asked."""
        values: dict[str, Any] = {one.name: value for one, value in self.chosen}
        region = values.get(REGION.name)
        return PurchaseQuestion(
            self.period.first, self.period.last, self.by,
            meter_type=values.get(TYPE.name), region_id=region.id if region else None,
        )  # fmt: skip

    def records_url(self, key: Key | None, meter_type: str) -> str | None:
        """Where the purchases stand that a figure counts; an hour's cannot be asked for alone."""
        may = current_app.extensions["appbuilder"].sm.has_access("can_list", PURCHASE_RECORDS)
        if not may or (self.by == By.HOUR and key is not None):
            return None
        first, last = self.days_of(key)
        wanted = self.about() | {TYPE.name: meter_type, "stands": "yes"}
        days = dict(zip(DAYS.parameters, (first.isoformat(), last.isoformat()), strict=True))
        return url_for("PurchaseRecords.list", **wanted, **days)


def read_purchases(arguments: MultiDict[str, str], today: date) -> PurchasesAsked:
    """Read the address of statistics.

    Raises:
        InvalidInput: Its days cannot be used.
    """
    return read_as(PurchasesAsked, BY_TIME, ABOUT, arguments, today)
