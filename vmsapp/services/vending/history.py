"""What a service point has bought and paid, as far as a price depends on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import BindParameter, CompoundSelect, bindparam, func, literal, null, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day
from vmsapp.models import Counter, FeePayment, ServicePoint, Setup
from vmsapp.services.rows import run
from vmsapp.statements import made_once
from vmsapp.tariffs.arrears import period_start
from vmsapp.tariffs.engine import Used
from vmsapp.tariffs.plan import Accumulation, FeePeriod, Span

COUNTED: Final = "counted"
EARLIER: Final = "earlier"
"""Stand where the kind of fee does in rows of counters."""

NOTHING: Final = Used(Decimal(0), 0)

LENGTHS: Final = {
    Accumulation.SALE: FeePeriod.SALE,
    Accumulation.DAY: FeePeriod.DAY,
    Accumulation.WEEK: FeePeriod.WEEK,
    Accumulation.MONTH: FeePeriod.MONTH,
    Accumulation.FIRST_OF_MONTH: FeePeriod.MONTH,
    Accumulation.YEAR: FeePeriod.YEAR,
}
"""The calendar period each kind of accumulation counts; ``EVER`` has none."""


@dataclass(frozen=True, slots=True)
class History:
    """The counters of a service point at a moment.

    Attributes:
        today: The utility's day, but never before the newest one with purchases that stand: a
            clock that was set back must not open an older period's counters again.
        days: What was bought on each day of this year and this week.
        earlier: What was bought before.
        paid: Fee periods paid, each as its length and its first day.
        paid_until: Fee periods that begin on this day or earlier are paid, too.
        attached_on: Day from which missed fees accumulate.
    """

    today: date
    days: Mapping[date, Used]
    earlier: Used
    paid: frozenset[tuple[FeePeriod, date]]
    paid_until: date | None
    attached_on: date

    def bought(self, counts: Accumulation) -> Decimal:
        """Add up the units that steps count; a single purchase counts none before it."""
        if counts is Accumulation.SALE:
            return Decimal(0)
        if counts is Accumulation.EVER:
            return self.earlier.units + self._since(date.min).units
        return self._since(period_start(self.today, LENGTHS[counts])).units

    def used(self) -> dict[Span, Used]:
        """Add up what counts against the limits of a day and of a month."""
        return {
            Span.DAY: self.days.get(self.today, NOTHING),
            Span.MONTH: self._since(period_start(self.today, FeePeriod.MONTH)),
        }

    def _since(self, first: date) -> Used:
        counted = [used for day, used in self.days.items() if day >= first]
        return Used(
            sum((used.units for used in counted), Decimal(0)), sum(used.minor for used in counted)
        )


def history_of(session: Session, setup: Setup, point: ServicePoint, moment: datetime) -> History:
    """Read what a service point has bought, and which fees it has paid, in one statement."""
    day = business_day(moment, setup.time_zone)
    listed = min(period_start(day, FeePeriod.YEAR), period_start(day, FeePeriod.WEEK))
    rows = run(session, _counted(), {"point_id": point.id, "listed": listed}).all()
    bought = {row[1]: Used(row[2], row[3]) for row in rows if row[0] == COUNTED}
    before = next(row for row in rows if row[0] == EARLIER)
    # What was given back, or never counted, is no purchase: it moves nobody's day.
    purchases = [one for one, used in bought.items() if used != NOTHING]
    return History(
        today=max([day, *purchases]),
        days=bought,
        earlier=NOTHING if before[2] is None else Used(before[2], int(before[3])),
        paid=frozenset(
            (FeePeriod(row[0]), row[1]) for row in rows if row[0] not in {COUNTED, EARLIER}
        ),
        paid_until=point.fees_paid_until,
        attached_on=point.plan_attached_on,
    )


@made_once
def _counted() -> CompoundSelect[str, date, Decimal, int]:
    point_id: BindParameter[int] = bindparam("point_id")
    listed: BindParameter[date] = bindparam("listed")
    mine = Counter.service_point_id == point_id
    days = select(
        literal(COUNTED), Counter.period_start, Counter.units, Counter.charged_minor
    ).where(mine, Counter.period_start >= listed)
    earlier = select(
        literal(EARLIER), null(), func.sum(Counter.units), func.sum(Counter.charged_minor)
    ).where(mine, Counter.period_start < listed)
    fees = select(FeePayment.fee_period, FeePayment.period_start, null(), null()).where(
        FeePayment.service_point_id == point_id
    )
    return days.union_all(earlier, fees)
