"""The framework's security manager, with our screens."""

from typing import Any

from flask import current_app, request

from vmsapp.i18n import _l
from vmsapp.models import OfficeUser
from vmsapp.models.user import Role
from vmsapp.security import OfficeSecurityManager
from vmsapp.views.account import ResetMyPasswordView, UserInfoEditView
from vmsapp.views.bearers import SecurityApi
from vmsapp.views.lists import OfficeInterface
from vmsapp.views.second_factor import SecondFactor
from vmsapp.views.sessions import Sessions
from vmsapp.views.sign_in import AuthDBView
from vmsapp.views.user_groups import UserGroups
from vmsapp.views.users import Users


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
