"""What a purchase costs at a service point at a moment.

Read twice for each sale: once to show a quote, and once more under the lock, where it
counts. Nothing is written here.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day
from vmsapp.models import Counter, FeePayment, Meter, ServicePoint, Setup, TariffPlan
from vmsapp.money import Currency
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import as_plan, plan_on
from vmsapp.services.vending.errors import MeterWithoutTariff, NothingToPay
from vmsapp.services.vending.request import Purchase
from vmsapp.sts.amount import MAX_TENTHS, decode_units, encode_units
from vmsapp.tariffs.arrears import period_start, periods_due
from vmsapp.tariffs.engine import Quote, Standing, Terms, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.plan import FeePeriod, Plan, Settlement

MAX_UNITS: Final = Decimal(MAX_TENTHS) / 10
"""Most units one token can carry."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A quote with all it was made from.

    Attributes:
        plan: The plan in force.
        currency: Currency of the amounts.
        business_date: Day of the sale in the utility's zone, as it counts.
        counter_period: First day of the month whose counter the purchase adds to.
        fee_periods: First days of the fee periods it pays.
    """

    quote: Quote
    plan: TariffPlan
    currency: Currency
    business_date: date
    counter_period: date
    fee_periods: tuple[date, ...]
    meter_type: str

    @property
    def carried(self) -> Decimal:
        """Units the token will really carry: never less than were sold."""
        return decode_units(encode_units(self.quote.units))


def price(
    session: Session,
    setup: Setup,
    meter: Meter,
    point: ServicePoint,
    purchase: Purchase,
    moment: datetime,
) -> Priced:
    """Price a purchase from the plan, counters and fees as they stand.

    Raises:
        MeterWithoutTariff: Nothing to price by.
        NoPlanInForce: The tariff's first plan begins later.
        NothingToPay: It rounds to nothing.
        InvalidInput: The amount or quantity cannot be sold; its sentence says why.
    """
    if meter.tariff_id is None:
        raise MeterWithoutTariff(drn=meter.drn)
    today = _counting_day(session, point, business_day(moment, setup.time_zone))
    row = plan_on(session, meter.tariff_id, today)
    plan, currency = as_plan(row), currency_of(setup)
    month = period_start(today, FeePeriod.MONTH)
    standing = Standing(
        bought=_units_in(session, point, month),
        fee_periods_due=_due(session, point, plan, today),
        today=today,
    )
    terms = Terms(plan, currency, Settlement(setup.settlement), MAX_UNITS)
    quote = _quote(terms, standing, purchase)
    if quote.charged_minor <= 0:
        raise NothingToPay
    return Priced(
        quote=quote,
        plan=row,
        currency=currency,
        business_date=today,
        counter_period=month,
        fee_periods=standing.fee_periods_due,
        meter_type=meter.meter_type,
    )


def units_this_month(session: Session, setup: Setup, point: ServicePoint, now: datetime) -> Decimal:
    """Tell how many units the service point has bought in the month that counts."""
    today = _counting_day(session, point, business_day(now, setup.time_zone))
    return _units_in(session, point, period_start(today, FeePeriod.MONTH))


def _quote(terms: Terms, standing: Standing, purchase: Purchase) -> Quote:
    if purchase.mode == "amount":
        assert purchase.tender_minor is not None
        return quote_by_amount(terms, standing, purchase.tender_minor)
    assert purchase.units is not None
    return quote_by_quantity(terms, standing, purchase.units)


def _counting_day(session: Session, point: ServicePoint, today: date) -> date:
    """Never count in a period older than the newest one with purchases.

    A clock that was set back must not open last month's counters again.
    """
    newest = session.scalar(
        select(func.max(Counter.period_start)).where(Counter.service_point_id == point.id)
    )
    return today if newest is None else max(today, newest)


def _units_in(session: Session, point: ServicePoint, month: date) -> Decimal:
    units = session.scalar(
        select(Counter.units).where(
            Counter.service_point_id == point.id, Counter.period_start == month
        )
    )
    return units if units is not None else Decimal(0)


def _due(session: Session, point: ServicePoint, plan: Plan, today: date) -> tuple[date, ...]:
    fee = plan.fixed_fee
    if fee is None:
        return ()
    paid = session.scalars(
        select(FeePayment.period_start).where(
            FeePayment.service_point_id == point.id, FeePayment.fee_period == fee.period.value
        )
    )
    return periods_due(fee, attached_on=point.plan_attached_on, paid=set(paid), today=today)
