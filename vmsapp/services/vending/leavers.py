"""Fees of a sale that does not stand, whose consumer has left the place meanwhile.

They are due again, from who owed them: what the place itself asks of nobody any more is added
to the arrears the leaver went with.

Source: SALE.md, "11. Counters and the service point".
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import business_day
from vmsapp.models import MeterInstallation, Sale
from vmsapp.services.setup import zone_at
from vmsapp.tariffs.arrears import period_start
from vmsapp.tariffs.lines import LineKind
from vmsapp.tariffs.plan import FeePeriod

Hung = Row[*tuple[Any, ...]]

link = MeterInstallation.__table__.c


def owe_again(session: Session, sale: Sale, fees: Collection[tuple[str, date]]) -> None:
    """Add fees that are due again to the arrears of who bought, if they left since.

    The fee of the period in which the next consumer came is due at the place, from whoever
    buys there first, and so is not the leaver's; while nobody came, that of the period in
    which the meter was taken off.

    Args:
        session: Under the lock of the service point.
        sale: Which paid them.
        fees: Length and first day of their periods.
    """
    own, after = _tenancy(session, sale) if fees else ([], None)
    if not own or own[-1].removed_at is None:
        return  # who bought is there still
    since: datetime = after.installed_at if after else own[-1].removed_at
    day = business_day(since, zone_at(session, since))
    gone = [fee for fee in fees if fee[1] < period_start(day, FeePeriod(fee[0]))]
    # where nobody came and nothing was noted, it is worked out in whole when somebody does
    noted = func.coalesce(link.arrears_minor, 0) if after else link.arrears_minor
    session.execute(
        update(MeterInstallation)
        .where(link.id == own[-1].id)
        .values(arrears_minor=noted + _paid_for(sale, gone))
        .execution_options(synchronize_session=False)
    )


def _tenancy(session: Session, sale: Sale) -> tuple[Sequence[Hung], Hung | None]:
    """Find the links of who bought, from that of the sale on, and the next consumer's first."""
    rows = session.execute(
        select(link.id, link.meter_id, link.consumer_id, link.installed_at, link.removed_at)
        .where(link.service_point_id == sale.service_point_id)
        .order_by(link.id)
    ).all()
    theirs = [row.consumer_id in {None, sale.consumer_id} for row in rows]
    hung = [
        place
        for place, row in enumerate(rows)
        if theirs[place] and row.meter_id == sale.meter_id and row.installed_at <= sale.sold_at
    ]
    if not hung:
        return [], None
    first = hung[-1]
    own = rows[first : first + len(list(takewhile(bool, theirs[first:])))]
    return own, next(iter(rows[first + len(own) :]), None)


def _paid_for(sale: Sale, fees: Collection[tuple[str, date]]) -> int:
    """Add up what a sale took for the fees of some periods, minor units.

    Of older sales the lines do not tell a period's length.
    """
    wanted = {(told, start.isoformat()) for length, start in fees for told in (length, None)}
    return sum(
        line["amount_minor"]
        for line in sale.calculation["lines"]
        if line["kind"] in {LineKind.FEE, LineKind.FEE_ARREARS}
        and (line.get("period"), line["period_start"]) in wanted
    )
