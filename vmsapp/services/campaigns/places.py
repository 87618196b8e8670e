"""How far a campaign is in each region: its sets made, handed out, confirmed and overdue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    ScalarSelect,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Session

from vmsapp.models import (
    CHANGES_MADE,
    Campaign,
    CampaignNotice,
    ChangeState,
    KeyChange,
    Meter,
    NoticeState,
    Region,
    Sale,
    SaleState,
)
from vmsapp.services.campaigns.choosing import chosen


@dataclass(frozen=True, slots=True)
class Place:
    """A region in a campaign, in meters that hang in it, not below it.

    Attributes:
        meters: How many it chooses there, those left out included.
        made: Whose sets were made, whatever became of them since.
        handed_out: Whose set was printed, sent, or went with a credit.
        confirmed: Of which a person said that they have the new key.
        overdue: Neither confirmed nor refused after the campaign's day.
    """

    region_id: int
    region: str
    meters: int
    made: int
    handed_out: int
    confirmed: int
    overdue: int


def places(session: Session, campaign: Campaign, today: date) -> Sequence[Place]:
    """Count by region, in the asker's scope; the largest first.

    Args:
        session: In the asker's scope.
        campaign: Which.
        today: Of the utility.
    """
    state = KeyChange.state
    made = state.in_([one for one in CHANGES_MADE if one != ChangeState.RESERVED])
    late = state == ChangeState.COMPLETED if today > campaign.due_on else literal(value=False)
    counts = [
        _count(made), _count(and_(made, handed_out())),
        _count(state == ChangeState.CONFIRMED), _count(late),
    ]  # fmt: skip
    still = _still_chosen(session, campaign)
    rows = session.execute(
        select(Region.id, Region.name, *counts)
        .select_from(KeyChange)
        .join(Meter, Meter.id == KeyChange.meter_id)
        .join(Region, Region.id == Meter.region_id)
        .where(KeyChange.campaign_id == campaign.id)
        .group_by(Region.id, Region.name)
    )
    known = {row[0]: row for row in rows}
    names = _names(session, [one for one in still if one not in known])
    found = [
        Place(number, name, still.get(number, 0) + made, made, handed, confirmed, overdue)
        for number, name, made, handed, confirmed, overdue in known.values()
    ] + [Place(number, name, still[number], 0, 0, 0, 0) for number, name in names]
    return sorted(found, key=lambda one: (-one.meters, one.region))


def _still_chosen(session: Session, campaign: Campaign) -> dict[int, int]:
    """Count the meters of each region that have no set of the campaign."""
    rows = session.execute(
        select(Meter.region_id, func.count(Meter.id))
        .where(*chosen(session, campaign))
        .group_by(Meter.region_id)
    )
    return dict(rows.all())


def _names(session: Session, region_ids: Sequence[int]) -> Sequence[tuple[int, str]]:
    rows = session.execute(select(Region.id, Region.name).where(Region.id.in_(region_ids)))
    return rows.all()


def handed_out() -> ColumnElement[bool]:
    """State which sets left: printed, sent, or before a credit that was sold."""
    notice = CampaignNotice.__table__.c
    alone = exists().where(notice.key_change_id == KeyChange.id, notice.state == NoticeState.SENT)
    return or_(alone.correlate(KeyChange), first_credit().is_not(None))


def first_credit() -> ScalarSelect[datetime]:
    """Select when the set of the ``KeyChange`` a statement reads first went with a credit."""
    sale = Sale.__table__.c
    return (
        select(func.min(sale.issued_at))
        .where(sale.key_change_id == KeyChange.id)
        .where(sale.state.in_([SaleState.ISSUED, SaleState.REVERSED]))
        .correlate(KeyChange)
        .scalar_subquery()
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(cast(case((condition, 1), else_=0), Integer))
