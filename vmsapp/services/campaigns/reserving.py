"""First phase of a chunk: choose, lock, check again, write every input down.

What can be looked at beforehand is, in a transaction that ends before the first lock. The locks
are those of a sale, in its order, and are held for one transaction. Each meter of the chunk gets a
reserved key change, or a reason why not; cursor and job are moved on with them, so that a worker
may die anywhere.

Source: SALE.md, "9. Lock order", "10. Key change".
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import (
    Campaign,
    CampaignState,
    Meter,
)
from vmsapp.scope import Actor
from vmsapp.services.broken_off import TRIES, is_worth_a_try
from vmsapp.services.campaigns.choosing import (
    Alike,
    chosen,
    selected,
)
from vmsapp.services.campaigns.chunks import Asked
from vmsapp.services.campaigns.preview import why_not
from vmsapp.services.campaigns.routes import Routes
from vmsapp.services.campaigns.rows import read
from vmsapp.services.campaigns.standing import Hung, Moved, hung_among, lock
from vmsapp.services.campaigns.writing import leave_out, note_step, write_chunks
from vmsapp.services.job_runs import Work
from vmsapp.services.key_changes.planning import Plan
from vmsapp.services.rows import (
    by_index,
    rows_changed,
    table_of,
)

WINDOW: Final = 20
"""How many chunks' worth of ids are looked through for one chunk."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """What one step did.

    Attributes:
        asked: Chunks that modules are to be asked for; one a module.
        meters: Meters that were looked at.
        last: There are none after these.
    """

    asked: Sequence[Asked]
    meters: int
    last: bool


class _Ready(NamedTuple):
    """What a chunk is to be, looked at without a lock: whoever sells waits for locks alone.

    Attributes:
        campaign: As it was read; the session let go of it.
        ids: Its next meters.
        up_to: Every meter up to this id is among them, or among earlier ones.
        last: There are none after these.
        hung: Those of them that hang.
    """

    campaign: Campaign
    ids: list[int]
    up_to: int
    last: bool
    hung: Hung


@dataclass
class _Sorted:
    """The meters of a chunk by what becomes of them."""

    ways: dict[Plan, list[Alike]] = field(default_factory=lambda: defaultdict(list))
    left_out: list[tuple[Alike, VmsError]] = field(default_factory=list)


@dataclass
class Run:
    """A run of the job that makes a campaign's sets.

    Attributes:
        routes: The plans of its kinds.
        table_set: Name of the STA tables in use.
        size: Meters in a chunk at most.
        done: Meters looked at in this round, by earlier runs too.
    """

    campaign_id: int
    routes: Routes
    table_set: str
    size: int
    done: int


def reserve_chunk(session: Session, actor: Actor, work: Work, run: Run) -> Reserved | None:
    """Reserve the next chunk; what the database broke off is tried again.

    Args:
        session: In the actor's scope, outside any transaction but one that only read.
        actor: Whose campaign it is.
        work: The job that makes it.
        run: How far it is.

    Returns:
        None where the campaign does not run any more.

    Raises:
        LostJob: Another worker took over.
    """
    for tries in range(1, TRIES + 1):
        ready = _look_ahead(session, run)
        end_reading(session)
        if ready is None:
            return None
        try:
            with atomic(session, durable=True):
                reserved = _reserve(session, actor, work, run, ready)
        except Moved:
            if tries == TRIES:
                raise
        except DBAPIError as error:
            if tries == TRIES or not is_worth_a_try(error):
                raise
        else:
            run.done += reserved.meters
            return reserved
    raise AssertionError


def _reserve(session: Session, actor: Actor, work: Work, run: Run, ready: _Ready) -> Reserved:
    by_index(session)
    campaign = ready.campaign
    _move_cursor(session, campaign, ready.up_to)
    found = _sorted(session, run.routes, lock(session, ready.ids, ready.hung))
    asked = write_chunks(session, actor, campaign, found.ways, run.table_set)
    leave_out(session, campaign, found.left_out)
    work.advance(session, run.done + len(ready.ids))
    note_step(session, actor, campaign, asked, found.left_out)
    return Reserved(asked, len(ready.ids), ready.last)


def _look_ahead(session: Session, run: Run) -> _Ready | None:
    """Find out without a lock what can be found out without one.

    Returns:
        None where the campaign does not run any more.
    """
    by_index(session)
    campaign = read(session, run.campaign_id)
    if campaign.state != CampaignState.RUNNING:
        return None
    ids, up_to, last = _next(session, campaign, run.size)
    run.routes.renew(session, ids)
    ready = _Ready(campaign, ids, up_to, last, hung_among(session, ids))
    session.expunge(campaign)
    return ready


def _move_cursor(session: Session, campaign: Campaign, up_to: int) -> None:
    """Lock the campaign and move its cursor, if it still stands as it was read.

    Raises:
        Moved: It does not run any more, or another run of its job was here.
    """
    campaigns = Campaign.__table__.c
    stands = (
        campaigns.id == campaign.id, campaigns.state == CampaignState.RUNNING,
        campaigns.round == campaign.round, campaigns.cursor == campaign.cursor,
    )  # fmt: skip
    moved = update(table_of(Campaign)).where(*stands).values(cursor=up_to)
    if rows_changed(session, moved) != 1:
        raise Moved


def _next(session: Session, campaign: Campaign, size: int) -> tuple[list[int], int, bool]:
    """Find the next meters by their ids, without looking far ahead.

    In its first round a campaign has changed none beyond its cursor, so that is not asked.

    Returns:
        Ids, up to which id was looked, and whether there are none beyond.
    """
    most = session.scalar(select(func.max(Meter.__table__.c.id))) or 0
    until = campaign.cursor + WINDOW * size
    wanted = (selected if campaign.round == 1 else chosen)(session, campaign)
    ids = list(session.scalars(
        select(Meter.id)
        .where(Meter.id > campaign.cursor, Meter.id <= until, *wanted)
        .order_by(Meter.id).limit(size)
    ))  # fmt: skip
    up_to = ids[-1] if len(ids) == size else min(until, most)
    return ids, max(up_to, campaign.cursor), up_to >= most


def _sorted(session: Session, routes: Routes, alike: Sequence[Alike]) -> _Sorted:
    found = _Sorted()
    for meters in alike:
        why = why_not(meters.state, in_change=meters.in_change, busy=meters.busy)
        way = why or routes.of(session, meters.kind, meters.ids[0])
        if isinstance(way, Plan):
            found.ways[way].append(meters)
        else:
            found.left_out.append((meters, way))
    return found
