"""Who holds a permission, asked of the database: for those who are not at the browser."""

from flask_appbuilder.security.sqla.models import Permission as FrameworkPermission
from flask_appbuilder.security.sqla.models import (
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
    assoc_user_role,
)
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from vmsapp.models import OfficeUser
from vmsapp.scope import unscoped
from vmsapp.security.permissions import Permission


def holders(session: Session, *permissions: Permission) -> set[int]:
    """List the ids of the active users who hold every one of some permissions."""
    found = rights_of_holders(session, *permissions)
    return {user_id for user_id, has in found.items() if has >= set(permissions)}


def rights_of_holders(session: Session, *permissions: Permission) -> dict[int, set[Permission]]:
    """Tell which of some permissions each active user holds; who holds none is left out."""
    held, given = assoc_user_role.c, assoc_permissionview_role.c
    wanted = or_(
        *(
            and_(FrameworkPermission.name == deed, ViewMenu.name == screen)
            for deed, screen in permissions
        )
    )
    with unscoped("what somebody may do does not hang on who asks"):
        rows = session.execute(
            select(OfficeUser.id, FrameworkPermission.name, ViewMenu.name)
            .join(assoc_user_role, held.user_id == OfficeUser.id)
            .join(assoc_permissionview_role, given.role_id == held.role_id)
            .join(PermissionView, PermissionView.id == given.permission_view_id)
            .join(FrameworkPermission, FrameworkPermission.id == PermissionView.permission_id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
            .where(OfficeUser.active, wanted)
        )
    found: dict[int, set[Permission]] = {}
    for user_id, deed, screen in rows:
        found.setdefault(user_id, set()).add((deed, screen))
    return found
