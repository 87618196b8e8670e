"""The order in which somebody walks from meter to meter with the sheets of a campaign.

By region, address and consumer's number; house 2 comes before house 10. Databases order texts
sign by sign, and no two of them alike, so it is done here: region by region, as far as sheets
are wanted, and in memory for those alone. Meters without an address come last in their region.

>>> sorted(["Road 10", "road 2", "Lane 7"], key=natural)
['Lane 7', 'road 2', 'Road 10']
"""

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from vmsapp.models import (
    Campaign,
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
from vmsapp.models.folding import folded

ADDRESS: Final = func.coalesce(func.nullif(ServicePoint.address, ""), Consumer.address, "")
"""Where a meter hangs: the place's own address, else its consumer's."""
NOT_REACHED: Final = (NoticeState.FAILED, NoticeState.UNSURE)
"""What becomes of a text message whose set goes on a sheet instead."""
PAGE: Final = 2_000

Natural = tuple[tuple[int, int, str], ...]


def natural(text: str) -> Natural:
    """Make the key that orders texts as people do: signs by their order, numbers by their value.

    >>> natural("A 2b") < natural("a 10")
    True
    """
    parts = re.findall(r"\d+|\D", folded(text))
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def next_on_route(
    session: Session, campaign: Campaign, limit: int, *, again: bool = False
) -> Sequence[int]:
    """List the key changes whose sheets come next, in the order of the route.

    Args:
        session: In the asker's scope; meters out of sight are left out.
        campaign: Which.
        limit: How many at most.
        again: Those that were printed before, the least often printed ones first.
    """
    found: list[int] = []
    wanted = printed(campaign) if again else still(campaign)
    for prints, path in _stages(session, wanted):
        rows = session.execute(
            _joined(select(KeyChange.id, ADDRESS, Consumer.number))
            .where(*wanted, Region.path == path, _prints() == prints)
            .execution_options(yield_per=PAGE)
        )  # fmt: skip
        found += [row[0] for row in heapq.nsmallest(limit - len(found), rows, key=_step)]
        if len(found) == limit:
            break
    return found


def still(campaign: Campaign) -> Sequence[ColumnElement[bool]]:
    """State which sets go on sheets and were not printed.

    Of a campaign that sends text messages those that did not reach the customer, or perhaps not.
    """
    notice = CampaignNotice
    if campaign.hand_out == HandOut.SMS:
        mine = and_(notice.hand_out == HandOut.SMS, notice.state.in_(NOT_REACHED))
    else:
        mine = notice.key_change_id.is_(None) | ~_on_sheet()
    return *_open(campaign), mine


def printed(campaign: Campaign) -> Sequence[ColumnElement[bool]]:
    """State which sets were printed, and still wait for a person's word."""
    return *_open(campaign), _on_sheet()


def count(session: Session, wanted: Sequence[ColumnElement[bool]]) -> int:
    """Count the sets that ``still`` or ``printed`` state."""
    found: int = session.scalar(_joined(select(func.count(KeyChange.id))).where(*wanted)) or 0
    return found


def _open(campaign: Campaign) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return KeyChange.campaign_id == campaign.id, KeyChange.state == ChangeState.COMPLETED


def _on_sheet() -> ColumnElement[bool]:
    notice = CampaignNotice
    return and_(notice.hand_out == HandOut.SHEET, notice.state == NoticeState.SENT)


def _prints() -> ColumnElement[int]:
    return func.coalesce(CampaignNotice.prints, 0)


def _joined(columns: Any) -> Any:  # noqa: ANN401 - a select of whatever columns
    link, notice = MeterInstallation, CampaignNotice
    return (
        columns.select_from(KeyChange)
        .join(Meter, Meter.id == KeyChange.meter_id)
        .join(Region, Region.id == Meter.region_id)
        .outerjoin(link, (link.meter_id == Meter.id) & link.removed_at.is_(None))
        .outerjoin(ServicePoint, ServicePoint.id == link.service_point_id)
        .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
        .outerjoin(notice, notice.key_change_id == KeyChange.id)
    )


def _stages(session: Session, wanted: Sequence[ColumnElement[bool]]) -> Sequence[tuple[int, str]]:
    """List how often sets were printed and in which regions they are, in the order to walk."""
    stages = session.execute(_joined(select(_prints(), Region.path)).where(*wanted).distinct())
    names = dict(session.execute(select(Region.path, Region.name)).all())
    return sorted(stages, key=lambda stage: (stage[0], *_from_the_top(stage[1], names)))


def _from_the_top(path: str, names: Mapping[str, str]) -> Iterator[tuple[Natural, str]]:
    """Name the regions above one and itself; of two alike, each keeps its own together."""
    for above in accumulate(re.findall(r"[^.]+\.", path)):
        yield natural(names.get(above, "")), above


def _step(row: tuple[int, str, str | None]) -> tuple[bool, Natural, Natural, int]:
    change_id, address, number = row
    return not address, natural(address), natural(number or ""), change_id
