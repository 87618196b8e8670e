"""What consumers bought: amounts, units and buyers by time and type of meter.

The region is that of the place a meter hangs at, not of the vending point: where a consumer lives,
not where somebody sold. A purchase counts on its business date as long as it stands; how much was
taken back since is told beside it, so that both make what the sales report calls gross.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, extract, func, literal, select
from sqlalchemy.orm import Session

from vmsapp.models import MeterType, Purchase, Region, SaleState, ServicePoint
from vmsapp.money import round_half_up
from vmsapp.scope import below
from vmsapp.services.reports.question import By, Figures, Key
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY

TYPES: Final = {number: kind for kind, number in SUBCLASS.items()}

EPOCH: Final = date(1970, 1, 1)
SECONDS_A_DAY: Final = 86_400
THURSDAY: Final = 3
"""The weekday of the epoch, Monday being 0."""

places, regions = ServicePoint.__table__.c, Region.__table__.c


@dataclass(frozen=True, slots=True)
class PurchaseQuestion:
    """Which purchases, and the times they are told apart by.

    Attributes:
        first, last: Business dates, both included.
        by: An hour of the day, a day, week, month or year.
        region_id: Places in a region and all below it.
    """

    first: date
    last: date
    by: By
    meter_type: str | None = None
    region_id: int | None = None


@dataclass(frozen=True, slots=True)
class Bought(Figures):
    """What was bought, and by how many.

    Attributes:
        purchases, amount_minor, units: Of purchases that stand.
        consumers: Who made them, each counted once.
        back, back_minor: Purchases of these days that were taken back since.
    """

    purchases: int = 0
    amount_minor: int = 0
    units: Decimal = Decimal(0)
    consumers: int = 0
    back: int = 0
    back_minor: int = 0

    @property
    def mean_minor(self) -> int | None:
        """Money a consumer paid in the mean; none where nobody did."""
        if not self.consumers:
            return None
        return round_half_up(Fraction(self.amount_minor, self.consumers))

    @property
    def mean_units(self) -> Decimal | None:
        """Units a consumer bought in the mean, to a tenth."""
        if not self.consumers:
            return None
        tenths = Fraction(self.units) * 10 / self.consumers
        return Decimal(round_half_up(tenths)).scaleb(-1)


@dataclass(frozen=True, slots=True)
class BoughtRow:
    """One line: what was bought in a time for meters of a type."""

    key: Key
    meter_type: str
    bought: Bought


@dataclass(frozen=True, slots=True)
class Purchases:
    """The answer: lines, and the whole time by type of meter; who bought twice is one consumer."""

    rows: Sequence[BoughtRow]
    totals: Mapping[str, Bought]


def purchase_statistics(session: Session, question: PurchaseQuestion) -> Purchases:
    """Answer a question about purchases, for the places the asker sees."""
    expression, begins = KEYS[question.by]
    rows = [
        BoughtRow(begins(key), kind, bought)
        for key, kind, bought in _figures(session, question, expression)
    ]
    whole = _figures(session, question, literal(0))
    return Purchases(rows, {kind: bought for _key, kind, bought in whole})


def _figures(
    session: Session,
    question: PurchaseQuestion,
    key: Any,  # noqa: ANN401 - any expression
) -> list[tuple[Any, str, Bought]]:
    """Add up by a key and the type of meter: for each consumer first, to count whom there are."""
    stands = Purchase.state == SaleState.ISSUED
    in_units = Purchase.subclass < CURRENCY  # money on a token is no units
    each = (
        select(
            key.label("key"),
            (Purchase.subclass % CURRENCY).label("kind"),
            func.count(case((stands, 1))).label("purchases"),
            func.sum(case((stands, Purchase.charged_minor), else_=0)).label("amount"),
            func.sum(case((and_(stands, in_units), Purchase.units))).label("units"),
            func.count(case((~stands, 1))).label("back"),
            func.sum(case((~stands, Purchase.charged_minor), else_=0)).label("back_minor"),
        )
        .where(Purchase.business_date.between(question.first, question.last))
        .where(*_narrowed(question))
        .group_by("key", "kind", Purchase.consumer_id)
        .subquery()
        .c
    )
    statement = (
        select(
            each.key, each.kind, func.sum(each.purchases), func.sum(each.amount),
            func.sum(each.units), func.count(case((each.purchases > 0, 1))),
            func.sum(each.back), func.sum(each.back_minor),
        )
        .group_by(each.key, each.kind)
        .order_by(each.key, each.kind)
    )  # fmt: skip
    return [
        (
            found,
            TYPES[kind].value,
            Bought(int(count), int(amount), units or Decimal(0), who, int(back), int(back_minor)),
        )
        for found, kind, count, amount, units, who, back, back_minor in session.execute(statement)
    ]


def _narrowed(question: PurchaseQuestion) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    if question.meter_type is not None:
        service = SUBCLASS[MeterType(question.meter_type)]
        clauses.append(Purchase.subclass.in_((service, CURRENCY + service)))
    if question.region_id is not None:
        clauses.append(in_region(question.region_id))
    return clauses


def in_region(region_id: int) -> ColumnElement[bool]:
    """State which purchases are for places in a region or below it."""
    top = select(regions.path).where(regions.id == region_id).scalar_subquery()
    lying = select(regions.id).where(below(regions.path, top))
    return Purchase.service_point_id.in_(select(places.id).where(places.region_id.in_(lying)))


def _days() -> ColumnElement[int]:
    """Days since the epoch, the same on every database."""
    return cast(extract("epoch", Purchase.business_date), BigInteger) // SECONDS_A_DAY


def _year() -> ColumnElement[int]:
    return cast(extract("year", Purchase.business_date), BigInteger)


KEYS: Final[Mapping[By, tuple[Any, Callable[[Any], Key]]]] = {
    By.HOUR: (Purchase.local_hour, int),
    By.DAY: (Purchase.business_date, lambda day: day),
    By.WEEK: (
        (_days() + THURSDAY) // 7,
        lambda week: EPOCH + timedelta(days=int(week) * 7 - THURSDAY),
    ),
    By.MONTH: (
        _year() * 12 + cast(extract("month", Purchase.business_date), BigInteger) - 1,
        lambda months: date(int(months) // 12, int(months) % 12 + 1, 1),
    ),
    By.YEAR: (_year(), lambda year: date(int(year), 1, 1)),
}
"""By what a time is grouped, and its first day, or the hour, from that."""
