"""How the meters of a chunk stand: looked at before the locks, and again under them.

Whoever sells to one of them waits while they are locked, so there are as few questions under the
locks as can be, each made once in a process.

Source: SALE.md, "9. Lock order".
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from vmsapp.models import Meter, MeterInstallation, Product, ServicePoint
from vmsapp.services.campaigns.choosing import KIND, Alike, being_settled_among, in_change_among
from vmsapp.services.campaigns.terms import Kind
from vmsapp.services.rows import among_named, columns_at_once, run, those
from vmsapp.statements import made_once

IDS, PLACES, PANS = "ids", "places", "pans"
"""Under which names statements are given meters, their places and their MeterPANs."""


class Moved(Exception):
    """What was looked at before the locks is not so any more."""


class Hung(NamedTuple):
    """Meters that hang, in the order of their ids, and the places where they do."""

    meters: Sequence[int]
    places: Sequence[int]


def hung_among(session: Session, ids: Sequence[int]) -> Hung:
    """Tell which meters hang, and where."""
    columns = _hanging(session.get_bind().dialect.name)
    return Hung(*columns_at_once(session, columns, {IDS: those(session, ids)}))


def lock(session: Session, ids: Sequence[int], seen: Hung) -> list[Alike]:
    """Lock places, then meters, and sort them by how they stand under the locks.

    Each table is asked by itself, by what its own index finds: joined, a table of a million rows
    would be read from end to end for every chunk.

    Args:
        session: In a transaction that writes, and finds rows by index.
        ids: Meters, in their order.
        seen: Where they hung when they were looked at.

    Raises:
        Moved: One was bound, unbound or swapped since.
    """
    if not ids:
        return []
    dialect = session.get_bind().dialect.name
    places = those(session, sorted(set(seen.places)))
    run(session, _holding_places(dialect), {PLACES: places}).close()
    rows = run(session, _locking_meters(dialect), {IDS: those(session, ids)}).all()
    pans = [row[1] for row in rows]
    hung, changing, busy = _standing(session, ids, pans)
    if hung != seen:
        raise Moved
    alike: dict[tuple[Any, ...], tuple[list[int], list[str]]] = {}
    for meter_id, pan, *stands in rows:
        mine = alike.setdefault((pan in changing, pan in busy, *stands), ([], []))
        mine[0].append(meter_id)
        mine[1].append(pan)
    return [
        Alike(state, in_change, settling, Kind._make(kind), *meters)
        for (in_change, settling, state, *kind), meters in alike.items()
    ]


def _standing(
    session: Session, ids: Sequence[int], pans: Sequence[str]
) -> tuple[Hung, set[str], set[str]]:
    """Tell of locked meters where they hang, which are in change and to which is being sold."""
    columns = _under_locks(session.get_bind().dialect.name)
    values = {IDS: those(session, ids), PANS: those(session, pans)}
    meters, places, changing, *busy = columns_at_once(session, columns, values)
    return Hung(meters, places), set(changing), set().union(*busy)


@made_once
def _holding_places(dialect: str) -> Select[int]:
    place = ServicePoint.__table__.c
    held = select(place.id).where(among_named(dialect, place.id, PLACES)).order_by(place.id)
    return held.with_for_update(key_share=True)


@made_once
def _locking_meters(dialect: str) -> Select[*tuple[Any, ...]]:
    return (
        select(Meter.id, Meter.meter_pan, Meter.state, *KIND)
        .join(Product, Product.id == Meter.product_id)
        .where(among_named(dialect, Meter.id, IDS)).order_by(Meter.id)
        .with_for_update(of=Meter, key_share=True)
    )  # fmt: skip


@cache
def _hanging(dialect: str) -> tuple[Select[Any], ...]:
    """Ask in the order of the meters which of them hang, and where."""
    link = MeterInstallation.__table__.c
    wanted = (among_named(dialect, link.meter_id, IDS), link.removed_at.is_(None))
    columns = (link.meter_id, link.service_point_id)
    return tuple(select(one).where(*wanted).order_by(link.meter_id) for one in columns)


@cache
def _under_locks(dialect: str) -> tuple[Select[Any], ...]:
    busy = being_settled_among(dialect, PANS)
    return (*_hanging(dialect), in_change_among(dialect, PANS), *busy)
