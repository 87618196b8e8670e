"""When plans may begin, what they may be called, and which of them must stay."""

import re
from datetime import date, timedelta
from typing import Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.models import Meter, Sale, TariffPlan
from vmsapp.scope import unscoped
from vmsapp.services.setup import zone_at
from vmsapp.services.tariffs.errors import (
    PlanDayBeyond,
    PlanDayTaken,
    PlanNameTaken,
    PlanNeeded,
    PlanTooEarly,
)
from vmsapp.tariffs.checks import MAX_NAME

FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)
"""Days outside these are slips of the finger."""

YEAR: Final = re.compile(r"\s+[0-9]{4}(-[0-9]{2}-[0-9]{2})?$", re.ASCII)
"""What the name of a plan of another year ends with."""

EVERYBODYS: Final = "a tariff is the utility's, whoever sold by it and wherever its meters hang"


def last_sold_on(session: Session, tariff_id: int) -> date | None:
    """Give the latest day of a sale by a tariff, whatever became of it.

    The sale written last may be of an earlier day: one that a restore had lost is booked after
    those of later days, and a clock may have been ahead.

    Source: TARIFFS.md 12.
    """
    # Each plan ends where the next begins, so the one that begins last, of those that were sold
    # by, has the latest day: the sales of the others, and of other tariffs, are not looked at.
    newest = (
        select(TariffPlan.id)
        .where(TariffPlan.tariff_id == tariff_id, exists().where(Sale.plan_id == TariffPlan.id))
        .order_by(TariffPlan.effective_on.desc())
    )
    with unscoped(EVERYBODYS):
        plan_id = session.scalar(newest.limit(1))
        if plan_id is None:
            return None
        return session.scalar(select(func.max(Sale.business_date)).where(Sale.plan_id == plan_id))


def earliest_day(session: Session, tariff_id: int) -> date:
    """Give the first free day, from today on, that a new plan may begin."""
    return suggested(session, tariff_id, "")[0]


def suggested(session: Session, tariff_id: int, name: str) -> tuple[date, str]:
    """Give the first free day for a new plan, and a free name like ``name``."""
    today, last = _today(session), last_sold_on(session, tariff_id)
    plans = select(TariffPlan.effective_on, TariffPlan.name)
    rows = session.execute(plans.where(TariffPlan.tariff_id == tariff_id)).all()
    begun = {begins for begins, _ in rows}
    day = today if last is None else max(today, last + timedelta(days=1))
    while day in begun:
        day += timedelta(days=1)
    return day, _free({other.casefold() for _, other in rows}, name, day)


def is_used(session: Session, tariff_id: int) -> bool:
    """Tell whether meters have a tariff, retired ones too, or tokens were sold by it."""
    with unscoped(EVERYBODYS):
        meter = session.scalar(select(Meter.id).where(Meter.tariff_id == tariff_id).limit(1))
    return meter is not None or last_sold_on(session, tariff_id) is not None


def meters_of(session: Session, tariff_id: int) -> int:
    """Count the meters that have a tariff and are not retired."""
    having = select(func.count()).select_from(Meter)
    with unscoped(EVERYBODYS):
        return session.scalar(
            having.where(Meter.tariff_id == tariff_id, Meter.state != "retired")
        ) or 0  # fmt: skip


def check_day(session: Session, tariff_id: int, day: date, but: int | None) -> None:
    """Refuse a day on which another plan begins, or up to which tokens were sold."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise PlanDayBeyond(first=FIRST_DAY, last=LAST_DAY)
    same = select(TariffPlan.name).where(
        TariffPlan.tariff_id == tariff_id, TariffPlan.effective_on == day,
        TariffPlan.id != (but or 0),
    )  # fmt: skip
    taken = session.scalar(same)
    if taken is not None:
        raise PlanDayTaken(name=taken, day=day)
    last = last_sold_on(session, tariff_id)
    if last is not None and day <= last:
        raise PlanTooEarly(last=last, earliest=last + timedelta(days=1))


def check_plan_name(
    session: Session, tariff_id: int, name: str, day: date, but: int | None
) -> None:
    """Refuse a name that another plan of the tariff has, be it in other capitals."""
    if name.casefold() in _plan_names(session, tariff_id, but):
        raise PlanNameTaken(name=name, suggested=free_name(session, tariff_id, name, day))


def free_name(session: Session, tariff_id: int, name: str, day: date) -> str:
    """Suggest a name for a plan that begins on a day: with its year, else with all of the day."""
    return _free(_plan_names(session, tariff_id, None), name, day)


def _free(taken: set[str], name: str, day: date) -> str:
    plain = YEAR.sub("", name)
    dated = (f"{plain[: MAX_NAME - len(when)]}{when}" for when in (f" {day.year}", f" {day}"))
    return next((one for one in (name, *dated) if one.casefold() not in taken), name)


def _plan_names(session: Session, tariff_id: int, but: int | None) -> set[str]:
    named = select(TariffPlan.name).where(
        TariffPlan.tariff_id == tariff_id, TariffPlan.id != (but or 0)
    )
    return {name.casefold() for name in session.scalars(named)}


def check_not_needed(session: Session, row: TariffPlan) -> None:
    """Refuse to take a plan out of force without which the tariff's meters have none.

    Raises:
        PlanNeeded: Nothing could be sold to them any more.
    """
    meters = meters_without(session, row)
    if meters:
        raise PlanNeeded(name=row.name, meters=meters)


def meters_without(session: Session, row: TariffPlan) -> int:
    """Count the meters that would have no plan in force today if this one were not."""
    today = _today(session)
    if row.effective_on > today:
        return 0
    other = select(TariffPlan.id).where(
        TariffPlan.tariff_id == row.tariff_id, TariffPlan.id != row.id,
        TariffPlan.effective_on <= today,
    )  # fmt: skip
    return 0 if session.scalar(other.limit(1)) else meters_of(session, row.tariff_id)


def takes_out_of_force(session: Session, row: TariffPlan, day: date) -> bool:
    """Tell whether a plan that has begun would begin after today."""
    today = _today(session)
    return row.effective_on <= today < day


def _today(session: Session) -> date:
    """The day it is at the utility."""
    return business_day(now_utc(), zone_at(session, now_utc()))
