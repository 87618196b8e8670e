"""What a purchase costs at a service point at a moment.

Read twice for each sale: once to show a quote, and once more under the lock, where it
counts. Two statements read all that a price depends on: what the service point bought
and paid, then the plan. Nothing is written here.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import literal, null, select
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

COUNTED: Final = "counted"
"""Stands where the kind of fee does in rows of counters."""


@dataclass(frozen=True, slots=True)
class History:
    """What a service point has bought and paid, as far as a price depends on it.

    Attributes:
        today: The utility's day, but never in a month older than the newest with
            purchases: a clock that was set back must not open last month's counters again.
        month: First day of its month.
        bought: Units bought in that month.
        paid: Fee periods paid, each as its kind and its first day.
        attached_on: Day from which missed fees accumulate.
    """

    today: date
    month: date
    bought: Decimal
    paid: frozenset[tuple[str, date]]
    attached_on: date


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


def history_of(session: Session, setup: Setup, point: ServicePoint, moment: datetime) -> History:
    """Read what a service point has bought this month, and which fees it has paid."""
    day = business_day(moment, setup.time_zone)
    counters = select(literal(COUNTED), Counter.period_start, Counter.units).where(
        Counter.service_point_id == point.id,
        Counter.period_start >= period_start(day, FeePeriod.MONTH),
    )
    fees = select(FeePayment.fee_period, FeePayment.period_start, null()).where(
        FeePayment.service_point_id == point.id
    )
    rows = session.execute(counters.union_all(fees)).all()
    units = {start: units for kind, start, units in rows if kind == COUNTED}
    today = max([day, *units])
    month = period_start(today, FeePeriod.MONTH)
    return History(
        today=today,
        month=month,
        bought=units.get(month, Decimal(0)),
        paid=frozenset((kind, start) for kind, start, _ in rows if kind != COUNTED),
        attached_on=point.plan_attached_on,
    )


def price(
    session: Session, setup: Setup, meter: Meter, history: History, purchase: Purchase
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
    row = plan_on(session, meter.tariff_id, history.today)
    plan, currency = as_plan(row), currency_of(setup)
    standing = Standing(
        bought=history.bought, fee_periods_due=_due(history, plan), today=history.today
    )
    terms = Terms(plan, currency, Settlement(setup.settlement), MAX_UNITS)
    quote = _quote(terms, standing, purchase)
    if quote.charged_minor <= 0:
        raise NothingToPay
    return Priced(
        quote=quote,
        plan=row,
        currency=currency,
        business_date=history.today,
        counter_period=history.month,
        fee_periods=standing.fee_periods_due,
        meter_type=meter.meter_type,
    )


def _quote(terms: Terms, standing: Standing, purchase: Purchase) -> Quote:
    if purchase.mode == "amount":
        assert purchase.tender_minor is not None
        return quote_by_amount(terms, standing, purchase.tender_minor)
    assert purchase.units is not None
    return quote_by_quantity(terms, standing, purchase.units)


def _due(history: History, plan: Plan) -> tuple[date, ...]:
    fee = plan.fixed_fee
    if fee is None:
        return ()
    paid = {start for period, start in history.paid if period == fee.period.value}
    return periods_due(fee, attached_on=history.attached_on, paid=paid, today=history.today)
