"""Drafts of campaigns: written, written anew, left. Nothing is made of one."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import Campaign, CampaignMeter, CampaignState, HandOut, Meter, Region
from vmsapp.scope import Actor
from vmsapp.services.campaigns import errors as wrong
from vmsapp.services.campaigns.rows import locked, move, note
from vmsapp.services.campaigns.terms import MOST_LISTED, Target, Wish
from vmsapp.services.rows import among, insert_rows, parts
from vmsapp.services.setup import zone_at
from vmsapp.sts.errors import StsError
from vmsapp.sts.identifiers import BaseDate, krn, sgc

NAME_MAX: Final = 120
REASON_MAX: Final = 255
NUMBER_MAX: Final = 40
UNKNOWN: Final = "campaign_number_unknown"
DOUBLED: Final = "campaign_number_doubled"
FAULTS: Final = (UNKNOWN, DOUBLED)
"""What can be wrong with a number of a list."""


def draft(session: Session, actor: Actor, wish: Wish) -> Campaign:
    """Write a draft.

    Args:
        session: In the actor's scope.
        actor: Who makes it.
        wish: What is wanted.

    Raises:
        VmsError: One of ``campaigns.errors``; the region is out of sight.
    """
    with atomic(session):
        values = _checked(session, actor, wish)
        campaign = Campaign(
            **values, state=CampaignState.DRAFT, made_at=now_utc(), made_by_id=actor.user_id,
            meters=0, cursor=0, round=1,
        )  # fmt: skip
        session.add(campaign)
        session.flush()
        _list(session, campaign, wish.numbers)
        note(session, actor, "drafted", campaign.id, **_told(campaign))
        return campaign


def change_draft(session: Session, actor: Actor, campaign_id: int, wish: Wish) -> Campaign:
    """Write a draft anew; numbers that are None leave the list as it is.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        CampaignMoved: It is no draft any more.
        VmsError: As ``draft``.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        if campaign.state != CampaignState.DRAFT:
            raise wrong.CampaignMoved(state=campaign.state)
        values = _checked(session, actor, wish)
        if wish.numbers is None:
            del values["listed"]
        for name, value in values.items():
            setattr(campaign, name, value)
        session.flush()
        if wish.numbers is not None:
            session.execute(
                delete(CampaignMeter).where(CampaignMeter.campaign_id == campaign.id)
                .execution_options(synchronize_session=False)
            )  # fmt: skip
            _list(session, campaign, wish.numbers)
        note(session, actor, "changed", campaign.id, **_told(campaign))
        return campaign


def discard(session: Session, actor: Actor, campaign_id: int) -> Campaign:
    """Leave a draft.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        CampaignMoved: It is no draft any more.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        move(
            session, campaign, CampaignState.DISCARDED, ended_at=now_utc(),
            ended_by_id=actor.user_id,
        )  # fmt: skip
        note(session, actor, "discarded", campaign.id)
        return campaign


def digest_of(session: Session, campaign: Campaign) -> str:
    """Digest of all that a campaign was told, its list included: 64 hex digits."""
    told = hashlib.sha256(json.dumps(_told(campaign), sort_keys=True).encode())
    if campaign.listed:
        numbers = session.scalars(
            select(CampaignMeter.number)
            .where(CampaignMeter.campaign_id == campaign.id).order_by(CampaignMeter.place)
        )  # fmt: skip
        for number in numbers:
            told.update(number.encode() + b"\n")
    return told.hexdigest()


def _told(campaign: Campaign) -> dict[str, Any]:
    return {
        "name": campaign.name, "reason": campaign.reason, "region": campaign.region_id,
        "selection": campaign.selection, "target": campaign.target, "listed": campaign.listed,
        "hand_out": campaign.hand_out, "due_on": campaign.due_on.isoformat(),
        "per_second": campaign.per_second,
    }  # fmt: skip


def _checked(session: Session, actor: Actor, wish: Wish) -> dict[str, Any]:
    """Check a wish, and give the columns it makes."""
    now = now_utc()
    if not 0 < len(wish.name.strip()) <= NAME_MAX:
        raise wrong.CampaignNameMissing
    if not 0 < len(wish.reason.strip()) <= REASON_MAX:
        raise wrong.CampaignReasonMissing
    if wish.hand_out not in set(HandOut):
        raise wrong.CampaignHandOut
    if wish.per_second is not None and wish.per_second < 1:
        raise wrong.CampaignPace
    if wish.due_on < business_day(now, zone_at(session, now)):
        raise wrong.CampaignDayPast
    _check_target(wish.target)
    if wish.numbers is not None and len(wish.numbers) > MOST_LISTED:
        raise wrong.CampaignListLong(most=MOST_LISTED)
    return {
        "name": wish.name.strip(), "reason": wish.reason.strip(), "hand_out": wish.hand_out,
        "region_id": _region(session, actor, wish.region_id), "due_on": wish.due_on,
        "per_second": wish.per_second, "selection": wish.selection.stored(),
        "target": wish.target.stored(), "listed": wish.numbers is not None,
    }  # fmt: skip


def _check_target(target: Target) -> None:
    new = (target.sgc, target.krn, target.base_date, target.ti, target.sts6 or None)
    if all(value is None for value in new):
        raise wrong.CampaignTarget
    try:
        if target.sgc is not None and sgc.validate(target.sgc) != target.sgc:
            raise wrong.CampaignTarget
        if target.krn is not None:
            krn.validate(target.krn)
        if target.base_date is not None:
            BaseDate(target.base_date)
    except (StsError, ValueError):
        raise wrong.CampaignTarget from None
    if target.ti is not None and not re.fullmatch("[0-9]{2}", target.ti):
        raise wrong.CampaignTarget


def _region(session: Session, actor: Actor, region_id: int | None) -> int | None:
    """Tell whose meters are meant: of no region only for who sees everything.

    Raises:
        NotFound: The region is out of sight.
    """
    if region_id is None and actor.sight.everything:
        return None
    wanted = select(Region.id)
    if region_id is None:
        wanted = wanted.where(Region.path == actor.sight.region_path)
    else:
        wanted = wanted.where(Region.id == region_id)
    found = session.scalar(wanted)
    if found is None:
        raise NotFound
    return found


def _list(session: Session, campaign: Campaign, numbers: Sequence[str] | None) -> None:
    """Write the numbers of a list, each with the meter it is.

    Raises:
        CampaignListEmpty: None is one.
    """
    if numbers is None:
        return
    typed = [_bare(number) for number in numbers]
    meters = _meters(session, sorted({number for number in typed if number}))
    rows, seen = [], set[int]()
    for place, (number, bare) in enumerate(zip(numbers, typed, strict=True), start=1):
        meter_id = meters.get(bare)
        fault = UNKNOWN if meter_id is None else DOUBLED if meter_id in seen else None
        seen |= {meter_id} if meter_id is not None else set()
        rows.append({
            "campaign_id": campaign.id, "place": place, "number": str(number)[:NUMBER_MAX],
            "meter_id": None if fault else meter_id, "fault": fault,
        })  # fmt: skip
    if not seen:
        raise wrong.CampaignListEmpty
    insert_rows(session, CampaignMeter, rows)


def _bare(number: str) -> str:
    return re.sub(r"[\s-]", "", str(number))


def _meters(session: Session, numbers: Sequence[str]) -> dict[str, int]:
    """Find meters that the asker sees by DRN or MeterPAN."""
    return dict(_found(session, numbers))


def _found(session: Session, numbers: Sequence[str]) -> Iterator[tuple[str, int]]:
    for some in parts(numbers):
        named = or_(among(session, Meter.drn, some), among(session, Meter.meter_pan, some))
        for meter_id, drn, pan in session.execute(
            select(Meter.id, Meter.drn, Meter.meter_pan).where(named)
        ):
            yield drn, meter_id
            yield pan, meter_id
