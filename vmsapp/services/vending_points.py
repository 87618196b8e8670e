"""Vending points: who sells there, closing and reopening, and what keeps one on record."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, literal, not_, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, InvalidInput, NotFound
from vmsapp.extensions import atomic
from vmsapp.models import (
    OfficeUser,
    ReceiptCounter,
    Region,
    Sale,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.scope import Actor, below, unscoped
from vmsapp.services import audit

MOST: Final = 200
"""Vending points a field offers."""


class SellersLeftOutside(InvalidInput):
    """A user's vending point must lie in the user's region."""

    code = "sellers_left_outside"
    message = N_(
        "These users sell here and do not see that region: %(names)s."
        " Give them a wider region or another vending point first."
    )
    field = "region"

    def __init__(self, *, names: Sequence[str]) -> None:
        super().__init__(names=", ".join(names))


class VendingPointSold(Conflict):
    """What was sold stays on record, and where."""

    code = "vending_point_sold"
    message = N_("“%(name)s” has sold tokens, so it stays on record. Close it instead.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class VendingPointHasUsers(Conflict):
    """Users would be left without a vending point."""

    code = "vending_point_has_users"
    message = N_(
        "“%(name)s” was not deleted, because users sell there: %(names)s."
        " Give them another vending point first."
    )

    def __init__(self, *, name: str, names: Sequence[str]) -> None:
        super().__init__(name=name, names=", ".join(names))


def close(session: Session, actor: Actor, point_id: int) -> VendingPoint:
    """Let a vending point sell nothing more; sales under way are settled as ever."""
    with atomic(session):
        point = _locked(session, point_id)
        if point.closed_at is None:
            point.closed_at = now_utc()
            audit.record(
                session, actor, "vending_point.closed", "vending_point", point.id,
                sellers=list(sellers(session, point.id)),
            )  # fmt: skip
        return point


def reopen(session: Session, actor: Actor, point_id: int) -> VendingPoint:
    """Let a vending point sell again."""
    with atomic(session):
        point = _locked(session, point_id)
        if point.closed_at is not None:
            closed, point.closed_at = point.closed_at, None
            audit.record(
                session, actor, "vending_point.reopened", "vending_point", point.id,
                closed_at=closed.isoformat(),
            )  # fmt: skip
        return point


def open_points(session: Session) -> Sequence[VendingPoint]:
    """List the vending points the asker may sell at, by name; an operator has the own one."""
    points = select(VendingPoint).where(VendingPoint.closed_at.is_(None))
    return session.scalars(points.order_by(VendingPoint.name).limit(MOST)).all()


def sellers(session: Session, point_id: int) -> Sequence[str]:
    """Names of the users who sell at a vending point, by name."""
    at = select(OfficeUser.username).where(
        OfficeUser.vending_point_id == point_id, OfficeUser.active
    )
    return session.scalars(at.order_by(OfficeUser.username)).all()


def check_region(session: Session, point: VendingPoint) -> None:
    """Refuse the region a vending point is about to get if its users do not see it.

    Raises:
        SellersLeftOutside: With their names.
    """
    outside = (
        select(OfficeUser.username)
        .join(Region, Region.id == OfficeUser.region_id)
        .where(OfficeUser.vending_point_id == point.id, OfficeUser.all_regions.is_(False))
        .where(not_(below(literal(point.region.path), Region.path)))
        .order_by(OfficeUser.username)
    )
    with unscoped("the rule holds for all users"), session.no_autoflush:
        names = session.scalars(outside).all()
    if names:
        raise SellersLeftOutside(names=names)


def clear(session: Session, point: VendingPoint) -> None:
    """Take away what a vending point has from its first day, so that it can be deleted.

    Raises:
        VendingPointSold, VendingPointHasUsers: It has a history, or people.
    """
    if session.scalar(select(Sale.id).where(Sale.vending_point_id == point.id).limit(1)):
        raise VendingPointSold(name=point.name)
    at = select(OfficeUser.username).where(OfficeUser.vending_point_id == point.id)
    names = session.scalars(at.order_by(OfficeUser.username)).all()
    if names:
        raise VendingPointHasUsers(name=point.name, names=names)
    for model in (VendingPointAccount, ReceiptCounter):
        session.execute(delete(model).where(model.vending_point_id == point.id))


def _locked(session: Session, point_id: int) -> VendingPoint:
    found = session.scalars(
        select(VendingPoint).where(VendingPoint.id == point_id)
        .with_for_update().execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if found is None:
        raise NotFound
    return found
