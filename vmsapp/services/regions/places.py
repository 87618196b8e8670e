"""Users and their places: a user's vending point lies in the user's region."""

from collections.abc import Collection

from sqlalchemy import not_, select
from sqlalchemy.orm import Session, aliased

from vmsapp.models import OfficeUser, Region, VendingPoint
from vmsapp.scope import below, unscoped
from vmsapp.services.regions.errors import UsersLeftOutside


def users_outside(session: Session) -> set[str]:
    """Names of users whose vending point lies outside their region."""
    own, of_point = aliased(Region), aliased(Region)
    outside = (
        select(OfficeUser.username)
        .join(own, own.id == OfficeUser.region_id)
        .join(VendingPoint, VendingPoint.id == OfficeUser.vending_point_id)
        .join(of_point, of_point.id == VendingPoint.region_id)
        .where(not_(below(of_point.path, own.path)), OfficeUser.all_regions.is_(False))
    )
    with unscoped("the rule holds for all users, whoever sees them"):
        return set(session.scalars(outside))


def refuse_users_outside(session: Session, *, but: Collection[str]) -> None:
    """Refuse what was just written if it left users outside who were not so before.

    Raises:
        UsersLeftOutside: With their names.
    """
    left = sorted(users_outside(session).difference(but))
    if left:
        raise UsersLeftOutside(names=left)
