"""User groups and what they may do, as data; and the framework's security manager.

A permission is a pair (deed, screen). Ready-made groups are seeded from ``GROUPS``;
an administrator may do everything.
"""

from typing import Any, Final

from flask import current_app, session
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_login import current_user
from sqlalchemy.orm import joinedload

from vmsapp.errors import N_
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
        ("menu_access", COUNTER),
        ("menu_access", "Open sales"),
    }
)
_LOOKS: Final[frozenset[Permission]] = frozenset(
    {
        ("can_find", COUNTER),
        ("menu_access", "Vending"),
        ("menu_access", COUNTER),
    }
)

GROUPS: Final[dict[str, frozenset[Permission]]] = {
    "Supervisor": _SIGNED_IN | _SELLS | {("can_give_back", COUNTER)},
    "Operator": _SIGNED_IN | _SELLS,
    "Engineer": _SIGNED_IN | _LOOKS,
    "Auditor": _SIGNED_IN | _LOOKS,
}
"""The ready-made groups but the administrators', who may do everything."""

GROUP_LABELS: Final = {
    "Administrator": N_("Administrator"),
    "Supervisor": N_("Supervisor"),
    "Operator": N_("Operator"),
    "Engineer": N_("Engineer"),
    "Auditor": N_("Auditor"),
}


class OfficeSecurityManager(SecurityManager):
    """The framework's security manager with our users."""

    user_model = OfficeUser
    userstatschartview = None  # draws with a script from another host

    def register_views(self) -> None:
        """Register the framework's security pages and limit both doors to sign in."""
        super().register_views()
        blueprint = current_app.blueprints.get("SecurityApi")
        if self.is_auth_limited and blueprint is not None:
            self.limiter.limit(self.auth_rate_limit, methods=["POST"])(blueprint)

    def get_user_by_id(self, pk: int) -> OfficeUser | None:
        """Fetch a user with the region that tells the scope."""
        with unscoped("the scope is not known before the user is"):
            user: OfficeUser | None = db.session.get(
                OfficeUser, pk, options=[joinedload(OfficeUser.region)]
            )
        return user

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
