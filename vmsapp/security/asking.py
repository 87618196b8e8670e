"""Who asks: the signed-in user as the actor below the doors."""

from typing import Final

from flask import current_app, g
from flask_login import current_user

from vmsapp.models import OfficeUser, UserSession
from vmsapp.scope import NOTHING, Actor, Sight

TICKET: Final = "ticket"
"""Where a browser's signed cookie keeps the ticket of its session."""

NAME_LENGTH, ADDRESS_LENGTH = 64, 45
"""How much of a user's name and of an address the audit trail keeps."""


def sight_of(user: OfficeUser) -> Sight:
    """Tell what a user may see; without a region nothing, unless everything."""
    if user.all_regions:
        return Sight(everything=True)
    region = user.region
    if region is None:
        return NOTHING
    return Sight(region_path=region.path, vending_point_id=user.vending_point_id)


def current_actor(address: str | None) -> Actor:
    """Make the actor of the signed-in user; anonymous sees nothing."""
    address = address and address[:ADDRESS_LENGTH]
    user = current_user
    if not user.is_authenticated:
        return Actor(user_id=None, name="anonymous", sight=NOTHING, address=address)
    return Actor(
        user_id=user.id,
        name=user.username[:NAME_LENGTH],
        sight=sight_of(user),
        permissions=current_app.extensions["appbuilder"].sm.permissions_of(user),
        address=address,
    )


def current_session() -> UserSession:
    """The session of the signed-in user."""
    current: UserSession = g.user_session
    return current
