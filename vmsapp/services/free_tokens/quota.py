"""How much may be given: units to a meter in a month, worth and tokens at a vending point.

Counted under the locks of the sale: the meter's service point and head, and the vending
point's account. What failed made no token; what was taken back counts unless nobody ever saw
its digits.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from vmsapp.models import FreeToken, Meter, Sale, SaleState, Setup
from vmsapp.money import Money
from vmsapp.services.free_tokens.errors import (
    FreeTokensOfTheDay,
    FreeUnitsUsed,
    FreeValueUsed,
)
from vmsapp.services.free_tokens.valuing import Given
from vmsapp.tariffs.arrears import period_start
from vmsapp.tariffs.plan import FeePeriod

sale = Sale.__table__.c
free = FreeToken.__table__.c


@dataclass(frozen=True, slots=True)
class Used:
    """What was given so far.

    Attributes:
        units: To the meter, this month.
        value_minor: At the vending point, this month.
        tokens: At the vending point, today.
    """

    units: Decimal
    value_minor: int
    tokens: int


def counts() -> ColumnElement[bool]:
    """State which free tokens count: all but those that surely nobody holds."""
    unseen = and_(sale.state == SaleState.REVERSED, sale.shown_at.is_(None))
    return and_(sale.state != SaleState.FAILED, ~unseen)


def used(session: Session, meter: Meter, vending_point_id: int, today: date) -> Used:
    """Add up what was given, wherever, past the scope: a quota is one for all who give."""
    month = period_start(today, FeePeriod.MONTH)
    mine, here = free.meter_id == meter.id, free.vending_point_id == vending_point_id
    in_units = and_(mine, sale.credit_minor.is_(None))
    units, worth, tokens = session.execute(
        select(
            func.sum(case((in_units, sale.units))),
            func.sum(case((here, free.value_minor))),
            func.sum(case((and_(here, free.business_date == today), 1))),
        )
        .select_from(FreeToken.__table__.join(Sale.__table__, sale.id == free.sale_id))
        .where(or_(mine, here), free.business_date >= month, counts())
    ).one()
    return Used(units or Decimal(0), int(worth or 0), int(tokens or 0))


def check(
    session: Session, setup: Setup, meter: Meter, vending_point_id: int, given: Given
) -> None:
    """Refuse what a quota does not hold, inside the locks of the sale.

    Raises:
        FreeUnitsUsed, FreeValueUsed, FreeTokensOfTheDay: With the figures.
    """
    so_far = used(session, meter, vending_point_id, given.business_date)
    units, worth, tokens = (
        setup.free_units_a_month, setup.free_value_a_month, setup.free_tokens_a_day,
    )  # fmt: skip
    if units is not None and not given.in_money and so_far.units + given.on_token.sold > units:
        raise FreeUnitsUsed(used=so_far.units, quota=units)
    if worth is not None and so_far.value_minor + given.value_minor > worth:
        used_minor, quota, this = (
            Money(minor, given.currency.code)
            for minor in (so_far.value_minor, worth, given.value_minor)
        )
        raise FreeValueUsed(used=used_minor, quota=quota, worth=this)
    if tokens is not None and so_far.tokens >= tokens:
        raise FreeTokensOfTheDay(used=so_far.tokens, quota=tokens)
