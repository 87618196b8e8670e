"""Which permissions user groups hold, as the database has it."""

from collections.abc import Collection

from flask_appbuilder.security.sqla.models import Permission as FrameworkPermission
from flask_appbuilder.security.sqla.models import (
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
)
from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session

from vmsapp.security.permissions import EVERYBODY, Permission

holder = assoc_permissionview_role.c.role_id
"""The column that says which group holds a permission."""


def permissions_held(session: Session, groups: ColumnElement[bool]) -> dict[Permission, int]:
    """Read what some groups are permitted, with the id of each permission's row.

    Args:
        session: Where to read it.
        groups: Which groups, as a condition on ``holder``.
    """
    link = assoc_permissionview_role.c
    rows = session.execute(
        select(FrameworkPermission.name, ViewMenu.name, PermissionView.id)
        .join(PermissionView, PermissionView.permission_id == FrameworkPermission.id)
        .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
        .join(assoc_permissionview_role, link.permission_view_id == PermissionView.id)
        .where(groups)
    )
    return {(deed, screen): row for deed, screen, row in rows}


def held_by(session: Session, group_ids: Collection[int]) -> frozenset[Permission]:
    """All that whoever is in these groups may do; who is in none may do nothing."""
    if not group_ids:
        return frozenset()
    return EVERYBODY.union(permissions_held(session, holder.in_(group_ids)))


def rows_of(session: Session, permissions: frozenset[Permission]) -> list[int]:
    """Find the ids of permissions; a screen that this installation lacks has none."""
    return list(
        session.scalars(
            select(PermissionView.id)
            .join(FrameworkPermission, PermissionView.permission_id == FrameworkPermission.id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
            .where(tuple_(FrameworkPermission.name, ViewMenu.name).in_(list(permissions)))
        )
    )
