"""Purchases one by one: their sums, and the statement of what a consumer bought."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import Session, joinedload, undefer

from vmsapp.models import Meter, Purchase, SaleState
from vmsapp.services.reports.purchases import TYPES
from vmsapp.sts.credit import CURRENCY

MOST_LINES: Final = 500
"""Purchases a statement lists; its totals count all of them."""


@dataclass(frozen=True, slots=True)
class BoughtSums:
    """What some purchases make together.

    Attributes:
        meter_type: Units of types are never added up.
        currency, exponent: Amounts of several currencies are never added up either.
        purchases, amount_minor, units: Of those that stand.
        back, back_minor: Those that were taken back.
        meters: For how many meters.
    """

    meter_type: str
    currency: str
    exponent: int
    purchases: int
    amount_minor: int
    units: Decimal
    back: int
    back_minor: int
    meters: int


@dataclass(frozen=True, slots=True)
class PurchaseStatement:
    """What a consumer bought from a day to a day, both included, the first purchase first."""

    first: date
    last: date
    lines: Sequence[Purchase]
    more: bool
    sums: Sequence[BoughtSums]
    by_meter: Sequence[tuple[Meter | None, BoughtSums]] = field(default=())


def sums_of(session: Session, purchases: Select[Any]) -> Sequence[BoughtSums]:
    """Add purchases up by type of meter and currency, as far as the asker sees them."""
    return [BoughtSums(*row) for row in _sums(session, purchases, ())]


def statement_of(
    session: Session, consumer_id: int, first: date, last: date, most: int = MOST_LINES
) -> PurchaseStatement:
    """Read what a consumer bought, for meters the asker sees the places of."""
    theirs = select(Purchase).where(
        Purchase.consumer_id == consumer_id, Purchase.business_date.between(first, last)
    )
    wanted = theirs.options(joinedload(Purchase.meter), undefer(Purchase.point_name))
    lines = list(session.scalars(wanted.order_by(Purchase.id).limit(most + 1)))
    found = list(_sums(session, theirs, (Purchase.meter_id,)))
    seen = session.scalars(select(Meter).where(Meter.id.in_([row[0] for row in found])))
    meters = {meter.id: meter for meter in seen}
    return PurchaseStatement(
        first, last, lines[:most], len(lines) > most, sums_of(session, theirs),
        [(meters.get(row[0]), BoughtSums(*row[1:])) for row in found],
    )  # fmt: skip


def _sums(
    session: Session, purchases: Select[Any], keys: Sequence[Any]
) -> Sequence[tuple[Any, ...]]:
    stands, in_units = Purchase.state == SaleState.ISSUED, Purchase.subclass < CURRENCY
    kind = Purchase.subclass % CURRENCY
    by = (*keys, kind, Purchase.currency, Purchase.exponent)
    statement = purchases.with_only_columns(
        *by,
        func.count(case((stands, 1))),
        func.coalesce(func.sum(case((stands, Purchase.charged_minor))), 0),
        func.sum(case((and_(stands, in_units), Purchase.units))),
        func.count(case((~stands, 1))),
        func.coalesce(func.sum(case((~stands, Purchase.charged_minor))), 0),
        func.count(Purchase.meter_id.distinct()),
    )
    rows = session.execute(statement.order_by(None).group_by(*by).order_by(*by))
    place = len(keys)
    return [
        (*row[:place], TYPES[row[place]].value, *row[place + 1 : place + 3], row[place + 3],
         int(row[place + 4]), row[place + 5] or Decimal(0), row[place + 6], int(row[place + 7]),
         row[place + 8])
        for row in rows
    ]  # fmt: skip
