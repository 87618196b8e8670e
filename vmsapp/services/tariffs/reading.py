"""Tariff plans: from rows to what the price engine takes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache

from sqlalchemy import BindParameter, Select, bindparam, func, select
from sqlalchemy.orm import Session, aliased, joinedload

from vmsapp.errors import N_, Refused
from vmsapp.models import Setup, TariffPlan
from vmsapp.money import Currency
from vmsapp.services.setup import currency_of
from vmsapp.statements import made_once
from vmsapp.sts.amount import MAX_TENTHS
from vmsapp.tariffs.document import parse, read_rules, rules_of
from vmsapp.tariffs.engine import Terms
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.plan import Limits, Most, Plan, Settlement, Span

MAX_UNITS = MAX_TENTHS * GRID
"""Most units one token can carry."""

PLANS_KEPT = 512
"""How many plans a process keeps ready to price by. They never change once they are used."""


def version_of(row: TariffPlan) -> str:
    """Sum up the rules of a plan: what differs in any of them is another version."""
    return hashlib.sha256(row.rules.encode()).hexdigest()


class NoPlanInForce(Refused):
    """The meter's tariff has no plan for the day."""

    code = "no_plan_in_force"
    message = N_("The meter's tariff has no plan in force on %(day)s.")

    def __init__(self, *, day: date) -> None:
        super().__init__(day=day)


def plans_between(
    session: Session, tariff_id: int, since: date, until: date
) -> Sequence[TariffPlan]:
    """Fetch the plans of a tariff that were in force on any day of a time, with their tariff.

    Args:
        session: Of the asker.
        tariff_id: Whose plans.
        since: First day; the plan in force on it is among them. Past ``until``, as where a place
            got its tariff under a clock that was ahead, it leaves the plan of ``until`` alone.
        until: Last day; its plan is the last of them.

    Raises:
        NoPlanInForce: The first plan begins after ``until``.
    """
    asked = {"tariff_id": tariff_id, "since": since, "until": until}
    plans = session.scalars(_plans_asked_for(), asked).all()
    if not plans:
        raise NoPlanInForce(day=until)
    return plans


@made_once
def _plans_asked_for() -> Select[TariffPlan]:
    tariff_id: BindParameter[int] = bindparam("tariff_id")
    since: BindParameter[date] = bindparam("since")
    until: BindParameter[date] = bindparam("until")
    first = aliased(TariffPlan)
    in_force = (
        select(func.max(first.effective_on))
        .where(first.tariff_id == tariff_id)
        .where(first.effective_on <= since, first.effective_on <= until)
        .scalar_subquery()
    )
    return (
        select(TariffPlan)
        .where(TariffPlan.tariff_id == tariff_id, TariffPlan.effective_on <= until)
        .where(TariffPlan.effective_on >= func.coalesce(in_force, date.min))
        .options(joinedload(TariffPlan.tariff, innerjoin=True))
        .order_by(TariffPlan.effective_on)
    )


def rules_text(plan: Plan, currency: Currency) -> str:
    """Write a plan as its row keeps it."""
    return json.dumps(rules_of(plan, currency), ensure_ascii=False)


def as_plan(row: TariffPlan, currency: Currency) -> Plan:
    """Make the price engine's plan of a row."""
    return _read(row.rules, currency)


@lru_cache(PLANS_KEPT)
def _read(rules: str, currency: Currency) -> Plan:
    return read_rules(parse(rules), currency)


def terms_of(row: TariffPlan, setup: Setup) -> Terms:
    """Make the terms of sale of a plan and the utility's settings."""
    general = Limits(
        smallest_units=setup.smallest_units,
        smallest_minor=setup.smallest_minor,
        most=(Most(Span.SALE, setup.largest_units, setup.largest_minor),),
    )
    return _terms(row.rules, currency_of(setup), Settlement(setup.settlement), general)


@lru_cache(PLANS_KEPT)
def _terms(rules: str, currency: Currency, settlement: Settlement, general: Limits) -> Terms:
    plan = _read(rules, currency)
    limits = plan.limits.tightened(general)
    return Terms(replace(plan, limits=limits), currency, settlement, MAX_UNITS)
