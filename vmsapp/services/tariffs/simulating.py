"""Simulating: a month's real sales, priced once more under a plan that is being written.

The sales are walked place by place in the order of ids, and at each place in the order they
happened, so that steps, limits and fees go on from sale to sale as they would have. They are
priced by the engine that prices real sales, under counters made the same way. Rows come in parts:
of a part are held its places and some hundred sales, of all before only sums; after each part
these are written down, so that a run that was stopped goes on there.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.extensions import atomic, begin_reading, end_reading
from vmsapp.models import (
    Counter,
    FeePayment,
    Meter,
    Purchase,
    Region,
    Sale,
    ServicePoint,
    Setup,
    TariffPlan,
    TariffSimulation,
)
from vmsapp.models.simulation import Basis
from vmsapp.scope import Actor, below
from vmsapp.services.job_runs import Work
from vmsapp.services.problems import problem_of
from vmsapp.services.setup import currency_of, setup_at
from vmsapp.services.tariffs.reading import as_plan, terms_of
from vmsapp.services.tariffs.simulation_sums import Figures, Sums, parts_of
from vmsapp.services.vending.history import LENGTHS, NOTHING, History
from vmsapp.services.vending.pricing import standing_of
from vmsapp.tariffs.arrears import period_start
from vmsapp.tariffs.engine import Quote, Terms, Used, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.plan import Accumulation, FeePeriod

SIMULATE: Final = "tariff.simulate"

PLACES: Final = 1_000
"""Places of a part: after each it is written down how far it is."""

SALES: Final = 500
"""Sales read at once."""

COLUMNS: Final = (
    Purchase.service_point_id, Purchase.id, Purchase.meter_id, Purchase.consumer_id,
    Purchase.business_date, Purchase.units, Purchase.charged_minor, Purchase.credit_minor,
    Purchase.calculation, Meter.__table__.c.product_id,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trying:
    """What is the same for all sales of a simulation."""

    row: TariffSimulation
    plan: TariffPlan
    setup: Setup
    terms: Terms

    @property
    def first(self) -> date:
        """First day of the month."""
        return self.row.month

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first.replace(day=monthrange(self.first.year, self.first.month)[1])

    def money(self, tender_minor: int, history: History) -> Quote:
        """Price what the same money buys."""
        standing = standing_of([self.plan], self.setup, self.terms, history)
        return quote_by_amount(self.terms, standing, tender_minor)

    def units(self, units: Any, history: History) -> Quote:  # noqa: ANN401 - a Decimal
        """Price the same units."""
        standing = standing_of([self.plan], self.setup, self.terms, history)
        return quote_by_quantity(self.terms, standing, units)


@dataclass(frozen=True, slots=True)
class Place:
    """A place before the month.

    Attributes:
        opening: What was bought there before that its steps still count.
        paid: Fee periods paid before that reach into the month.
    """

    id: int
    attached_on: date
    paid_until: date | None
    opening: Used = NOTHING
    paid: frozenset[tuple[FeePeriod, date]] = frozenset()


def simulate(session: Session, _actor: Actor, work: Work) -> None:
    """Run a simulation, or go on with it; in the asker's scope.

    Raises:
        NotFound: It is there no more: its plan was removed.
    """
    trying = _begin(session, work.params["simulation"])
    row = trying.row
    sums = Sums.of(row.kept) if row.kept else Sums(row.basis, edges_of(trying))
    total = session.scalar(select(func.count()).select_from(_places(trying).subquery())) or 0
    while True:
        work.stop_if_asked(session)
        begin_reading(session)
        places = _next_places(session, trying, row.after_id)
        for _sale in walk(session, trying, places, sums):
            pass
        end_reading(session)
        sums.walked += len(places)
        with atomic(session, durable=True):
            kept = session.get(TariffSimulation, row.id, populate_existing=True)
            if kept is None:
                raise NotFound
            kept.kept = sums.as_json()
            if places:
                kept.after_id = places[-1].id
            else:
                kept.finished_at = now_utc()
            work.advance(session, sums.walked, max(total, sums.walked))
        row = kept
        if not places:
            return


def _begin(session: Session, simulation_id: int) -> Trying:
    row = session.scalars(
        select(TariffSimulation).where(TariffSimulation.id == simulation_id)
    ).first()
    if row is None:
        raise NotFound
    setup = setup_at(session, now_utc())
    return trying_of(row, setup)


def trying_of(row: TariffSimulation, setup: Setup) -> Trying:
    """Make what prices the sales: the plan as it was kept, as if in force since the month began."""
    plan = TariffPlan(name="", effective_on=row.month, rules=row.rules)
    return Trying(row, plan, setup, terms_of(plan, setup))


def edges_of(trying: Trying) -> list[str]:
    """Tell the bands places fall into: the draft's steps, or usual ones where it has but one."""
    plan = as_plan(trying.plan, currency_of(trying.setup))
    ends = [f"{step.end:f}" for step in plan.steps if step.end is not None]
    monthly = plan.accumulation in {Accumulation.MONTH, Accumulation.FIRST_OF_MONTH}
    return ends if ends and monthly else ["50", "100", "200", "400", "800"]


def _places(trying: Trying) -> Select[Any]:
    wanted = select(ServicePoint.id)
    if trying.row.region_id is None:
        return wanted
    regions = Region.__table__.c
    top = select(regions.path).where(regions.id == trying.row.region_id).scalar_subquery()
    lying = select(regions.id).where(below(regions.path, top))
    return wanted.where(ServicePoint.region_id.in_(lying))


def _next_places(session: Session, trying: Trying, after: int) -> Sequence[Place]:
    wanted = (
        _places(trying)
        .add_columns(ServicePoint.plan_attached_on, ServicePoint.fees_paid_until)
        .where(ServicePoint.id > after)
        .order_by(ServicePoint.id)
        .limit(PLACES)
    )
    return [Place(*row) for row in session.execute(wanted)]


def walk(session: Session, trying: Trying, places: Sequence[Place], sums: Sums) -> Iterator[int]:
    """Price the sales of some places into the sums; tells the id of each sale as it is through."""
    if not places:
        return
    between = (places[0].id, places[-1].id)
    known = {place.id: place for place in _opened(session, trying, places, between)}
    for place_id, sales in groupby(_sales(session, trying, between), lambda sale: sale[0]):
        if place_id in known:
            yield from _walk_place(trying, known[place_id], sales, sums)


def _sales(session: Session, trying: Trying, between: tuple[int, int]) -> Iterator[Any]:
    """Read the sales of some places, place by place, each in the order they happened."""
    plans = select(TariffPlan.id).where(TariffPlan.tariff_id == trying.row.tariff_id)
    wanted = (
        select(*COLUMNS)
        .join(Meter.__table__, Meter.__table__.c.id == Purchase.meter_id)
        .where(
            Purchase.service_point_id.between(*between),
            Purchase.business_date.between(trying.first, trying.last),
            Purchase.state == literal_column("'issued'"),
            Purchase.plan_id.in_(plans),
        )
        .order_by(Purchase.service_point_id, Purchase.id)
    )
    with session.execute(wanted.execution_options(yield_per=SALES)) as found:
        yield from found


def _walk_place(trying: Trying, place: Place, sales: Iterator[Any], sums: Sums) -> Iterator[int]:
    figures, last = Figures(), None
    days: dict[date, Used] = {}
    ever = trying.terms.plan.accumulation is Accumulation.EVER
    if not ever and place.opening.units:
        days[trying.first - timedelta(days=1)] = place.opening
    paid = set(place.paid)
    for last in sales:
        _place, sale_id, _meter, _consumer, day, units, charged, credit, calculation, _p = last
        if credit is not None:
            sums.in_money += 1
            yield sale_id
            continue
        lines = calculation.get("lines", ())
        older = sum(line["amount_minor"] for line in lines if _is_older(line, trying.first))
        debts = sum(line["amount_minor"] for line in lines if line["kind"] == "debt")
        real = charged - debts - older
        sums.older_minor += older
        history = History(
            today=day, days=days, earlier=place.opening if ever else NOTHING,
            paid=frozenset(paid), paid_until=place.paid_until,
            attached_on=max(place.attached_on, trying.first),
        )  # fmt: skip
        try:
            quote = (
                trying.units(units, history) if trying.row.basis == Basis.UNITS
                else trying.money(real, history)
            )  # fmt: skip
        except VmsError as error:
            sums.refuse(sale_id, real, problem_of(error))
            yield sale_id
            continue
        used = days.get(day, NOTHING)
        days[day] = Used(used.units + quote.units, used.minor + quote.charged_minor)
        paid |= {(fee.period, fee.start) for fee in quote.fees}
        figures.sales += 1
        figures.real_minor += real
        figures.draft_minor += quote.charged_minor
        figures.real_units += units
        figures.draft_units += quote.units
        figures.real_parts.update(parts_of(
            (line["kind"], line["amount_minor"]) for line in lines
            if not _is_older(line, trying.first)
        ))  # fmt: skip
        figures.draft_parts.update(
            parts_of((line.kind.value, line.amount_minor) for line in quote.lines)
        )
        yield sale_id
    if last is not None:
        sums.close(figures, place.id, last[9], last[2], last[3])


def _is_older(line: dict[str, Any], first: date) -> bool:
    """Tell whether a line is a missed fee of a time before the month."""
    begun = line.get("period_start")
    return line["kind"] == "fee_arrears" and begun is not None and begun < first.isoformat()


def _opened(
    session: Session, trying: Trying, places: Sequence[Place], between: tuple[int, int]
) -> Iterator[Place]:
    """Read what each place had bought and paid before the month, as far as it still counts."""
    opening = _opening(session, trying, between)
    paid = _paid(session, trying, between)
    for place in places:
        yield Place(
            place.id, place.attached_on, place.paid_until, opening.get(place.id, NOTHING),
            frozenset(paid.get(place.id, ())),
        )  # fmt: skip


def _opening(session: Session, trying: Trying, between: tuple[int, int]) -> dict[int, Used]:
    counts = trying.terms.plan.accumulation
    if counts not in {Accumulation.WEEK, Accumulation.YEAR, Accumulation.EVER}:
        return {}
    since = date.min if counts is Accumulation.EVER else period_start(trying.first, LENGTHS[counts])
    rows = session.execute(
        select(Counter.service_point_id, func.sum(Counter.units), func.sum(Counter.charged_minor))
        .where(
            Counter.service_point_id.between(*between),
            Counter.period_start >= since, Counter.period_start < trying.first,
        )
        .group_by(Counter.service_point_id)
    )  # fmt: skip
    return {place: Used(units, int(minor)) for place, units, minor in rows}


def _paid(
    session: Session, trying: Trying, between: tuple[int, int]
) -> dict[int, list[tuple[FeePeriod, date]]]:
    """Tell which fees were paid before that are for a week or year that reaches into the month."""
    fee = trying.terms.plan.fixed_fee
    if fee is None or fee.period not in {FeePeriod.WEEK, FeePeriod.YEAR}:
        return {}
    sale = Sale.__table__.c  # past the scope: a fee is paid wherever it was
    rows = session.execute(
        select(FeePayment.service_point_id, FeePayment.period_start)
        .join(Sale.__table__, sale.id == FeePayment.sale_id)
        .where(
            FeePayment.service_point_id.between(*between), FeePayment.fee_period == fee.period,
            FeePayment.period_start >= period_start(trying.first, fee.period),
            sale.business_date < trying.first,
        )
    )  # fmt: skip
    found: dict[int, list[tuple[FeePeriod, date]]] = {}
    for place, start in rows:
        found.setdefault(place, []).append((fee.period, start))
    return found
