"""Locks of registration, in the order of a sale: service points, then meters, each by id.

Source: SALE.md, "9. Lock order".
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.models import Meter, MeterInstallation, Sale, SaleState, ServicePoint
from vmsapp.scope import unscoped
from vmsapp.services.engineering import underway
from vmsapp.services.engineering.errors import EngineeringUnderway
from vmsapp.services.key_changes.errors import KeyChangeUnderway
from vmsapp.services.key_changes.in_force import being_made
from vmsapp.services.registration.meter_checks import batches
from vmsapp.services.registration.meter_errors import MeterMoved, MetersBusy
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts import identifiers


def lock_both(
    session: Session, meter_ids: Iterable[int]
) -> tuple[dict[int, ServicePoint], dict[int, Meter]]:
    """Lock meters that the asker sees, and the places where they hang, by the meters' ids.

    Raises:
        NoSuchMeter: One is not there, or out of sight.
        MeterMoved: One was bound, unbound or swapped between the two.
    """
    wanted = set(meter_ids)
    points = lock_places(session, wanted)
    meters = lock_meters(session, wanted)
    if hung(session, wanted) != {number: point.id for number, point in points.items()}:
        raise MeterMoved
    return points, meters


def lock_places(session: Session, meter_ids: Iterable[int]) -> dict[int, ServicePoint]:
    """Lock the service points at which meters hang, by the meters' ids.

    A sale locks its service point first, so from here on none to these meters begins.
    """
    found = hung(session, meter_ids)
    points: dict[int, ServicePoint] = {}
    with unscoped("a place goes with its meter, and that one is seen"):
        for some in batches(set(found.values())):
            locked = session.scalars(
                select(ServicePoint).where(ServicePoint.id.in_(some)).order_by(ServicePoint.id)
                .with_for_update().execution_options(populate_existing=True)
            )  # fmt: skip
            points |= {point.id: point for point in locked}
    return {meter: points[point] for meter, point in found.items()}


def hung(session: Session, meter_ids: Iterable[int]) -> dict[int, int]:
    """Tell at which service points meters hang, by the meters' ids."""
    link = MeterInstallation
    return {
        meter_id: point_id
        for some in batches(meter_ids)
        for meter_id, point_id in session.execute(
            select(link.meter_id, link.service_point_id)
            .where(link.meter_id.in_(some), link.removed_at.is_(None))
        )
    }  # fmt: skip


def lock_meters(session: Session, meter_ids: Iterable[int]) -> dict[int, Meter]:
    """Lock meters that the asker sees, by their ids.

    Raises:
        NoSuchMeter: One is not there, or out of sight.
    """
    wanted = set(meter_ids)
    found = {
        meter.id: meter
        for some in batches(wanted)
        for meter in session.scalars(
            select(Meter).where(Meter.id.in_(some)).order_by(Meter.id)
            .with_for_update().execution_options(populate_existing=True)
        )
    }  # fmt: skip
    if found.keys() != wanted:
        raise NoSuchMeter
    return found


def refuse_busy(session: Session, meters: Iterable[Meter]) -> None:
    """Refuse while a token for one of the meters is being made.

    Raises:
        MetersBusy, KeyChangeUnderway, EngineeringUnderway: Names the first.
    """
    for first in why_busy(session, meters).values():
        raise first


def why_busy(session: Session, meters: Iterable[Meter]) -> dict[int, VmsError]:
    """Tell of which meters a token is being made, by their ids and in that order.

    Under the meters' locks, and those of their places, it stays so: none is begun meanwhile.
    """
    by_id = {meter.id: meter for meter in meters}
    by_pan = {meter.meter_pan: meter for meter in by_id.values()}
    selling, changing, managing = busy(session, by_id.values()), set[str](), set[str]()
    for some in batches(by_pan):
        changing |= being_made(session, some)
        managing |= underway.being_made(session, some)
    found: dict[int, VmsError] = {}
    for pan in managing:
        found[by_pan[pan].id] = EngineeringUnderway(drn=identifiers.drn.format(by_pan[pan].drn))
    for pan in changing:
        number, meter_id = identifiers.drn.format(by_pan[pan].drn), by_pan[pan].id
        found[meter_id] = KeyChangeUnderway(drn=number, meter_id=meter_id)
    for meter_id in selling:
        found[meter_id] = MetersBusy(number=identifiers.drn.format(by_id[meter_id].drn))
    return dict(sorted(found.items()))


def busy(session: Session, meters: Iterable[Meter]) -> set[int]:
    """Tell to which meters a sale is being settled, by their ids."""
    ids = {meter.meter_pan: meter.id for meter in meters}
    sale = Sale.__table__.c
    return {
        ids[pan]
        for some in batches(ids)
        for pan in session.scalars(
            select(sale.meter_pan)
            .where(sale.state == SaleState.PENDING, sale.sealed_at.is_(None))
            .where(sale.meter_pan.in_(some)).distinct()
        )
    }  # fmt: skip
