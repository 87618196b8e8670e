"""What a purchase costs at a service point at a moment.

Read twice for each sale: once to show a quote, and once more under the lock, where it
counts. Two statements read all that a price depends on: what the service point bought
and paid, then the plans. Nothing is written here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy.orm import Session

from vmsapp.models import CreditMode, Meter, Setup, TariffPlan
from vmsapp.money import Currency, Money
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import as_plan, plans_between, terms_of
from vmsapp.services.vending.amounts import OnToken, on_token
from vmsapp.services.vending.calculation import calculation_of
from vmsapp.services.vending.debts import Owed, Taken, least_tender, priced_as, takings
from vmsapp.services.vending.errors import (
    MeterWithoutTariff,
    NothingToPay,
    ReceivedTooLittle,
    SoldByAmount,
    TariffOfAnotherType,
)
from vmsapp.services.vending.history import History
from vmsapp.services.vending.request import Purchase
from vmsapp.tariffs.arrears import DatedFee, fees_due
from vmsapp.tariffs.credit import CreditQuote, need_of_currency, quote_for_currency
from vmsapp.tariffs.engine import (
    FeeDue,
    Quote,
    Standing,
    Terms,
    charged_by_quantity,
    need_by_amount,
    quote_by_amount,
    quote_by_quantity,
)
from vmsapp.tariffs.errors import AmountTooSmall
from vmsapp.tariffs.plan import FeePeriod


@dataclass(frozen=True, slots=True)
class Priced:
    """A quote with all it was made from.

    Attributes:
        plan: The plan in force.
        currency: Currency of the amounts.
        business_date: Day of the sale in the utility's zone, as it counts; its counter is
            the one the purchase adds to.
        taken: What is recovered of debts.
        handed_minor: What was handed over, where that was said.
    """

    quote: Quote | CreditQuote
    plan: TariffPlan
    currency: Currency
    business_date: date
    meter_type: str
    taken: Sequence[Taken] = ()
    handed_minor: int | None = None

    @property
    def in_money(self) -> bool:
        """The meter rates itself, and is given money."""
        return isinstance(self.quote, CreditQuote)

    @property
    def on_token(self) -> OnToken:
        """What the token will carry: never less than was sold."""
        return on_token(self.meter_type, self.quote, self.currency)

    @property
    def charged_minor(self) -> int:
        """What is paid, minor units."""
        return self.quote.charged_minor

    @property
    def received_minor(self) -> int:
        """What the customer hands over, minor units."""
        return self.quote.received_minor if self.handed_minor is None else self.handed_minor

    @property
    def change_minor(self) -> int:
        """What goes back, 0 or more minor units."""
        return self.received_minor - self.charged_minor

    @property
    def bought_before(self) -> Decimal:
        """Units counted in the accumulation period before this purchase."""
        return self.quote.standing.bought

    @property
    def bought_after(self) -> Decimal:
        """Units counted after it: money adds none."""
        return self.bought_before if self.in_money else self.bought_before + self.on_token.sold

    @property
    def calculation(self) -> dict[str, Any]:
        """The whole calculation for the sale's record, with the plan it was made by."""
        return calculation_of(self.quote, self.plan, [one.balance_minor for one in self.taken])


def price(
    session: Session,
    setup: Setup,
    meter: Meter,
    history: History,
    purchase: Purchase,
    owed: Sequence[Owed] = (),
    plans: Sequence[TariffPlan] = (),
) -> Priced:
    """Price a purchase from the plan, counters and fees as they stand.

    Whoever has read the tariff's plans hands them in.

    Raises:
        SoldByAmount: The meter is credited with money, and units were asked for.
        MeterWithoutTariff: Nothing to price by.
        TariffOfAnotherType: The tariff prices something else than the meter measures.
        NoPlanInForce: The tariff's first plan begins later.
        NothingToPay: It rounds to nothing.
        ReceivedTooLittle: What was handed over does not pay it.
        InvalidInput: The amount or quantity cannot be sold, or lies outside the limits; its
            sentence says why.
    """
    in_money = meter.credit_mode == CreditMode.CURRENCY
    if in_money and purchase.mode != "amount":
        raise SoldByAmount(drn=meter.drn)
    if meter.tariff_id is None:
        raise MeterWithoutTariff(drn=meter.drn)
    plans = plans or plans_between(session, meter.tariff_id, history.attached_on, history.today)
    tariff = plans[-1].tariff
    if tariff.meter_type != meter.meter_type:
        raise TariffOfAnotherType(
            drn=meter.drn, meter_type=meter.meter_type,
            tariff=tariff.name, tariff_type=tariff.meter_type,
        )  # fmt: skip
    terms = terms_of(plans[-1], setup)
    standing = standing_of(plans, setup, terms, history)
    taken = takings(
        owed, purchase.tender_minor, lambda: charged_by_quantity(terms, standing, _units(purchase))
    )
    paying = replace(standing, debts=priced_as(taken))
    try:
        quote = _quote(terms, paying, purchase, in_money=in_money)
    except AmountTooSmall:
        if not owed:
            raise
        least = _least(terms, standing, purchase, owed, in_money=in_money)
        raise AmountTooSmall(minimum=Money(least, terms.currency.code)) from None
    if quote.charged_minor <= 0:
        raise NothingToPay
    _check_received(purchase, quote.charged_minor, terms.currency)
    return Priced(
        quote=quote,
        plan=plans[-1],
        currency=terms.currency,
        business_date=history.today,
        meter_type=meter.meter_type,
        taken=taken,
        handed_minor=purchase.received_minor,
    )


def standing_of(
    plans: Sequence[TariffPlan], setup: Setup, terms: Terms, history: History
) -> Standing:
    """Make what the engine takes of a service point's history.

    Args:
        plans: Of the tariff since the service point got it; the last is in force.
        setup: Settings in force.
        terms: Of the plan in force.
        history: Of the service point.
    """
    return Standing(
        bought=history.bought(terms.plan.accumulation),
        fees_due=fees_of(plans, currency_of(setup), history),
        today=history.today,
        used=history.used(),
    )


class FeesPaid(Protocol):
    """What fees depend on at a service point, as its ``History`` has it."""

    @property
    def today(self) -> date:
        """The utility's day, never before the newest one with purchases."""

    @property
    def attached_on(self) -> date:
        """Day from which missed fees accumulate."""

    @property
    def paid_until(self) -> date | None:
        """Fee periods that begin on this day or earlier are paid."""

    @property
    def paid(self) -> frozenset[tuple[FeePeriod, date]]:
        """Fee periods paid, each as its length and its first day."""


def fees_of(
    plans: Sequence[TariffPlan], currency: Currency, history: FeesPaid
) -> tuple[FeeDue, ...]:
    """List the fixed fees due at a service point.

    Args:
        plans: Of the tariff, oldest first; the last is in force.
        currency: The utility's.
        history: Of the service point.
    """
    return fees_due(
        [DatedFee(row.effective_on, as_plan(row, currency).fixed_fee) for row in plans],
        attached_on=history.attached_on,
        paid=history.paid,
        paid_until=history.paid_until,
        today=history.today,
    )


def _check_received(purchase: Purchase, charged_minor: int, currency: Currency) -> None:
    received = purchase.received_minor
    if received is not None and received < charged_minor:
        raise ReceivedTooLittle(
            received=Money(received, currency.code), charged=Money(charged_minor, currency.code)
        )


def _quote(
    terms: Terms, standing: Standing, purchase: Purchase, *, in_money: bool
) -> Quote | CreditQuote:
    if purchase.mode == "amount":
        assert purchase.tender_minor is not None
        if in_money:
            return quote_for_currency(terms, standing, purchase.tender_minor)
        return quote_by_amount(terms, standing, purchase.tender_minor)
    return quote_by_quantity(terms, standing, _units(purchase))


def _least(
    terms: Terms, standing: Standing, purchase: Purchase, owed: Sequence[Owed], *, in_money: bool
) -> int:
    """Find the least that buys anything where more of a larger amount goes to debts."""
    assert purchase.tender_minor is not None, "refused as an amount"
    need = need_of_currency if in_money else need_by_amount
    return least_tender(owed, need(terms, standing), purchase.tender_minor)


def _units(purchase: Purchase) -> Decimal:
    assert purchase.units is not None, "bought by quantity"
    return purchase.units
