"""Token identifiers, and the tests of the clock they are made from.

A meter takes each identifier once. They are given out under the lock of the meter's
head row, written to a table from which nothing is ever removed, and counted in minutes
of UTC.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ScalarSelect, Update, bindparam, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from vmsapp.extensions import connection_of
from vmsapp.models import ClockAcceptance, Meter, Sale, SpentTid, TidHead, VendingKey
from vmsapp.services.rows import insert_at_once, insert_missing, lock_or_begin, table_of
from vmsapp.services.setup import installation
from vmsapp.services.vending.errors import BaseDateEnded, ClockBehind, KeyExpired, TidAhead
from vmsapp.statements import made_once
from vmsapp.sts import identifiers
from vmsapp.sts.errors import TidRangeError
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import (
    key_expires_at,
    key_usable,
    next_tid,
    tid_from_datetime,
    tid_to_datetime,
)

CLOCK_TOLERANCE: Final = timedelta(minutes=2)
"""How far the clock may lie behind the newest sale."""

TID_LEAD: Final = 2_880
"""Minutes a token identifier may run ahead of the clock: two days."""


@dataclass(frozen=True, slots=True)
class MeterKey:
    """What the key parameters of a meter say about its identifiers."""

    drn: str
    meter_pan: str
    base_date: BaseDate
    ken: int
    sgc: str

    @classmethod
    def of_meter(cls, meter: Meter, key: VendingKey) -> "MeterKey":
        """Gather it from the meter and its key."""
        return cls(meter.drn, meter.meter_pan, BaseDate(key.base_date), key.ken, key.sgc)

    @classmethod
    def of_sale(cls, sale: Sale) -> "MeterKey":
        """Gather it from what a sale stored."""
        drn = identifiers.meter_pan.drn_of(sale.meter_pan)
        return cls(drn, sale.meter_pan, BaseDate(sale.base_date), sale.ken, sale.sgc)


def lock_head(session: Session, meter_pan: str, base_date: str) -> TidHead:
    """Lock the head row of a meter under a base date, making it if it is the first."""
    key = {"meter_pan": meter_pan, "base_date": base_date}
    return lock_or_begin(session, TidHead, key, lambda: begin_head(session, meter_pan, base_date))


def begin_head(session: Session, meter_pan: str, base_date: str) -> None:
    """Make the head row of a meter under a base date, unless another does so now."""
    begins = first_floor(installation(session).tids_from, BaseDate(base_date))
    insert_missing(session, TidHead, meter_pan=meter_pan, base_date=base_date, floor=begins)


def first_floor(tids_from: datetime | None, base_date: BaseDate) -> int:
    """Tell where the identifiers of a meter without any begin: behind whatever a restore lost."""
    if tids_from is None:
        return 0
    try:
        return tid_from_datetime(tids_from, base_date)
    except TidRangeError:  # none can have been spent, or none is left
        return 0


def spend_tid(
    session: Session,
    head: TidHead,
    key: MeterKey,
    *,
    moment: datetime,
    request_id: str,
    highest_used: int | None = None,
) -> int:
    """Give out the next identifier of a meter; from here on it is spent.

    Args:
        session: Inside a transaction that holds ``head``'s lock.
        head: The locked head row.
        key: The meter's key parameters.
        moment: The moment of the sale.
        request_id: What it is given to.
        highest_used: The highest the module says it has used.

    Raises:
        BaseDateEnded: None is left under the base date.
        KeyExpired: The key may not make a token with it.
        TidAhead: It would lie more than two days ahead of the clock.
    """
    known = [tid for tid in (head.last_tid, highest_used) if tid is not None]
    try:
        now = tid_from_datetime(moment, key.base_date)
        tid = next_tid(now, max(known, default=None), head.floor)
    except TidRangeError:
        raise BaseDateEnded(drn=key.drn, year=key.base_date.year) from None
    if not key_usable(tid, key.ken):
        raise KeyExpired(sgc=key.sgc, expired_at=key_expires_at(key.ken, key.base_date))
    if tid - max(now, head.floor) > TID_LEAD and not _forgiven(session, head):
        raise TidAhead(drn=key.drn, reached=tid_to_datetime(tid, key.base_date))
    pan, base = head.meter_pan, head.base_date
    spent = SpentTid(meter_pan=pan, base_date=base, tid=tid, request_id=request_id)
    insert_at_once(session, spent)
    connection_of(session).execute(_raising(), {"of_pan": pan, "of_base": base, "to": tid})
    set_committed_value(head, "last_tid", tid)
    return tid


@made_once
def _raising() -> Update:
    table = table_of(TidHead)
    return (
        update(table)
        .where(table.c.meter_pan == bindparam("of_pan"), table.c.base_date == bindparam("of_base"))
        .values(last_tid=bindparam("to"))
    )


def check_clock(session: Session, moment: datetime) -> datetime:
    """Refuse to sell under a clock that lies behind the newest sale.

    Returns:
        The later of ``moment`` and the newest sale.

    Raises:
        ClockBehind: By more than two minutes, and nobody accepted it.
    """
    return check_newest(moment, newest_sale(session))


def check_newest(moment: datetime, newest: datetime | None) -> datetime:
    """Do the same where the newest sale's time was read already."""
    if newest is not None and moment < newest - CLOCK_TOLERANCE:
        raise ClockBehind(now=moment, newest=newest)
    return max(moment, newest or moment)


def newest_sale(session: Session) -> datetime | None:
    """Tell when the newest sale was made, but for those an administrator forgave."""
    return session.scalar(select(newest_sold_at()))


def newest_sold_at() -> ScalarSelect[datetime]:
    """Select the same; past the scope, for the clock is one for all vending points."""
    sale = Sale.__table__.c
    forgiven = select(func.coalesce(func.max(ClockAcceptance.newest_sale_id), 0))
    return (
        select(sale.sold_at)
        .where(sale.id > forgiven.scalar_subquery())
        .order_by(sale.sold_at.desc())
        .limit(1)
        .scalar_subquery()
    )


def _forgiven(session: Session, head: TidHead) -> bool:
    """Tell whether an administrator accepted this meter's identifiers up to its last."""
    accepted = session.scalar(
        select(func.max(ClockAcceptance.last_tid)).where(
            ClockAcceptance.meter_pan == head.meter_pan,
            ClockAcceptance.base_date == head.base_date,
        )
    )
    # Each sale after the acceptance moves the head on by its own minutes; a second jump
    # of the clock would move it by days, and asks again.
    return accepted is not None and (head.last_tid or 0) - accepted <= TID_LEAD
