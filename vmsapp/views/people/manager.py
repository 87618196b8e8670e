"""The framework's security manager, with our screens."""

from dataclasses import replace
from typing import Any

from flask import Response, after_this_request, current_app, request

from vmsapp.i18n import _l
from vmsapp.models import OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import Actor
from vmsapp.security import NAME_LENGTH, OfficeSecurityManager
from vmsapp.services.audit.notes import BEARER_RENEWED, BEARER_USED
from vmsapp.views.base import actor, note
from vmsapp.views.lists.pages import OfficeInterface
from vmsapp.views.people.account import ResetMyPasswordView, UserInfoEditView
from vmsapp.views.people.bearers import SecurityApi
from vmsapp.views.people.second_factor import SecondFactor
from vmsapp.views.people.sessions import Sessions
from vmsapp.views.people.sign_in import AuthDBView
from vmsapp.views.people.user_groups import UserGroups
from vmsapp.views.people.users import Users


class ScreensSecurityManager(OfficeSecurityManager):
    """Names the screens of people and passwords."""

    authdbview = AuthDBView
    resetmypasswordview = ResetMyPasswordView
    security_api = SecurityApi
    userinfoeditview = UserInfoEditView
    userdbmodelview = Users
    rolemodelview = UserGroups

    def register_views(self) -> None:
        """Add the doors in and out; guessing the own old password is limited like signing in."""
        self.user_view, self.auth_view = Users, self.authdbview()
        for view in (self.auth_view, self.resetmypasswordview, self.userinfoeditview,
                     SecondFactor, Sessions):  # fmt: skip
            self.appbuilder.add_view_no_menu(view)
        self.appbuilder.add_api(self.security_api)
        if self.is_auth_limited:
            for door in ("AuthDBView", "ResetMyPasswordView", "SecondFactor", "SecurityApi"):
                blueprint = current_app.blueprints[door]
                self.limiter.limit(self.auth_rate_limit, methods=["POST"])(blueprint)
            self.limiter.request_filter(lambda: request.endpoint == "AuthDBView.logout")

    def register_people(self, category: dict[str, Any]) -> None:
        """Add the records of people, in their place in the menu."""
        Users.datamodel, UserGroups.datamodel = OfficeInterface(OfficeUser), OfficeInterface(Role)
        self.user_view = self.appbuilder.add_view(
            Users, "List Users", label=_l("Users"), **category
        )
        self.appbuilder.add_view(UserGroups, "List Roles", label=_l("User groups"), **category)

    def load_user_jwt(self, jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> Any:  # noqa: ANN401 - the framework's
        """Find whose bearer it is, and note that it was used or renewed."""
        user = super().load_user_jwt(jwt_header, jwt_data)
        if user is not None:
            who = _as(user)
            renewed = jwt_data.get("type") == "refresh"

            @after_this_request
            def note_it(response: Response) -> Response:
                note(response, BEARER_RENEWED if renewed else BEARER_USED, who)
                return response

        return user


def _as(user: OfficeUser) -> Actor:
    """The asker, once it is known who it is."""
    return replace(actor(), user_id=user.id, name=user.username[:NAME_LENGTH])
