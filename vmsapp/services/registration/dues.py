"""Fixed fees that are due at service points, whoever buys there next."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, null, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day
from vmsapp.models import Counter, FeePayment, ServicePoint, Setup, TariffPlan
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import plans_between
from vmsapp.services.tariffs.reading import NoPlanInForce
from vmsapp.services.vending.history import History
from vmsapp.services.vending.pricing import FeesPaid, fees_of
from vmsapp.tariffs.engine import FeeDue
from vmsapp.tariffs.plan import FeePeriod


@dataclass(frozen=True, slots=True)
class Dues:
    """Fees due, minor units: those of this period, and those missed before."""

    current_minor: int
    missed_minor: int

    @classmethod
    def of(cls, fees: Sequence[FeeDue]) -> "Dues":
        """Add fees up; the fee of a sale itself is due with it alone."""
        due = [fee for fee in fees if fee.period is not FeePeriod.SALE]
        missed = sum(fee.amount_minor for fee in due if fee.missed)
        return cls(sum(fee.amount_minor for fee in due) - missed, missed)

    @property
    def all_minor(self) -> int:
        """Both together."""
        return self.current_minor + self.missed_minor


NONE = Dues(0, 0)


def dues_of(session: Session, setup: Setup, tariff_id: int | None, history: History) -> Dues:
    """Add up the fees at a place whose history is known; none without a plan in force."""
    plans = plans_known(session, tariff_id, history)
    return Dues.of(fees_of(plans, currency_of(setup), history)) if plans else NONE


def plans_known(session: Session, tariff_id: int | None, history: History) -> Sequence[TariffPlan]:
    """List a tariff's plans since a place got it; none where none is in force."""
    if tariff_id is None:
        return ()
    try:
        return plans_between(session, tariff_id, history.attached_on, history.today)
    except NoPlanInForce:
        return ()


@dataclass(frozen=True, slots=True)
class _Paid:
    """What a place has paid, as ``FeesPaid``."""

    today: date
    attached_on: date
    paid_until: date | None
    paid: frozenset[tuple[FeePeriod, date]]


def dues_at(
    session: Session,
    setup: Setup,
    places: Iterable[tuple[ServicePoint, int | None]],
    moment: datetime,
) -> dict[int, Dues]:
    """Add up the fees at many places, in two statements.

    Args:
        session: In the scope of the asker, who sees the places.
        setup: In force at the moment.
        places: Each with the tariff of its meter.
        moment: When.

    Returns:
        By the place's id; those whose meter has no plan in force are left out.
    """
    priced = [(point, tariff_id) for point, tariff_id in places if tariff_id is not None]
    if not priced:
        return {}
    plans = _plans(session, {tariff_id for _, tariff_id in priced})
    day = business_day(moment, setup.time_zone)
    standing = _standing(session, [point for point, _ in priced], day)
    due = {}
    for point, tariff_id in priced:
        paid = standing[point.id]
        known = [row for row in plans[tariff_id] if row.effective_on <= paid.today]
        if known:
            due[point.id] = Dues.of(fees_of(known, currency_of(setup), paid))
    return due


def _standing(
    session: Session, points: Sequence[ServicePoint], day: date
) -> Mapping[int, FeesPaid]:
    """Read what places have paid; a clock that was set back stays at their newest purchase.

    One that was given back is none, as at the counter.
    """
    ids = [point.id for point in points]
    fees = select(
        FeePayment.service_point_id, FeePayment.fee_period, FeePayment.period_start
    ).where(FeePayment.service_point_id.in_(ids))
    days = (
        select(Counter.service_point_id, null(), func.max(Counter.period_start))
        .where(Counter.service_point_id.in_(ids))
        .where((Counter.units != 0) | (Counter.charged_minor != 0))
        .group_by(Counter.service_point_id)
    )
    paid: dict[int, set[tuple[FeePeriod, date]]] = defaultdict(set)
    newest: dict[int, date] = {}
    for place, period, start in session.execute(fees.union_all(days)):
        if period is None:
            newest[place] = start
        else:
            paid[place].add((FeePeriod(period), start))
    return {
        point.id: _Paid(
            today=max(day, newest.get(point.id, day)), attached_on=point.plan_attached_on,
            paid_until=point.fees_paid_until, paid=frozenset(paid[point.id]),
        )
        for point in points
    }  # fmt: skip


def _plans(session: Session, tariffs: set[int]) -> Mapping[int, list[TariffPlan]]:
    rows = session.scalars(
        select(TariffPlan).where(TariffPlan.tariff_id.in_(tariffs))
        .order_by(TariffPlan.effective_on)
    )  # fmt: skip
    plans: dict[int, list[TariffPlan]] = defaultdict(list)
    for row in rows:
        plans[row.tariff_id].append(row)
    return plans
