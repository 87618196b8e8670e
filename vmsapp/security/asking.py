"""Who asks: the signed-in user as the actor below the doors."""

from dataclasses import replace
from typing import Final

from flask import current_app, g
from flask_login import current_user
from sqlalchemy.orm import Session, joinedload, selectinload

from vmsapp.errors import NotAllowed
from vmsapp.models import OfficeUser, UserSession
from vmsapp.scope import NOTHING, Actor, Sight, unscoped
from vmsapp.security.groups import ADMINISTRATORS
from vmsapp.security.held import held_by

TICKET: Final = "ticket"
"""Where a browser's signed cookie keeps the ticket of its session."""

NAME_LENGTH, ADDRESS_LENGTH = 64, 45
"""How much of a user's name and of an address the audit trail keeps."""


class NotActing(NotAllowed):
    """A worker was to act for somebody who may not work here any more."""

    code = "not_acting"


def sight_of(user: OfficeUser) -> Sight:
    """Tell what a user may see; without a region nothing, unless everything."""
    if user.all_regions:
        return Sight(everything=True)
    region = user.region
    if region is None:
        return NOTHING
    return Sight(region_path=region.path, vending_point_id=user.vending_point_id, user_id=user.id)


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


def actor_for(session: Session, user_id: int) -> Actor:
    """Make the actor of a user for whom a worker acts: what the user may see now, not then.

    Raises:
        NotActing: The user is gone or may not sign in any more.
    """
    with unscoped("a worker does not know the scope before the user"):
        user = session.get(
            OfficeUser, user_id,
            options=(joinedload(OfficeUser.region), selectinload(OfficeUser.roles)),
            populate_existing=True,
        )  # fmt: skip
        if user is None or not user.active:
            raise NotActing
        permissions = held_by(session, [role.id for role in user.roles])
    name = user.username[:NAME_LENGTH]
    return Actor(user_id=user.id, name=name, sight=sight_of(user), permissions=permissions)


def current_session() -> UserSession:
    """The session of the signed-in user."""
    current: UserSession = g.user_session
    return current


def owes_second_factor(user: OfficeUser) -> bool:
    """Tell whether a user must set up the second factor and has not."""
    asked = current_app.extensions["vms_settings"].second_factor
    if asked == "optional" or user.totp_since is not None:
        return False
    return asked == "everybody" or ADMINISTRATORS in {group.ready_made for group in user.roles}


def as_person(actor: Actor, user: OfficeUser) -> Actor:
    """The same door, opened by a known person."""
    return replace(actor, user_id=user.id, name=user.username[:NAME_LENGTH])
