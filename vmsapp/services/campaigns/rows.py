"""The row of a campaign: read, locked, moved by compare-and-set, put on record; and its job."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vmsapp.models import CAMPAIGN_MOVES, Campaign, CampaignState, Job
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.campaigns.errors import CampaignBusy, CampaignMoved, NoSuchCampaign
from vmsapp.services.rows import rows_changed


def form_key(campaign: Campaign, meter_id: object) -> str:
    """Write the key under which a meter is taken once in a round."""
    return f"campaign-{campaign.id}-{campaign.round}-{meter_id}"


def read(session: Session, campaign_id: int) -> Campaign:
    """Read a campaign as it stands now.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    return _one(session, campaign_id, lock=False)


def locked(session: Session, campaign_id: int) -> Campaign:
    """Fetch a campaign and keep others from changing it until the end.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    return _one(session, campaign_id, lock=True)


def _one(session: Session, campaign_id: int, *, lock: bool) -> Campaign:
    wanted = select(Campaign).where(Campaign.id == campaign_id)
    wanted = wanted.execution_options(populate_existing=True)
    found = session.scalars(wanted.with_for_update() if lock else wanted).first()
    if found is None:
        raise NoSuchCampaign
    return found


def move(
    session: Session,
    campaign: Campaign,
    to: CampaignState,
    **values: Any,  # noqa: ANN401 - of its columns
) -> None:
    """Move a campaign by compare-and-set on its state.

    Raises:
        CampaignMoved: The table of states does not hold the move, or another was first.
    """
    was = CampaignState(campaign.state)
    if to not in CAMPAIGN_MOVES[was]:
        raise CampaignMoved(state=was)
    changed = rows_changed(
        session,
        update(Campaign)
        .where(Campaign.id == campaign.id, Campaign.state == was)
        .values(state=to, **values),
    )
    if changed != 1:
        raise CampaignMoved(state=read(session, campaign.id).state)
    session.refresh(campaign)


def job_of(session: Session, campaign: Campaign) -> Job | None:
    """Read the job that makes a campaign's tokens, or did last, as it stands now."""
    if campaign.job_id is None:
        return None
    with unscoped("a campaign's job goes with it"):
        return session.get(Job, campaign.job_id, populate_existing=True)


def check_idle(session: Session, campaign: Campaign) -> None:
    """Refuse while a job is at work for a campaign.

    Raises:
        CampaignBusy: One is.
    """
    job = job_of(session, campaign)
    if job is not None and job.open:
        raise CampaignBusy


def note(
    session: Session,
    actor: Actor,
    deed: str,
    campaign_id: int,
    **details: Any,  # noqa: ANN401 - whatever JSON can hold
) -> None:
    """Put on record what was done to a campaign."""
    audit.record(session, actor, f"campaign.{deed}", "campaign", campaign_id, **details)
