"""What user groups hold, as the database says now."""

from collections.abc import Collection

from flask_appbuilder.security.sqla.models import Permission as FrameworkPermission
from flask_appbuilder.security.sqla.models import (
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.security.permissions import Permission


def held_by(session: Session, role_ids: Collection[int]) -> frozenset[Permission]:
    """All permissions of some groups, in one statement."""
    if not role_ids:
        return frozenset()
    link = assoc_permissionview_role.c
    rows = session.execute(
        select(FrameworkPermission.name, ViewMenu.name)
        .join(PermissionView, PermissionView.permission_id == FrameworkPermission.id)
        .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
        .join(assoc_permissionview_role, link.permission_view_id == PermissionView.id)
        .where(link.role_id.in_(role_ids))
    )
    return frozenset((deed, screen) for deed, screen in rows)
