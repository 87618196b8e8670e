"""What is given, and what it is worth: the energy at the meter's price, without fees and taxes.

The price engine is asked as for a purchase of so many units, beginning at the step that the
place has reached; of its lines the energy alone counts. Limits of purchases, fees, debts
and fines play no part. A meter that rates itself is given money, worth just that.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from vmsapp.models import CreditMode, Meter, ServicePoint, Setup
from vmsapp.services.free_tokens.errors import FreeAmountMissing
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import as_plan, plans_between, terms_of
from vmsapp.services.vending.calculation import calculation_of
from vmsapp.services.vending.errors import MeterWithoutTariff, TariffOfAnotherType
from vmsapp.services.vending.history import history_of
from vmsapp.services.vending.pricing import Priced
from vmsapp.services.vending.request import Purchase
from vmsapp.tariffs.credit import quote_for_currency
from vmsapp.tariffs.engine import LineKind, Standing, quote_by_quantity
from vmsapp.tariffs.plan import Limits


@dataclass(frozen=True, slots=True)
class Given(Priced):
    """What is given: priced like a purchase, and nothing is taken for it."""

    @property
    def charged_minor(self) -> int:
        """Nothing is paid."""
        return 0

    @property
    def received_minor(self) -> int:
        """Nothing is handed over."""
        return 0

    @property
    def bought_after(self) -> Decimal:
        """What was given counts for no step."""
        return self.bought_before

    @property
    def value_minor(self) -> int:
        """What the energy, or the money on the token, is worth."""
        return self.quote.total_minor(LineKind.CREDIT if self.in_money else LineKind.ENERGY)

    @property
    def calculation(self) -> dict[str, Any]:
        """The record: no line is charged; those that say what it is worth stand beside."""
        stored = calculation_of(self.quote, self.plan)
        kinds = {LineKind.CREDIT.value, LineKind.ENERGY.value}
        counted = f"{self.bought_before:f}"
        return stored | {
            "lines": [],
            "received_minor": 0, "change_minor": 0, "charged_minor": 0,
            "bought_before": counted, "bought_after": counted,
            "value_minor": self.value_minor,
            "value_lines": [line for line in stored["lines"] if line["kind"] in kinds],
        }  # fmt: skip


def value(
    session: Session, setup: Setup, meter: Meter, point: ServicePoint, wish: Purchase,
    moment: datetime,
) -> Given:  # fmt: skip
    """Tell what a wish gives and is worth, as plan and counters stand.

    Raises:
        FreeAmountMissing: Units for a meter that takes money, or the other way.
        MeterWithoutTariff: Nothing says what it is worth.
        TariffOfAnotherType: The tariff prices something else than the meter measures.
        NoPlanInForce: The tariff's first plan begins later.
        InvalidInput: No token can carry so much; its sentence says why.
    """
    in_money = meter.credit_mode == CreditMode.CURRENCY
    if in_money != (wish.mode == "amount"):
        raise FreeAmountMissing
    if meter.tariff_id is None:
        raise MeterWithoutTariff(drn=meter.drn)
    history = history_of(session, setup, point, moment)
    row = plans_between(session, meter.tariff_id, history.attached_on, history.today)[-1]
    if row.tariff.meter_type != meter.meter_type:
        raise TariffOfAnotherType(
            drn=meter.drn, meter_type=meter.meter_type,
            tariff=row.tariff.name, tariff_type=row.tariff.meter_type,
        )  # fmt: skip
    plan = replace(as_plan(row, currency_of(setup)), fixed_fee=None, penalties=(), limits=Limits())
    bare = replace(plan, levies=()) if in_money else plan
    terms = replace(terms_of(row, setup), plan=bare)
    standing = Standing(history.bought(plan.accumulation), (), history.today)
    quote = (
        quote_for_currency(terms, standing, wish.tender_minor or 0)
        if in_money
        else quote_by_quantity(terms, standing, wish.units or Decimal(0))
    )
    return Given(quote, row, terms.currency, history.today, meter.meter_type)
