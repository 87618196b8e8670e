"""Taking back meters that an import brought: as if they had never been, while nothing was done.

A meter that was sold to, moved or bound anew since keeps its history and stays.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from vmsapp.models import Meter, MeterInstallation, Sale, ServicePoint, SpentTid, TidHead
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.registration.meter_checks import batches
from vmsapp.services.registration.meter_locks import lock_both, lock_places
from vmsapp.services.rows import referred_to


def locked(session: Session, meter_ids: Collection[int]) -> dict[int, Meter]:
    """Lock those of some meters that are there, with their places, as a sale does.

    From here on nothing is sold to them, so what ``used`` tells holds until the end.
    """
    lock_places(session, meter_ids)
    return {
        meter.id: meter
        for some in batches(set(meter_ids))
        for meter in session.scalars(
            select(Meter).where(Meter.id.in_(some)).order_by(Meter.id)
            .with_for_update().execution_options(populate_existing=True)
        )
    }  # fmt: skip


def used(session: Session, meter_ids: Collection[int]) -> set[int]:
    """Tell which meters have a history: a token, a place they left, or whatever hangs on them."""
    link = MeterInstallation
    # where they hang now goes with them
    found = referred_to(session, Meter, meter_ids, but={link.__tablename__})
    with unscoped("what was done to a meter counts wherever it was"):
        for some in batches(meter_ids):
            spent = select(Meter.id).join(SpentTid, SpentTid.meter_pan == Meter.meter_pan)
            left = select(link.meter_id).where(
                link.meter_id.in_(some), link.removed_at.is_not(None)
            )
            for statement in (spent.where(Meter.id.in_(some)), left):
                found |= set(session.scalars(statement.distinct()))
    return found


def take_back(session: Session, actor: Actor, meter_ids: Sequence[int], batch_id: int) -> None:
    """Delete meters nothing was done to, and the places that were made for them.

    Args:
        session: In the actor's scope, inside ``atomic``.
        actor: Who takes them back.
        meter_ids: None of them ``used``.
        batch_id: Of the import they came with.
    """
    points, meters = lock_both(session, meter_ids)
    for some in batches(meter_ids):
        link = MeterInstallation.meter_id.in_(some)
        session.execute(delete(MeterInstallation).where(link))
    _remove_places(session, [point.id for point in points.values()])
    for pans in batches([meter.meter_pan for meter in meters.values()]):
        # a floor belongs to the number: should the meter come again, it counts again
        session.execute(delete(TidHead).where(TidHead.meter_pan.in_(pans), TidHead.floor == 0))
    numbers = [meter.drn for meter in meters.values()]
    for some in batches(meter_ids):
        session.execute(delete(Meter).where(Meter.id.in_(some)))
    audit.record(
        session, actor, "meter.import_undone", "meter", None, batch=batch_id,
        count=len(numbers), first=numbers[0], last=numbers[-1],
    )  # fmt: skip


def take_off(session: Session, actor: Actor, meter_ids: Sequence[int], batch_id: int) -> set[int]:
    """Take meters that were there before off the places an import made for them.

    Args:
        session: In the actor's scope, inside ``atomic``.
        actor: Who takes them off.
        meter_ids: They hang there still.
        batch_id: Of the import that bound them.

    Returns:
        Those that stay, for something was bought there since.
    """
    points, meters = lock_both(session, meter_ids)
    stays = _bought_at(session, points)
    gone = [key for key in meters if key not in stays]
    link = MeterInstallation
    for some in batches(gone):
        hanging = (link.meter_id.in_(some), link.removed_at.is_(None))
        session.execute(delete(link).where(*hanging))
    _remove_places(session, [points[key].id for key in gone])
    for key in gone:
        meters[key].bound = False
    numbers = [meters[key].drn for key in gone]
    if numbers:
        audit.record(
            session, actor, "meter.import_unbound", "meter", None, batch=batch_id,
            count=len(numbers), first=numbers[0], last=numbers[-1],
        )  # fmt: skip
    return stays


def _bought_at(session: Session, points: Mapping[int, ServicePoint]) -> set[int]:
    """Tell at which places something was bought, by the ids of the meters there."""
    meters = {point.id: key for key, point in points.items()}
    found: set[int] = set()
    with unscoped("what was bought at a place counts wherever it was sold"):
        for some in batches(meters):
            sold = select(Sale.service_point_id).where(Sale.service_point_id.in_(some))
            found |= {meters[place] for place in session.scalars(sold.distinct())}
    return found


def _remove_places(session: Session, point_ids: Sequence[int]) -> None:
    """Remove places where nothing was ever bought and no other meter hung."""
    kept = referred_to(session, ServicePoint, point_ids)
    for some in batches(point_ids):
        gone = [point for point in some if point not in kept]
        session.execute(delete(ServicePoint).where(ServicePoint.id.in_(gone)))
