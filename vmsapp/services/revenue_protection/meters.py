"""Rules about meters: those that stopped or dropped, and those that were favoured.

What was bought is summed from the sales themselves, some thousand meters at a time, along the
index of purchases by place and consumer. A sum kept for each meter and month would be no
smaller: prepaid meters buy about once a month. The bare tables lie past the scope, for whoever
buys at another vending point has not stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, select

from vmsapp.clock import moment_of
from vmsapp.models import (
    EngineeringState,
    EngineeringToken,
    FreeToken,
    Meter,
    MeterInstallation,
    MeterState,
    Sale,
    SaleState,
    ServicePoint,
)
from vmsapp.models.meter import CreditMode
from vmsapp.models.sale import PURCHASES
from vmsapp.services.engineering.functions import Function
from vmsapp.services.revenue_protection.looking import (
    Look,
    Part,
    finding,
    month_begin,
    of_meter,
    whole,
)
from vmsapp.services.rows import among

AT_ONCE: Final = 5_000
"""Meters that are looked at in one statement."""
YEAR: Final = 12
"""Months."""
HUNDRED: Final = 100

sale, link = Sale.__table__.c, MeterInstallation.__table__.c
place, meter = ServicePoint.__table__.c, Meter.__table__.c
free, token = FreeToken.__table__.c, EngineeringToken.__table__.c


class Hanging(NamedTuple):
    """A meter that may be sold to, where it hangs and who buys for it."""

    meter_id: int
    place_id: int
    consumer_id: int
    credit_mode: str


class Months(NamedTuple):
    """Some calendar months one after the other; ``after`` is the day after the last."""

    first: date
    after: date
    many: int

    @classmethod
    def back(cls, day: date, count: int, skipped: int = 0) -> "Months":
        """Take ``count`` months, the last of which lies ``skipped`` before that of ``day``."""
        end = skipped - 1
        return cls(month_begin(day, end + count), month_begin(day, end), count)

    def each(self) -> Iterator[tuple[date, date]]:
        """Give the first day of each, and the day after its last."""
        for number in range(self.many):
            yield month_begin(self.first, -number), month_begin(self.first, -number - 1)

    def holds(self, day: ColumnElement[date]) -> ColumnElement[bool]:
        """State that a day lies in them."""
        return and_(day >= self.first, day < self.after)


def stopped(look: Look) -> Iterator[Part]:
    """Find meters whose consumers bought regularly, and nothing for days."""
    last = look.today - timedelta(days=look.numbers["days"])
    months = Months.back(last, look.numbers["months"])
    columns = (_bought_in(months), func.max(sale.business_date))
    for hanging, within in _parts(look):
        found = [
            of_meter(one.meter_id, months=bought, of=months.many, last_on=last_on.isoformat())
            for one, (bought, last_on) in _sums(look, hanging, columns, months.first)
            if bought >= look.numbers["least"] and last_on <= last
        ]
        yield Part(found, within, len(hanging))


def dropped(look: Look) -> Iterator[Part]:
    """Find meters that still buy, and much less than they used to."""
    recent = Months.back(look.today, look.numbers["recent"], skipped=1)
    before = Months.back(recent.first, look.numbers["months"], skipped=1)
    season = Months.back(look.today, recent.many, skipped=1 + YEAR)
    of_units = case((sale.credit_minor.is_(None), sale.units), else_=0)
    columns = (
        *(
            func.sum(case((months.holds(sale.business_date), what), else_=0))
            for months in (recent, before, season)
            for what in (of_units, sale.charged_minor)
        ),
        _bought_in(before), _bought_in(season), func.max(sale.business_date),
    )  # fmt: skip
    first = min(season.first, before.first)
    for hanging, within in _parts(look):
        found = [
            of_meter(one.meter_id, **facts)
            for one, row in _sums(look, hanging, columns, first)
            if row[-1] >= recent.first
            and (facts := _drop(look, one, row, recent.many, before.many)) is not None
        ]
        yield Part(found, within, len(hanging))


def _drop(
    look: Look, one: Hanging, row: Sequence[Any], recent: int, before: int
) -> Mapping[str, Any] | None:
    """Compare a meter with itself; ``None`` where it has no history, or did not drop."""
    in_money = one.credit_mode == CreditMode.CURRENCY
    now, then, year_ago = (Decimal(row[2 * place + in_money] or 0) for place in range(3))
    regular, seasonal = row[6] >= look.numbers["least"], row[7] == recent
    if seasonal:
        expected = year_ago
    elif regular:
        expected = then * recent / before
    else:
        return None
    if now * HUNDRED >= expected * look.numbers["percent"]:
        return None
    places = Decimal(1) if in_money else Decimal("0.1")
    return {
        "now": f"{now.normalize():f}", "expected": f"{expected.quantize(places):f}",
        "months": recent, "seasonal": seasonal, "in_money": in_money,
    }  # fmt: skip


def given(look: Look) -> Iterator[Part]:
    """Find meters that were given tokens without money again and again."""
    count = func.count()
    rows = look.session.execute(
        select(free.meter_id, count, func.sum(free.value_minor))
        .join(Sale.__table__, sale.id == free.sale_id)
        .where(free.business_date >= look.since, free.business_date <= look.today)
        .where(sale.state == SaleState.ISSUED)
        .group_by(free.meter_id)
        .having(count >= look.numbers["least"])
    )
    yield whole([of_meter(key, tokens=many, worth=int(minor)) for key, many, minor in rows])


def smallest(look: Look) -> Iterator[Part]:
    """Find meters for which the smallest purchase is made again and again."""
    if look.smallest_minor is None:
        yield whole([])
        return
    counts: dict[int, int] = {}
    for day in look.days():
        for key, many in look.session.execute(
            select(sale.meter_id, func.count())
            .where(sale.business_date == day, *PURCHASES)
            .where(sale.charged_minor <= look.smallest_minor)
            .group_by(sale.meter_id)
        ):
            counts[key] = counts.get(key, 0) + many
    least = look.numbers["least"]
    yield whole([of_meter(key, sales=many) for key, many in counts.items() if many >= least])


def cleared(look: Look) -> Iterator[Part]:
    """Find meters whose tamper status was cleared again and again."""
    from_on = moment_of(_midnight(look.since), look.zone)
    count = func.count()
    rows = look.session.execute(
        select(token.meter_id, count)
        .where(token.function == Function.CLEAR_TAMPER, token.state == EngineeringState.ISSUED)
        .where(token.reserved_at >= from_on)
        .group_by(token.meter_id)
        .having(count >= look.numbers["least"])
    )
    yield whole([of_meter(key, tokens=many) for key, many in rows])


def _parts(look: Look) -> Iterator[tuple[Sequence[Hanging], ColumnElement[bool]]]:
    """Go through the meters that may be sold to, by their ids; last what lies beyond them all."""
    wanted = (
        select(link.meter_id, place.id, place.consumer_id, meter.credit_mode)
        .join_from(MeterInstallation.__table__, ServicePoint.__table__,
                   place.id == link.service_point_id)
        .join(Meter.__table__, meter.id == link.meter_id)
        .where(link.removed_at.is_(None), place.consumer_id.is_not(None))
        .where(meter.state == MeterState.ACTIVE)
        .order_by(link.meter_id)
        .limit(AT_ONCE)
    )  # fmt: skip
    after = 0
    while True:
        look.pause()
        rows = look.session.execute(wanted.where(link.meter_id > after))
        hanging = [Hanging(*row) for row in rows]
        beyond = finding.meter_id > after
        if len(hanging) < AT_ONCE:
            yield hanging, beyond
            return
        after = hanging[-1].meter_id
        yield hanging, and_(beyond, finding.meter_id <= after)


def _sums(
    look: Look, hanging: Sequence[Hanging], columns: Sequence[Any], since: date
) -> Iterator[tuple[Hanging, Sequence[Any]]]:
    """Sum what each meter's present consumer bought where it hangs; none for who bought nothing."""
    by_place = {one.place_id: one for one in hanging}
    rows = look.session.execute(
        select(sale.service_point_id, sale.consumer_id, *columns)
        .where(among(look.session, sale.service_point_id, list(by_place)))
        .where(*PURCHASES, sale.business_date >= since, sale.business_date <= look.today)
        .group_by(sale.service_point_id, sale.consumer_id)
    )
    for place_id, consumer_id, *sums in rows:
        one = by_place[place_id]
        if one.consumer_id == consumer_id:
            yield one, sums


def _bought_in(months: Months) -> ColumnElement[int]:
    """Count the months in which something was bought."""
    counted = [
        func.max(case((and_(sale.business_date >= first, sale.business_date < after), 1), else_=0))
        for first, after in months.each()
    ]
    total: ColumnElement[int] = counted[0]
    for one in counted[1:]:
        total = total + one
    return total


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
