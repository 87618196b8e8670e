"""Which permissions user groups hold, as the database has it."""

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from flask_appbuilder.security.sqla.models import Permission as FrameworkPermission
from flask_appbuilder.security.sqla.models import (
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
    assoc_user_role,
)
from sqlalchemy import ColumnElement, ScalarSelect, func, select, tuple_
from sqlalchemy.orm import Session

from vmsapp.models import OfficeUser
from vmsapp.security.permissions import EVERYBODY, Permission

BETWEEN: Final = "\t"
BEHIND: Final = "\n"
"""Stand between the two names of a permission and behind each in a text; names hold neither."""

KEPT: Final = 256
"""Texts a process keeps ready: as many as there are groups of users, or mixtures of them."""

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


def held_as_text() -> ScalarSelect[str]:
    """Select all permissions of the ``OfficeUser`` a statement reads, as one text.

    A request asks for them with its user: as rows they take the driver longer than all else
    that is read of a user.
    """
    each = FrameworkPermission.name + BETWEEN + ViewMenu.name
    link = assoc_permissionview_role.c
    return (
        select(func.aggregate_strings(each, BEHIND))
        .select_from(assoc_user_role)
        .join(assoc_permissionview_role, link.role_id == assoc_user_role.c.role_id)
        .join(PermissionView, PermissionView.id == link.permission_view_id)
        .join(FrameworkPermission, FrameworkPermission.id == PermissionView.permission_id)
        .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
        .where(assoc_user_role.c.user_id == OfficeUser.id)
        .correlate(OfficeUser)
        .scalar_subquery()
    )


@lru_cache(KEPT)
def as_permissions(text: str | None) -> frozenset[Permission]:
    """Read that text, of somebody who is in a group: its permissions, and everybody's."""
    pairs = (one.split(BETWEEN) for one in text.split(BEHIND)) if text else ()
    return EVERYBODY.union((deed, screen) for deed, screen in pairs)


def held_by(session: Session, group_ids: Collection[int]) -> frozenset[Permission]:
    """All that whoever is in these groups may do; who is in none may do nothing."""
    if not group_ids:
        return frozenset()
    return EVERYBODY.union(permissions_held(session, holder.in_(group_ids)))


def held_by_each(
    session: Session, permissions: Collection[Permission]
) -> dict[int, set[Permission]]:
    """Read which of some permissions each group holds, by the group's id."""
    link = assoc_permissionview_role.c
    rows = session.execute(
        select(holder, FrameworkPermission.name, ViewMenu.name)
        .join(PermissionView, PermissionView.id == link.permission_view_id)
        .join(FrameworkPermission, PermissionView.permission_id == FrameworkPermission.id)
        .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
        .where(tuple_(FrameworkPermission.name, ViewMenu.name).in_(list(permissions)))
    )
    found: dict[int, set[Permission]] = {}
    for group, deed, screen in rows:
        found.setdefault(group, set()).add((deed, screen))
    return found


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
