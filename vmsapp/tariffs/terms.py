"""What a purchase is priced under: the terms of sale and the counters of the service point."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Final

from vmsapp.money import Currency, round_down, round_half_up, round_up
from vmsapp.tariffs.plan import FeePeriod, Plan, Settlement, Span
from vmsapp.tariffs.prices import Prices
from vmsapp.tariffs.rates import Rates

ROUND: Final = {
    Settlement.DOWN: round_down,
    Settlement.UP: round_up,
    Settlement.NEAREST: round_half_up,
}


@dataclass(frozen=True)
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

    @cached_property
    def prices(self) -> Prices:
        """The plan's prices, worked out once."""
        return Prices.of(self.plan, self.currency, self.rates)

    @cached_property
    def rates(self) -> Rates:
        """What the plan's prices, fees and fines hold, worked out once."""
        return Rates.of(self.plan)

    def to_coin(self, minor: int) -> int:
        """Bring an amount to the smallest payable coin, as the settlement rounds."""
        coin = self.currency.coin_minor
        return minor if coin == 1 else ROUND[self.settlement](Fraction(minor, coin)) * coin


@dataclass(frozen=True, slots=True)
class FeeDue:
    """A period whose fixed fee is unpaid.

    Attributes:
        period: How long it is.
        start: Its first day.
        amount_minor: Minor units, as the plan of that time has it.
        missed: It is over: this is arrears.
    """

    period: FeePeriod
    start: date
    amount_minor: int
    missed: bool


@dataclass(frozen=True, slots=True)
class Debt:
    """What is taken of a debt at this purchase, minor units."""

    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Used:
    """What was bought in a span so far: units, and money charged in minor units."""

    units: Decimal
    minor: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The counters of one service point at the moment of pricing.

    Attributes:
        bought: Units bought so far in the plan's accumulation period, 0 or more.
        fees_due: Unpaid fee periods, oldest first, the missed ones before the current.
        today: Date in the utility's time zone.
        debts: In the order they are taken.
        used: What counts against limits of a day or a month; nothing where left out.
    """

    bought: Decimal
    fees_due: tuple[FeeDue, ...]
    today: date
    debts: tuple[Debt, ...] = ()
    used: Mapping[Span, Used] = field(default_factory=dict)
