"""Pausing a campaign, letting it go on, stopping it."""

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Campaign, CampaignState
from vmsapp.scope import Actor
from vmsapp.services import job_runs
from vmsapp.services.campaigns.errors import CampaignMoved
from vmsapp.services.campaigns.rows import check_idle, job_of, locked, move, note
from vmsapp.services.campaigns.terms import MAKE


def pause(session: Session, actor: Actor, campaign_id: int) -> Campaign:
    """Have no further set made; a chunk that the module works on is still written down.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        CampaignMoved: It does not run.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        move(session, campaign, CampaignState.PAUSED)
        note(session, actor, "paused", campaign.id, why="asked")
        return campaign


def go_on(session: Session, actor: Actor, campaign_id: int, *, locale: str) -> Campaign:
    """Let a campaign go on: one that was paused, or that runs and whose job has ended.

    The door sends ``job_id`` afterwards.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        CampaignMoved: It is neither.
        CampaignBusy: Its job is still at it.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        if not campaign.open:
            raise CampaignMoved(state=campaign.state)
        check_idle(session, campaign)
        before = job_of(session, campaign)
        job = job_runs.ask(
            session, actor, MAKE, {"campaign_id": campaign.id}, locale=locale,
            total=before.total if before else campaign.meters,
        )  # fmt: skip
        job.done, campaign.job_id = before.done if before else 0, job.id
        session.flush()
        if campaign.state == CampaignState.PAUSED:
            move(session, campaign, CampaignState.RUNNING)
        note(session, actor, "gone_on", campaign.id, job=campaign.job_id)
        return campaign


def stop(session: Session, actor: Actor, campaign_id: int, *, reason: str = "") -> Campaign:
    """Give up what is not made yet; the sets that were made stay what they are.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        CampaignMoved: It was never begun, or is stopped.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        move(
            session, campaign, CampaignState.STOPPED, ended_at=now_utc(),
            ended_by_id=actor.user_id,
        )  # fmt: skip
        note(session, actor, "stopped", campaign.id, reason=reason)
        return campaign
