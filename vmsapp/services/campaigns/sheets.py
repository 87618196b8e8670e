"""Printed sheets: the sets of a campaign in the order in which somebody walks from meter to meter.

What is printed is counted before it leaves. What is counted and never arrives is printed once
more, and says so.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vmsapp.clock import now_utc
from vmsapp.errors import InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import (
    CampaignNotice,
    ChangeState,
    Consumer,
    HandOut,
    KeyChange,
    Meter,
    MeterInstallation,
    NoticeState,
    Region,
    ServicePoint,
)
from vmsapp.scope import Actor
from vmsapp.services.campaigns.rows import locked, note
from vmsapp.services.campaigns.terms import SheetRow
from vmsapp.sts import identifiers

MOST_ON_A_SHEET: Final = 1_000


def sheet(
    session: Session, actor: Actor, campaign_id: int, *, limit: int, again: bool = False
) -> Sequence[SheetRow]:
    """Print the next sets: those of meters that still wait for a person's word.

    Args:
        session: In the actor's scope; meters out of sight are left out.
        actor: Who prints.
        campaign_id: Which.
        limit: Sets at most, up to ``MOST_ON_A_SHEET``.
        again: Those that were printed before, the least often printed ones first.

    Returns:
        By region, address and consumer's number; none where all are printed.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    if not 1 <= limit <= MOST_ON_A_SHEET:
        raise InvalidInput
    with atomic(session, durable=True):
        locked(session, campaign_id)  # two who print at once print different sheets
        found = session.execute(_wanted(campaign_id, again=again).limit(limit)).all()
        changes = {row[0].id: row[0] for row in found}
        notices = _notices(session, list(changes))
        rows = [_row(*row, prints=_prints(notices, row[0].id)) for row in found]
        for change in changes.values():
            _count(session, campaign_id, change.id, notices.get(change.id))
        if rows:
            note(
                session, actor, "printed", campaign_id, sets=len(rows), again=again,
                first=rows[0].key_change_id, last=rows[-1].key_change_id,
            )  # fmt: skip
    return rows


def _wanted(campaign_id: int, *, again: bool) -> Any:  # noqa: ANN401 - a select of five things
    link, notice = MeterInstallation, CampaignNotice
    printed = (notice.hand_out == HandOut.SHEET) & (notice.state == NoticeState.SENT)
    wanted = (
        select(KeyChange, Meter, Region.name, Consumer, ServicePoint.address)
        .join(Meter, Meter.id == KeyChange.meter_id)
        .join(Region, Region.id == Meter.region_id)
        .outerjoin(link, (link.meter_id == Meter.id) & link.removed_at.is_(None))
        .outerjoin(ServicePoint, ServicePoint.id == link.service_point_id)
        .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
        .outerjoin(notice, notice.key_change_id == KeyChange.id)
        .where(KeyChange.campaign_id == campaign_id, KeyChange.state == ChangeState.COMPLETED)
        .options(selectinload(KeyChange.tokens))
        .execution_options(populate_existing=True)
    )
    route = (Region.path, ServicePoint.address, Consumer.address, Consumer.number, KeyChange.id)
    if again:
        return wanted.where(printed).order_by(notice.prints, *route)
    return wanted.where(notice.key_change_id.is_(None) | ~printed).order_by(*route)


def _notices(session: Session, change_ids: Sequence[int]) -> dict[int, CampaignNotice]:
    found = session.scalars(
        select(CampaignNotice).where(CampaignNotice.key_change_id.in_(change_ids))
    )
    return {one.key_change_id: one for one in found}


def _prints(notices: dict[int, CampaignNotice], change_id: int) -> int:
    before = notices.get(change_id)
    return before.prints if before else 0


def _count(
    session: Session, campaign_id: int, change_id: int, before: CampaignNotice | None
) -> None:
    if before is None:
        session.add(
            CampaignNotice(
                key_change_id=change_id, campaign_id=campaign_id, hand_out=HandOut.SHEET,
                state=NoticeState.SENT, reference=secrets.token_hex(16), to_masked="",
                state_at=now_utc(), message_id="", prints=1,
            )
        )  # fmt: skip
        return
    before.hand_out, before.state = HandOut.SHEET, NoticeState.SENT
    before.state_at, before.prints = now_utc(), before.prints + 1


def _row(
    change: KeyChange,
    meter: Meter,
    region: str,
    consumer: Consumer | None,
    place: str | None,
    *,
    prints: int,
) -> SheetRow:
    return SheetRow(
        key_change_id=change.id,
        meter=identifiers.drn.format(meter.drn),
        consumer=consumer.name if consumer else "",
        consumer_number=consumer.number if consumer else "",
        address=place or (consumer.address if consumer else ""),
        region=region,
        tokens=tuple(token.digits for token in change.tokens),
        prints=prints,
    )
