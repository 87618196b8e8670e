"""Trying a price: any plan, for a service point that is only imagined. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.models import Setup, Tariff, TariffPlan
from vmsapp.services.tariffs.reading import terms_of
from vmsapp.tariffs.arrears import DatedFee, fees_due
from vmsapp.tariffs.engine import (
    FeeDue,
    Quote,
    Standing,
    Terms,
    Used,
    quote_by_amount,
    quote_by_quantity,
)
from vmsapp.tariffs.plan import Accumulation, Plan, Span

MOST_PERIODS: Final = 366
"""Fee periods that a trial takes: a year of days."""

MOST_PLANS: Final = 1000
"""Plans that are offered to choose from."""

COUNTED_IN: Final = {
    Accumulation.DAY: frozenset({Span.DAY, Span.MONTH}),
    Accumulation.MONTH: frozenset({Span.MONTH}),
    Accumulation.FIRST_OF_MONTH: frozenset({Span.MONTH}),
}
"""Which limits count the units bought before, by what the steps count."""


class Fees(StrEnum):
    """What is due of a plan's fixed fee."""

    DUE = "due"
    """The current period's."""
    PAID = "paid"
    SINCE = "since"
    """All periods from a day on."""


class TooManyPeriods(InvalidInput):
    """More periods are due than one receipt should list."""

    code = "too_many_periods"
    message = N_("That makes more than %(most)s periods. Choose a later day.")
    field = "since"

    def __init__(self) -> None:
        super().__init__(most=MOST_PERIODS)


@dataclass(frozen=True, slots=True)
class Imagined:
    """A service point that is only imagined.

    Attributes:
        on: Day of the purchase.
        before: Units bought before it in the plan's accumulation period.
        fees: What is due of the fixed fee.
        since: First day of periods due, for ``Fees.SINCE``.
    """

    on: date
    before: Decimal = Decimal(0)
    fees: Fees = Fees.DUE
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan that may be tried."""

    id: int
    tariff: str
    plan: str
    effective_on: date


@dataclass(frozen=True, slots=True)
class Trial:
    """A plan with the standing it is tried at."""

    row: TariffPlan
    terms: Terms
    standing: Standing

    def quote(self, *, units: Decimal | None = None, tender_minor: int | None = None) -> Quote:
        """Price one wish.

        Raises:
            InvalidInput: It cannot be sold; the sentence says why.
        """
        if units is not None:
            return quote_by_quantity(self.terms, self.standing, units)
        assert tender_minor is not None, "units or money"
        return quote_by_amount(self.terms, self.standing, tender_minor)

    def charged(self, units: Decimal) -> int | None:
        """Price units in minor units; ``None`` where they cannot be bought."""
        try:
            return self.quote(units=units).charged_minor
        except VmsError:
            return None


def choices(session: Session) -> Sequence[Choice]:
    """List the plans there are: by tariff, in each the newest first."""
    wanted = (
        select(TariffPlan.id, Tariff.name, TariffPlan.name, TariffPlan.effective_on)
        .join(Tariff, Tariff.id == TariffPlan.tariff_id)
        .order_by(Tariff.name, TariffPlan.effective_on.desc())
        .limit(MOST_PLANS)
    )
    return [Choice(*row) for row in session.execute(wanted)]


def plan_with_tariff(session: Session, plan_id: int) -> TariffPlan | None:
    """Fetch a plan with its tariff."""
    wanted = select(TariffPlan).where(TariffPlan.id == plan_id)
    return session.scalars(wanted.options(joinedload(TariffPlan.tariff))).first()


def trial_of(row: TariffPlan, setup: Setup, at: Imagined) -> Trial:
    """Make a trial of a plan, as if it had always been in force.

    Raises:
        TooManyPeriods: Fees are due since too long ago.
    """
    terms = terms_of(row, setup)
    plan = terms.plan
    spans = COUNTED_IN.get(plan.accumulation, frozenset())
    standing = Standing(
        bought=Decimal(0) if plan.accumulation is Accumulation.SALE else at.before,
        fees_due=_fees(plan, at),
        today=at.on,
        used=dict.fromkeys(spans, Used(at.before, 0)),
    )
    return Trial(row, terms, standing)


def _fees(plan: Plan, at: Imagined) -> tuple[FeeDue, ...]:
    since = at.since if at.fees is Fees.SINCE and at.since else at.on
    if plan.fixed_fee and (at.on - since).days > _days(plan) * MOST_PERIODS:
        raise TooManyPeriods
    due = fees_due(
        [DatedFee(date.min, plan.fixed_fee)],
        attached_on=since,
        paid=(),
        paid_until=at.on if at.fees is Fees.PAID else None,
        today=at.on,
    )
    if len(due) > MOST_PERIODS:
        raise TooManyPeriods
    return due


def _days(plan: Plan) -> int:
    """Tell about how long a period of the plan's fee is."""
    lengths: dict[Any, int] = {"sale": 366, "day": 1, "week": 7, "month": 31, "year": 366}
    return lengths[plan.fixed_fee.period.value] if plan.fixed_fee else 1
