"""First phase of a chunk: choose, lock, check again, write every input down.

The locks are those of a sale, in its order, and are held for one transaction. Each meter of the
chunk gets a reserved key change, or a reason why not; cursor and job are moved on with them, so
that a worker may die anywhere.

Source: SALE.md, "9. Lock order", "10. Key change".
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.models import (
    Campaign,
    CampaignState,
    Meter,
    MeterInstallation,
    Product,
    ServicePoint,
)
from vmsapp.scope import Actor
from vmsapp.services.broken_off import TRIES, is_worth_a_try
from vmsapp.services.campaigns.choosing import (
    KIND,
    Alike,
    being_settled_among,
    chosen,
    in_change_among,
    selected,
)
from vmsapp.services.campaigns.chunks import Asked
from vmsapp.services.campaigns.preview import why_not
from vmsapp.services.campaigns.routes import Routes
from vmsapp.services.campaigns.rows import locked
from vmsapp.services.campaigns.terms import Kind
from vmsapp.services.campaigns.writing import leave_out, note_step, write_chunks
from vmsapp.services.job_runs import Work
from vmsapp.services.key_changes.planning import Plan
from vmsapp.services.rows import among, by_index, hold

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


class _Moved(Exception):
    """A meter was bound, unbound or swapped while this waited for its place."""


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
        try:
            with atomic(session, durable=True):
                reserved = _reserve(session, actor, work, run)
        except _Moved:
            if tries == TRIES:
                raise
        except DBAPIError as error:
            if tries == TRIES or not is_worth_a_try(error):
                raise
        else:
            run.done += reserved.meters if reserved else 0
            return reserved
    raise AssertionError


def _reserve(session: Session, actor: Actor, work: Work, run: Run) -> Reserved | None:
    by_index(session)
    campaign = locked(session, run.campaign_id)
    if campaign.state != CampaignState.RUNNING:
        return None
    ids, up_to, last = _next(session, campaign, run.size)
    found = _sorted(session, run.routes, _locked(session, ids))
    asked = write_chunks(session, actor, campaign, found.ways, run.table_set)
    leave_out(session, campaign, found.left_out)
    campaign.cursor = up_to
    work.advance(session, run.done + len(ids))
    note_step(session, actor, campaign, asked, found.left_out)
    return Reserved(asked, len(ids), last)


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


def _locked(session: Session, ids: Sequence[int]) -> list[Alike]:
    """Lock places, then meters, and sort them by how they stand under the locks.

    Each table is asked by itself, by what its own index finds: joined, a table of a million rows
    would be read from end to end for every chunk.

    Raises:
        _Moved: One was bound, unbound or swapped between the two.
    """
    if not ids:
        return []
    hung = _hung(session, ids)
    _lock_places(session, sorted(set(hung[1])))
    rows = session.execute(
        select(Meter.id, Meter.meter_pan, Meter.state, *KIND)
        .join(Product, Product.id == Meter.product_id)
        .where(among(session, Meter.id, ids)).order_by(Meter.id)
        .with_for_update(of=Meter, key_share=True)
    ).all()  # fmt: skip
    if _hung(session, ids) != hung:
        raise _Moved
    pans = [row[1] for row in rows]
    changing, busy = in_change_among(session, pans), being_settled_among(session, pans)
    alike: dict[tuple[Any, ...], tuple[list[int], list[str]]] = {}
    for meter_id, pan, *stands in rows:
        mine = alike.setdefault((pan in changing, pan in busy, *stands), ([], []))
        mine[0].append(meter_id)
        mine[1].append(pan)
    return [
        Alike(state, in_change, settling, Kind._make(kind), *meters)
        for (in_change, settling, state, *kind), meters in alike.items()
    ]


def _hung(session: Session, ids: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Tell which meters hang, and at which places: two columns, in the order of the meters.

    PostgreSQL gives each as one array: row by row the driver takes longer than the database.
    """
    link = MeterInstallation.__table__.c
    columns, hangs = (link.meter_id, link.service_point_id), link.removed_at.is_(None)
    wanted = (among(session, link.meter_id, ids), hangs)
    if session.get_bind().dialect.name == "postgresql":
        arrays = [func.array_agg(aggregate_order_by(column, link.meter_id)) for column in columns]
        found = session.execute(select(*arrays).where(*wanted)).one()
        return found[0] or [], found[1] or []
    rows = session.execute(select(*columns).where(*wanted).order_by(link.meter_id)).all()
    return [row[0] for row in rows], [row[1] for row in rows]


def _lock_places(session: Session, ids: Sequence[int]) -> None:
    place = ServicePoint.__table__.c
    held = select(place.id).where(among(session, place.id, ids)).order_by(place.id)
    hold(session, held.with_for_update(key_share=True))


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
