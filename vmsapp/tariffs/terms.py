"""What a purchase is priced under: the terms of sale and the counters of the service point."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from vmsapp.money import Currency
from vmsapp.tariffs.plan import Plan, Settlement


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for every purchase under a plan.

    Attributes:
        plan: The plan in force.
        currency: Its exponent and smallest coin round money.
        settlement: Which way.
        max_units: Most one token may carry, in units.
    """

    plan: Plan
    currency: Currency
    settlement: Settlement
    max_units: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """The counters of one service point at the moment of pricing.

    Attributes:
        bought: Units bought so far in the accumulation period, 0 or more.
        fee_periods_due: First days of the unpaid fee periods, oldest first; a plan without
            a fee charges none of them.
        today: Date in the utility's time zone.
    """

    bought: Decimal
    fee_periods_due: tuple[date, ...]
    today: date
