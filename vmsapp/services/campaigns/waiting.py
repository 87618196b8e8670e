"""What still waits to be printed on the sheets of a campaign, in the order of the route.

Looked at before anything is printed: no digits here, and nothing is noted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from vmsapp.models import (
    Campaign,
    CampaignNotice,
    ChangeState,
    Consumer,
    HandOut,
    KeyChange,
    KeyChangeToken,
    Meter,
    MeterInstallation,
    NoticeState,
    Region,
    ServicePoint,
)
from vmsapp.services.rows import among

ADDRESS: Final = func.coalesce(func.nullif(ServicePoint.address, ""), Consumer.address, "")
"""Where a meter hangs: the place's own address, else its consumer's."""


@dataclass(frozen=True, slots=True)
class Next:
    """A meter whose sheet comes next."""

    drn: str
    region: str
    address: str
    consumer: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many sheets wait, how many were printed, and which come next."""

    waiting: int
    printed: int
    next: Sequence[Next]


def waiting(session: Session, campaign: Campaign, limit: int) -> Waiting:
    """Count the sheets of a campaign, and list the next ones.

    Args:
        session: In the asker's scope.
        campaign: One whose sets go out on sheets.
        limit: How many are listed.
    """
    left = session.scalar(select(func.count(KeyChange.id)).where(*_still(campaign))) or 0
    printed = session.scalar(
        select(func.count(CampaignNotice.key_change_id)).where(
            CampaignNotice.campaign_id == campaign.id, CampaignNotice.hand_out == HandOut.SHEET,
            CampaignNotice.state == NoticeState.SENT,
        )
    ) or 0  # fmt: skip
    rows = session.execute(
        select(Meter.drn, Region.name, ADDRESS, Consumer.name)
        .select_from(KeyChange)
        .join(Meter, Meter.id == KeyChange.meter_id)
        .join(Region, Region.id == Meter.region_id)
        .outerjoin(
            MeterInstallation,
            (MeterInstallation.meter_id == Meter.id) & MeterInstallation.removed_at.is_(None),
        )
        .outerjoin(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
        .where(*_still(campaign))
        .order_by(
            Region.path, ServicePoint.address, Consumer.address, Consumer.number, KeyChange.id
        )
        .limit(limit)
    )
    return Waiting(left, printed, [Next(*row) for row in rows])


def _still(campaign: Campaign) -> Sequence[ColumnElement[bool]]:
    """State which sets may be handed out and were not printed."""
    return (
        KeyChange.campaign_id == campaign.id, KeyChange.state == ChangeState.COMPLETED,
        ~_printed(),
    )  # fmt: skip


def _printed() -> ColumnElement[bool]:
    """State which sets were printed, as ``sheets.sheet`` does."""
    notice = CampaignNotice.__table__.c
    return exists().where(
        notice.key_change_id == KeyChange.id, notice.hand_out == HandOut.SHEET,
        notice.state == NoticeState.SENT,
    )  # fmt: skip


def without_value(session: Session, change_ids: Sequence[int]) -> frozenset[int]:
    """Tell which of some sets were made with a demo key, so that a sheet can say so."""
    return frozenset(session.scalars(
        select(KeyChangeToken.key_change_id)
        .where(among(session, KeyChangeToken.key_change_id, change_ids), KeyChangeToken.demo)
    ))  # fmt: skip
