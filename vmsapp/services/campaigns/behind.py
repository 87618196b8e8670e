"""Which meters stand behind a reason to leave meters out: of a draft as of a campaign begun.

A draft keeps no meters, so theirs are found by what the rules look at; of a campaign that was
begun they are on record.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from vmsapp.models import Campaign, CampaignMeter, CampaignRefusal, Meter, Product
from vmsapp.services.campaigns.choosing import KIND, being_settled, chosen, in_change
from vmsapp.services.campaigns.terms import Conflict, Group

READ_AT_ONCE: Final = 2_000
"""Numbers of a list in memory at once."""


def left_out_for(
    session: Session, campaign: Campaign, conflicts: Sequence[Conflict], code: str | None
) -> ColumnElement[bool]:
    """State which meters are left out for a reason, or for any.

    Args:
        session: In the asker's scope.
        campaign: A draft or one that was begun.
        conflicts: Of a draft what its preview counted, which is not counted again.
        code: Of the rule; None for all of them.
    """
    if campaign.begun_at is not None:
        refusal = CampaignRefusal.__table__.c
        wanted = [refusal.campaign_id == campaign.id, refusal.round == campaign.round]
        if code is not None:
            wanted.append(refusal.code == code)
        return Meter.id.in_(select(refusal.meter_id).where(*wanted))
    groups = [
        _condition(group)
        for conflict in conflicts
        if code in {None, conflict.code}
        for group in conflict.groups
    ]
    if not groups:
        return false()
    return and_(*chosen(session, campaign), or_(*groups))


def faults_of(session: Session, campaign: Campaign) -> Mapping[str, int]:
    """Count the numbers of a list that name no meter, by what is wrong with them."""
    rows = session.execute(
        select(CampaignMeter.fault, func.count(CampaignMeter.place))
        .where(CampaignMeter.campaign_id == campaign.id, CampaignMeter.fault.is_not(None))
        .group_by(CampaignMeter.fault)
    )  # fmt: skip
    return {str(fault): count for fault, count in rows}


def faulty_numbers(
    session: Session, campaign: Campaign, limit: int | None = None
) -> Iterator[tuple[int, str, str]]:
    """Read the numbers of a list that name no meter, in its order: place, number, fault.

    Args:
        session: In the asker's scope.
        campaign: Whose list.
        limit: How many at most.
    """
    rows = session.execute(
        select(CampaignMeter.place, CampaignMeter.number, CampaignMeter.fault)
        .where(CampaignMeter.campaign_id == campaign.id, CampaignMeter.fault.is_not(None))
        .order_by(CampaignMeter.place)
        .limit(limit)
        .execution_options(yield_per=READ_AT_ONCE)
    )
    return ((place, number, str(fault)) for place, number, fault in rows)


def _condition(group: Group) -> ColumnElement[bool]:
    """State which meters are of a group; of their product, as far as it counts."""
    product = select(Product.id).where(Product.can_become_sts6.is_(group.kind.can_become_sts6))
    alike = [column == value for column, value in zip(KIND[1:], group.kind[1:], strict=True)]
    busy, changing = being_settled(), in_change()
    return and_(
        Meter.product_id.in_(product), *alike, Meter.state == group.state,
        changing if group.in_change else ~changing, busy if group.busy else ~busy,
    )  # fmt: skip
