"""Beginning a campaign, and going through it once more: a deed that may ask for a second person.

Who approves it approves what was shown. A further round makes tokens as the first one did, so
the same rule decides about both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, VmsError
from vmsapp.models import Campaign, CampaignState, HandOut, Region
from vmsapp.scope import Actor
from vmsapp.security import CAMPAIGNS, Permission
from vmsapp.services import job_runs
from vmsapp.services.approvals.deed import Deed, Line, Place, Sentence
from vmsapp.services.campaigns import errors as wrong
from vmsapp.services.campaigns.drafting import digest_of
from vmsapp.services.campaigns.preview import preview
from vmsapp.services.campaigns.progress import progress
from vmsapp.services.campaigns.rows import check_idle, locked, move, note, read
from vmsapp.services.campaigns.terms import MAKE, Preview, Selection, Target
from vmsapp.sts.identifiers import BaseDate

MAY_MAKE: Final[Permission] = ("can_make", CAMPAIGNS)

WAYS: Final = {
    HandOut.NEXT_SALE: N_("With the next purchase"),
    HandOut.SMS: N_("By text message, and with the next purchase"),
    HandOut.SHEET: N_("On a printed sheet, and with the next purchase"),
}

ONCE_MORE: Final = N_("Meters that were left out, or whose tokens were not made, are tried again")


@dataclass(frozen=True, slots=True)
class Begin:
    """What is begun: a draft as it was shown, or a further round of a campaign.

    Attributes:
        digest: Of all that the campaign was told.
        meters: How many would have been changed when it was shown.
        chosen: How many are looked at, those that would be left out included; 0 in what was asked
            for before this was kept.
        locale: The asker's language.
        round: 1 begins a draft; a higher one goes once more through those left out, failed or
            new.
    """

    campaign_id: int
    digest: str
    meters: int
    locale: str = "en"
    round: int = 1
    chosen: int = 0


def begin_of(
    session: Session,
    campaign_id: int,
    *,
    seen: Preview | None = None,
    locale: str = "en",
    again: bool = False,
) -> Begin:
    """Make the parameters of the deed from a campaign as it stands.

    Args:
        session: In the asker's scope.
        campaign_id: Which.
        seen: What it would do, where that was counted just now.
        locale: The asker's language.
        again: For the round after the present one; else for the first.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    seen = seen or preview(session, campaign_id)
    number = read(session, campaign_id).round + 1 if again else 1
    return Begin(campaign_id, seen.digest, seen.meters, locale, number, seen.chosen)


def _check(session: Session, _actor: Actor, params: Begin) -> None:
    campaign = locked(session, params.campaign_id)
    if campaign.state != (CampaignState.DRAFT if params.round == 1 else CampaignState.MADE):
        raise wrong.CampaignMoved(state=campaign.state)
    if params.round not in {1, campaign.round + 1} or (
        digest_of(session, campaign) != params.digest
    ):
        raise wrong.CampaignChanged
    if not params.meters:
        raise wrong.NothingToChange
    check_idle(session, campaign)


def _run(session: Session, actor: Actor, params: Begin, key: str) -> None:
    campaign = locked(session, params.campaign_id)
    job = job_runs.ask(
        session, actor, MAKE, {"campaign_id": campaign.id}, locale=params.locale,
        total=max(params.chosen, params.meters),
    )  # fmt: skip
    started = {"meters": params.meters, "job_id": job.id, "form_key": key}
    if params.round > 1:
        _run_again(session, actor, campaign, params, started)
        return
    move(
        session, campaign, CampaignState.RUNNING, begun_at=now_utc(), begun_by_id=actor.user_id,
        **started,
    )  # fmt: skip
    note(
        session, actor, "begun", campaign.id, meters=params.meters, target=campaign.target,
        selection=campaign.selection, region=campaign.region_id, digest=params.digest,
    )  # fmt: skip


def _run_again(
    session: Session, actor: Actor, campaign: Campaign, params: Begin, started: dict[str, Any]
) -> None:
    """Go through the meters from the first one on; those that have their set stay as they are."""
    made = progress(session, campaign.id).made
    move(
        session, campaign, CampaignState.RUNNING, cursor=0, round=params.round, ended_at=None,
        ended_by_id=None, **started | {"meters": made + params.meters},
    )  # fmt: skip
    note(session, actor, "again", campaign.id, round=params.round, meters=params.meters)


def _done(session: Session, params: Begin, key: str) -> bool:
    known = select(Campaign.id).where(Campaign.id == params.campaign_id, Campaign.form_key == key)
    return session.scalar(known) is not None


def _refused(session: Session, actor: Actor, params: Begin, error: VmsError) -> None:
    note(session, actor, "refused", params.campaign_id, code=error.code)


def _place(session: Session, params: Begin) -> Place:
    return Place(region_id=read(session, params.campaign_id).region_id)


def _describe(session: Session, params: Begin) -> Sequence[Line]:
    return tuple(_lines(session, params))


def _lines(session: Session, params: Begin) -> Iterator[Line]:
    campaign = read(session, params.campaign_id)
    target = Target.read(campaign.target)
    region = Region.__table__.c
    name = session.scalar(select(region.name).where(region.id == campaign.region_id))
    yield Line(N_("Campaign"), campaign.name)
    if params.round > 1:
        yield Line(N_("Round"), params.round)
        yield Line(N_("What is done"), Sentence(ONCE_MORE))
    yield Line(N_("Reason"), campaign.reason)
    yield Line(N_("Region"), name or Sentence(N_("All regions")))
    yield from _narrowed(Selection.read(campaign.selection))
    yield Line(N_("Meters"), params.meters)
    for label, value in (
        (N_("New supply group"), target.sgc),
        (N_("New key revision"), target.krn),
        (N_("New base date"), target.base_date and BaseDate(target.base_date).year),
        (N_("New tariff index"), target.ti),
    ):
        if value is not None:
            yield Line(label, value)
    if target.sts6:
        yield Line(N_("Generation"), Sentence(N_("STS6, where the product allows it")))
    yield Line(N_("Tokens reach the consumers"), Sentence(WAYS[HandOut(campaign.hand_out)]))
    yield Line(N_("To be confirmed until"), campaign.due_on)


def _narrowed(selection: Selection) -> Iterator[Line]:
    for label, values in (
        (N_("Supply groups"), selection.sgcs),
        (N_("Key revisions"), selection.krns),
        (N_("Base dates"), selection.base_dates),
        (N_("Generations"), selection.algorithms),
    ):
        if values:
            yield Line(label, ", ".join(map(str, values)))


START: Final = Deed(
    action="campaign.begin",
    label=N_("Begin a campaign of key changes"),
    params=Begin,
    permission=MAY_MAKE,
    place=_place,
    amount_minor=None,
    describe=_describe,
    check=_check,
    run=_run,
    done=_done,
    refused=_refused,
    whole=N_(
        "A campaign of the whole utility can be approved only by somebody who sees all regions."
    ),
)
