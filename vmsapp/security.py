"""User groups and what they may do, as data; and the framework's security manager.

A permission is a pair (deed, screen). Ready-made groups are seeded from ``GROUPS``;
an administrator may do everything.
"""

from typing import Any, ClassVar, Final

from flask import abort, current_app, g, session
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.sqla.models import Permission as FrameworkPermission
from flask_appbuilder.security.sqla.models import (
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
)
from flask_appbuilder.security.views import RoleModelView, UserDBModelView, UserGroupModelView
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from vmsapp.extensions import db
from vmsapp.models import OfficeUser
from vmsapp.scope import NOTHING, Actor, Sight, unscoped

Permission = tuple[str, str]

COUNTER: Final = "Counter"
CLOCK: Final = "Clock"

_SIGNED_IN: Final[frozenset[Permission]] = frozenset(
    {
        ("can_this_form_get", "ResetMyPasswordView"),
        ("can_this_form_post", "ResetMyPasswordView"),
        ("can_this_form_get", "UserInfoEditView"),
        ("can_this_form_post", "UserInfoEditView"),
        ("can_userinfo", "UserDBModelView"),
        ("resetmypassword", "UserDBModelView"),
        ("userinfoedit", "UserDBModelView"),
    }
)
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
    "Supervisor": _SIGNED_IN | _SELLS | {("can_give_back", COUNTER)},
    "Operator": _SIGNED_IN | _SELLS,
    "Engineer": _SIGNED_IN | _LOOKS,
    "Auditor": _SIGNED_IN | _LOOKS,
}
"""The ready-made groups but the administrators', who may do everything."""


class _Calm:
    """Answers odd addresses of the framework's lists with "not found" instead of failing."""

    exclude_route_methods: ClassVar[set[str]] = {"download"}
    actions: dict[str, Any]

    def get_action_permission_name(self, name: str) -> Any:  # noqa: ANN401 - the framework's
        """Look up an action; there are no others."""
        if name not in self.actions:
            abort(404)
        return super().get_action_permission_name(name)  # type: ignore[misc]


class Users(_Calm, UserDBModelView):
    """The framework's page of users."""

    class_permission_name = "UserDBModelView"
    exclude_route_methods: ClassVar[set[str]] = {"download", "delete"}  # history stays


class UserGroups(_Calm, RoleModelView):
    """The framework's page of roles, which are our user groups."""

    class_permission_name = "RoleModelView"


class UnusedGroups(_Calm, UserGroupModelView):
    """The framework's second layer of groups."""

    class_permission_name = "UserGroupModelView"


class OfficeSecurityManager(SecurityManager):
    """The framework's security manager with our users."""

    user_model = OfficeUser
    userdbmodelview = Users
    rolemodelview = UserGroups
    groupmodelview = UnusedGroups
    userstatschartview = None  # draws with a script from another host

    def register_views(self) -> None:
        """Register the framework's security pages and limit both doors to sign in."""
        super().register_views()
        blueprint = current_app.blueprints.get("SecurityApi")
        if self.is_auth_limited and blueprint is not None:
            self.limiter.limit(self.auth_rate_limit, methods=["POST"])(blueprint)

    def get_user_by_id(self, pk: int) -> OfficeUser | None:
        """Fetch a user with the groups, and with the region that tells the scope."""
        with unscoped("the scope is not known before the user is"):
            user: OfficeUser | None = db.session.get(
                OfficeUser,
                pk,
                options=[joinedload(OfficeUser.region), selectinload(OfficeUser.roles)],
            )
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

    def on_user_login(self, user: Any) -> None:  # noqa: ANN401 - the framework's hook
        """Start a fresh session in the user's language."""
        super().on_user_login(user)
        session.permanent = True
        if user.language:
            session["locale"] = user.language


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
    user = current_user
    if not user.is_authenticated:
        return Actor(user_id=None, name="anonymous", sight=NOTHING, address=address)
    return Actor(user_id=user.id, name=user.username, sight=sight_of(user), address=address)
