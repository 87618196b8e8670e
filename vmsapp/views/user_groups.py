"""User groups: what the people of a group may do."""

from typing import Any

from flask_appbuilder.security.views import RoleModelView
from sqlalchemy import Select

from vmsapp.i18n import _l
from vmsapp.models.user import Role
from vmsapp.views.lists import OfficeListView, names

NOBODY = "Public"
"""The framework's group of people who are not signed in; nothing is open to them."""


def _permissions(group: Role) -> str:
    """List what a group permits, a line for each screen."""
    deeds: dict[str, list[str]] = {}
    for held in group.permissions:
        deed = held.permission.name.removeprefix("can_").replace("_", " ")
        deeds.setdefault(held.view_menu.name, []).append(deed)
    return "\n".join(f"{screen}: {', '.join(sorted(deeds[screen]))}" for screen in sorted(deeds))


class UserGroups(OfficeListView, RoleModelView):
    """What the people of a group may do, to be read."""

    class_permission_name = "RoleModelView"

    list_title = _l("User groups")
    list_columns = names("name")
    order_columns = names("name")
    base_order = ("name", "asc")
    show_columns = names("name permissions")
    label_columns = {"name": _l("Name"), "permissions": _l("Permissions")}
    searched = (Role.name,)
    cells = {"permissions": _permissions}

    def statement(self) -> Select[Any]:
        """All but the one nobody is in."""
        return super().statement().where(Role.name != NOBODY)
