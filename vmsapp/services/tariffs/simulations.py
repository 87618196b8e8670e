"""Simulations of a plan: asked for, found again with the plan, and what has changed since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, InvalidInput, NotFound
from vmsapp.extensions import atomic
from vmsapp.models import Consumer, Meter, Product, Region, Tariff, TariffPlan, TariffSimulation
from vmsapp.models.simulation import Basis
from vmsapp.scope import Actor
from vmsapp.services import audit, job_runs
from vmsapp.services.rows import among
from vmsapp.services.setup import zone_at
from vmsapp.services.tariffs.errors import OtherMeterType
from vmsapp.services.tariffs.reading import version_of
from vmsapp.services.tariffs.simulating import SIMULATE
from vmsapp.services.tariffs.simulation_sums import Named, Sums

Row = TypeVar("Row", Consumer, Meter)

MOST_LISTED: Final = 20
"""Simulations of a plan that its page lists, the newest first."""


class MonthToCome(InvalidInput):
    """Nothing has been sold in it yet."""

    code = "simulation_month_to_come"
    message = N_("This month is still to come. Choose one in which tokens were sold.")
    field = "month"


class NoRegionSeen(InvalidInput):
    """Who asks sees no place at all."""

    code = "simulation_no_region"
    message = N_("You see no region, so there are no sales to try the plan over.")
    field = "region"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be tried.

    Attributes:
        month: Any day of it.
        tariff_id: Whose sales.
        region_id: Places of a region and all below it; ``None`` for all the asker sees.
    """

    month: date
    tariff_id: int
    region_id: int | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class Moved:
    """A place that wins or loses, with who buys there as far as the reader sees it."""

    named: Named
    consumer: Consumer | None
    meter: Meter | None


def last_month(session: Session) -> date:
    """Give the first day of the last month that is over."""
    today = business_day(now_utc(), zone_at(session, now_utc()))
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def ask(
    session: Session, actor: Actor, plan_id: int, wish: Wish, *, locale: str, title: str
) -> TariffSimulation:
    """Have a plan tried over real sales; the door sends the job's message afterwards.

    Raises:
        NotFound: There is no such plan, tariff or region.
        OtherMeterType: The sales are to another kind of meter.
        MonthToCome: Nothing was sold in it yet.
        NoRegionSeen: There is nothing the asker sees.
    """
    with atomic(session) as current:
        plan = current.scalars(
            select(TariffPlan).where(TariffPlan.id == plan_id)
            .options(joinedload(TariffPlan.tariff))
        ).first()  # fmt: skip
        tariff = current.get(Tariff, wish.tariff_id)
        if plan is None or tariff is None:
            raise NotFound
        if tariff.meter_type != plan.tariff.meter_type:
            raise OtherMeterType
        month = wish.month.replace(day=1)
        if month > business_day(now_utc(), zone_at(current, now_utc())):
            raise MonthToCome
        made = TariffSimulation(
            plan_id=plan.id, plan_version=version_of(plan), rules=plan.rules, tariff_id=tariff.id,
            month=month, region_id=_region(current, actor, wish.region_id), basis=wish.basis.value,
            made_by_id=actor.user_id, made_at=now_utc(), after_id=0, kept={},
        )  # fmt: skip
        current.add(made)
        current.flush()
        job = job_runs.ask(
            current, actor, SIMULATE,
            {"simulation": made.id, "simulated_tariff": plan.tariff_id, "title": title},
            locale=locale,
        )  # fmt: skip
        made.job_id = job.id
        audit.record(
            current, actor, "tariff_plan.simulated", "tariff_plan", plan.id,
            plan=plan.name, version=made.plan_version[:12], month=month.isoformat(),
            sales_of=tariff.name, basis=made.basis, region_id=made.region_id,
        )  # fmt: skip
        return made


def _region(session: Session, actor: Actor, region_id: int | None) -> int | None:
    """Settle the region: who does not see all of the utility tries it over the own one."""
    if region_id is not None:
        if session.scalar(select(Region.id).where(Region.id == region_id)) is None:
            raise NotFound
        return region_id
    if actor.sight.everything:
        return None
    if not actor.sight.region_path:
        raise NoRegionSeen
    return int(actor.sight.region_path.rstrip(".").rsplit(".", 1)[-1])


def of_plan(session: Session, plan_id: int) -> Sequence[TariffSimulation]:
    """List the simulations of a plan that the asker sees, the newest first."""
    wanted = (
        select(TariffSimulation).where(TariffSimulation.plan_id == plan_id)
        .options(*LOADS).order_by(TariffSimulation.id.desc()).limit(MOST_LISTED)
    )  # fmt: skip
    return session.scalars(wanted).all()


def found(session: Session, tariff_id: int, simulation_id: int) -> TariffSimulation:
    """Fetch a simulation of a tariff's plan.

    Raises:
        NotFound: There is none that the asker sees.
    """
    wanted = (
        select(TariffSimulation).join(TariffPlan, TariffPlan.id == TariffSimulation.plan_id)
        .where(TariffSimulation.id == simulation_id, TariffPlan.tariff_id == tariff_id)
        .options(*LOADS)
    )  # fmt: skip
    row = session.scalars(wanted).first()
    if row is None:
        raise NotFound
    return row


LOADS: Final = (
    joinedload(TariffSimulation.plan), joinedload(TariffSimulation.tariff),
    joinedload(TariffSimulation.region), joinedload(TariffSimulation.job),
    joinedload(TariffSimulation.made_by),
)  # fmt: skip


def edited_since(row: TariffSimulation) -> bool:
    """Tell whether the plan is another now than the one that was tried."""
    return version_of(row.plan) != row.plan_version


def sums_of(row: TariffSimulation) -> Sums | None:
    """Read what is added up; none before the first part is through."""
    return Sums.of(row.kept) if row.kept else None


def moved(session: Session, named: Sequence[Named]) -> Sequence[Moved]:
    """Name places that win or lose, as far as the reader sees them."""
    consumers = _rows(session, Consumer, [one.consumer_id for one in named])
    meters = _rows(session, Meter, [one.meter_id for one in named])
    return [Moved(one, consumers.get(one.consumer_id), meters.get(one.meter_id)) for one in named]


def product_names(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """Name products."""
    rows = session.execute(select(Product.id, Product.model).where(among(session, Product.id, ids)))
    return dict(rows.all())


def _rows(session: Session, model: type[Row], ids: Sequence[int]) -> dict[int, Row]:
    found = session.scalars(select(model).where(among(session, model.id, ids)))
    return {row.id: row for row in found}
