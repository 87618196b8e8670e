"""Tariff plans: from rows to what the price engine takes."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from vmsapp.errors import N_, Refused
from vmsapp.models import TariffPlan
from vmsapp.tariffs.plan import Accumulation, FeePeriod, FixedFee, Penalty, Plan, Step


class NoPlanInForce(Refused):
    """The meter's tariff has no plan for the day."""

    code = "no_plan_in_force"
    message = N_("The meter's tariff has no plan in force on %(day)s.")

    def __init__(self, *, day: date) -> None:
        super().__init__(day=day)


def plan_on(session: Session, tariff_id: int, day: date) -> TariffPlan:
    """Fetch the plan of a tariff in force on ``day``, with its steps and penalties.

    Raises:
        NoPlanInForce: The first plan begins later.
    """
    plans = session.scalars(
        select(TariffPlan)
        .where(TariffPlan.tariff_id == tariff_id, TariffPlan.effective_on <= day)
        .order_by(TariffPlan.effective_on.desc())
        .limit(1)
        .options(joinedload(TariffPlan.steps), joinedload(TariffPlan.penalties))
    )
    row = plans.unique().first()
    if row is None:
        raise NoPlanInForce(day=day)
    return row


def as_plan(row: TariffPlan) -> Plan:
    """Make the price engine's plan of a row."""
    fee = (
        FixedFee(
            amount_minor=row.fixed_fee_minor,
            period=FeePeriod(row.fee_period),
            recover_missed=row.recover_missed,
            max_periods=row.max_periods,
        )
        if row.fixed_fee_minor
        else None
    )
    return Plan(
        name=row.name,
        steps=tuple(
            Step(start=s.start_units, end=s.end_units, price=s.price, tax_percent=s.tax_percent)
            for s in row.steps
        ),
        fixed_fee=fee,
        penalties=tuple(
            Penalty(low=p.low_units, high=p.high_units, fine_minor=p.fine_minor)
            for p in row.penalties
        ),
        accumulation=Accumulation(row.accumulation),
    )
