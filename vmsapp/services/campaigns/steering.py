"""Pausing a campaign, letting it go on, stopping it, going through it once more."""

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Campaign, CampaignState, Job
from vmsapp.scope import Actor, unscoped
from vmsapp.services import job_runs
from vmsapp.services.campaigns.errors import CampaignBusy, CampaignMoved, NothingToChange
from vmsapp.services.campaigns.preview import preview
from vmsapp.services.campaigns.progress import progress
from vmsapp.services.campaigns.rows import locked, move, note
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
        _set_to_work(session, actor, campaign, locale, done=_looked_at(session, campaign))
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


def again(session: Session, actor: Actor, campaign_id: int, *, locale: str) -> Campaign:
    """Go through a campaign's meters once more: those left out, failed or new.

    The door sends ``job_id`` afterwards.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        CampaignMoved: Its round has not ended.
        NothingToChange: Every meter has its set, or is left out once more.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        if campaign.state != CampaignState.MADE:
            raise CampaignMoved(state=campaign.state)
        seen = preview(session, campaign_id)
        if not seen.meters:
            raise NothingToChange
        _set_to_work(session, actor, campaign, locale, total=seen.meters)
        made = progress(session, campaign_id).made
        move(
            session, campaign, CampaignState.RUNNING, cursor=0, round=campaign.round + 1,
            meters=made + seen.meters, ended_at=None, ended_by_id=None,
        )  # fmt: skip
        note(session, actor, "again", campaign.id, round=campaign.round, meters=seen.meters)
        return campaign


def _looked_at(session: Session, campaign: Campaign) -> int:
    with unscoped("the campaign is the actor's to steer, and its job goes with it"):
        job = session.get(Job, campaign.job_id, populate_existing=True)
    return job.done if job else 0


def _set_to_work(
    session: Session,
    actor: Actor,
    campaign: Campaign,
    locale: str,
    *,
    done: int = 0,
    total: int | None = None,
) -> None:
    with unscoped("the campaign is the actor's to steer, and its job goes with it"):
        before = session.get(Job, campaign.job_id, populate_existing=True)
    if before is not None and before.open:
        raise CampaignBusy
    job = job_runs.ask(
        session, actor, MAKE, {"campaign_id": campaign.id}, locale=locale,
        total=total if total is not None else campaign.meters,
    )  # fmt: skip
    job.done = done
    campaign.job_id = job.id
    session.flush()
