"""Printed sheets: the sets of a campaign in the order in which somebody walks from meter to meter.

What is printed is counted before it leaves. What is counted and never arrives is printed once
more, and says so. They are looked at first, without digits; what is printed is what was shown.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vmsapp.clock import now_utc
from vmsapp.errors import InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import (
    Campaign,
    CampaignNotice,
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
from vmsapp.scope import Actor
from vmsapp.services.campaigns.errors import SheetsMoved
from vmsapp.services.campaigns.rows import locked, note
from vmsapp.services.campaigns.terms import SheetRow
from vmsapp.services.campaigns.walk import ADDRESS, count, next_on_route, printed, still
from vmsapp.services.rows import among
from vmsapp.sts import identifiers

MOST_ON_A_SHEET: Final = 1_000
HIDDEN: Final = "•" * 20
"""What stands for the digits of a token before printing is confirmed."""


@dataclass(frozen=True, slots=True)
class Coming:
    """The sheets of a campaign before they are printed.

    Attributes:
        waiting: How many wait to be printed.
        printed: How many were, and may be printed once more.
        rows: Those that come next, without digits.
        digest: Of what comes next: printed is what was shown.
    """

    waiting: int
    printed: int
    rows: Sequence[SheetRow]
    digest: str


def coming(session: Session, campaign: Campaign, limit: int, *, again: bool = False) -> Coming:
    """Look at the sheets that come next; nothing is noted.

    Args:
        session: In the asker's scope; meters out of sight are left out.
        campaign: Which.
        limit: Sets at most.
        again: Those that were printed before, the least often printed ones first.
    """
    rows = _rows(session, next_on_route(session, campaign, limit, again=again))
    hidden = [replace(row, tokens=(HIDDEN,) * len(row.tokens)) for row in rows]
    left, before = (count(session, wanted) for wanted in (still(campaign), printed(campaign)))
    return Coming(left, before, hidden, _digest(rows))


def sheet(
    session: Session,
    actor: Actor,
    campaign_id: int,
    *,
    limit: int,
    again: bool = False,
    shown: str | None = None,
) -> Sequence[SheetRow]:
    """Print the next sets: those of meters that still wait for a person's word.

    Args:
        session: In the actor's scope; meters out of sight are left out.
        actor: Who prints.
        campaign_id: Which.
        limit: Sets at most, up to ``MOST_ON_A_SHEET``.
        again: Those that were printed before, the least often printed ones first.
        shown: Digest of what was looked at; None where nobody looked.

    Returns:
        By region, address and consumer's number; none where all are printed.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        SheetsMoved: Others come next than those that were looked at.
    """
    if not 1 <= limit <= MOST_ON_A_SHEET:
        raise InvalidInput
    with atomic(session, durable=True):
        # two who print at once print different sheets
        campaign = locked(session, campaign_id)
        rows = _rows(session, next_on_route(session, campaign, limit, again=again))
        if shown is not None and shown != _digest(rows):
            raise SheetsMoved
        _count(session, campaign_id, [row.key_change_id for row in rows])
        if rows:
            note(
                session, actor, "printed", campaign_id, sets=len(rows), again=again,
                first=rows[0].key_change_id, last=rows[-1].key_change_id,
            )  # fmt: skip
    return rows


def without_value(session: Session, change_ids: Sequence[int]) -> frozenset[int]:
    """Tell which of some sets were made with a demo key, so that a sheet can say so."""
    return frozenset(session.scalars(
        select(KeyChangeToken.key_change_id)
        .where(among(session, KeyChangeToken.key_change_id, change_ids), KeyChangeToken.demo)
    ))  # fmt: skip


def _digest(rows: Sequence[SheetRow]) -> str:
    """Digest of which sets these are and how often each was printed: 64 hex digits."""
    told = ",".join(f"{row.key_change_id}:{row.prints}" for row in rows)
    return hashlib.sha256(told.encode()).hexdigest()


def _rows(session: Session, change_ids: Sequence[int]) -> Sequence[SheetRow]:
    """Read sets with all that stands on a sheet, in the order of their ids given."""
    link = MeterInstallation
    found = session.execute(
        select(KeyChange, Meter.drn, Region.name, Consumer, ADDRESS, CampaignNotice.prints)
        .join(Meter, Meter.id == KeyChange.meter_id)
        .join(Region, Region.id == Meter.region_id)
        .outerjoin(link, (link.meter_id == Meter.id) & link.removed_at.is_(None))
        .outerjoin(ServicePoint, ServicePoint.id == link.service_point_id)
        .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
        .outerjoin(CampaignNotice, CampaignNotice.key_change_id == KeyChange.id)
        .where(among(session, KeyChange.id, change_ids))
        .options(selectinload(KeyChange.tokens))
        .execution_options(populate_existing=True)
    ).all()
    rows = {
        change.id: SheetRow(
            key_change_id=change.id,
            meter=identifiers.drn.format(drn),
            consumer=consumer.name if consumer else "",
            consumer_number=consumer.number if consumer else "",
            address=address,
            region=region,
            tokens=tuple(token.digits for token in change.tokens),
            prints=prints or 0,
        )
        for change, drn, region, consumer, address, prints in found
    }
    return [rows[change_id] for change_id in change_ids]


def _count(session: Session, campaign_id: int, change_ids: Sequence[int]) -> None:
    """Note sets as handed out on a sheet, each once more."""
    notice, now = CampaignNotice, now_utc()
    wanted = select(notice).where(among(session, notice.key_change_id, change_ids))
    before = {one.key_change_id: one for one in session.scalars(wanted)}
    for change_id in change_ids:
        row = before.get(change_id)
        if row is None:
            row = CampaignNotice(
                key_change_id=change_id, campaign_id=campaign_id, prints=0, to_masked="",
                reference=secrets.token_hex(16), message_id="",
            )  # fmt: skip
            session.add(row)
        row.hand_out, row.state, row.state_at = HandOut.SHEET, NoticeState.SENT, now
        row.prints += 1
