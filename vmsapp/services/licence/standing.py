"""What the installed licence allows, on a day.

Without a licence the product is its own open edition and limits nothing. A licence has
two limits, and each its own consequence: at the number of meters no more are added; some
days after the last day nothing more is sold. Neither hides anything: pages, receipts,
reprints, reports and the settling of sales never ask here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ScalarSelect, Select, case, func, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day
from vmsapp.errors import N_, Refused
from vmsapp.models import Installation, LicenceChange, LicenceDeed, Meter, MeterState
from vmsapp.scope import unscoped
from vmsapp.services.rows import lock
from vmsapp.statements import made_once

GRACE_DAYS: Final = 30
"""Days for which tokens are sold after the last day, unless the settings say otherwise."""
WARN_DAYS: Final = 30
WARN_PERCENT: Final = 5
"""How far ahead of its limits a licence warns: in days, and in per cent of the meters."""


class LicenceEnded(Refused):
    """The licence's last day and the grace period are over."""

    code = "licence_ended"
    message = N_(
        "The licence ended on %(valid_until)s, and so did the time to renew it."
        " Nothing can be sold until an administrator installs a new one."
    )

    def __init__(self, *, valid_until: date) -> None:
        super().__init__(valid_until=valid_until)


class MeterLimitReached(Refused):
    """More meters than the licence allows; none was added."""

    code = "meter_limit_reached"
    message = N_(
        "The licence allows %(limit)s meters and there are %(meters)s. Adding %(count)s more would"
        " exceed it, so none was added. Retire meters that are gone, or install a larger licence."
    )

    def __init__(self, *, limit: int, meters: int, count: int) -> None:
        super().__init__(limit=limit, meters=meters, count=count)


class LicenceState(StrEnum):
    """How an installation stands with its licence."""

    OPEN = "open"
    LICENSED = "licensed"
    ENDS_SOON = "ends_soon"
    GRACE = "grace"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Standing:
    """A licence seen on a day.

    Attributes:
        licence: The one that holds; ``None`` is the open edition.
        day: The day, in the utility's time zone.
        grace_days: For how many days after the last one tokens are still sold.
    """

    licence: LicenceChange | None
    day: date
    grace_days: int

    @property
    def days_left(self) -> int | None:
        """Days after this one until the last; below zero once it is past."""
        if self.licence is None or self.licence.valid_until is None:
            return None
        return (self.licence.valid_until - self.day).days

    @property
    def state(self) -> LicenceState:
        """How it stands."""
        left = self.days_left
        if left is None:
            return LicenceState.OPEN
        if left > WARN_DAYS:
            return LicenceState.LICENSED
        if left >= 0:
            return LicenceState.ENDS_SOON
        return LicenceState.GRACE if -left <= self.grace_days else LicenceState.ENDED

    @property
    def sells_until(self) -> date | None:
        """The last day on which tokens are sold."""
        if self.licence is None or self.licence.valid_until is None:
            return None
        return self.licence.valid_until + timedelta(days=self.grace_days)

    def near_limit(self, meters: int) -> bool:
        """Tell whether so many meters come near the limit, or lie beyond it."""
        limit = self.licence.meter_limit if self.licence is not None else None
        return limit is not None and meters * 100 >= limit * (100 - WARN_PERCENT)


def in_force(session: Session) -> LicenceChange | None:
    """Fetch the licence that holds; ``None`` is the open edition."""
    return holding(history(session, most=1))


def holding(changes: Sequence[LicenceChange]) -> LicenceChange | None:
    """Tell the licence that holds after these changes, the newest of which comes first."""
    newest = next(iter(changes), None)
    return newest if newest is not None and newest.deed == LicenceDeed.INSTALLED else None


def history(session: Session, most: int) -> Sequence[LicenceChange]:
    """List the last changes, the newest first."""
    return session.scalars(_newest_changes(most)).all()


@made_once
def _newest_changes(most: int) -> Select[LicenceChange]:
    return select(LicenceChange).order_by(LicenceChange.id.desc()).limit(most)


def check_vending(session: Session, moment: datetime, zone: str, grace_days: int) -> None:
    """Refuse to sell once the licence and its grace period have ended.

    Args:
        session: The one of the sale.
        moment: The later of the clock and the newest sale: a clock set back wins no time.
        zone: The utility's time zone.
        grace_days: Days of grace.

    Raises:
        LicenceEnded: Both are over.
    """
    check_day(session.scalar(select(valid_until())), business_day(moment, zone), grace_days)


def check_day(last: date | None, day: date, grace_days: int) -> None:
    """Refuse to sell on a day after a licence's last and its grace period.

    Raises:
        LicenceEnded: Both are over.
    """
    if last is not None and day > last + timedelta(days=grace_days):
        raise LicenceEnded(valid_until=last)


def valid_until() -> ScalarSelect[date | None]:
    """Select the last day of the licence that holds; nothing for the open edition."""
    change = LicenceChange.__table__.c
    until = case((change.deed == LicenceDeed.INSTALLED, change.valid_until))
    return select(until).order_by(change.id.desc()).limit(1).scalar_subquery()


def count_meters(session: Session) -> int:
    """Count the meters a licence counts: all but the retired, of all regions."""
    with unscoped("a licence counts the meters of all regions"):
        return (
            session.scalar(
                select(func.count()).select_from(Meter).where(Meter.state != MeterState.RETIRED)
            )
            or 0
        )


def admit_meters(session: Session, count: int) -> None:
    """Let ``count`` more meters in, or none of them.

    Whoever adds meters, or takes retired ones back into use, asks first, once for all of
    them and in the transaction that does it: until it ends, nobody else is let in.

    Args:
        session: Inside ``atomic``.
        count: How many more there will be.

    Raises:
        MeterLimitReached: They do not all fit.
    """
    lock(session, Installation, Installation.id == 1)
    licence = in_force(session)
    if licence is None or licence.meter_limit is None:
        return
    meters = count_meters(session)
    if meters + count > licence.meter_limit:
        raise MeterLimitReached(limit=licence.meter_limit, meters=meters, count=count)
