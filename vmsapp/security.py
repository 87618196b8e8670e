"""User groups and what they may do, as data; and the framework's security manager.

A permission is a pair (deed, screen). Ready-made groups are seeded from ``GROUPS``;
an administrator may do everything.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from flask import Response, after_this_request, current_app, g, session
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.sqla.models import Permission as FrameworkPermission
from flask_appbuilder.security.sqla.models import (
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
)
from flask_login import current_user
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, db
from vmsapp.models import OfficeUser, UserSession
from vmsapp.models.user_session import SEEN_EVERY, hash_of
from vmsapp.scope import NOTHING, Actor, Sight, unscoped

log = logging.getLogger(__name__)

Permission = tuple[str, str]

COUNTER: Final = "Counter"
CLOCK: Final = "Clock"
SESSIONS: Final = "Sessions"

TICKET: Final = "ticket"
"""Where a browser's signed cookie keeps the ticket of its session."""

NAME_LENGTH, ADDRESS_LENGTH = 64, 45
"""How much of a user's name and of an address the audit trail keeps."""

_PLACE: Final = (joinedload(OfficeUser.region), joinedload(OfficeUser.roles))
"""What is read with a user, in the same statement: the region tells the scope."""

_SIGNED_IN: Final[frozenset[Permission]] = frozenset(
    {
        ("can_this_form_get", "ResetMyPasswordView"),
        ("can_this_form_post", "ResetMyPasswordView"),
        ("can_this_form_get", "UserInfoEditView"),
        ("can_this_form_post", "UserInfoEditView"),
        ("can_userinfo", "UserDBModelView"),
        ("can_end", SESSIONS),
        ("resetmypassword", "UserDBModelView"),
        ("userinfoedit", "UserDBModelView"),
    }
)
_FINDS: Final[frozenset[Permission]] = frozenset(
    {
        *((deed, screen) for screen in ("Consumers", "Meters", "Sales", "Regions")
          for deed in ("can_list", "can_show")),
        ("can_list", "Products"),
        ("menu_access", "Vending"),
        ("menu_access", "Sales list"),
        ("menu_access", "Registration"),
        ("menu_access", "Consumers list"),
        ("menu_access", "Meters list"),
    }
)  # fmt: skip
"""What everybody may look up within the own scope; the searching fields ask for it, too."""

_SELLS: Final[frozenset[Permission]] = frozenset(
    {
        ("can_find", COUNTER),
        ("can_sell", COUNTER),
        ("can_receipt", COUNTER),
        ("menu_access", "Vending"),
        ("menu_access", "Vending counter"),
        ("menu_access", "Open sales"),
    }
)
_LOOKS: Final[frozenset[Permission]] = frozenset(
    {
        ("can_find", COUNTER),
        ("menu_access", "Vending"),
        ("menu_access", "Vending counter"),
    }
)

GROUPS: Final[dict[str, frozenset[Permission]]] = {
    "Supervisor": _SIGNED_IN | _FINDS | _SELLS | {("can_give_back", COUNTER)},
    "Operator": _SIGNED_IN | _FINDS | _SELLS,
    "Engineer": _SIGNED_IN | _FINDS | _LOOKS,
    "Auditor": _SIGNED_IN | _FINDS | _LOOKS,
}
"""The ready-made groups but the administrators', who may do everything."""


class OfficeSecurityManager(SecurityManager):
    """The framework's security manager with our users."""

    user_model = OfficeUser
    userstatschartview = None  # draws with a script from another host

    def get_user_by_id(self, pk: int) -> OfficeUser | None:
        """Fetch a user with the groups and the region."""
        with unscoped("the scope is not known before the user is"):
            user: OfficeUser | None = db.session.get(OfficeUser, pk, options=_PLACE)
        return user

    def load_user(self, pk: str) -> OfficeUser | None:
        """Find whose browser asks: the ticket in its cookie tells, if its session is live."""
        ticket = session.get(TICKET)
        if ticket is None:
            return None
        now, idle = now_utc(), current_app.permanent_session_lifetime
        with unscoped("the scope is not known before the user is"):
            found = (
                db.session.execute(
                    select(OfficeUser, UserSession)
                    .join(UserSession, UserSession.user_id == OfficeUser.id)
                    .where(UserSession.ticket_hash == hash_of(ticket))
                    .where(
                        UserSession.live_at(now, idle),
                        OfficeUser.active,
                    )
                    .options(*_PLACE)
                )
                .unique()
                .one_or_none()
            )
        if found is None:
            return None
        user: OfficeUser = found[0]
        g.user_session = found[1]
        if now - g.user_session.seen_at >= SEEN_EVERY:
            _once_answered(_note_use, db.engine, g.user_session.id, now)
        return user

    def load_user_jwt(self, _jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> Any:  # noqa: ANN401 - the framework's
        """Find whose bearer it is; a bearer has no session here."""
        user = self.get_user_by_id(int(jwt_data["sub"]))
        if user is None or not user.active:
            return None
        g.user = user  # the framework's own step
        return user

    def get_user_roles(self, user: Any) -> list[Any]:  # noqa: ANN401 - the framework's
        """List a user's groups; the framework's second layer of groups is not used."""
        return list(user.roles) if user.is_authenticated else []

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        """Nothing but the sign-in page is public, and that page does not ask."""
        return False

    def exist_permission_on_roles(
        self, view_name: str, permission_name: str, role_ids: list[int]
    ) -> bool:
        """Tell whether one of the groups holds a permission."""
        return (permission_name, view_name) in self._granted(role_ids)

    def _get_user_permission_view_menus(
        self,
        user: Any,  # noqa: ANN401 - the framework's
        permission_name: str,
        view_menus_name: list[str],
    ) -> set[str]:
        """List the screens on which a user holds a permission: what the menu asks."""
        roles = [] if user is None else self.get_user_roles(user)
        granted = self._granted([role.id for role in roles])
        return {screen for deed, screen in granted if deed == permission_name}

    def _granted(self, role_ids: list[int]) -> frozenset[Permission]:
        """All permissions of some groups, read once a request."""
        known: dict[tuple[int, ...], frozenset[Permission]] = g.setdefault("granted", {})
        ids = tuple(sorted(role_ids))
        if ids not in known:
            known[ids] = self._read_permissions(ids)
        return known[ids]

    def _read_permissions(self, role_ids: tuple[int, ...]) -> frozenset[Permission]:
        if not role_ids:
            return frozenset()
        link = assoc_permissionview_role.c
        rows = db.session.execute(
            select(FrameworkPermission.name, ViewMenu.name)
            .join(PermissionView, PermissionView.permission_id == FrameworkPermission.id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
            .join(assoc_permissionview_role, link.permission_view_id == PermissionView.id)
            .where(link.role_id.in_(role_ids))
        )
        return frozenset((deed, screen) for deed, screen in rows)


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
    name = user.username[:NAME_LENGTH]
    return Actor(user_id=user.id, name=name, sight=sight_of(user), address=address)


def current_session() -> UserSession:
    """The session of the signed-in user."""
    current: UserSession = g.user_session
    return current


def _once_answered(deed: Callable[..., None], *args: object) -> None:
    """Do something when the answer is out, so that nobody waits for it."""

    @after_this_request
    def put_off(response: Response) -> Response:
        response.call_on_close(lambda: deed(*args))
        return response


def _note_use(engine: Engine, session_id: int, moment: datetime) -> None:
    """Write down that a session was used, in a short transaction of its own."""
    try:
        with Session(engine) as own, atomic(own):
            own.execute(
                update(UserSession)
                .where(UserSession.id == session_id, UserSession.seen_at < moment)
                .values(seen_at=moment)
            )
    except SQLAlchemyError:
        log.warning("the last use of session %s was not noted", session_id, exc_info=True)
