"""How far a campaign is: counted from the key changes themselves."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.models import (
    Campaign,
    CampaignRefusal,
    CampaignState,
    ChangeState,
    KeyChange,
    Meter,
)
from vmsapp.services.campaigns.places import handed_out
from vmsapp.services.campaigns.rows import form_key, job_of, read
from vmsapp.services.campaigns.terms import Conflict, Progress
from vmsapp.services.job_pace import pace_of
from vmsapp.services.setup import zone_at
from vmsapp.sts import identifiers

change = KeyChange.__table__.c
"""Past the scope: a campaign is counted whole, wherever its meters hang by now."""

MADE = (ChangeState.COMPLETED, ChangeState.CONFIRMED, ChangeState.REFUSED)


def progress(session: Session, campaign_id: int) -> Progress:
    """Count how far a campaign is.

    Args:
        session: In the asker's scope.
        campaign_id: Which.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    campaign = read(session, campaign_id)
    states = session.execute(
        select(change.state, func.count())
        .where(change.campaign_id == campaign.id)
        .group_by(change.state)
    )
    by_state: dict[str, int] = {row[0]: row[1] for row in states}
    left = session.scalar(
        select(func.count()).select_from(CampaignRefusal)
        .where(CampaignRefusal.campaign_id == campaign.id, CampaignRefusal.round == campaign.round)
    ) or 0  # fmt: skip
    counted = {state: by_state.get(state, 0) for state in ChangeState}
    is_open, failed = counted[ChangeState.COMPLETED], _failed(session, campaign)
    now = now_utc()
    late = business_day(now, zone_at(session, now)) > campaign.due_on
    return Progress(
        chosen=campaign.meters,
        done=sum(counted[state] for state in (*MADE, ChangeState.RESERVED)) + failed + left,
        left_out=left,
        being_made=counted[ChangeState.RESERVED],
        made=sum(counted[state] for state in MADE),
        failed=failed,
        handed_out=_handed_out(session, campaign),
        confirmed=counted[ChangeState.CONFIRMED],
        refused=counted[ChangeState.REFUSED],
        open=is_open,
        overdue=is_open if late else 0,
        seconds_left=_seconds_left(session, campaign),
    )


def left_out(session: Session, campaign_id: int) -> Sequence[Conflict]:
    """Tell why meters were left out in the present round, most of them first.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    campaign = read(session, campaign_id)
    row = CampaignRefusal
    counts = session.execute(
        select(row.code, func.count(), func.min(row.meter_id))
        .where(row.campaign_id == campaign.id, row.round == campaign.round)
        .group_by(row.code).order_by(func.count().desc(), row.code)
    ).all()  # fmt: skip
    first = [meter_id for _code, _count, meter_id in counts]
    drns = dict(session.execute(select(Meter.id, Meter.drn).where(Meter.id.in_(first))).all())
    found = []
    for code, count, meter_id in counts:
        key = (campaign.id, campaign.round, meter_id)
        outcome = session.get_one(CampaignRefusal, key).outcome
        seen = (identifiers.drn.format(drns[meter_id]),) if meter_id in drns else ()
        found.append(Conflict(code, outcome["message"], outcome["params"], count, seen))
    return found


def _failed(session: Session, campaign: Campaign) -> int:
    """Count sets of the present round that were not made: those before were tried once more."""
    of_round = change.form_key.startswith(form_key(campaign, ""))
    return session.scalar(
        select(func.count()).select_from(KeyChange.__table__)
        .where(change.campaign_id == campaign.id, of_round)
        .where(change.state.in_((ChangeState.FAILED, ChangeState.WITHDRAWN)))
    ) or 0  # fmt: skip


def _handed_out(session: Session, campaign: Campaign) -> int:
    """Count sets that were printed or sent, or went with a credit."""
    return session.scalar(
        select(func.count()).select_from(KeyChange.__table__)
        .where(change.campaign_id == campaign.id, change.state.in_(MADE), handed_out())
    ) or 0  # fmt: skip


def _seconds_left(session: Session, campaign: Campaign) -> int | None:
    if campaign.state != CampaignState.RUNNING:
        return None
    job = job_of(session, campaign)
    return pace_of(job).seconds_left if job else None
